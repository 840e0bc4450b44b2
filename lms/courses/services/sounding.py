"""The sound of a film as a drawing: what a caption's editor sees of where somebody speaks."""

from dataclasses import dataclass

from lms.core import video
from lms.core.errors import NotFound
from lms.core.storage import storage
from lms.courses.models import Video

WINDOW_S = 20
"""Seconds of the close view."""

_WHOLE = 240
"""Strokes of the view of the whole film."""


@dataclass(frozen=True)
class Drawn:
    """A drawing of a part of the sound: a path in a picture of ``width`` x 32."""

    path: str
    width: int
    start_s: float
    end_s: float


def whole_sound(row: Video | None) -> Drawn | None:
    """The sound of the whole film; None where it has none, or was prepared before drawings were."""
    if row is None or not _has_peaks(row):
        return None
    found = video.waveform.coarser(_heights(row), _WHOLE)
    return Drawn(video.waveform.strokes(found), len(found), 0, row.duration_s)


def part_of_sound(row: Video, start_s: int) -> Drawn:
    """The twenty seconds from a moment on. Raises NotFound outside the film, and where there is no drawing."""
    if not _has_peaks(row) or not 0 <= start_s < row.duration_s:
        raise NotFound
    per_s = float((row.manifest or {})["peaks_per_s"])
    found = video.waveform.part(_heights(row), per_s, start_s=start_s, length_s=WINDOW_S)
    width = max(1, round(per_s * WINDOW_S))
    return Drawn(video.waveform.strokes(found), width, start_s, start_s + WINDOW_S)


def _has_peaks(row: Video) -> bool:
    return bool((row.manifest or {}).get("peaks")) and row.folder_key is not None


def _heights(row: Video) -> list[int]:
    try:
        return video.waveform.heights(storage().read(f"{row.folder_key}/{video.waveform.NAME}"))
    except OSError:
        raise NotFound from None
