"""The waveform of a sound: 4 KB at most for any film, and the strokes that draw a part of it."""

NAME = "peaks.bin"
MOST_BYTES = 4096
_PER_S = 20
"""Places in a second, where the film is short enough: a pause between two words is five of them."""

HEIGHT = 15
"""Of the loudest place; strokes are drawn as far above the middle as below it."""


def places(length_s: float) -> int:
    """How many places the waveform of a sound has; even, because two make a byte."""
    return min(2 * MOST_BYTES, 2 * max(1, -int(-length_s * _PER_S // 2)))


def heights(kept: bytes) -> list[int]:
    """The heights of all places, from 0 to 15, out of the file of a film."""
    return [height for byte in kept for height in (byte >> 4, byte & 15)]


def part(found: list[int], per_s: float, *, start_s: float, length_s: float) -> list[int]:
    """The places of a part of the film; fewer where the film ends."""
    return found[round(start_s * per_s) : round((start_s + length_s) * per_s)]


def coarser(found: list[int], most: int) -> list[int]:
    """The same with at most so many places, each the highest of those it stands for."""
    length = max(1, -(-len(found) // most))
    return [max(found[at : at + length]) for at in range(0, len(found), length)]


def strokes(found: list[int]) -> str:
    """An SVG path: one stroke for each place, one unit apart, around the height 16 in a picture of 32."""
    drawn, at = [], 0
    for place, height in enumerate(found):
        if height:
            drawn.append(f"m{place - at} {-height}v{2 * height}m0 {-height}")
            at = place
    return "M.5 16" + "".join(drawn)
