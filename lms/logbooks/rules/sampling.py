"""The monthly audit sample: one entry in twenty, drawn so that everybody can draw it again and nobody can choose it."""

import hashlib
from collections.abc import Collection, Iterable
from datetime import date, timedelta

from lms.core.errors import RuleBroken
from lms.core.i18n import _, lazy

SHARE_PERCENT = 5
"""L12. At least one entry of a month in which anything was signed."""

OUTCOMES: dict[str, str] = {
    "found": lazy("Found"),
    "not_found": lazy("Not found"),
    "differs": lazy("Differs"),
}

CHECKED_WITHIN = timedelta(days=14)
"""After the draw; then those who check are reminded every week."""
REMINDS_UNTIL = timedelta(days=91)


def first_of(day: date) -> date:
    """The first day of the month."""
    return day.replace(day=1)


def month_before(day: date) -> date:
    """The first day of the month before."""
    return first_of(first_of(day) - timedelta(days=1))


def size_of(population: int) -> int:
    """How many of so many are drawn, rounded up.

    >>> [size_of(number) for number in (0, 1, 20, 21, 400)]
    [0, 1, 1, 2, 20]
    """
    return -(-population * SHARE_PERCENT // 100)


def seed_of(*, root: str, programme: str, month: date) -> str:
    """The seed of a month: SHA-256 over the seal of the audit trail that closes it, the programme and the month."""
    return hashlib.sha256(f"audit sample\n{programme}\n{month:%Y-%m}\n{root}".encode()).hexdigest()


def population_digest(entries: Iterable[str]) -> str:
    """SHA-256 over the public ids of the entries, sorted, one a line."""
    return hashlib.sha256("".join(f"{one}\n" for one in sorted(entries)).encode()).hexdigest()


def drawn(entries: Collection[str], seed: str) -> list[str]:
    """The sample: the entries whose SHA-256 together with the seed is smallest, whatever order they are given in."""

    def place(entry: str) -> str:
        return hashlib.sha256(f"{seed}\n{entry}".encode()).hexdigest()

    return sorted(entries, key=place)[: size_of(len(entries))]


def require_check(outcome: str, words: str) -> None:
    """A known outcome; words where the record says otherwise."""
    if outcome not in OUTCOMES:
        raise RuleBroken("outcome_missing", _("Choose what you found."), field="outcome")
    if outcome != "found" and not words:
        raise RuleBroken("words_missing", _("Say what the ward’s record says."), field="words")
