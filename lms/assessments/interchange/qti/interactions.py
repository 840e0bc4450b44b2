"""Interactions: what each asks, as the body of an ask, and how its key is found."""

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from fractions import Fraction

from lms.assessments.interchange.drafting import Json, Refused
from lms.assessments.interchange.qti import scoring, wordings
from lms.assessments.interchange.qti.conditions import Unclear
from lms.assessments.interchange.qti.content import Contents
from lms.assessments.interchange.qti.declarations import Response
from lms.assessments.interchange.qti.processing import Part
from lms.assessments.interchange.qti.scoring import ONE, Rule, Scored
from lms.assessments.interchange.safexml import Element, children, counted, descendants, local
from lms.assessments.rules.items.numbers import fraction, written
from lms.assessments.rules.items.units import unit_parts
from lms.core.i18n import _


@dataclass
class Asked:
    """One interaction as an ask."""

    node: Element
    type: str
    """The item's type, if the item asks nothing else."""
    kind: str
    body: Json
    response: Response
    key: Callable[[Rule], Scored]
    """Its key by a rule; raises Unclear."""
    notes: list[str] = field(default_factory=list)
    rows_in_text: tuple[str, ...] = ()
    """Gaps that stand in the text."""

    @property
    def mark(self) -> str:
        """Its mark in the text."""
        return f"ask {self.node.get('mark')}"


@dataclass
class Around:
    """What an interaction needs of its item."""

    contents: Contents
    responses: dict[str, Response]
    label: str = ""
    """The type that our own packages name."""
    rules: Mapping[str, Rule] = field(default_factory=dict)

    def response(self, node: Element) -> Response:
        """The variable that an interaction is answered into. Raises Refused."""
        name = str(node.get("responseIdentifier") or "")
        if name not in self.responses:
            raise Refused("no_response", _("The question names no response variable that the file declares."))
        return self.responses[name]


def whole(node: Element, name: str, default: int = 0) -> int:
    """A whole number of an attribute."""
    return counted(node.get(name), default)


def is_true(node: Element, name: str) -> bool:
    """Whether an attribute says true."""
    return str(node.get(name) or "").lower() in {"true", "1"}


def options_of(nodes: Sequence[Element], around: Around, *, stays: bool = False) -> list[Json]:
    """Choices as options. ``stays``: whether none of them may be moved."""
    found: list[Json] = []
    for node in nodes:
        prose = around.contents.read(node)
        words = prose.text or (
            {}
            if prose.media
            else {around.contents.album.tongue: str(node.get("hotspotLabel") or node.get("label") or "")}
        )
        if not any(words.values()) and not prose.media:
            words = {around.contents.album.tongue: str(node.get("identifier") or "?")}
            around.contents.album.reviews.append(
                _("An option has no text; its name in the file stands for it.")
            )
        option: Json = {
            "id": str(node.get("identifier") or ""),
            **words,
            **({"media": prose.media} if prose.media else {}),
        }
        found.append({**option, "fixed": True} if stays or is_true(node, "fixed") else option)
    return found


def ids_of(options: Sequence[Json]) -> list[str]:
    """The ids of options."""
    return [str(one["id"]) for one in options]


# ---------------------------------------------------------------- choosing


def choice(node: Element, around: Around) -> Asked:
    """A choice among options, or among words of a text."""
    names = {"choiceInteraction": ("simpleChoice",), "inlineChoiceInteraction": ("inlineChoice",)}
    nodes = (
        children(node, *names[local(node)]) if local(node) in names else list(descendants(node, "hottext"))
    )
    response = around.response(node)
    options = options_of(nodes, around, stays=str(node.get("shuffle") or "") == "false")
    return _chosen(node, response, options, around)


def _chosen(node: Element, response: Response, options: list[Json], around: Around) -> Asked:
    ids = ids_of(options)
    if response.cardinality == "single":
        names = {} if around.label else _truths(options)
        if names:
            options = [{**one, "id": names[str(one["id"])], "fixed": True} for one in options]
        return Asked(
            node, "TF" if names else "A1", "choice", {"options": options}, response,
            lambda rule: _named(scoring.choice(ids, response, rule), names),
        )  # fmt: skip
    most = whole(node, "maxChoices", 1 if node.get("maxChoices") is None else 0)
    limit = {"limit": most} if 0 < most < len(options) and most >= len(response.correct) else {}
    wanted = {"KF": "key_feature", "CASE": "plus_minus"}.get(around.label, "")
    return Asked(
        node, "X", "multiple", {"options": options, **limit}, response,
        lambda rule: scoring.multiple(ids, response, rule, wanted),
    )  # fmt: skip


_TRUE, _FALSE = {"true", "对", "正确", "√"}, {"false", "错", "错误", "×"}


def _truths(options: Sequence[Json]) -> dict[str, str]:
    """Id → ``true`` or ``false``, where the options say nothing else."""
    found = {}
    for one in options:
        said = {str(one.get(tongue, "")).strip().casefold() for tongue in ("zh", "en")} - {""}
        if said and (said <= _TRUE or said <= _FALSE):
            found[str(one["id"])] = "true" if said <= _TRUE else "false"
    return found if len(options) == 2 and sorted(found.values()) == ["false", "true"] else {}


def _named(scored: Scored, names: dict[str, str]) -> Scored:
    """A key with the names of its options changed."""
    key = {**scored.key, "right": names.get(scored.key["right"], scored.key["right"])}
    if "weights" in key:
        key["weights"] = {names.get(one, one): share for one, share in key["weights"].items()}
    return replace(scored, key=key)


# ---------------------------------------------------------------- writing

_DIGITS = {"float", "integer"}


def entry(node: Element, around: Around) -> Asked:
    """A field in a text: words or a number."""
    response = around.response(node)
    rule = around.rules.get(response.name, [])
    is_number = response.base in _DIGITS or any(
        part.kind == "first" and part.detail[0][0][0] in {"equal", "unit"} for part, _factor in rule
    )
    if not is_number:
        return Asked(node, "SHORT", "text", {}, response, lambda own: wordings.text(response, own))
    unit = str(node.get("data-unit") or "")
    units = {unit: unit} if unit and unit_parts(unit) is not None else {}
    units |= _units(rule, node)
    only = next(iter(units.values())) if len(units) == 1 else ""
    return Asked(
        node, "NUM", "number", {"units": list(units.values())}, response,
        lambda own: wordings.number(response, own, only, units),
    )  # fmt: skip


def _units(rule: Rule, node: Element) -> dict[str, str]:
    """The units of a second choice that the marking of a number looks at."""
    tests = [test for part, _factor in rule if part.kind == "first" for test, _points in part.detail]
    wanted = {test[3] for test in tests if test[0] == "unit"}
    root = node.getroottree().getroot()
    found = {
        str(one.get("identifier")): "".join(one.itertext()).strip()
        for interaction in descendants(root, "inlineChoiceInteraction", "choiceInteraction")
        if interaction.get("responseIdentifier") in wanted
        for one in children(interaction, "inlineChoice", "simpleChoice")
    }
    return found if all(unit_parts(unit) is not None for unit in found.values()) else {}


def unit_responses(rules: Mapping[str, Rule]) -> set[str]:
    """The responses that only say the unit of a number."""
    return {
        test[3]
        for rule in rules.values()
        for part, _factor in rule
        if part.kind == "first"
        for test, _points in part.detail
        if test[0] == "unit"
    }


_SHORT = 200
"""Characters of an answer that a program compares; what is longer is the model of an essay."""
_LENGTH = re.compile(r"\[\\s\\S\]\{0,(\d{1,6})\}|\^?\.\{0,(\d{1,6})\}\$?")


def extended(node: Element, around: Around) -> Asked:
    """A long answer, or a short one that a program marks."""
    response = around.response(node)
    is_short = response.cardinality == "single" and all(len(one) <= _SHORT for one in response.correct)
    is_marked = bool(around.rules.get(response.name)) and bool(response.correct or response.mapping)
    if is_marked and is_short and response.base == "string" and around.label != "ESSAY":
        return Asked(node, "SHORT", "text", {}, response, lambda own: wordings.text(response, own))
    length = _LENGTH.fullmatch(str(node.get("patternMask") or ""))
    most = int(length[1] or length[2]) if length else 5_000
    return Asked(node, "ESSAY", "essay", {"max_chars": max(10, min(20_000, most))}, response, _by_people)


def _by_people(rule: Rule) -> Scored:
    if rule:
        raise Unclear
    return Scored({}, ONE)


MIMES = {
    "application/pdf": ["pdf"], "image/png": ["png"], "image/jpeg": ["jpg", "jpeg"], "image/gif": ["gif"], "text/plain": ["txt"],
    "text/csv": ["csv"], "audio/mpeg": ["mp3"], "video/mp4": ["mp4"], "application/msword": ["doc"], "text/rtf": ["rtf"],
    "application/rtf": ["rtf"], "application/vnd.ms-excel": ["xls"], "application/zip": ["zip"], "text/html": ["html"],
    "application/vnd.openxmlformats-officedocument.wordprocessingml.document": ["docx"],
    "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet": ["xlsx"],
    "application/vnd.openxmlformats-officedocument.presentationml.presentation": ["pptx"], "application/vnd.ms-powerpoint": ["ppt"],
}  # fmt: skip
MOST_BYTES = 10 * 1024 * 1024


def upload(node: Element, around: Around) -> Asked:
    """A file."""
    mimes = re.split(r"[\s,]+", str(node.get("type") or "").strip().lower())
    own = [one for one in str(node.get("data-formats") or "").split() if re.fullmatch(r"[a-z0-9]{2,5}", one)]
    formats = (
        own or [ending for mime in mimes for ending in MIMES.get(mime, [])] or ["pdf", "docx", "jpg", "png"]
    )
    most = whole(node, "data-max-bytes", MOST_BYTES)
    body: Json = {
        "formats": list(dict.fromkeys(formats))[:20],
        "max_bytes": max(1, min(50 * 1024 * 1024, most)),
    }
    return Asked(node, "UPLOAD", "file", body, around.response(node), _by_people)


def drawing(node: Element, around: Around) -> Asked:
    """A drawing, handed in as a file."""
    found = upload(node, around)
    note = _("There the candidate draws on the picture; here a drawn picture is handed in as a file.")
    return replace(found, body={"formats": ["png", "jpg"], "max_bytes": MOST_BYTES}, notes=[note])


def slider(node: Element, around: Around) -> Asked:
    """A value on a scale."""
    response = around.response(node)
    low, high, step = (fraction(node.get(name)) for name in ("lowerBound", "upperBound", "step"))
    if low is None or high is None or high <= low:
        raise Refused("range", _("Give the lowest and the highest value and the step."))
    notes = []
    if not step or step <= 0:
        step = Fraction(1) if response.base == "integer" else (high - low) / 100
        notes = (
            [] if response.base == "integer" else [_("The scale has no steps there; here it has a hundred.")]
        )
    unit = str(node.get("data-unit") or "")
    body = {
        "low": written(low),
        "high": written(high),
        "step": written(step),
        **({"unit": unit} if unit else {}),
    }
    return Asked(
        node, "SLIDER", "slider", body, response, lambda rule: wordings.slider(response, rule), notes
    )


def fallback(found: Asked) -> Scored:
    """The key where the marking has no like: by the right response, else by the mapping, as the standard's templates mark.

    Raises Refused where the file names neither.
    """
    response = found.response
    name = response.name
    rules: list[Rule] = [
        [(Part("first", name, ((("correct", name), ONE),)), ONE)],
        [(Part("map", name), ONE)],
        [(Part("point", name), ONE)],
        [],
    ]
    if response.base in _DIGITS and response.correct and response.mapping is None:
        rules = rules[:1]
    for rule in rules:
        if rule and rule[0][0].kind == "first" and not response.correct:
            continue
        try:
            return found.key(rule)
        except Unclear:
            continue
    raise Refused("no_key", _("The file does not say what is right."))
