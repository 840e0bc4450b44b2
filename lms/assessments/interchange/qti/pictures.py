"""Interactions on a picture."""

import re
import struct
import zlib
from collections.abc import Callable, Sequence
from dataclasses import replace
from fractions import Fraction

from lms.assessments.interchange.drafting import NO_ALT, Json, Refused
from lms.assessments.interchange.plain import said as said_alt
from lms.assessments.interchange.qti import interactions, lists, scoring
from lms.assessments.interchange.qti.conditions import Unclear
from lms.assessments.interchange.qti.content import alt_of, source_of
from lms.assessments.interchange.qti.declarations import Areas, Response
from lms.assessments.interchange.qti.interactions import Around, Asked, options_of, whole
from lms.assessments.interchange.qti.lists import limit_of, paired, symmetric
from lms.assessments.interchange.qti.scoring import NONE, ONE, Rule, Scored, costs_more, exact, mapped, only
from lms.assessments.interchange.safexml import Element, child, children, local
from lms.assessments.rules.items.numbers import written
from lms.core.i18n import _

MOST_PIXELS = 4_000


def size_of(content: bytes) -> tuple[int, int] | None:
    """Width and height of a PNG, GIF or JPEG in pixels; None where its head does not tell."""
    try:
        if content.startswith(b"\x89PNG\r\n\x1a\n"):
            width, height = struct.unpack(">II", content[16:24])
            return int(width), int(height)
        if content.startswith((b"GIF87a", b"GIF89a")):
            width, height = struct.unpack("<HH", content[6:10])
            return int(width), int(height)
    except struct.error:
        return None
    return _size_of_jpeg(content) if content.startswith(b"\xff\xd8") else None


def _size_of_jpeg(content: bytes) -> tuple[int, int] | None:
    at = 2
    while at + 9 < len(content) and content[at] == 0xFF:
        kind = content[at + 1]
        if 0xC0 <= kind <= 0xCF and kind not in {0xC4, 0xC8, 0xCC}:
            height, width = struct.unpack(">HH", content[at + 5 : at + 9])
            return width, height
        at += 2 + int.from_bytes(content[at + 2 : at + 4], "big")
    return None


def blank(width: int, height: int) -> bytes:
    """A white PNG that stands where a picture is missing."""

    def chunk(kind: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    rows = (b"\x00" + b"\xff" * ((width + 7) // 8)) * height
    head = struct.pack(">IIBBBBB", width, height, 1, 0, 0, 0, 0)
    return (
        b"\x89PNG\r\n\x1a\n"
        + chunk(b"IHDR", head)
        + chunk(b"IDAT", zlib.compress(rows, 9))
        + chunk(b"IEND", b"")
    )


# ---------------------------------------------------------------- the picture


def _picture_of(node: Element) -> Element:
    holder = node.getparent() if local(node.getparent()) == "positionObjectStage" else node
    found = next((one for one in children(holder, "object", "img", "picture")), None)
    if found is None:
        raise Refused("no_image", _("The picture is missing."))
    return found if local(found) != "picture" else next(iter(children(found, "img")), found)


def backdrop(node: Element, around: Around, coords: Sequence[str]) -> tuple[Json, list[str]]:
    """The picture that an interaction lies on, as the fields of a body, and what a person should know about it."""
    picture = _picture_of(node)
    source = source_of(picture)
    content = around.contents.files(source) if source else None
    notes: list[str] = []
    width, height = whole(picture, "width"), whole(picture, "height")
    if (not width or not height) and content and (size := size_of(content)):
        width, height = size
    if not width or not height:
        width, height = _extent(coords)
        notes.append(_("The size of its picture is not known: look whether its areas lie where they should."))
    if not 1 <= width <= 20_000 or not 1 <= height <= 20_000:
        raise Refused("size", _("The size of the picture is missing."))
    alt = {one: said_alt(words) for one, words in alt_of(picture).items() if said_alt(words)}
    words = {around.contents.album.tongue: alt[""]} if "" in alt else alt
    entry = around.contents.album.add(content, words) if content else None
    if entry is None:
        if content is None:
            around.contents.missing(source)
        scale = max(1, -(-max(width, height) // MOST_PIXELS))
        entry = around.contents.album.add(blank(width // scale or 1, height // scale or 1), words or NO_ALT)
        notes.append(_("Its picture is missing; a white one stands in its place."))
    body = {"image": entry["key"], "alt": entry["alt"], "width": width, "height": height} if entry else {}
    return body, notes


def _extent(coords: Sequence[str]) -> tuple[int, int]:
    numbers = [float(one) for text in coords for one in re.findall(r"\d{1,6}(?:\.\d{1,6})?", text)]
    most = int(max(numbers, default=0)) + 20
    return most, most


def area(shape: str, coords: str, width: int, height: int) -> Json:
    """An area as an item keeps it, in whole pixels. Raises Refused for shapes that are none."""
    if shape == "default":
        return {"shape": "rect", "coords": [0, 0, width, height]}
    numbers = []
    for index, text in enumerate(re.split(r"[\s,]+", coords.strip())):
        found = re.fullmatch(r"(-?\d{1,6}(?:\.\d{1,9})?)(%?)(?:px)?", text)
        if found is None:
            raise Refused("areas", _("An area of the picture cannot be read."))
        side = min(width, height) if shape == "circle" and index == 2 else (width, height)[index % 2]
        numbers.append(round(float(found[1]) * side / 100) if found[2] else round(float(found[1])))
    named = {"rectangle": "rect", "polygon": "poly"}.get(shape, shape)
    counts = {"rect": 4, "circle": 3, "ellipse": 4}
    if named == "poly" and len(numbers) >= 6 and numbers[:2] == numbers[-2:] and len(numbers) % 2 == 0:
        numbers = numbers[:-2] if len(numbers) > 6 else numbers
    if counts.get(named, len(numbers)) != len(numbers) or named not in {*counts, "poly"}:
        raise Refused("areas", _("An area of the picture cannot be read."))
    return {"shape": named, "coords": numbers}


# ---------------------------------------------------------------- places


def _hotspot(node: Element, around: Around) -> Asked:
    choices = children(node, "hotspotChoice")
    body, notes = backdrop(node, around, [str(one.get("coords") or "") for one in choices])
    response = around.response(node)
    areas = {
        str(one.get("identifier")): area(
            str(one.get("shape") or ""), str(one.get("coords") or ""), body["width"], body["height"]
        )
        for one in choices
    }
    most = whole(node, "maxChoices", 1 if node.get("maxChoices") is None else 0) or len(choices)
    points = 1 if response.cardinality == "single" else max(1, min(20, most))
    return Asked(
        node, "HOTSPOT", "point", {**body, **({"points": points} if points > 1 else {})}, response,
        lambda rule: _hot_key(areas, response, rule, points), notes,
    )  # fmt: skip


def _hot_key(areas: dict[str, Json], response: Response, rule: Rule, points: int) -> Scored:
    part, factor = only(rule, "first", "map", "map0")
    if part.kind == "first":
        most = exact(rule)
        right = [one for one in response.correct if one in areas]
        if not right:
            raise Unclear
        share = written(Fraction(1, len(right)))
        key = {"areas": [{**areas[one], "share": share} if len(right) > 1 else areas[one] for one in right]}
        note = _("There all the areas must be found at once; here each earns its part.")
        body: Json = {"points": len(right)} if len(right) > points else {}
        return Scored(key, most, body, [note] if points > 1 or len(right) > 1 else [])
    found = mapped(response)
    values = {
        one: next((entry.points for entry in found.entries if entry.value == one), found.default)
        for one in areas
    }
    whole_points = sorted((value for value in values.values() if value > 0), reverse=True)[:points]
    most = sum(whole_points, NONE)
    most = most if found.upper is None else min(most, found.upper)
    if most <= 0 or any(abs(value) > most for value in values.values()):
        raise Unclear
    notes = [] if found.lower == 0 or part.kind == "map0" or min(values.values()) >= 0 else [costs_more()]
    return Scored(
        _areas_key([(areas[one], value / most) for one, value in values.items() if value]),
        most * factor,
        {},
        notes,
    )


def _areas_key(found: Sequence[tuple[Json, Fraction]]) -> Json:
    return {"areas": [one if share == 1 else {**one, "share": written(share)} for one, share in found]}


def _select_point(node: Element, around: Around) -> Asked:
    response = around.response(node)
    entries = response.areas.entries if response.areas else ()
    coords = [one.coords for one in entries] or list(response.correct)
    body, notes = backdrop(node, around, coords)
    most = whole(node, "maxChoices", 1 if node.get("maxChoices") is None else 0)
    points = 1 if response.cardinality == "single" else max(1, min(20, most or len(entries) or 1))
    return Asked(
        node, "HOTSPOT", "point", {**body, **({"points": points} if points > 1 else {})}, response,
        lambda rule: _point_key(body, response, rule, points), notes,
    )  # fmt: skip


def _point_key(body: Json, response: Response, rule: Rule, points: int) -> Scored:
    _part, factor = only(rule, "point")
    found = response.areas
    if found is None or not found.entries or (found.lower or NONE) > 0 or found.default > 0:
        raise Unclear
    made = [(area(one.shape, one.coords, body["width"], body["height"]), one.points) for one in found.entries]
    best = sorted((value for _area, value in made if value > 0), reverse=True)[:points]
    most = sum(best, NONE) if found.upper is None else min(sum(best, NONE), found.upper)
    if most <= 0 or any(abs(value) > most for _area, value in made):
        raise Unclear
    notes = (
        []
        if found.lower == 0 or (found.default == 0 and all(value >= 0 for _a, value in made))
        else [costs_more()]
    )
    if response.cardinality == "single" and do_overlap([one for one, _value in made]) and not _sinks(found):
        notes.append(_("Some of its areas overlap: there the first that is hit counts, here all of them."))
    return Scored(_areas_key([(one, value / most) for one, value in made if value]), most * factor, {}, notes)


def _sinks(found: Areas) -> bool:
    """Whether the first area earns everything, so that those below it add nothing."""
    return found.entries[0].points == max(one.points for one in found.entries)


def do_overlap(areas: Sequence[Json]) -> bool:
    """Whether two areas may share a pixel, by the rectangles around them."""
    boxes = [_box(one) for one in areas]
    return any(
        one[0] < other[2] and other[0] < one[2] and one[1] < other[3] and other[1] < one[3]
        for n, one in enumerate(boxes)
        for other in boxes[n + 1 :]
    )


def _box(one: Json) -> tuple[int, int, int, int]:
    numbers = one["coords"]
    if one["shape"] == "circle":
        x, y, radius = numbers
        return x - radius, y - radius, x + radius, y + radius
    if one["shape"] == "ellipse":
        x, y, across, down = numbers
        return x - across, y - down, x + across, y + down
    return min(numbers[::2]), min(numbers[1::2]), max(numbers[::2]), max(numbers[1::2])


def _position(node: Element, around: Around) -> Asked:
    found = _select_point(node, around)
    return replace(
        found, notes=[*found.notes, _("There an object is put on the picture; here its place is pointed at.")]
    )


# ---------------------------------------------------------------- named places


def _places(nodes: Sequence[Element], around: Around) -> list[Json]:
    for n, one in enumerate(nodes, 1):
        if not (one.get("hotspotLabel") or one.get("label")):
            one.set("hotspotLabel", str(n))
    return options_of(nodes, around)


def _on_picture(found: Asked, node: Element, around: Around) -> Asked:
    """The picture goes beside the stem; its places have to be drawn into it."""
    picture = _picture_of(node)
    prose = around.contents.read(picture)
    note = _("Its places on the picture became words: draw their names or numbers into the picture.")
    return replace(
        found,
        notes=[*found.notes, note],
        body={**found.body, "media": prose.media} if prose.media else found.body,
    )


def _graphic_order(node: Element, around: Around) -> Asked:
    options = _places(children(node, "hotspotChoice"), around)
    response = around.response(node)
    ids = [str(one["id"]) for one in options]
    made = Asked(
        node, "ORDER", "order", {"options": options}, response,
        lambda rule: scoring.order(ids, response, rule),
    )  # fmt: skip
    return _on_picture(made, node, around)


def _graphic_associate(node: Element, around: Around) -> Asked:
    nodes = children(node, "associableHotspot")
    return _on_picture(symmetric(node, around, _places(nodes, around), limit_of(nodes)), node, around)


def _graphic_gap(node: Element, around: Around) -> Asked:
    spots, choices = children(node, "associableHotspot"), children(node, "gapImg", "gapText")
    rows = [{name: value for name, value in row.items() if name != "fixed"} for row in _places(spots, around)]
    options = options_of(choices, around)
    limits = (limit_of(spots), limit_of(choices))
    return _on_picture(paired(node, around, "MATCH", rows, options, limits, turned=True), node, around)


def _media(node: Element, around: Around) -> Asked:
    response = around.responses.get(str(node.get("responseIdentifier") or "")) or Response(
        "", "single", "integer"
    )
    if (first := child(node, "object")) is None and not children(node):
        raise Refused("no_media", _("The sound or film is missing."))
    prose = around.contents.read(
        *([first] if first is not None else children(node, "audio", "video", "img", "picture"))
    )
    note = _("There it only counts how often something was played; here somebody has to say what is asked.")
    body: Json = {"max_chars": 2_000, **({"media": prose.media} if prose.media else {})}
    return Asked(node, "ESSAY", "essay", body, response, _unmarked, [note])


def _unmarked(_rule: Rule) -> Scored:
    return Scored({}, ONE)


READERS: dict[str, Callable[[Element, Around], Asked]] = {
    "choiceInteraction": interactions.choice,
    "inlineChoiceInteraction": interactions.choice,
    "hottextInteraction": interactions.choice,
    "textEntryInteraction": interactions.entry,
    "extendedTextInteraction": interactions.extended,
    "uploadInteraction": interactions.upload,
    "drawingInteraction": interactions.drawing,
    "sliderInteraction": interactions.slider,
    "orderInteraction": lists.order,
    "matchInteraction": lists.match,
    "associateInteraction": lists.associate,
    "gapMatchInteraction": lists.gap_match,
    "hotspotInteraction": _hotspot,
    "selectPointInteraction": _select_point,
    "positionObjectInteraction": _position,
    "graphicOrderInteraction": _graphic_order,
    "graphicAssociateInteraction": _graphic_associate,
    "graphicGapMatchInteraction": _graphic_gap,
    "mediaInteraction": _media,
}


def asked(node: Element, around: Around) -> Asked:
    """An interaction as an ask. Raises Refused for kinds that nothing here is like."""
    name = local(node)
    if name not in READERS:
        raise Refused(
            "unknown_interaction", _("Questions of this kind are not read: %(kind)s.", kind=name[:40])
        )
    return READERS[name](node, around)
