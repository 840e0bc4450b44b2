"""Assessments from the command line."""

import csv
import json
import sys

from lms.assessments import queries
from lms.assessments.psychometrics.answers import ENGINE_VERSION
from lms.assessments.psychometrics.listing import HEADS, lines
from lms.core.errors import NotFound


def statistics(public_id: str, *, as_csv: bool) -> int:
    """Print the numbers of a test over the results there are now, as JSON or as one table; 2 if there are none."""
    from lms.assessments.psychometrics.report import report

    try:
        data = queries.data_now(public_id)
    except NotFound:
        print(f"lms: there is no test {public_id} with a marked sitting", file=sys.stderr)
        return 2
    found = report(data.answers)
    facts = {
        "n": found["n"],
        "left_out": data.left_out,
        "data_sha256": data.sha256,
        "engine_version": ENGINE_VERSION,
    }
    if as_csv:
        table = csv.writer(sys.stdout)
        table.writerow(HEADS)
        table.writerows(lines(found, facts, keys=True, pairs=True))
    else:
        print(json.dumps({**facts, "report": found}, ensure_ascii=False))
    return 0
