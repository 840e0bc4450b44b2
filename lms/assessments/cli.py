"""Assessments from the command line."""

import csv
import json
import sys
from pathlib import Path

from lms.assessments import queries, services
from lms.assessments.psychometrics.answers import ENGINE_VERSION
from lms.assessments.psychometrics.listing import HEADS, lines
from lms.assessments.rules import receipts
from lms.core.digests import read_public_pem
from lms.core.errors import NotFound, RuleBroken


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


FAULTS = {
    "other_key": "not valid: signed by another key than this one",
    "altered": "not valid: the file was changed after it was signed",
    "unknown_sitting": "not valid: this site has no such sitting",
    "events_missing": "not valid: answers that it counts are no longer in the database",
    "events_changed": "not valid: answers were changed in the database after it was given",
    "form_changed": "not valid: the paper is another one than when it was given",
    "other_receipt": "not valid: the site gave another receipt for this sitting",
}


def receipt(file: Path, *, key: Path | None = None, with_site: bool = False) -> int:
    """Check a receipt by a public key, and against the answers where the site is at hand; 0 valid, 1 not, 2 unreadable."""
    try:
        data = file.read_bytes()
        pem = key.read_bytes() if key is not None else services.receipts_key()
    except OSError as problem:
        print(f"lms: {problem.strerror}: {problem.filename}", file=sys.stderr)
        return 2
    try:
        public_key = read_public_pem(pem)
    except ValueError:
        print(f"lms: {key} is no public key of receipts", file=sys.stderr)
        return 2
    try:
        code = receipts.fault(data, public_key=public_key)
        if code is None and with_site:
            code = queries.receipt_fault(data)
    except RuleBroken:
        print(f"lms: {file} is no receipt", file=sys.stderr)
        return 2
    scope = "the answers in the database agree" if with_site else "the database was not asked"
    print(f"{file.name}: {FAULTS[code] if code else f'valid: signed by this key; {scope}'}")
    return 1 if code else 0
