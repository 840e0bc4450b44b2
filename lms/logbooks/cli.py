"""Logbooks from the command line."""

from lms.logbooks import queries, rules
from lms.logbooks.queries.frameworks import all_frameworks, framework_document
from lms.logbooks.rules import framework_documents as documents


def verify(enrolment_id: str) -> int:
    """Check a whole logbook; 0 when every link holds, 1 when one is broken, 2 when there is no such enrolment."""
    enrolment = queries.enrolment_to_verify(enrolment_id)
    if enrolment is None:
        print(f"lms: no enrolment {enrolment_id}")
        return 2
    verdict = queries.verify(enrolment.id)
    for broken in verdict.broken:
        where = (
            f"entry {broken.entry}, version {broken.revision}" if broken.entry else f"event {broken.revision}"
        )
        if broken.assessment:
            where = f"assessment {broken.assessment}"
        print(f"BROKEN {where}: {rules.LINKS[broken.link]}")
    print(
        f"{verdict.entries} entries, {verdict.signatures} signatures, {verdict.events} events in the trail: "
        + ("every link holds" if not verdict.broken else f"{len(verdict.broken)} broken")
    )
    return 1 if verdict.broken else 0


def frameworks(public_id: str = "") -> int:
    """List the published frameworks, or write one of them as a file to standard output; 2 when there is no such one."""
    if not public_id:
        for row in all_frameworks():
            print(f"{row.public_id}  {row.code} {row.version}  {row.published_at:%Y-%m-%d}  {row.title_en}")
        return 0
    found = framework_document(public_id)
    if found is None:
        print(f"lms: no framework {public_id}")
        return 2
    document, version = found
    print(documents.written(document, version=version).decode(), end="")
    return 0
