"""What of a course can be carried to another cohort: tests that are there too, dates by the shift of the beginning, sources.

A test belongs to its cohort. A course file names it by its code (the public id) and its titles; it is found again by the code
where it comes back to the same cohort, else by the same titles and purpose. What is not found is left out, by name.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date
from typing import Any, Protocol

from lms.core.errors import RuleBroken
from lms.courses.rules import release

PURPOSES = {"test": "exam", "checkpoint": "practice"}


class There(Protocol):
    """A test of the cohort that a course is made for."""

    @property
    def ref(self) -> str:
        """Its public id."""

    @property
    def title_zh(self) -> str:
        """Title."""

    @property
    def title_en(self) -> str:
        """Title."""

    @property
    def purpose(self) -> str:
        """``exam`` or ``practice``."""


@dataclass(frozen=True)
class Lost:
    """Something that cannot be carried."""

    kind: str
    """``test`` (nothing leads to it), ``score`` (nothing waits for its result), ``date`` (nothing waits for the day)."""
    title_zh: str
    title_en: str
    """Of the test or of the thing that waited."""
    detail: str = ""
    """Of a date: the day."""


@dataclass(frozen=True)
class Plan:
    """How a course file becomes a course of one cohort."""

    tests: Mapping[str, str]
    """Code in the file → public id here."""
    shift_days: int | None
    """By how many days dates move; None where the file does not say when its cohort began."""
    lost: Sequence[Lost] = field(default=())


def plan(manifest: Mapping[str, Any], *, begins: date, tests: Iterable[There]) -> Plan:
    """What can be carried to a cohort that begins on a day and has these tests."""
    here = list(tests)
    by_code = {one.ref: one for one in here}
    found: dict[str, str] = {}
    for one in manifest["tests"]:
        same = by_code.get(one["ref"])
        alike = [
            other
            for other in here
            if (other.title_zh, other.title_en, other.purpose)
            == (one["title_zh"], one["title_en"], one["purpose"])
        ]
        if same is not None and same.purpose == one["purpose"]:
            found[one["ref"]] = same.ref
        elif len(alike) == 1:
            found[one["ref"]] = alike[0].ref
    began = manifest.get("begins")
    shift = (begins - date.fromisoformat(began)).days if began else None
    return Plan(found, shift, tuple(_lost(manifest, found, shift)))


def _lost(manifest: Mapping[str, Any], found: Mapping[str, str], shift: int | None) -> Iterator[Lost]:
    titles = {one["ref"]: one for one in manifest["tests"]}
    told: set[tuple[str, str]] = set()
    for item in (item for module in manifest["modules"] for item in module["items"]):
        if item["kind"] in PURPOSES and item["test"] not in found:
            yield Lost("test", item["title_zh"], item["title_en"])
        for leaf in _leaves(item["release"]):
            if "score" in leaf and leaf["score"] not in found:
                test = titles.get(leaf["score"])
                if ("score", leaf["score"]) not in told:
                    told.add(("score", leaf["score"]))
                    yield Lost(
                        "score",
                        item["title_zh"],
                        item["title_en"],
                        f"{test['title_zh']} / {test['title_en']}" if test else "",
                    )
            elif "from" in leaf and shift is None:
                yield Lost("date", item["title_zh"], item["title_en"], str(leaf["from"]))


def _leaves(condition: Any) -> Iterator[Mapping[str, Any]]:
    """As far as the condition makes sense; what does not is refused where it is set."""
    try:
        yield from list(release.leaves(condition))
    except (RuleBroken, TypeError, AttributeError):
        return
