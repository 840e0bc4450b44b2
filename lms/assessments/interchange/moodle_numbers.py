"""Moodle's numerical questions."""

from fractions import Fraction

from lms.assessments.interchange.drafting import Json, Refused
from lms.assessments.interchange.moodle_kinds import Made, other_marking
from lms.assessments.interchange.moodle_texts import Prose, Texts, raw, share_of, value
from lms.assessments.interchange.safexml import Element, child, children
from lms.assessments.rules.items.numbers import fraction, number, written
from lms.assessments.rules.items.units import converted, unit_parts
from lms.core.i18n import _

NONE, ONE = Fraction(0), Fraction(1)


def numerical(question: Element, texts: Texts) -> Made:
    """Values with tolerance and units."""
    wanted = str(question.get("data-type") or "")
    found: list[tuple[Fraction, Fraction, Fraction]] = []
    reviews, remarks = [], []
    for answer in children(question, "answer"):
        text = raw(answer).strip()
        share = share_of(value(answer, "fraction") or answer.get("fraction"))
        remarks += [
            (text, words) for words in texts.read(child(answer, "feedback"), holds=False).text.values()
        ]
        if share <= 0:
            continue
        given, margin = (
            number(text.replace(",", ".")),
            number(value(answer, "tolerance", "0").replace(",", ".")),
        )
        if given is None:
            reviews.append(other_marking())
            continue
        found.append((given, abs(margin or NONE), share))
    if not found:
        raise Refused("no_key", _("Give the right value."))
    unit, units, stem, notes = _units(question, texts)
    best = max(share for _given, _margin, share in found)
    answers: list[Json] = [
        {
            "value": written(given), "tolerance": written(margin), **({"unit": unit} if unit else {}),
            **({} if share == best else {"share": written(share / best)}),
        }
        for given, margin, share in found
    ]  # fmt: skip
    if wanted == "SLIDER" and (scale := scale_of(question)):
        key = {name: answers[0][name] for name in ("value", "tolerance")}
        return Made("SLIDER", scale, key, stem, [*reviews, *notes], remarks)
    key = _relative(question, answers[0]) if len(answers) == 1 else {"answers": answers}
    return Made("NUM", {"units": units}, key, stem, [*reviews, *notes], remarks)


def _relative(question: Element, answer: Json) -> Json:
    """A tolerance that our own files give as a part of the value."""
    own = str(
        next(
            (one.get("data-relative") for one in children(question, "answer") if one.get("data-relative")), ""
        )
        or ""
    )
    return {**answer, "tolerance": own, "relative": True} if own and number(own) is not None else answer


def scale_of(question: Element) -> Json:
    """The scale that our own files tell of."""
    own = {
        name: str(question.get(f"data-{name}"))
        for name in ("low", "high", "step", "unit")
        if question.get(f"data-{name}")
    }
    return own if {"low", "high", "step"} <= set(own) else {}


def _units(question: Element, texts: Texts) -> tuple[str, list[str], Prose | None, list[str]]:
    """The unit of the key, the units that are offered, the stem where it has to name a unit, and notes."""
    nodes = children(child(question, "units"), "unit") if child(question, "units") is not None else []
    told = [
        (
            value(one, "unit_name"),
            fraction(str(one.get("data-multiplier") or value(one, "multiplier", "1")).replace(",", ".")),
        )
        for one in nodes
    ]
    told = [(name, times) for name, times in told if name]
    if not told or value(question, "showunits") == "3":
        return "", [], None, []
    base = next((name for name, times in told if times == 1), "")
    is_part = (
        value(question, "unitgradingtype", "0") != "0"
        and (number(value(question, "unitpenalty", "0.1")) or NONE) < 1
    )
    notes = [_("A wrong unit costs a part of the marks there; here it costs all.")] if is_part else []
    if not base or unit_parts(base) is None:
        prose = texts.read(child(question, "questiontext"))
        stem = {tongue: f"{words} ({base or told[0][0]})" for tongue, words in prose.text.items()}
        note = _("Its unit is not known here; it stands in the text.")
        return "", [], Prose(stem, prose.media), [note]
    known = [name for name, times in told if times is not None and converted(ONE, base, name) == times]
    if len(known) < len(told):
        notes.append(_("Some of its units are not known here, or mean something else; they were left out."))
    return base, list(dict.fromkeys(known)), None, notes
