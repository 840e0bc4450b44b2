"""Two axes and what is drawn between them, as SVG.

The drawing is coloured by the classes of the stylesheet's charts and by the text colour around it; it holds no style of
its own, so it follows light, dark and forced colours. At 340 px, the width of a telephone's page, its smallest text is
still 11 px high.
"""

import math
import re
from collections.abc import Iterable, Mapping
from fractions import Fraction

from markupsafe import Markup

Number = float | Fraction

WIDTH, HEIGHT = 400, 300
TEXT = 13
LEFT, RIGHT, TOP, BOTTOM = 44, 16, 38, 44
DASHED: Mapping[str, object] = {"fill": "none", "stroke": "currentColor", "stroke_dasharray": "4 4"}


def shown(value: Number) -> str:
    """A number as people read it, with at most three decimals."""
    return f"{round(float(value), 3) + 0.0:.10g}"


def percent(share: Number) -> str:
    """A share from 0 to 1 in per cent, with at most one decimal."""
    return f"{round(100 * float(share), 1) + 0.0:.10g}"


_NOT_IN_XML = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\ud800-\udfff\ufffe\uffff]")


def _tag(name: str, *inside: str, **attributes: object) -> Markup:
    """An element; whatever is not markup is escaped. ``text_anchor_`` stands for ``text-anchor``."""
    said = Markup().join(
        Markup(' {}="{}"').format(key.rstrip("_").replace("_", "-"), _said(value))
        for key, value in attributes.items()
    )
    parts = (part if isinstance(part, Markup) else _NOT_IN_XML.sub("", part) for part in inside)
    return Markup("<{0}{1}>{2}</{0}>").format(name, said, Markup().join(parts))


def _said(value: object) -> str:
    return f"{value:.2f}" if isinstance(value, float) else _NOT_IN_XML.sub("", str(value))


def _step(span: float) -> float:
    """A step of 1, 2 or 5 times a power of ten that divides a span into at most six parts."""
    power = 10.0 ** math.floor(math.log10(span / 6))
    return next(power * factor for factor in (1, 2, 5, 10) if power * factor * 6 >= span * (1 - 1e-9))


def scale(values: Iterable[Number], *, least: float | None = None) -> tuple[float, float]:
    """An axis that holds all values and ends at whole steps; ``least``: it begins no later than there."""
    known = [float(value) for value in values] + ([] if least is None else [least])
    low, high = min(known, default=0.0), max(known, default=1.0)
    if high - low < 1e-9 * max(1.0, abs(low), abs(high)):
        low, high = low if least is not None else low - 1, high + 1
    step = _step(high - low)
    return math.floor(low / step + 1e-9) * step, math.ceil(high / step - 1e-9) * step


class Plane:
    """Two axes and what is drawn between them."""

    def __init__(
        self,
        across: tuple[str, tuple[float, float]],
        up: tuple[str, tuple[float, float]],
        *,
        margin: int = RIGHT,
        least_step: float = 0.0,
    ) -> None:
        """Name and range of both axes; ``margin``: to the right; ``least_step``: between the numbers across."""
        (across_name, self._across), (up_name, self._up) = across, up
        self._parts: list[Markup] = []
        self._labels: list[tuple[float, float]] = []
        self._right = right = WIDTH - margin
        bottom = HEIGHT - BOTTOM
        for at in self._ticks(self._up):
            self._add("path", class_="rule", d=f"M{LEFT} {self.y(at):.2f}H{right}")
            self._write(shown(at), x=float(LEFT - 6), y=self.y(at) + 4.5, anchor="end")
        self._add("path", class_="rule", d=f"M{LEFT} {bottom}H{right}")
        for at in self._ticks(self._across, least_step):
            self._write(shown(at), x=self.x(at), y=float(bottom + 17), anchor="middle")
        self._write(up_name, x=4.0, y=float(TEXT), anchor="start")
        self._write(across_name, x=float(right), y=float(HEIGHT - 6), anchor="end")

    @staticmethod
    def _ticks(ends: tuple[float, float], least_step: float = 0.0) -> list[float]:
        low, high = ends
        step = max(_step(high - low), least_step)
        first, last = math.ceil(low / step - 1e-9), math.floor(high / step + 1e-9)
        return [number * step for number in range(first, last + 1)]

    def x(self, value: Number) -> float:
        """Where a value lies across."""
        low, high = self._across
        return LEFT + (float(value) - low) / (high - low) * (self._right - LEFT)

    def y(self, value: Number) -> float:
        """Where a value lies up."""
        low, high = self._up
        return HEIGHT - BOTTOM - (float(value) - low) / (high - low) * (HEIGHT - BOTTOM - TOP)

    def _add(self, name: str, *inside: str, **attributes: object) -> None:
        self._parts.append(_tag(name, *inside, **attributes))

    def _write(self, text: str, *, x: float, y: float, anchor: str, **attributes: object) -> None:
        self._add("text", text, x=x, y=y, text_anchor=anchor, **attributes)

    def dot(self, x: Number, y: Number, tip: str, *, look: str = "dot") -> None:
        """A point; ``tip`` is what a pointer that rests on it is told. Points may lie on one another, so one sees through."""
        tip_tag = _tag("title", tip)
        self._add("circle", tip_tag, class_=look, cx=self.x(x), cy=self.y(y), r=5, fill_opacity="0.6")

    def diamond(self, x: Number, y: Number, tip: str) -> None:
        """A point that asks to be looked at: another shape, not only another colour."""
        at = f"M{self.x(x):.2f} {self.y(y):.2f}m0-7l7 7l-7 7l-7-7z"
        self._add("path", _tag("title", tip), class_="bar low", d=at)

    def bar(self, left: Number, right: Number, height: Number, tip: str, *, look: str) -> None:
        """A bar from the bottom."""
        top, width = self.y(height), self.x(right) - self.x(left)
        rest: dict[str, object] = {"y": top, "height": HEIGHT - BOTTOM - top, "width": max(1.0, width - 2)}
        self._add("rect", _tag("title", tip), class_=look, x=self.x(left) + 1, **rest)

    def line(self, points: Iterable[tuple[Number, Number]], **attributes: object) -> None:
        """A line through points."""
        through = " ".join(f"{self.x(x):.2f},{self.y(y):.2f}" for x, y in points)
        self._add("polyline", points=through, **attributes)

    def rectangle(self, across: tuple[Number, Number], up: tuple[Number, Number]) -> None:
        """An outlined field."""
        (left, right), (low, high) = across, up
        width, height = self.x(right) - self.x(left), self.y(low) - self.y(high)
        ink: dict[str, object] = {"fill": "none", "stroke": "currentColor", "stroke_opacity": "0.5"}
        self._add("rect", x=self.x(left), y=self.y(high), width=width, height=height, **ink)

    def mark_across(self, at: Number, text: str) -> None:
        """A dashed line upright, with its name above it."""
        x, is_right = self.x(at), self.x(at) > (LEFT + WIDTH) / 2
        self._add("path", d=f"M{x:.2f} {TOP - 14}V{HEIGHT - BOTTOM}", **DASHED)
        anchor = "end" if is_right else "start"
        self._write(text, x=x - 5 if is_right else x + 5, y=float(TOP - 6), anchor=anchor, class_="value")

    def mark_up(self, at: Number, text: str) -> None:
        """A dashed line across, with its name above its end."""
        y = self.y(at)
        self._add("path", d=f"M{LEFT} {y:.2f}H{self._right}", **DASHED)
        self._write(text, x=float(self._right), y=y - 5, anchor="end", class_="value")

    def label(self, x: Number, y: Number, text: str) -> None:
        """A name beside a point, on the side where there is room; none where a name already stands."""
        place, is_right = self.x(x), self.x(x) > (LEFT + WIDTH) / 2
        at = (place - 9 if is_right else place + 9, self.y(y) + 4.5)
        width = TEXT * max(4, len(text))
        if any(abs(at[0] - other) < width and abs(at[1] - height) < TEXT for other, height in self._labels):
            return
        self._labels.append(at)
        self._write(text, x=at[0], y=at[1], anchor="end" if is_right else "start", class_="value")

    def ends(self, names: Iterable[tuple[str, Number]]) -> None:
        """Names of lines at their right ends, moved apart where they would lie on one another."""
        lowest = HEIGHT - BOTTOM + 4.5
        places = sorted((self.y(height) + 4.5, name) for name, height in names)
        room = min(float(TEXT), (lowest - TOP) / max(1, len(places)))
        for number in range(len(places) - 1, -1, -1):
            y, name = places[number]
            lowest = min(y, lowest)
            self._write(name, x=float(self._right + 4), y=lowest, anchor="start", class_="value")
            lowest -= room

    def svg(self, name: str, title: str, description: str) -> Markup:
        """The drawing. ``name``: of it in its page, for the ids of title and description."""
        words = (_tag("title", title, id=f"{name}-title"), _tag("desc", description, id=f"{name}-desc"))
        names: dict[str, object] = {
            "aria_labelledby": f"{name}-title",
            "aria_describedby": f"{name}-desc",
            "font_size": TEXT,
        }
        box = f"0 0 {WIDTH} {HEIGHT}"
        return _tag("svg", *words, *self._parts, viewBox=box, role="img", fill="currentColor", **names)
