"""Questions of a sheet or a document as items: one row, or rows that share a case or their options."""

import re
from collections.abc import Sequence

from lms.assessments.interchange import answers, words
from lms.assessments.interchange.drafting import Gathered, Json, Refused, joined, with_media
from lms.assessments.interchange.drafts import Draft, Place, Problem
from lms.assessments.interchange.rows import Choice, Row, Unit, Words
from lms.assessments.rules.items import TYPES
from lms.core.i18n import _


def take(unit: Unit, gathered: Gathered) -> None:
    """Keep a unit as a draft, or name what is wrong with it at its place."""
    row = unit.rows[0]
    try:
        draft = _group(unit, gathered) if unit.is_group else _single(unit, gathered)
    except Refused as refusal:
        place = refusal.place or row.where(refusal.part)
        gathered.refuse(place, refusal.code, refusal.message)
        return
    for path, problem in gathered.take(draft):
        gathered.problems.append(Problem(_place_of(path, unit), problem.code, problem.message))


_PARTS = {"stem": "stem", "options": "options", "asks": "stem", "media": "stem", "units": "unit", "tolerance": "tolerance", "limit": "limit", "max_chars": "longest"}  # fmt: skip


def _place_of(path: str, unit: Unit) -> Place:
    """Where the part stands that a fault's path names."""
    names = path.split(".")
    row = unit.rows[0]
    if names[0] == "asks" and len(names) > 1 and names[1].isdigit() and int(names[1]) < len(unit.rows):
        row = unit.rows[int(names[1])]
        names = names[2:] or ["stem"]
    elif unit.is_group and names[0] == "stem":
        return row.where("shared")
    if names[0] == "options" and len(names) > 1 and names[1].isdigit():
        options = row.options or unit.options
        letter = options[int(names[1])].letter if int(names[1]) < len(options) else ""
        return row.cells.get(f"option {letter}") or row.where("options")
    return row.where(_PARTS.get(names[0], "answer"))


def _draft(unit: Unit, kind: str, body: Json, key: Json, why: Json) -> Draft:
    row = unit.rows[0]
    tags = re.split(r"[,，、;；|\n]", row.said("tags"))
    return Draft(
        row.place,
        kind,
        body,
        key,
        why,
        code=row.said("code"),
        topic=row.said("topic"),
        tags=tuple(tag.strip() for tag in tags if tag.strip()),
        difficulty=row.said("difficulty"),
        source=row.said("source"),
        media=unit.album.media,
        review=joined([*(one for each in unit.rows for one in each.reviews), *unit.album.reviews]),
    )


def _with_marks(row: Row, body: Json, gathered: Gathered) -> Json:
    """The body with the marks that the file gives, where they are whole."""
    said = words.normal(row.said("marks")).removesuffix("分").strip()
    if not said or "rubric" in body:
        return body
    whole = re.fullmatch(r"(\d{1,4})(?:\.0+)?", said)
    if whole and 1 <= int(whole[1]) <= 1000:
        return {**body, "marks": int(whole[1])}
    message = _(
        "“%(text)s” is no whole number of marks; the paper says what the question is worth.", text=said[:20]
    )
    gathered.notice(row.where("marks"), "marks_ignored", message)
    return body


def _single(unit: Unit, gathered: Gathered) -> Draft:
    row = unit.rows[0]
    kind = answers.kind_of(row)
    if kind in TYPES and TYPES[kind].is_group and kind != "CLOZE":
        raise Refused("asks", _("A question of the type “%(type)s” needs its case and its other questions.", type=row.said_type or kind), part="type")  # fmt: skip
    stem = row.stem
    if unit.shared:  # a case with one question is a question on a case
        kind = "A2" if kind == "A1" else kind
        stem = _joined_words(unit.shared, row.stem)
    made = answers.made(row, kind, stem)
    body = with_media({"stem": dict(made.stem), **made.body}, [*unit.shared_media, *row.media])
    if made.kind not in {"ESSAY", "CLOZE"}:
        body = _with_marks(row, body, gathered)
    return _draft(unit, made.kind, body, made.key, {**row.why} if row.why else dict(unit.shared_why))


def _joined_words(first: Words, second: Words) -> dict[str, str]:
    names = [name for name in ("zh", "en") if first.get(name) or second.get(name)]
    return {name: "\n\n".join(part for part in (first.get(name), second.get(name)) if part) for name in names}


# ---------------------------------------------------------------- groups


def _group(unit: Unit, gathered: Gathered) -> Draft:
    kind = unit.type or _kind_of_group(unit)
    shape = TYPES[kind]
    if len(unit.rows) == 1:
        return _single(_alone(unit, kind), gathered)
    options = unit.options or (unit.rows[0].options if shape.shares_options else [])
    body: Json = {}
    if unit.shared:
        body["stem"] = dict(unit.shared)
    elif shape.is_serial:
        raise Refused("no_shared", _("The case that these questions share is missing."), part="shared")
    body = with_media(body, unit.shared_media)
    parts: list[Json] = []
    keys: list[Json] = []
    for row in unit.rows:
        try:
            if shape.shares_options:
                _require_same(row, options)
                row.options = list(options)
            made = answers.made(row, shape.kind, row.stem)
        except Refused as refusal:
            raise Refused(refusal.code, refusal.message, place=row.where(refusal.part)) from refusal
        part = {"stem": dict(row.stem), **made.body}
        if shape.shares_options:
            part.pop("options", None)
        part.pop("scoring", None)
        parts.append(_with_marks(row, with_media(part, row.media), gathered))
        keys.append(made.key)
    if shape.shares_options:
        body["options"] = answers.options_of(
            options, unit.rows[0].said("fixed") if "fixed" in unit.rows[0].more else None
        )
    body |= {"reveal": "serial" if shape.is_serial else "all", "asks": parts}
    why: Json = dict(unit.shared_why)
    if any(row.why for row in unit.rows):
        why["asks"] = [dict(row.why) for row in unit.rows]
    return _draft(unit, kind, body, {"asks": keys}, why)


def _alone(unit: Unit, kind: str) -> Unit:
    """A group of one question as that question."""
    row = unit.rows[0]
    row.type = {"A3": "A2", "A4": "A2", "B1": "A1"}.get(kind, "X")
    if kind == "CASE":
        row.more["scoring"] = "±"
    row.options = row.options or list(unit.options)
    return unit


def _require_same(row: Row, options: Sequence[Choice]) -> None:
    """Questions that share their options may repeat them, not change them."""
    own = [(one.letter, dict(one.text)) for one in row.options]
    if own and own != [(one.letter, dict(one.text)) for one in options]:
        raise Refused("other_options", _("These options are not those of the questions before, with which they are shared."), part="options")  # fmt: skip


def _kind_of_group(unit: Unit) -> str:
    """The type of a group by its rows, where nothing else tells it."""
    said = [row.type for row in unit.rows if row.type]
    named = next((code for code in said if code in {"A3", "A4", "B1", "EMQ", "CASE"}), "")
    several = any(len(words.letters_of(row.answer) or ()) > 1 or row.type == "X" for row in unit.rows)
    if named in {"A3", "A4"} and several:
        raise Refused("several_keys", _("One answer is wanted for each of these questions, and more are given."), part="answer")  # fmt: skip
    if named:
        return named
    other = next(
        (row for row in unit.rows if row.type and row.type not in {"A1", "A2", "X", words.CHOICE}), None
    )
    if other is not None:
        raise Refused("group_type", _("Questions of the type “%(type)s” cannot share a case.", type=other.said_type or other.type), place=other.where("type"))  # fmt: skip
    if unit.options:
        return "EMQ" if several else "B1"
    if several:
        unit.rows[0].reviews.append(
            _("Scored as a case analysis: +1 for each right option, −1 for each wrong one.")
        )
        return "CASE"
    return "A3"
