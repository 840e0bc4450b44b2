"""Moodle XML, the format in which most question banks of the world can be had."""

import re
from dataclasses import replace

from lms.assessments.interchange import safexml
from lms.assessments.interchange.drafting import Album, Gathered, Json, Refused, joined
from lms.assessments.interchange.drafts import Draft, Place, Reading
from lms.assessments.interchange.moodle_calculated import calculated
from lms.assessments.interchange.moodle_cloze import RULE, cloze, words_in_text
from lms.assessments.interchange.moodle_kinds import (
    Made,
    Reader,
    multichoice,
    name_in,
    shortanswer,
    truefalse,
)
from lms.assessments.interchange.moodle_lists import essay, match, ordering
from lms.assessments.interchange.moodle_numbers import numerical
from lms.assessments.interchange.moodle_pictures import markers, onto_image
from lms.assessments.interchange.moodle_texts import Texts, raw, value
from lms.assessments.interchange.moodle_writing import losses, write
from lms.assessments.interchange.plain import tongue_of
from lms.assessments.interchange.safexml import Element, child, children, descendants, local, said
from lms.assessments.rules.items import TYPES
from lms.assessments.rules.items.numbers import number
from lms.core.errors import RuleBroken
from lms.core.i18n import _

__all__ = ["losses", "read", "write"]

_ALL: dict[str, Reader] = {
    "multichoice": multichoice,
    "multichoiceset": multichoice,
    "oumultiresponse": multichoice,
    "truefalse": truefalse,
    "shortanswer": shortanswer,
    "numerical": numerical,
    "ordering": ordering,
    "match": match,
    "matching": match,
    "ddmatch": match,
    "essay": essay,
    "cloze": cloze,
    "multianswer": cloze,
    "ddwtos": words_in_text,
    "gapselect": words_in_text,
    "calculated": calculated,
    "calculatedsimple": calculated,
    "calculatedmulti": calculated,
    "ddmarker": markers,
    "ddimageortext": onto_image,
}


def read(data: bytes) -> Reading:
    """Every question of a Moodle XML file as a draft or a problem named by its place; never raises for what it holds."""
    gathered = Gathered()
    try:
        root = _root(data)
    except RuleBroken as problem:
        gathered.refuse(Place("file"), problem.code, problem.message)
        return Reading("moodle_xml", (), tuple(gathered.problems))
    questions = [root] if local(root) == "question" else list(descendants(root, "question"))
    topic = ""
    for n, question in enumerate(questions, 1):
        kind = str(question.get("type") or "").strip().lower()
        if kind == "category":
            topic = _topic(question)
            continue
        name = name_in(question)
        _take(question, kind, Place("element", f"{n} {name}".strip()[:120]), topic, gathered)
    if not gathered.drafts and not gathered.problems:
        gathered.refuse(Place("file"), "no_items", _("The file holds no question of Moodle."))
    return Reading("moodle_xml", tuple(gathered.drafts), tuple(gathered.problems))


def _root(data: bytes) -> Element:
    """The root; questions without one around them get one."""
    try:
        return safexml.parse(data)
    except RuleBroken as problem:
        if problem.code != "xml_broken" or b"<quiz" in data or b"<question" not in data:
            raise
        head = re.match(rb"\s*(?:\xef\xbb\xbf)?\s*(?:<\?xml[^>]*\?>)?", data)
        start = head.end() if head else 0
        return safexml.parse(data[:start] + b"<quiz>" + data[start:] + b"</quiz>")


def _topic(question: Element) -> str:
    """The last part of a category's path; a stroke within a name is written twice."""
    parts = re.split(r"(?<!/)/(?!/)", raw(child(question, "category")))
    named = [one.replace("//", "/").strip() for one in parts]
    return next(
        (one for one in reversed(named) if one and not one.startswith("$") and one.lower() != "top"), ""
    )


def _take(question: Element, kind: str, place: Place, topic: str, gathered: Gathered) -> None:
    if kind == "description":
        gathered.notice(place, "description", _("A text without a question is left out."))
        return
    if kind not in _ALL:
        message = _("“%(type)s” is no type of question that is known here.", type=kind[:40] or "?")
        gathered.refuse(place, "unknown_type", message)
        return
    try:
        draft = _draft(question, kind, place, gathered)
    except Refused as refusal:
        gathered.refuse(place, refusal.code, refusal.message)
        return
    except (ArithmeticError, LookupError, RecursionError, ValueError):
        # Hostile values beyond all that is foreseen must not hold up the other questions.
        gathered.refuse(place, "unreadable", _("This question cannot be read."))
        return
    for _path, problem in gathered.take(replace(draft, topic=topic))[:1]:
        gathered.problems.append(problem)


def _draft(question: Element, kind: str, place: Place, gathered: Gathered) -> Draft:
    album = Album(place, gathered, tongue_of(_words(question)))
    texts = Texts(question, album)
    made = _ALL[kind](question, texts)
    stem = made.stem or texts.read(child(question, "questiontext"))
    media = [*stem.media, *_old_image(question, texts), *made.body.get("media", [])]
    named = (
        {album.tongue: name_in(question)} if name_in(question) and not TYPES[made.type].shares_options else {}
    )
    words = stem.text or named
    wanted = str(question.get("data-type") or "")
    code = made.type
    if (
        wanted in TYPES
        and not TYPES[wanted].is_group
        and TYPES[wanted].kind == TYPES[code].kind
        and made.type != "DOSE"
    ):
        code = wanted
    body: Json = {"stem": words, **made.body, **({"media": media} if media else {})}
    return Draft(
        place,
        code,
        {**body, **_marks(question, code, body, made)},
        made.key,
        _rationale(question, texts, made),
        code=value(question, "idnumber"),
        tags=_tags(question),
        source=str(question.get("data-source") or ""),
        difficulty=str(question.get("data-difficulty") or ""),
        media=album.media,
        review=joined([*made.reviews, *album.reviews]),
    )


def _words(question: Element) -> str:
    """All that a candidate may read, for the language of the question."""
    nodes = [
        child(question, "questiontext"),
        *children(question, "answer", "subquestion", "dragbox", "selectoption", "drag"),
    ]
    return re.sub(r"<[^<>]*>|&\w+;|\{\d*:[A-Z_]+:", " ", "\n".join(raw(one) for one in nodes))


def _old_image(question: Element, texts: Texts) -> list[Json]:
    """The picture beside a question of Moodle 1."""
    name, node = value(question, "image"), child(question, "image_base64")
    if not name or node is None:
        return []
    prose = texts.read_html(f'<img src="data:image/x;base64,{"".join(said(node).split())}" alt="">')
    return prose.media


def _marks(question: Element, code: str, body: Json, made: Made) -> Json:
    """What the question is worth, where it is not what it would be worth anyway."""
    if TYPES[code].is_group or TYPES[code].is_marked_by_people:
        return {}
    marks = number(value(question, "defaultgrade", "1"))
    right = made.key.get("right")
    default = len(right) if body.get("scoring") == "plus_minus" and isinstance(right, list) else 1
    is_known = marks is not None and marks.denominator == 1 and 1 <= marks <= 1_000
    return {"marks": int(marks)} if marks is not None and is_known and marks != default else {}


def _rationale(question: Element, texts: Texts, made: Made) -> Json:
    node = child(question, "generalfeedback")
    source = raw(node)
    if RULE in source and question.get("data-type"):
        first, *parts = source.split(RULE)
        found: Json = dict(texts.read_html(first, holds=False).text)
        return {**found, "asks": [texts.read_html(part, holds=False).text for part in parts]}
    found = dict(texts.read(node, holds=False).text)
    lines = [f"{words}: {remark}" if words else remark for words, remark in made.remarks if remark]
    if lines:
        tongue = texts.album.tongue
        found[tongue] = "\n".join([*([found[tongue]] if found.get(tongue) else []), *lines])
    return {tongue: words[:8_000] for tongue, words in found.items()}


def _tags(question: Element) -> tuple[str, ...]:
    whole = child(question, "tags")
    return tuple(tag for one in (children(whole, "tag") if whole is not None else ()) if (tag := raw(one)))
