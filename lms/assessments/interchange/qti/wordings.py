"""Keys of answers that are written: words and numbers."""

import re
from collections.abc import Sequence
from fractions import Fraction

from lms.assessments.interchange.drafting import Json
from lms.assessments.interchange.qti.conditions import Test, Unclear
from lms.assessments.interchange.qti.declarations import Response
from lms.assessments.interchange.qti.scoring import NONE, ONE, Rule, Scored, mapped, only
from lms.assessments.rules.items.numbers import fraction, written
from lms.assessments.rules.items.units import converted, unit_parts
from lms.core.i18n import _

_CLASS = re.compile(r"\[(.)(.)\]")
_SPECIAL = frozenset(".^$*+?()[]{}|\\")


def _earned(response: Response, rule: Rule) -> list[tuple[Test, Fraction]]:
    """What earns how many points, the first that fits."""
    part, factor = only(rule, "map", "map0", "first")
    if part.kind == "first":
        return [(test, points * factor) for test, points in part.detail]
    found = mapped(response)
    tests: list[tuple[Test, Fraction]] = [
        (("entry", response.name, one.value, one.keeps_case), one.points * factor) for one in found.entries
    ]
    if found.upper is not None:
        tests = [(test, min(points, found.upper * factor)) for test, points in tests]
    return [*tests, (("else", response.name), found.default * factor)] if found.default > 0 else tests


def text(response: Response, rule: Rule) -> Scored:
    """The accepted forms of a short answer."""
    forms: list[tuple[str, bool | None, Fraction]] = []
    for test, points in _earned(response, rule):
        forms += [(pattern, keeps, points) for pattern, keeps in _patterns(test, response)]
    best = max((points for _pattern, _keeps, points in forms), default=NONE)
    if best <= 0:
        raise Unclear
    keeps_case, notes = _case([(pattern, keeps) for pattern, keeps, _points in forms])
    accepted: list[Json] = []
    for pattern, _keeps, points in forms:
        if points > 0 or any(one["text"] != pattern for one in accepted):
            share = max(NONE, points / best)
            accepted.append({"text": pattern, **({} if share == ONE else {"share": written(share)})})
    return Scored({"accepted": accepted, **({"case": True} if keeps_case else {})}, best, notes=notes)


def _patterns(test: Test, response: Response) -> list[tuple[str, bool | None]]:
    if test[0] == "correct" and len(response.correct) == 1:
        return [(_escaped(response.correct[0]), True)]
    if test[0] == "is":
        return [(_escaped(test[2]), True)]
    if test[0] == "entry":
        return [(_escaped(test[2]), test[3])]
    if test[0] == "text":
        return [(test[2], test[3])]
    if test[0] == "else":
        return [("*", None)]
    if test[0] == "like":
        return [patterned(one) for one in _alternatives(test[2])]
    raise Unclear


def _escaped(plain: str) -> str:
    return plain.replace("*", r"\*")


def _case(forms: Sequence[tuple[str, bool | None]]) -> tuple[bool, list[str]]:
    """Whether capital letters count. Where a file does not say, they do only if forms differ in nothing else."""
    cased = [(pattern, keeps) for pattern, keeps in forms if pattern.lower() != pattern.upper()]
    said = {keeps for _pattern, keeps in cased if keeps is not None}
    folded = [pattern.casefold() for pattern, keeps in cased if keeps is None]
    if len(said) == 2:
        return False, [_("Capital letters count for some of its answers only; here they count for none.")]
    return (True in said) or len(set(folded)) < len(
        {pattern for pattern, keeps in cased if keeps is None}
    ), []


def _alternatives(regex: str) -> list[str]:
    plain = regex.removeprefix("^").removesuffix("$")
    inner = plain[1:-1] if plain.startswith("(") and plain.endswith(")") else plain
    return inner.split("|") if "(" not in inner and r"\|" not in inner else [plain]


def patterned(regex: str) -> tuple[str, bool]:
    """A regular expression of plain signs, ``.*`` and letters of either case as a pattern of ours. Raises Unclear."""
    found: list[str] = []
    at, is_folded, is_cased = 0, False, False
    while at < len(regex):
        sign = regex[at]
        if regex.startswith(".*", at):
            found.append("*")
            at += 2
        elif sign == "\\" and at + 1 < len(regex) and not regex[at + 1].isalnum():
            found.append(_escaped(regex[at + 1]))
            at += 2
        elif (both := _CLASS.match(regex, at)) and both[1].casefold() == both[2].casefold():
            found.append(both[1])
            is_folded = True
            at = both.end()
        elif sign not in _SPECIAL:
            found.append(sign)
            is_cased = is_cased or sign.lower() != sign.upper()
            at += 1
        else:
            raise Unclear
    if (is_folded and is_cased) or not "".join(found).strip("* "):
        raise Unclear
    return "".join(found), is_cased


# ---------------------------------------------------------------- numbers


def number(response: Response, rule: Rule, unit: str = "", units: dict[str, str] | None = None) -> Scored:
    """The answers of a number. ``unit``: the one beside the field; ``units``: value of the unit's response → unit."""
    answers: list[tuple[Json, Fraction]] = []
    for test, points in _earned(response, rule):
        if points <= 0:
            raise Unclear
        answers.append((_answer(test, response, unit, units or {}), points))
    best = max((points for _answer, points in answers), default=NONE)
    if best <= 0:
        raise Unclear
    shared = [
        {**answer, **({} if points == best else {"share": written(points / best)})}
        for answer, points in answers
    ]
    kept: list[Json] = []
    for one in shared:
        if not any(_is_same(one, other) for other in kept):
            kept.append(one)
    return Scored(kept[0] if len(kept) == 1 else {"answers": kept}, best)


def _answer(test: Test, response: Response, unit: str, units: dict[str, str]) -> Json:
    if test[0] == "unit":
        return {**_answer(test[2], response, "", {}), "unit": units.get(test[4]) or _missing()}
    kind = test[0]
    value = fraction(response.correct[0]) if kind == "correct" and len(response.correct) == 1 else None
    if kind == "equal":
        value = test[2]
    elif kind in {"is", "entry"}:
        value = fraction(test[2])
    if value is None:
        raise Unclear
    answer: Json = {"value": written(value), "tolerance": written(test[3]) if kind == "equal" else "0"}
    if kind == "equal" and test[4]:
        answer["relative"] = True
    return {**answer, "unit": unit} if unit else answer


def _missing() -> str:
    raise Unclear


def _is_same(one: Json, other: Json) -> bool:
    """Whether two answers are one, written in two units."""
    if one.get("share") != other.get("share") or one.get("relative") != other.get("relative"):
        return False
    names = ["value"] if one.get("relative") else ["value", "tolerance"]
    if one.get("relative") and one["tolerance"] != other["tolerance"]:
        return False
    first, second = str(one.get("unit", "")), str(other.get("unit", ""))
    if first == second:
        return all(one[name] == other[name] for name in names)
    if unit_parts(first) is None or unit_parts(second) is None:
        return False
    return all(
        converted(fraction(one[name]) or NONE, first, second) == fraction(other[name]) for name in names
    )


def slider(response: Response, rule: Rule) -> Scored:
    """The value of a scale, with its tolerance."""
    found = number(response, rule)
    if "answers" in found.key or found.key.get("relative"):
        raise Unclear
    return Scored({"value": found.key["value"], "tolerance": found.key["tolerance"]}, found.points)
