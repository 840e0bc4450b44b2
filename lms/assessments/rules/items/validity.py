"""What must be put right before an item can be answered and marked."""

import re
from collections.abc import Iterator, Mapping
from typing import Any

from lms.assessments.rules.items.asks import MOST_MARKS, Ask, asks
from lms.assessments.rules.items.kinds import KINDS
from lms.assessments.rules.items.shape import (
    LANGUAGES,
    Fault,
    as_list,
    as_map,
    is_whole,
    media_faults,
    option_faults,
    option_ids,
    text_faults,
    wording_faults,
)
from lms.assessments.rules.items.types import CLOZE_KINDS, TYPES, Type
from lms.core.errors import RuleBroken
from lms.core.i18n import _

Json = Mapping[str, Any]
MOST_SHARED = 26
MOST_NAMED = 20


def faults(type_code: Any, body: Any, key: Any, rationale: Any = None) -> list[Fault]:
    """Everything that must be put right before an item can be used; never raises, whatever JSON it is given."""
    if not isinstance(type_code, str) or type_code not in TYPES:
        return [Fault("type", "item_type", _("Choose the type of the question."))]
    shape, whole, its_key = TYPES[type_code], as_map(body), as_map(key)
    found = [*_faults(shape, whole, its_key), *_rationale_faults(shape, whole, rationale)]
    return list(dict.fromkeys(found))


def require_item(type_code: str, body: Json, key: Json) -> None:
    """Whether an item can be answered and marked. Raises RuleBroken with the first fault, its path as the field.

    ``details["faults"]`` names them all, as many as a person can look at.
    """
    found = faults(type_code, body, key)
    if found:
        named = [{"path": one.path, "code": one.code, "message": one.message} for one in found[:MOST_NAMED]]
        raise RuleBroken(found[0].code, found[0].message, field=found[0].path, details={"faults": named})


def _faults(shape: Type, body: Json, key: Json) -> Iterator[Fault]:
    if shape.is_group:
        yield from _group_faults(shape, body, key)
        return
    yield from media_faults(body.get("media"))
    yield from text_faults(body.get("stem"), "stem", _no_question())
    (ask,) = asks(shape.code, body, key)
    yield from _ask_faults(shape, ask)


def _no_question() -> str:
    return _("The question itself is missing, in Chinese or in English.")


# ---------------------------------------------------------------- groups


def _group_faults(shape: Type, body: Json, key: Json) -> Iterator[Fault]:
    yield from media_faults(body.get("media"))
    if shape.is_serial or shape.code == "CLOZE":
        yield from text_faults(
            body.get("stem"), "stem", _("The shared text is missing, in Chinese or in English.")
        )
    else:
        yield from wording_faults(body.get("stem"), "stem")
    if body.get("reveal", shape.reveal) != shape.reveal:
        yield Fault("reveal", "reveal", _("The type says whether the asks are shown one by one."))
    if shape.shares_options:
        yield from option_faults(body.get("options"), least=2, most=MOST_SHARED)
    least, most = shape.asks
    parts, keys = as_list(body.get("asks")), as_list(key.get("asks"))
    if not least <= len(parts) <= most:
        yield Fault(
            "asks",
            "asks",
            _("A question of this type asks %(least)s to %(most)s things.", least=least, most=most),
        )
    if len(parts) > most:
        return
    if len(keys) != len(parts):
        yield Fault("asks", "no_key", _("Each ask needs its key."))
    for ask in asks(shape.code, body, key):
        place = f"asks.{ask.index}"
        stem = as_map(parts[ask.index or 0]).get("stem")
        if shape.code == "CLOZE":
            yield from wording_faults(stem, f"{place}.stem")
        else:
            yield from text_faults(stem, f"{place}.stem", _no_question())
        yield from (fault.under(place) for fault in media_faults(ask.body.get("media")))
        for fault in _ask_faults(shape, ask):
            if not (shape.shares_options and fault.path.split(".")[0] == "options"):
                yield fault.under(place)
    if shape.code == "CLOZE":
        yield from _gap_faults(body, [str(index + 1) for index in range(len(parts))])


# ---------------------------------------------------------------- one ask


def _ask_faults(shape: Type, ask: Ask) -> Iterator[Fault]:
    if ask.kind not in KINDS or (not shape.kind and ask.kind not in CLOZE_KINDS):
        yield Fault("kind", "item_type", _("Choose what kind of answer is asked for."))
        return
    body, key = ask.body, ask.key
    if "marks" in body and not is_whole(body["marks"], 1, MOST_MARKS):
        yield Fault(
            "marks", "marks", _("An ask is worth 1 to %(most)s marks, a whole number.", most=MOST_MARKS)
        )
    found = list(KINDS[ask.kind].faults(body, key))
    yield from found
    count = len(as_list(body.get("options")))
    if shape.options and not shape.options[0] <= count <= shape.options[1]:
        least, most = shape.options
        if not any((fault.path, fault.code) == ("options", "options") for fault in found):
            yield Fault(
                "options", "options", _("Give %(least)s to %(most)s options.", least=least, most=most)
            )
    yield from _type_faults(shape, body, key)


def _type_faults(shape: Type, body: Json, key: Json) -> Iterator[Fault]:
    """What a type asks beyond its kind."""
    if shape.code == "TF" and sorted(option_ids(body.get("options"))) != ["false", "true"]:
        yield Fault("options", "option_ids", _("The two options have the ids true and false."))
    if shape.code == "SCT" and "panel" not in key:
        yield Fault("panel", "panel", _("Say how many of the panel chose each option."))
    if shape.code == "DOSE":
        yield from _drawn_faults(body)
    elif as_list(body.get("parameters")):
        yield Fault("parameters", "parameters", _("Only a dose calculation draws values."))
    if shape.code == "GAP":
        yield from _gap_faults(body, option_ids(body.get("rows")))


_GAP = re.compile(r"\[\[([A-Za-z0-9_.-]{1,40})\]\]")


def gaps(text: str) -> list[str]:
    """The names of the gaps in a text, in order."""
    return _GAP.findall(text)


def _gap_faults(body: Json, wanted: list[str]) -> Iterator[Fault]:
    for language, text in _stems(body):
        if sorted(gaps(text)) != sorted(wanted):
            yield Fault(
                f"stem.{language}", "gaps", _("Each gap stands in the text once, as [[1]], [[2]] and so on.")
            )


def _drawn_faults(body: Json) -> Iterator[Fault]:
    names = [str(as_map(one).get("name")) for one in as_list(body.get("parameters"))]
    if not names:
        yield Fault("parameters", "parameters", _("Name the values that are drawn."))
    for language, text in _stems(body):
        if any(f"{{{name}}}" not in text for name in names):
            yield Fault(
                f"stem.{language}",
                "parameter_unused",
                _("Each value that is drawn stands in the text as {name}."),
            )


def _stems(body: Json) -> Iterator[tuple[str, str]]:
    """The languages in which the stem says something."""
    stem = as_map(body.get("stem"))
    for language in LANGUAGES:
        text = stem.get(language)
        if isinstance(text, str) and text.strip():
            yield language, text


# ---------------------------------------------------------------- reasons


def _rationale_faults(shape: Type, body: Json, rationale: Any) -> Iterator[Fault]:
    """Reasons may be missing; those there are belong to an ask and can be read."""
    yield from wording_faults(rationale, "rationale")
    reasons = as_map(rationale).get("asks")
    if reasons is None:
        return
    count = len(as_list(body.get("asks"))) if shape.is_group else 0
    if not isinstance(reasons, list | tuple) or len(reasons) > count:
        yield Fault("rationale.asks", "rationale", _("There are more reasons than asks."))
        return
    for index, reason in enumerate(reasons):
        yield from wording_faults(reason, f"rationale.asks.{index}")
