"""Areas of a picture as numbers in the rows of an author's form, there and back.

Names: ``h0-shape``, ``h0-coords`` (``100, 80, 20``), ``h0-share``. A circle is its middle and its radius, a rectangle two
corners, a polygon its corners one after the other, an ellipse its middle and its two radii; pixels of the picture.
"""

import re
from collections.abc import Callable, Mapping
from typing import Any

from lms.assessments.rules.items.places import MOST_AREAS, is_area
from lms.assessments.rules.items.shape import as_list, as_map

Get = Callable[[str], str]
Json = Mapping[str, Any]
SHAPES = ("circle", "rect", "poly", "ellipse")
_APART = re.compile(r"[\s,;，；、]+")


def put_spots(found: dict[str, str], body: Json, key: Json) -> None:
    """The fields of a picture and its areas."""
    for name in ("image", "width", "height", "points"):
        if body.get(name) is not None:
            found[name] = str(body[name])
    for index, area in enumerate(map(as_map, as_list(key.get("areas")))):
        found[f"h{index}-shape"] = str(area.get("shape") or "")
        found[f"h{index}-coords"] = ", ".join(map(str, as_list(area.get("coords"))))
        found[f"h{index}-share"] = str(area.get("share") or "")


def read_spots(get: Get, before: Json) -> tuple[dict[str, Any], dict[str, Any]]:
    """Body (without the words) and key. A field that is no whole number becomes a fault of its area."""
    body: dict[str, Any] = {"image": get("image").strip()}
    for name in ("width", "height"):
        body[name] = _whole(get(name))
    points = _whole(get("points")) if get("points").strip() else 1
    if points != 1 or "points" in before:
        body["points"] = points
    areas = []
    for index in area_rows(get):
        share = get(f"h{index}-share").strip()
        areas.append(
            {
                "shape": get(f"h{index}-shape").strip() or SHAPES[0],
                "coords": [_whole(one) for one in _APART.split(get(f"h{index}-coords").strip()) if one],
                **({"share": share} if share else {}),
            }
        )
    return body, {"areas": areas}


def area_rows(get: Get) -> list[int]:
    """The rows in which an area was begun."""
    return [index for index in range(MOST_AREAS) if get(f"h{index}-coords").strip()]


def drawable(get: Get) -> list[tuple[int, str, list[int]]]:
    """The areas that have a shape: (row from 1, shape, coordinates); a rectangle from its upper left to its lower right."""
    _body, key = read_spots(get, {})
    found = []
    for row, area in zip(area_rows(get), key["areas"], strict=True):
        numbers = area["coords"]
        if not is_area(area):
            continue
        if area["shape"] == "rect":
            numbers = [*map(min, numbers[:2], numbers[2:]), *map(max, numbers[:2], numbers[2:])]
        found.append((row + 1, area["shape"], numbers))
    return found


def spot_field(get: Get, head: str, rest: list[str]) -> str:
    """Name of the field in which a fault of the picture or of an area lies; empty where it is none of theirs."""
    if head in {"image", "width", "height"}:
        return "picture"
    if head == "alt":
        return f"alt-{rest[0] if rest and rest[0] in {'zh', 'en'} else 'zh'}"
    if head == "points":
        return "points"
    if head != "areas":
        return ""
    rows = area_rows(get)
    index = int(rest[0]) if rest and rest[0].isdigit() else 0
    row = rows[index] if index < len(rows) else 0
    return f"h{row}-{'share' if rest[1:] == ['share'] else 'coords'}"


def _whole(text: str) -> int | None:
    """None is no coordinate, and so a fault of its area."""
    return int(text) if re.fullmatch(r"-?[0-9]{1,6}", text.strip()) else None
