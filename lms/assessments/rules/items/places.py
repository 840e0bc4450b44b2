"""Asks that are answered by pointing at a picture. Coordinates are pixels of the picture, whole numbers, from its upper left."""

from collections.abc import Iterator, Mapping
from fractions import Fraction
from typing import Any

from lms.assessments.rules.items.numbers import fraction
from lms.assessments.rules.items.shape import (
    Fault,
    alt_faults,
    as_list,
    as_map,
    is_storage_key,
    is_whole,
)
from lms.core.i18n import _

Json = Mapping[str, Any]
NONE, ALL = Fraction(0), Fraction(1)
MOST_POINTS = 20
MOST_AREAS = 40
LARGEST_PICTURE = 20_000
_COUNTS = {"rect": 4, "circle": 3, "ellipse": 4}
_LEAST_CORNERS, _MOST_CORNERS = 3, 200


def point_faults(body: Json, key: Json) -> Iterator[Fault]:
    """A picture with its size, and areas on it."""
    if not is_storage_key(body.get("image")):
        yield Fault("image", "no_image", _("The picture is missing."))
    yield from alt_faults(body.get("alt"), "alt")
    for name in ("width", "height"):
        if not is_whole(body.get(name), 1, LARGEST_PICTURE):
            yield Fault(name, "size", _("The size of the picture is missing."))
    if not is_whole(body.get("points", 1), 1, MOST_POINTS):
        yield Fault("points", "limit", _("Ask for 1 to 20 places."))
    areas = [as_map(one) for one in as_list(key.get("areas"))]
    if not 1 <= len(areas) <= MOST_AREAS:
        yield Fault("areas", "no_key", _("Say which area of the picture is right."))
        return
    shares = []
    for index, area in enumerate(areas):
        if not is_area(area) or not _is_on_picture(area, body):
            yield Fault(f"areas.{index}", "area", _("This area does not lie on the picture."))
        share = fraction(area.get("share", "1"))
        if share is None or not -1 <= share <= 1:
            yield Fault(f"areas.{index}.share", "weights", _("The share of each area lies between −1 and 1."))
        shares.append(share or NONE)
    if sum(share for share in shares if share > 0) < 1:
        yield Fault(
            "areas", "unreachable", _("No answer earns all the marks: the shares do not add up to 1.")
        )


def is_area(area: Json) -> bool:
    """Whether an area has a shape with as many coordinates as it takes, and is not empty."""
    numbers, shape = as_list(area.get("coords")), area.get("shape")
    if not all(is_whole(one, -2 * LARGEST_PICTURE, 2 * LARGEST_PICTURE) for one in numbers):
        return False
    if shape == "poly":
        return len(numbers) % 2 == 0 and _LEAST_CORNERS <= len(numbers) // 2 <= _MOST_CORNERS
    if not isinstance(shape, str) or _COUNTS.get(shape) != len(numbers):
        return False
    return shape == "rect" or min(numbers[2:]) >= 1


def _is_on_picture(area: Json, body: Json) -> bool:
    """Whether the box around an area meets the picture; else nobody could ever hit it."""
    numbers, shape = area["coords"], area["shape"]
    if shape in {"circle", "ellipse"}:
        x, y, wide, high = (*numbers, numbers[-1])[:4]
        spans = [x - wide, x + wide], [y - high, y + high]
    else:
        spans = list(numbers[::2]), list(numbers[1::2])
    sizes = body.get("width"), body.get("height")
    return all(
        not is_whole(size, 1, LARGEST_PICTURE) or (max(span) >= 0 and min(span) <= size)
        for span, size in zip(spans, sizes, strict=True)
    )


def read_points(body: Json, raw: Any) -> dict[str, Any] | None:
    """``{"points": [[x, y], …]}`` inside the picture, as many as are asked for at most."""
    value, most = as_map(raw).get("points"), body.get("points", 1)
    if not isinstance(value, list) or not is_whole(len(value), 0, most if type(most) is int else 1):
        return None
    sizes = body.get("width"), body.get("height")
    if not all(is_whole(size, 1, LARGEST_PICTURE) for size in sizes):
        return None
    if not all(_is_point(one, sizes) for one in value):
        return None
    return {"points": [list(one) for one in value]}


def _is_point(value: Any, sizes: tuple[Any, Any]) -> bool:
    numbers = as_list(value)
    return len(numbers) == 2 and all(is_whole(one, 0, size) for one, size in zip(numbers, sizes, strict=True))


def share_points(_body: Json, key: Json, response: Json, _drawn: Mapping[str, Fraction]) -> Fraction:
    """The shares of the areas that are hit, each once."""
    points = [as_list(one) for one in as_list(response.get("points"))]
    total = NONE
    for area in map(as_map, as_list(key.get("areas"))):
        if is_area(area) and any(
            len(point) == 2 and all(type(one) is int for one in point) and is_inside(area, *point)
            for point in points
        ):
            total += fraction(area.get("share", "1")) or NONE
    return max(NONE, min(ALL, total))


def is_inside(area: Json, x: int, y: int) -> bool:
    """Whether a pixel lies in an area; its edge belongs to it. Whole numbers only, so that no rounding decides."""
    numbers = list(area["coords"])
    shape = area["shape"]
    if shape == "rect":
        x1, y1, x2, y2 = numbers
        return bool(min(x1, x2) <= x <= max(x1, x2) and min(y1, y2) <= y <= max(y1, y2))
    if shape == "circle":
        cx, cy, radius = numbers
        return bool((x - cx) ** 2 + (y - cy) ** 2 <= radius**2)
    if shape == "ellipse":
        cx, cy, rx, ry = numbers
        return bool((x - cx) ** 2 * ry**2 + (y - cy) ** 2 * rx**2 <= rx**2 * ry**2)
    return _in_polygon(list(zip(numbers[::2], numbers[1::2], strict=True)), x, y)


def _in_polygon(corners: list[tuple[int, int]], x: int, y: int) -> bool:
    """Crossing number, with the edges counted in."""
    inside = False
    for (x1, y1), (x2, y2) in zip(corners, corners[1:] + corners[:1], strict=True):
        cross = (x2 - x1) * (y - y1) - (y2 - y1) * (x - x1)
        if cross == 0 and min(x1, x2) <= x <= max(x1, x2) and min(y1, y2) <= y <= max(y1, y2):
            return True
        if (y1 > y) != (y2 > y) and (cross > 0) == (y2 > y1):
            inside = not inside
    return inside
