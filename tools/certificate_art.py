"""Draw the border and the emblem of the certificate: interlaced waves, one Bézier curve for each half wave.

python tools/certificate_art.py
"""

import itertools
import math
from pathlib import Path

ART = Path(__file__).resolve().parent.parent / "templates" / "certificates" / "print" / "art"
WIDTH, HEIGHT = 297.0, 210.0
TEAL, GOLD = "#0b5d5b", "#b8912f"
BAND = 9.5
"""Middle of the woven band, from the edge of the sheet (mm)."""
AMPLITUDE = 1.9
HALF_WAVE = 4.6
WAVES = 4
CORNER = 6.2
"""Half side of the ornament where two bands meet."""


def number(value: float) -> str:
    """Two decimals of a millimetre, written as short as SVG allows."""
    text = f"{value:.2f}".rstrip("0").rstrip(".")
    return text.replace("0.", ".", 1) if text.startswith(("0.", "-0.")) else text or "0"


def wave(start: tuple[float, float], end: tuple[float, float], phase: float) -> str:
    """A sine along the line from ``start`` to ``end``; ``phase`` in half waves, 0 to 2.

    A half sine of width L and height A is a cubic with control points at 4L/3π and 4A/3 (same slope at both ends,
    same height in the middle). A wave that does not begin at its zero is begun with a piece of a curve.
    """
    (x0, y0), (x1, y1) = start, end
    length = math.hypot(x1 - x0, y1 - y0)
    ux, uy = (x1 - x0) / length, (y1 - y0) / length
    count = round(length / HALF_WAVE)
    half = length / count

    def at(along: float, across: float) -> str:
        x, y = x0 + ux * along - uy * across, y0 + uy * along + ux * across
        return f"{number(x)} {number(y)}"

    def height(along: float) -> float:
        return AMPLITUDE * math.sin(math.pi * (along / half + phase))

    def slope(along: float) -> float:
        return AMPLITUDE * math.pi / half * math.cos(math.pi * (along / half + phase))

    # Knots at the zeros of the sine and at both ends.
    zeros = [(k - phase) * half for k in range(count + 3)]
    knots = [0.0, *[z for z in zeros if 1e-6 < z < length - 1e-6], length]
    path = f"M{at(0, height(0))}"
    for a, b in itertools.pairwise(knots):
        reach = (b - a) * 4 / (3 * math.pi) if b - a > half - 1e-6 else (b - a) / 3
        path += f"C{at(a + reach, height(a) + slope(a) * reach)} {at(b - reach, height(b) - slope(b) * reach)} {at(b, height(b))}"
    return path


def border() -> str:
    """The sheet's border: a line, the woven band, a fine line of gold."""
    near, far_x, far_y, c = BAND, WIDTH - BAND, HEIGHT - BAND, CORNER
    sides = (
        ((near + c, near), (far_x - c, near)),
        ((far_x, near + c), (far_x, far_y - c)),
        ((far_x - c, far_y), (near + c, far_y)),
        ((near, far_y - c), (near, near + c)),
    )
    waves = "".join(wave(*side, 2 * k / WAVES) for side in sides for k in range(WAVES))
    corners = "".join(corner(x, y) for x in (near, far_x) for y in (near, far_y))
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH:g} {HEIGHT:g}">\n'
        f'<g fill="none" stroke="{TEAL}">\n'
        f'<path stroke-width=".9" d="{frame(5)}"/><path stroke-width=".25" d="{frame(7)}{frame(12)}"/>\n'
        f'<path stroke-width=".16" d="{waves}"/>\n</g>\n'
        f'<path fill="none" stroke="{GOLD}" stroke-width=".45" d="{frame(13.4)}"/>\n{corners}</svg>\n'
    )


def frame(inset: float) -> str:
    """A rectangle ``inset`` from the edges."""
    return (
        f"M{number(inset)} {number(inset)}H{number(WIDTH - inset)}V{number(HEIGHT - inset)}H{number(inset)}Z"
    )


def corner(x: float, y: float) -> str:
    """Four petals in a square."""
    r, k = 2.1, 1.5
    petals = "".join(
        f"M{number(x)} {number(y)}c{number(k * dx - k * dy)} {number(k * dy + k * dx)} "
        f"{number(r * dx - k * dy * 0.4)} {number(r * dy + k * dx * 0.4)} {number(r * dx)} {number(r * dy)}"
        f"c{number(k * dy * 0.4)} {number(-k * dx * 0.4)} {number(k * dx + k * dy - r * dx)} "
        f"{number(k * dy - k * dx - r * dy)} {number(-r * dx)} {number(-r * dy)}z"
        for dx, dy in ((1, 0), (0, 1), (-1, 0), (0, -1))
    )
    side = 2.5
    square = f"M{number(x - side)} {number(y - side)}h{2 * side:g}v{2 * side:g}h-{2 * side:g}z"
    ring = f"M{number(x - 4.6)} {number(y)}l4.6 -4.6l4.6 4.6l-4.6 4.6z"
    return (
        f'<path fill="none" stroke="{TEAL}" stroke-width=".25" d="{ring}"/>'
        f'<path fill="#fffdf8" stroke="{TEAL}" stroke-width=".4" d="{square}"/><path fill="{GOLD}" d="{petals}"/>\n'
    )


def emblem() -> str:
    """A rosette of gold with the firefly in it; no star and no characters, so that nobody takes it for an official seal."""
    lobes = 24
    rings = []
    for turn in range(3):
        points = []
        for i in range(2 * lobes):
            angle = math.pi * (i + turn * 2 / 3) / lobes
            radius = 46 if i % 2 else 39
            points.append((50 + radius * math.cos(angle), 50 + radius * math.sin(angle)))
        middle = [
            ((a[0] + b[0]) / 2, (a[1] + b[1]) / 2)
            for a, b in zip(points, points[1:] + points[:1], strict=True)
        ]
        path = f"M{number(middle[-1][0])} {number(middle[-1][1])}"
        path += "".join(
            f"Q{number(p[0])} {number(p[1])} {number(m[0])} {number(m[1])}"
            for p, m in zip(points, middle, strict=True)
        )
        rings.append(path + "z")
    return (
        '<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 100 100">\n'
        f'<path fill="none" stroke="{GOLD}" stroke-width=".7" d="{"".join(rings)}"/>\n'
        f'<circle cx="50" cy="50" r="36" fill="#fffdf8" stroke="{GOLD}" stroke-width="1.4"/>\n'
        f'<circle cx="50" cy="50" r="33.5" fill="none" stroke="{GOLD}" stroke-width=".5"/>\n'
        f'<g transform="translate(18 16.2) scale(.125)">\n'
        f'<path fill="{TEAL}" d="{WINGS}"/>\n<path fill="{GOLD}" d="{BODY}"/>\n</g>\n</svg>\n'
    )


def logo() -> str:
    """The firefly on its night, flat: archives like no gradients with holes in them."""
    return (
        '<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 512 512">\n'
        f'<rect width="512" height="512" rx="112" fill="{TEAL}"/>\n<circle cx="256" cy="330" r="132" fill="#2d7364"/>\n'
        f'<path fill="#fff" d="{WINGS}"/>\n<path fill="#ffd25e" d="{BODY}"/>\n</svg>\n'
    )


WINGS = "M244 236C158 238 96 196 92 118c82-2 146 42 152 118zM268 236c86-2 148-40 152-118-82-2-146 42-152 118z"
BODY = "M256 262c38 0 62 30 62 74 0 46-28 86-62 86s-62-40-62-86c0-44 24-74 62-74z"


def main() -> None:
    """Write the three drawings."""
    for name, drawing in {"border.svg": border(), "emblem.svg": emblem(), "logo.svg": logo()}.items():
        (ART / name).write_text(drawing, encoding="utf-8")
        print(f"{name} {len(drawing)} bytes")


if __name__ == "__main__":
    main()
