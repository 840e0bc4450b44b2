"""What a competency framework may say, and what is wrong with one: named by place, in plain words.

A framework under work is one document: a head, domains, and items with a target for each track, facets and a learning
curve. What it may ask for is exactly what ``counting`` and ``curve`` read; anything else is a problem, never silently kept.
"""

import re
from collections import Counter
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from lms.core.i18n import _, lazy, pick
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
)

Document = dict[str, Any]

UNITS = ("NICU", "PICU")
TRACKS: dict[str, str] = {
    "PED": lazy("Pediatrician"),
    "GP": lazy("General practitioner"),
    "NURSE": lazy("Nurse"),
}
ITEM_KINDS: dict[str, str] = {
    "EPA": lazy("Entrustable activity (EPA)"),
    "PROCEDURE": lazy("Procedure"),
    "KNOWLEDGE": lazy("Knowledge"),
    "BEHAVIOUR": lazy("Behaviour"),
}
TEN_CATE: dict[int, str] = {
    1: lazy("May watch"),
    2: lazy("May act under direct supervision"),
    3: lazy("May act with a supervisor quickly at hand"),
    4: lazy("May act with a supervisor at a distance"),
    5: lazy("May supervise others"),
}
"""Prospective entrustment: a committee decides it; it is no mean of observations."""
FAMILIES: dict[str, str] = {
    "ten_cate": lazy("Entrustment to come (ten Cate), decided by the committee"),
    "o_score": lazy("Observations at an O-SCORE level"),
    "operator_role": lazy("A part in the procedure (operator role)"),
}
OBSERVER_ROLES: dict[str, str] = {
    "mentor": lazy("Mentor"),
    "second": lazy("Second assessor"),
    "deputy": lazy("Deputy"),
}

DIMS: dict[str, str] = {
    "age_band": lazy("Age of the child"),
    "gestation_band": lazy("Gestation"),
    "weight_band": lazy("Weight of the child"),
    "setting": lazy("Place"),
    "shift": lazy("Shift"),
    "mode": lazy("Real or simulated"),
    "operator_role": lazy("The trainee’s part"),
    "diagnosis": lazy("Diagnosis"),
    "presentation": lazy("Presentation"),
    "attempts": lazy("Attempts needed"),
    "observer": lazy("Who signed"),
    "observer_role": lazy("Role of the signer"),
    "kind": lazy("Kind of entry"),
    "device_route": lazy("Route"),
    "difficulty": lazy("Difficulty"),
    "complication": lazy("Complications"),
}
"""Dimensions that a facet may count by: those of an entry that ``counting`` reads."""
VALUES: Mapping[str, Mapping[str, str]] = {
    "age_band": AGE_BANDS,
    "gestation_band": GESTATION_BANDS,
    "weight_band": WEIGHT_BANDS,
    "setting": SETTINGS,
    "shift": SHIFTS,
    "mode": MODES,
    "operator_role": ROLES,
    "observer_role": OBSERVER_ROLES,
    "kind": KINDS,
    "device_route": ROUTES,
    "difficulty": DIFFICULTIES,
    "complication": COMPLICATIONS,
}
CODED = frozenset({"diagnosis", "presentation"})
"""Dimensions whose values are ICD-10 codes of three characters."""

NUMBERS: dict[str, tuple[int, int]] = {
    "min_count": (0, 500),
    "min_level": (1, 5),
    "max_simulated": (0, 500),
    "plus_simulated": (0, 500),
    "min_success_percent": (0, 100),
    "window_days": (0, 3650),
    "currency_days": (0, 3650),
    "plus_audit": (0, 50),
}
"""Whole numbers of a target with their range."""
SPREAD = ("distinct_days", "distinct_weeks")
NOT_COUNTED = frozenset({"plus_audit"})
"""What a target may ask for though no entry shows it: the committee looks at it, the software does not count it."""
_TARGET_KEYS = frozenset(
    {*NUMBERS, "level", "level_to", "role", "assist", "observed", "spread", "facets", "cusum"}
)
_FACET_KEYS = frozenset({"dim", "at_least", "of", "distinct", "at_most", "zh", "en"})
ITEM_KEYS = frozenset(
    {
        *("key", "code", "kind", "critical", "domain", "title_zh", "title_en", "targets"),
        *("facets", "cusum", "rule_zh", "rule_en", "sources"),
    }
)

CODE = re.compile(r"[A-Z][A-Z0-9-]{0,9}")
_ICD10 = re.compile(r"[A-Z][0-9]{2}")
ITEMS_MAX, DOMAINS_MAX, FACETS_MAX = 150, 40, 12
LENGTHS = {"title": 120, "label": 60, "item": 160, "words": 300, "facet": 80, "source": 20}


@dataclass(frozen=True)
class Problem:
    """Something about a framework that somebody has to look at."""

    part: str
    """``head``, ``domain`` or ``item``."""
    key: str
    """Of the domain or item; empty for the head."""
    place: str
    """Where, in words."""
    text: str
    stops: bool = True
    """Whether it has to be put right before review; else it is only said."""


def family_of(target: Mapping[str, Any]) -> str:
    """The one scale that a target is on."""
    if "role" in target or target.get("assist"):
        return "operator_role"
    return "ten_cate" if "level" in target else "o_score"


def _is_int(value: object, low: int, high: int) -> bool:
    return type(value) is int and low <= value <= high


def _is_text(value: object, limit: int) -> bool:
    return isinstance(value, str) and len(value) <= limit


class _Look:
    """One look over a document."""

    def __init__(self, document: Document, taken: Collection[str]) -> None:
        self.document, self.taken = document, taken
        self.found: list[Problem] = []

    def all(self) -> list[Problem]:
        """Every problem, in the order of the document."""
        self._head()
        self._domains()
        items = self.document["items"]
        if not items:
            self._say("head", "", _("Framework"), _("It has no items yet."))
        if len(items) > ITEMS_MAX:
            self._say("head", "", _("Framework"), _("It has more than %(max)s items.", max=ITEMS_MAX))
        times = Counter(str(item.get("code")) for item in items)
        for number, item in enumerate(items, start=1):
            self._item(item, number, times)
        return self.found

    def _say(self, part: str, key: str, place: str, text: str, *, stops: bool = True) -> None:
        self.found.append(Problem(part, key, place, text, stops))

    # head and domains

    def _head(self) -> None:
        place, head = _("Framework"), self.document
        if head.get("code") not in UNITS:
            self._say("head", "", place, _("The unit must be NICU or PICU."))
        for name, words in (("title_zh", _("Chinese name")), ("title_en", _("English name"))):
            if not _is_text(head.get(name), LENGTHS["title"]) or not head[name].strip():
                self._say(
                    "head",
                    "",
                    place,
                    _("%(field)s: 1 to %(max)s characters.", field=words, max=LENGTHS["title"]),
                )
        if not _is_text(head.get("label", ""), LENGTHS["label"]):
            self._say("head", "", place, _("The words on the version are too long."))

    def _domains(self) -> None:
        domains = self.document["domains"]
        times = Counter(str(domain.get("code")) for domain in domains)
        used = {item.get("domain") for item in self.document["items"] if isinstance(item.get("domain"), str)}
        if len(domains) > DOMAINS_MAX:
            self._say("head", "", _("Framework"), _("It has more than %(max)s domains.", max=DOMAINS_MAX))
        for number, domain in enumerate(domains, start=1):
            key, code = str(domain.get("key", "")), domain.get("code")
            place = _("Domain %(name)s", name=str(code or number))
            if not isinstance(code, str) or not CODE.fullmatch(code):
                self._say("domain", key, place, _code_words())
            elif times[code] > 1:
                self._say("domain", key, place, _("This code is used more than once."))
            elif code not in used:
                self._say("domain", key, place, _("No item belongs to it."), stops=False)
            self._names(domain, "domain", key, place, LENGTHS["title"])

    def _names(self, thing: Mapping[str, Any], part: str, key: str, place: str, limit: int) -> None:
        for name, words in (("title_zh", _("Chinese name")), ("title_en", _("English name"))):
            given = thing.get(name)
            if not _is_text(given, limit) or not str(given).strip():
                self._say(part, key, place, _("%(field)s: 1 to %(max)s characters.", field=words, max=limit))

    # items

    def _item(self, item: Mapping[str, Any], number: int, times: Mapping[str, int]) -> None:
        key, code = str(item.get("key", "")), item.get("code")
        place = str(code) if isinstance(code, str) and code else _("Item %(n)s", n=number)

        def say(text: str, *, stops: bool = True, where: str = place) -> None:
            self._say("item", key, where, text, stops=stops)

        if not isinstance(code, str) or not CODE.fullmatch(code):
            say(_code_words())
        elif times[code] > 1:
            say(_("This code is used more than once."))
        elif code in self.taken:
            say(_("Another framework has an item of this code."))
        self._names(item, "item", key, place, LENGTHS["item"])
        if not isinstance(item.get("kind"), str) or item["kind"] not in ITEM_KINDS:
            say(_("It has no kind."))
        if type(item.get("critical", False)) is not bool:
            say(_("Critical is yes or no."))
        self._domain_of(item, say)
        for name in sorted(set(item) - ITEM_KEYS):
            say(_("“%(name)s” is nothing that a framework can say.", name=name[:40]))
        for name in ("rule_zh", "rule_en"):
            if not _is_text(item.get(name, ""), LENGTHS["words"]):
                say(_("The words on the rule are too long."))
        sources = item.get("sources", [])
        if not isinstance(sources, list) or not all(_is_text(one, LENGTHS["source"]) for one in sources):
            say(_("The sources are not a list of short words."))
        self._targets(item, place, say)

    def _domain_of(self, item: Mapping[str, Any], say: Any) -> None:
        known = {domain.get("code") for domain in self.document["domains"]}
        given = item.get("domain", "")
        if known and not given:
            say(_("It belongs to no domain."))
        elif given and given not in known:
            say(_("It belongs to a domain that the framework does not have."))

    def _targets(self, item: Mapping[str, Any], place: str, say: Any) -> None:
        targets = item.get("targets")
        if not isinstance(targets, dict):
            say(_("It has no targets."))
            return
        for name in sorted(set(targets) - set(TRACKS)):
            say(_("“%(name)s” is no track.", name=str(name)[:40]))
        counts: list[int] = []
        for track, words in TRACKS.items():
            where = _("%(place)s, %(track)s", place=place, track=str(words))
            if track not in targets:
                say(_("The target is missing. Say what is asked, or that nothing is."), where=where)
                continue
            target = targets[track]
            if target is None:
                continue
            if not isinstance(target, dict):
                say(_("The target cannot be read."), where=where)
                continue
            for text, stops in target_problems(target):
                say(text, stops=stops, where=where)
            count = target.get("min_count", 0)
            if _is_int(count, 1, 500):
                counts.append(count)
                for text in facet_list_problems(target.get("facets", []), most=count):
                    say(text, where=where)
            elif target.get("facets"):
                say(_("Facets without a count are never counted."), where=where)
        if not any(targets.get(track) for track in TRACKS):
            say(_("No track is asked for it."), stops=False)
        facets = item.get("facets", [])
        if facets and not counts:
            say(_("Facets without a count are never counted."))
        for text in facet_list_problems(facets, most=max(counts, default=500)):
            say(text)
        for text in curve_problems(item.get("cusum")):
            say(text)


def _code_words() -> str:
    return _("The code needs 1 to 10 capital letters and digits and begins with a letter, such as N13.")


def target_problems(target: Mapping[str, Any]) -> Iterator[tuple[str, bool]]:
    """What is wrong with one track's target, and whether it stops a review."""
    for name in sorted(set(target) - _TARGET_KEYS):
        yield _("“%(name)s” is nothing that can be counted.", name=str(name)[:40]), True
    yield from ((text, True) for text in _scale_problems(target))
    for name, (low, high) in NUMBERS.items():
        if name in target and not _is_int(target[name], low, high):
            yield (
                _(
                    "%(what)s: a whole number from %(low)s to %(high)s.",
                    what=number_words(name),
                    low=low,
                    high=high,
                ),
                True,
            )
    if type(target.get("observed", False)) is not bool:
        yield _("Whether watching is enough is yes or no."), True
    yield from ((text, True) for text in _number_problems(target))
    yield from ((text, True) for text in curve_problems(target.get("cusum")))
    if target.get("plus_audit"):
        yield (
            _(
                "Audits asked for beside the entries are not counted by the software; the committee looks at them."
            ),
            False,
        )
    if not any(name in target for name in ("level", "role", "assist", "min_level", "observed")):
        yield _("It names no level of any scale."), True


def _scale_problems(target: Mapping[str, Any]) -> Iterator[str]:
    if "level" in target and ("role" in target or target.get("assist")):
        yield _("It mixes two scales: a level of ten Cate and a part in the procedure.")
    if "level" in target and not _is_int(target["level"], 1, 5):
        yield _("A level of ten Cate is 1 to 5.")
    if "level_to" in target:
        low = target.get("level")
        if not _is_int(low, 1, 5) or not _is_int(target["level_to"], 1 + int(low or 0), 5):
            yield _("The upper level must be above the level, up to 5, on the scale of ten Cate.")
    if "role" in target and (not isinstance(target["role"], str) or target["role"] not in ROLES):
        yield _("The part in the procedure is none of the operator roles.")
    if type(target.get("assist", False)) is not bool:
        yield _("The part in the procedure is none of the operator roles.")
    if "role" in target and target.get("assist"):
        yield _("It names the part in the procedure twice.")


def _number_problems(target: Mapping[str, Any]) -> Iterator[str]:
    count, simulated = target.get("min_count", 0), target.get("max_simulated", 0)
    if _is_int(count, 0, 500) and _is_int(simulated, 1, 500) and simulated > count:
        yield _("More simulations may count than are asked for in all.")
    for name in ("plus_simulated", "min_success_percent", "currency_days"):
        if target.get(name) and not target.get("min_count"):
            yield _("%(what)s: without a count it is never counted.", what=number_words(name))
    spread = target.get("spread", {})
    if not isinstance(spread, dict):
        yield _("The spread over days cannot be read.")
        return
    for name in sorted(set(spread) - set(SPREAD)):
        yield _("“%(name)s” is nothing that can be counted.", name=str(name)[:40])
    for name in SPREAD:
        if name in spread and not _is_int(spread[name], 0, 365):
            yield _(
                "%(what)s: a whole number from %(low)s to %(high)s.", what=number_words(name), low=0, high=365
            )
        elif spread.get(name) and _is_int(count, 0, 500) and spread[name] > count:
            yield _("%(what)s: more than entries are asked for.", what=number_words(name))


def curve_problems(cusum: object) -> Iterator[str]:
    """What is wrong with the parameters of a learning curve; None: it has none."""
    if cusum is None:
        return
    if not isinstance(cusum, dict):
        yield _("The learning curve cannot be read.")
        return
    for name in sorted(set(cusum) - {"p0", "p1", "alpha", "beta"}):
        yield _("Learning curve: “%(name)s” is none of its parameters.", name=str(name)[:40])
    numbers = {"alpha": 0.1, "beta": 0.1, **cusum}
    values = [numbers.get(name) for name in ("p0", "p1", "alpha", "beta")]
    if not all(type(one) in {int, float} and 0 < one < 1 for one in values):  # type: ignore[operator]
        yield _("Learning curve: each parameter lies between 0 and 1.")
        return
    if not numbers["p0"] < numbers["p1"]:
        yield _("Learning curve: the acceptable share of failures must be below the unacceptable one.")
    if numbers["alpha"] + numbers["beta"] >= 1:
        yield _("Learning curve: the two risks of error must be below 1 together.")


# ---------------------------------------------------------------- facets


def facet_list_problems(facets: object, *, most: int) -> Iterator[str]:
    """What is wrong with a list of facets; ``most``: the largest count that any track asks for."""
    if not isinstance(facets, list):
        yield _("The facets cannot be read.")
        return
    if len(facets) > FACETS_MAX:
        yield _("It has more than %(max)s facets.", max=FACETS_MAX)
    for number, facet in enumerate(facets, start=1):
        for text in facet_problems(facet, most=most):
            yield _("Facet %(n)s: %(text)s", n=number, text=text)


def facet_problems(facet: object, *, most: int) -> Iterator[str]:
    """What is wrong with one facet."""
    if not isinstance(facet, dict) or not isinstance(facet.get("dim"), str) or facet["dim"] not in DIMS:
        yield _("It counts by nothing that an entry holds.")
        return
    for name in sorted(set(facet) - _FACET_KEYS):
        yield _("“%(name)s” is nothing that can be counted.", name=str(name)[:40])
    least, of = facet.get("at_least"), facet.get("of", [])
    if not _is_int(least, 1, 500):
        yield _("It needs a number of at least 1.")
    elif int(least or 0) > most:
        yield _("It asks for more than the count.")
    if type(facet.get("distinct", False)) is not bool:
        yield _("Whether different values are counted is yes or no.")
    if not all(_is_text(facet.get(name, ""), LENGTHS["facet"]) for name in ("zh", "en")):
        yield _("Its words are too long.")
    elif bool(facet.get("zh")) != bool(facet.get("en")):
        yield _("It needs its words in both languages, or in none.")
    yield from _attempt_problems(facet)
    if not isinstance(of, list) or not all(isinstance(one, str) for one in of):
        yield _("Its values cannot be read.")
    else:
        yield from _value_problems(facet["dim"], of, distinct=facet.get("distinct") is True, least=least)


def _attempt_problems(facet: Mapping[str, Any]) -> Iterator[str]:
    if facet["dim"] != "attempts":
        if facet.get("at_most") is not None:
            yield _("Only attempts have a highest number.")
        return
    if not _is_int(facet.get("at_most"), 1, 20):
        yield _("Say how many attempts are allowed, 1 to 20.")
    if facet.get("of") or facet.get("distinct"):
        yield _("Attempts are counted by their highest number only.")


def _value_problems(dim: str, of: Sequence[str], *, distinct: bool, least: object) -> Iterator[str]:
    if dim == "observer":
        if of or not distinct:
            yield _("Signers can only be counted as different people.")
        return
    if dim == "attempts":
        return
    if dim in CODED:
        wrong = [one for one in of if not _ICD10.fullmatch(one)]
    else:
        wrong = [one for one in of if one not in VALUES[dim]]
    if wrong:
        yield _("“%(value)s” is none of its values.", value=wrong[0][:40])
    if len(set(of)) < len(of):
        yield _("A value is named twice.")
    if not of and not distinct:
        yield _("Choose values, or count different ones.")
    room = len(set(of)) if of else len(VALUES.get(dim, ())) if dim not in CODED else None
    if distinct and room is not None and type(least) is int and least > room:
        yield _("There are fewer different values than it asks for.")


def number_words(name: str) -> str:
    """What a number of a target is called."""
    return {
        "min_count": _("Count"),
        "min_level": _("O-SCORE of the observations that count"),
        "max_simulated": _("Simulations that may count"),
        "plus_simulated": _("Simulations beside them"),
        "min_success_percent": _("Success rate in per cent"),
        "window_days": _("Only the last so many days"),
        "currency_days": _("Days after which it grows old"),
        "plus_audit": _("Audits beside them"),
        "distinct_days": _("Different days"),
        "distinct_weeks": _("Different weeks"),
    }.get(name, name)


def problems(document: Document, *, taken: Collection[str] = ()) -> list[Problem]:
    """Everything that somebody has to look at. ``taken``: codes of items that other frameworks have."""
    return _Look(document, taken).all()


def title_of(thing: Mapping[str, Any]) -> str:
    """The name of a domain or item in the reader's language."""
    return pick(str(thing.get("title_zh", "")), str(thing.get("title_en", "")))
