"""What an upload may be, what its work may cost, and the names of the refusals."""

from dataclasses import dataclass

from lms.core.errors import LmsError, RuleBroken
from lms.core.i18n import lazy

REASONS: dict[str, str] = {
    "empty": lazy("The file is empty. Please choose it again."),
    "too_large": lazy("The file is larger than this site accepts."),
    "too_long": lazy("The video is longer than this site accepts. Please cut it into shorter lectures."),
    "too_short": lazy("The video is shorter than one second."),
    "too_many_pixels": lazy(
        "The picture is larger than 4096 × 2304. Please export it at 1920 × 1080 or less."
    ),
    "too_many_streams": lazy("The file holds too many streams. Please export it again as MP4."),
    "no_video": lazy("The file has no picture. Please choose a video."),
    "no_audio": lazy("The file has no sound. Please record the lecture with a microphone."),
    "unknown_container": lazy("This is not a video file that we know. Please export it as MP4."),
    "unknown_codec": lazy(
        "The video was made with a codec that we do not know. Please export it as MP4 (H.264)."
    ),
    "names_other_files": lazy(
        "The file is a playlist that names other files. Please choose the video itself."
    ),
    "truncated": lazy(
        "The file ends too early; perhaps the copy was cut off. Please copy or export it again."
    ),
    "unreadable": lazy("The file is damaged and cannot be read. Please export it again."),
    "too_costly": lazy(
        "Looking into the file took too long, so it was refused. Please export it again as MP4."
    ),
}
"""Reason codes and the sentence for the person who chose the file. The database keeps the code."""


def reason(code: str) -> str:
    """The sentence for a reason code in the reader's language; an unknown code speaks as ``unreadable``."""
    return str(REASONS.get(code, REASONS["unreadable"]))


@dataclass(frozen=True, slots=True)
class Limits:
    """Bounds of one upload and of the work done for it. Sizes are bytes, times are seconds."""

    max_bytes: int = 8 << 30
    min_duration_s: float = 1.0
    max_duration_s: float = 4 * 3600.0
    max_pixels: int = 4096 * 2304
    max_streams: int = 16
    """Phones add streams of motion data; a lecture needs two."""

    needs_audio: bool = True

    probe_wall_s: float = 20.0
    probe_cpu_s: int = 15
    probe_memory_bytes: int = 2 << 30

    encode_wall_factor: float = 20.0
    """Wall seconds allowed for one second of video, besides a minute for the start."""

    encode_memory_bytes: int = 4 << 30
    """Address space, not resident memory: the measured ladder of 1080 lines stays under 700 MB resident."""

    def encode_wall_s(self, duration_s: float) -> float:
        """Wall seconds after which an encode is given up."""
        return 60.0 + self.encode_wall_factor * duration_s


class VideoRefused(RuleBroken):
    """The file cannot become a lecture. ``code`` is one of REASONS; ``detail`` is for the log, not for people."""

    def __init__(self, code: str, detail: str = "") -> None:
        super().__init__(code, reason(code), details={"detail": detail} if detail else None)
        self.detail = detail


class TranscodeFailed(LmsError):
    """The work failed through no fault of the file that we can name; trying again may help.

    ``code`` is ``no_ffmpeg``, ``timeout``, ``too_much`` (it said more than anybody keeps), ``no_space``, ``encoder`` or ``uneven`` (the renditions do not match each
    other, so nothing may be published). ``detail`` is the end of what ffmpeg said.
    """

    def __init__(self, code: str, detail: str = "") -> None:
        super().__init__(f"{code}: {detail}" if detail else code)
        self.code = code
        self.detail = detail


class TranscodeStopped(LmsError):
    """``should_stop`` said so. Nothing is to be published."""
