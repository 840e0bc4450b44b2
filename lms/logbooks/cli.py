"""Logbooks from the command line."""

from lms.logbooks import queries, rules


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
