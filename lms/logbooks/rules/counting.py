"""How far a trainee is with one item: counted by facets that are independent of each other, and what is missing in one sentence.

Nothing here is stored: whoever asks gets it worked out anew from signed entries. *Achieved* follows from the numbers;
*approved* is a decision of people and is made elsewhere.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from typing import Any

from lms.core.i18n import _, pick
from lms.logbooks.rules.content import (
    AGE_BANDS,
    COMPLICATIONS,
    DIFFICULTIES,
    GESTATION_BANDS,
    KINDS,
    MODES,
    ROLES,
    ROUTES,
    SETTINGS,
    SHIFTS,
    WEIGHT_BANDS,
    Content,
)

MIN_LEVEL = 3
"""O-SCORE of an observation that counts, unless the item says otherwise. It is no level of ten Cate's: the two scales never mix."""

OBSERVERS = 2
"""Different signers, unless the item says otherwise: one pair of eyes is not reliable (g-theory, clinical.md finding 4)."""

_WORDS: Mapping[str, Mapping[str, str]] = {
    "age_band": AGE_BANDS,
    "gestation_band": GESTATION_BANDS,
    "weight_band": WEIGHT_BANDS,
    "setting": SETTINGS,
    "shift": SHIFTS,
    "mode": MODES,
    "operator_role": ROLES,
    "kind": KINDS,
    "device_route": ROUTES,
    "difficulty": DIFFICULTIES,
    "complication": COMPLICATIONS,
}
_PARTS = {"": 0, "O": 0, "A": 1, "S_TS": 2, "S_TU": 3, "P": 4, "T": 4}
"""Parts of the trainee by how much of it was theirs; who teaches it has done it alone."""


@dataclass(frozen=True)
class Evidence:
    """One signed entry of an item, as far as counting asks. Voided and superseded ones are none."""

    id: int
    performed_on: date
    content: Content
    level: int
    signer: int
    signer_role: str = ""
    """``mentor``, ``second``, ``deputy`` …"""


@dataclass(frozen=True)
class Facet:
    """One tally beside the count; an entry may serve several."""

    dim: str
    """A band, setting, shift or role of the entry, ``diagnosis``, ``attempts``, ``observer`` or ``observer_role``."""
    at_least: int
    of: tuple[str, ...] = ()
    """Values that count; empty: any that was given."""
    distinct: bool = False
    """Different values are counted, not entries."""
    at_most: int | None = None
    """For ``attempts``: no more than so many."""
    zh: str = ""
    en: str = ""
    """What it asks for in words, where codes do not say it well."""


@dataclass(frozen=True)
class Requirement:
    """What an item asks of one track."""

    min_count: int = 0
    min_level: int = MIN_LEVEL
    max_simulated: int = 0
    """L10: simulations above this number count nothing."""
    plus_simulated: int = 0
    """Simulations asked for beside the real ones."""
    facets: tuple[Facet, ...] = ()
    min_success_percent: int = 0
    window_days: int = 0
    """Only entries of the last so many days; 0: all."""
    currency_days: int = 0
    """The latest one that counts may not be older; 0: it does not grow old."""
    distinct_days: int = 0
    distinct_weeks: int = 0
    observed: bool = False
    """Watching is enough."""
    min_role: str = ""
    """The least part in the procedure that counts; empty: any but watching. Beside it the O-SCORE stays what it is."""

    @property
    def asks(self) -> bool:
        """Whether it names a number at all."""
        return self.min_count > 0


def requirement_of(targets: Mapping[str, Any], rule: Mapping[str, Any], track: str) -> Requirement:
    """What the framework's data say for a track: its targets, and the facets of the item."""
    target = {**rule.get("requirement", {}), **targets.get(track, {})}
    role = target.get("role") or ("A" if target.get("assist") else "")
    count, observed = int(target.get("min_count", 0)), bool(target.get("observed", False)) or role == "O"
    facets = tuple(
        Facet(
            dim=one["dim"],
            at_least=int(one["at_least"]),
            of=tuple(one.get("of", ())),
            distinct=bool(one.get("distinct", False)),
            at_most=one.get("at_most"),
            zh=one.get("zh", ""),
            en=one.get("en", ""),
        )
        for one in (target.get("facets") or rule.get("facets", ()))
    )
    if count > 1 and not any(facet.dim == "observer" for facet in facets):
        facets += (Facet("observer", OBSERVERS, distinct=True),)
    spread = target.get("spread", {})
    return Requirement(
        min_count=count,
        min_level=int(target.get("min_level", 1 if observed or target.get("level") == 1 else MIN_LEVEL)),
        max_simulated=int(target.get("max_simulated", 0)),
        plus_simulated=int(target.get("plus_simulated", 0)),
        facets=facets if count else (),
        min_success_percent=int(target.get("min_success_percent", 0)),
        window_days=int(target.get("window_days", 0)),
        currency_days=int(target.get("currency_days", 0)),
        distinct_days=int(spread.get("distinct_days", 0)),
        distinct_weeks=int(spread.get("distinct_weeks", 0)),
        observed=observed,
        min_role=role,
    )


@dataclass(frozen=True)
class Tally:
    """How far one facet is."""

    what: str
    have: int
    need: int
    in_numbers: bool = True
    """Whether it makes sense to say how many more."""

    @property
    def missing(self) -> int:
        """How many more."""
        return max(self.need - self.have, 0)


@dataclass(frozen=True)
class Cell:
    """How far a trainee is with one item."""

    counted: int
    """Entries that count towards the number, simulations up to their cap."""
    exposure: int
    """Everything signed, failures and simulations too."""
    tallies: tuple[Tally, ...]
    latest_level: int | None
    asks: bool

    @property
    def achieved(self) -> bool:
        """Whether every number is met. Derived, never stored; an approval it is not."""
        return self.asks and not any(tally.missing for tally in self.tallies)

    @property
    def status(self) -> str:
        """``none``, ``begun`` (under half), ``half``, ``achieved``."""
        if self.achieved:
            return "achieved"
        if not self.exposure:
            return "none"
        need = self.tallies[0].need if self.tallies else 0
        return "half" if need and 2 * self.counted >= need else "begun"

    @property
    def missing(self) -> str:
        """What is missing, in one sentence; empty where nothing is."""
        found = [
            _("%(what)s (%(num)s more)", what=tally.what, num=tally.missing)
            if tally.in_numbers
            else tally.what
            for tally in self.tallies
            if tally.missing
        ]
        return _("Still missing: %(what)s.", what=_("; ").join(found)) if found and self.asks else ""


def counts(one: Evidence, requirement: Requirement, *, today: date) -> bool:
    """Whether an entry counts towards competence: level, window, mode, part; a failure is experience, never competence (L9)."""
    facts = one.content
    return (
        one.level >= requirement.min_level
        and facts.success != "no"
        and facts.mode != "observed_broadcast"
        and (requirement.observed or facts.operator_role != "O")
        and (requirement.min_role in _ANY_PART or _part_suffices(facts.operator_role, requirement.min_role))
        and (
            not requirement.window_days or one.performed_on > today - timedelta(days=requirement.window_days)
        )
    )


_ANY_PART = frozenset({"", "O", "A"})
"""To assist is the least part beside watching, which is asked for by itself."""


def _part_suffices(given: str, wanted: str) -> bool:
    return _PARTS.get(given, 0) >= _PARTS.get(wanted, 0)


def is_simulated(one: Evidence) -> bool:
    """Whether it was done on a manikin."""
    return one.content.mode == "simulation" or one.content.setting == "simulation"


def progress(evidence: Iterable[Evidence], requirement: Requirement, *, today: date) -> Cell:
    """How far these signed entries of one item lead."""
    rows = sorted(evidence, key=lambda one: (one.performed_on, one.id))
    good = [one for one in rows if counts(one, requirement, today=today)]
    real = [one for one in good if not is_simulated(one)]
    simulated = [one for one in good if is_simulated(one)]
    capped = min(len(simulated), requirement.max_simulated)
    counted = len(real) + capped
    tallies = [_count_tally(counted, requirement)]
    if requirement.plus_simulated:
        tallies.append(_simulated_tally(len(simulated) - capped, requirement.plus_simulated))
    tallies += [
        _facet_tally(facet, real, simulated, requirement.max_simulated) for facet in requirement.facets
    ]
    if requirement.min_success_percent:
        tallies.append(_success_tally(rows, requirement.min_success_percent))
    tallies += _spread_tallies(real, simulated, requirement)
    if requirement.currency_days:
        latest = real + (simulated if requirement.max_simulated else [])
        tallies.append(_currency_tally(latest, requirement.currency_days, today=today))
    return Cell(
        counted=counted,
        exposure=len(rows),
        tallies=tuple(tallies),
        latest_level=rows[-1].level if rows else None,
        asks=requirement.asks,
    )


def _count_tally(have: int, requirement: Requirement) -> Tally:
    what = _("at level %(level)s or above", level=requirement.min_level)
    return Tally(what, have, requirement.min_count)


def _simulated_tally(have: int, need: int) -> Tally:
    return Tally(_("simulations beside them"), have, need)


def _value(one: Evidence, dim: str) -> str:
    if dim == "observer":
        return str(one.signer)
    if dim == "observer_role":
        return one.signer_role
    if dim == "presentation":
        dim = "diagnosis"
    return str(getattr(one.content, dim, "") or "")


def _serves(one: Evidence, facet: Facet) -> bool:
    value = _value(one, facet.dim)
    if facet.at_most is not None:
        return value.isdecimal() and int(value) <= facet.at_most
    return bool(value) and (not facet.of or value in facet.of)


def _within_cap(
    real: Sequence[Evidence],
    simulated: Sequence[Evidence],
    cap: int,
    *,
    of: Callable[[Evidence], object] | None,
) -> int:
    """How many of these count, simulations up to their cap; with ``of``, how many different values of it.

    Each tally has the cap for itself, so that no entry takes another one's place: more evidence never counts less.
    """
    if of is None:
        return len(real) + min(len(simulated), cap)
    known = {of(one) for one in real}
    return len(known) + min(len({of(one) for one in simulated} - known), cap)


def _facet_tally(facet: Facet, real: Sequence[Evidence], simulated: Sequence[Evidence], cap: int) -> Tally:
    have = _within_cap(
        [one for one in real if _serves(one, facet)],
        [one for one in simulated if _serves(one, facet)],
        cap,
        of=(lambda one: _value(one, facet.dim)) if facet.distinct else None,
    )
    return Tally(_facet_words(facet), have, facet.at_least)


def _facet_words(facet: Facet) -> str:
    if facet.zh and facet.en:
        return pick(facet.zh, facet.en)
    if facet.dim == "observer":
        return _("different signers")
    if facet.dim == "observer_role" and set(facet.of) <= {"second", "deputy"} and not facet.distinct:
        return _("signed by a second assessor or deputy")
    if facet.dim in {"diagnosis", "presentation"} and facet.distinct:
        return _("different diagnoses")
    if facet.dim == "observer_role":
        return _("signed by a mentor") if facet.of == ("mentor",) else _("signers of different roles")
    if facet.at_most is not None:
        return _("with at most %(max)s attempts", max=facet.at_most)
    names = _WORDS.get(facet.dim, {})
    if facet.of:
        return _(", ").join(str(names.get(value, value)) for value in facet.of)
    return _("different bands or places")


def _success_tally(rows: Sequence[Evidence], need: int) -> Tally:
    known = [one for one in rows if one.content.success and not is_simulated(one)]
    share = 100 * sum(one.content.success == "yes" for one in known) // len(known) if known else 0
    what = _("a success rate of %(percent)s per cent", percent=need)
    return Tally(what, share, need, in_numbers=False)


def _spread_tallies(
    real: Sequence[Evidence], simulated: Sequence[Evidence], requirement: Requirement
) -> list[Tally]:
    found, cap = [], requirement.max_simulated
    if requirement.distinct_days:
        have = _within_cap(real, simulated, cap, of=lambda one: one.performed_on)
        found.append(Tally(_("different days"), have, requirement.distinct_days))
    if requirement.distinct_weeks:
        have = _within_cap(real, simulated, cap, of=lambda one: one.performed_on.isocalendar()[:2])
        found.append(Tally(_("different weeks"), have, requirement.distinct_weeks))
    return found


def _currency_tally(pool: Sequence[Evidence], days: int, *, today: date) -> Tally:
    fresh = any(one.performed_on > today - timedelta(days=days) for one in pool)
    return Tally(_("one within the last %(days)s days", days=days), int(fresh), 1, in_numbers=False)
