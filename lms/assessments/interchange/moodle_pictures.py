"""Moodle's questions on a picture: markers, and labels or pictures that are dragged onto it."""

import re
from collections.abc import Mapping
from fractions import Fraction

from lms.assessments.interchange.drafting import Json, Refused
from lms.assessments.interchange.moodle_kinds import Made, option_of
from lms.assessments.interchange.moodle_texts import Prose, Texts, alts_of, content_of, raw, value
from lms.assessments.interchange.plain import said as said_alt
from lms.assessments.interchange.qti.pictures import size_of
from lms.assessments.interchange.safexml import Element, child, children, counted
from lms.assessments.rules.items.numbers import fraction, written
from lms.core.i18n import _


def _background(question: Element, texts: Texts) -> tuple[Json, bytes]:
    """The entry of the picture that a question lies on. Raises Refused."""
    file = next(iter(children(question, "file")), None)
    content = content_of(file) if file is not None else None
    if file is None or content is None:
        raise Refused("no_image", _("The picture is missing."))
    words = alts_of(file) or {texts.album.tongue: said_alt(str(file.get("name") or "").rpartition(".")[0])}
    entry = texts.album.add(content, words if any(words.values()) else "")
    if entry is None:
        raise Refused("media_format", _("The picture is no PNG, JPEG, GIF or WebP."))
    return entry, content


def _numbers(text: str) -> list[int]:
    return [round(float(one)) for one in re.findall(r"-?\d{1,6}(?:\.\d{1,6})?", text)]


def _area(drop: Element) -> Json:
    shape, numbers = value(drop, "shape").lower(), _numbers(value(drop, "coords"))
    if shape == "circle" and len(numbers) == 3:
        return {"shape": "circle", "coords": numbers}
    if shape == "rectangle" and len(numbers) == 4:
        left, top, width, height = numbers
        return {"shape": "rect", "coords": [left, top, left + width, top + height]}
    if shape == "polygon" and len(numbers) >= 6 and len(numbers) % 2 == 0:
        return {"shape": "poly", "coords": numbers}
    raise Refused("areas", _("An area of the picture cannot be read."))


def markers(question: Element, texts: Texts) -> Made:
    """Places on a picture: with one marker a question of places, with several an association."""
    drops = children(question, "drop")
    drags = {value(one, "no"): one for one in children(question, "drag")}
    used = {value(one, "choice") for one in drops}
    if not drops or not used <= set(drags):
        raise Refused("no_key", _("Say which area of the picture is right."))
    entry, content = _background(question, texts)
    if len(used) > 1 or len(drags) > 1:
        return _labels(question, texts, drops, drags, entry)
    size = size_of(content)
    width, height = (counted(question.get(f"data-{side}")) for side in ("width", "height"))
    if width and height:
        size = width, height
    if size is None:
        raise Refused("size", _("The size of the picture is missing."))
    areas = [_area(drop) for drop in drops]
    shares = [fraction(drop.get("data-share")) or Fraction(1, len(areas)) for drop in drops]
    points = counted(question.get("data-points"), len(areas))
    key = {
        "areas": [
            {**one, **({} if share == 1 else {"share": written(share)})}
            for one, share in zip(areas, shares, strict=True)
        ]
    }
    body: Json = {"image": entry["key"], "alt": entry["alt"], "width": size[0], "height": size[1]}
    if 1 < points <= 20:
        body["points"] = points
    return Made("HOTSPOT", body, key)


def _labels(
    question: Element, texts: Texts, drops: list[Element], drags: Mapping[str, Element], entry: Json
) -> Made:
    """Labels that belong to places: the places become numbers that a person draws into the picture."""
    options, names = [], {}
    for n, (number, drag) in enumerate(drags.items(), 1):
        prose = _drag(drag, texts)
        if prose.text or prose.media:
            names[number] = f"o{n}"
            options.append(option_of(f"o{n}", prose))
    rows = []
    pairs = []
    for n, drop in enumerate(drops, 1):
        words = texts.read_html(raw(child(drop, "text")) if child(drop, "text") is not None else "").text
        rows.append({"id": f"r{n}", **(words or {"zh": f"位置{n}", "en": f"Place {n}"})})
        if value(drop, "choice") in names:
            pairs.append([f"r{n}", names[value(drop, "choice")]])
    note = _("Its places on the picture became words: draw their names or numbers into the picture.")
    stem = texts.read(child(question, "questiontext"))
    stem = Prose(stem.text, [*stem.media, entry])
    return Made(
        "MATCH", {"rows": rows, "options": options, "scoring": "each"}, {"pairs": pairs}, stem, [note]
    )


def _drag(drag: Element, texts: Texts) -> Prose:
    prose = texts.read_html(raw(child(drag, "text")) if child(drag, "text") is not None else "")
    file = next(iter(children(drag, "file")), None)
    content = content_of(file) if file is not None else None
    if content is None:
        return prose
    words = (
        next(iter(prose.text.values()), "")
        or str(file.get("name") if file is not None else "").rpartition(".")[0]
    )
    entry = texts.album.add(content, words)
    return Prose(prose.text, [entry]) if entry else prose


def onto_image(question: Element, texts: Texts) -> Made:
    """Labels or pictures that are dragged onto a picture."""
    drops = children(question, "drop")
    drags = {value(one, "no"): one for one in children(question, "drag")}
    if not drops or not drags:
        raise Refused("no_key", _("Say which area of the picture is right."))
    entry, _content = _background(question, texts)
    return _labels(question, texts, drops, drags, entry)
