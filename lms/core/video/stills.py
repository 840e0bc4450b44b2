"""Single pictures out of the sheets of thumbnails: a doorman of Pillow, for sheets that we made ourselves.

A sheet holds 100 pictures and weighs some 40 to 90 KB; whoever looks at eight chapters would load it for eight of them. One
picture weighs 1 to 3 KB.
"""

import io
import re
from collections.abc import Callable
from functools import lru_cache

from PIL import Image

THUMBS = "thumbs.vtt"
_CUE = re.compile(r"^(thumbs-\d{2,4}\.(?:webp|jpg))#xywh=(\d+),(\d+),(\d+),(\d+)$", re.MULTILINE)
_QUALITY = 60
_EVERY_S = 5
"""The step of the track (ladder.THUMBS_EVERY_S)."""


def still(folder: str, at_s: int, *, read: Callable[[str], bytes]) -> bytes:
    """The thumbnail of a moment as a WebP of its own. Raises FileNotFoundError where the film has none there.

    ``read`` gives a file of the film's folder, by its name with the folder before it.
    """
    return _cut(read, folder, at_s // _EVERY_S)


@lru_cache(maxsize=512)
def _cut(read: Callable[[str], bytes], folder: str, number: int) -> bytes:
    places = _places(read, folder)
    if not 0 <= number < len(places):
        raise FileNotFoundError(number)
    sheet, x, y, width, height = places[number]
    with Image.open(io.BytesIO(read(f"{folder}/{sheet}")), formats=("WEBP", "JPEG")) as whole:
        if x + width > whole.width or y + height > whole.height:
            raise FileNotFoundError(number)
        kept = io.BytesIO()
        whole.crop((x, y, x + width, y + height)).convert("RGB").save(kept, "WEBP", quality=_QUALITY)
    return kept.getvalue()


@lru_cache(maxsize=64)
def _places(read: Callable[[str], bytes], folder: str) -> tuple[tuple[str, int, int, int, int], ...]:
    text = read(f"{folder}/{THUMBS}").decode("ascii")
    return tuple((sheet, int(x), int(y), int(w), int(h)) for sheet, x, y, w, h in _CUE.findall(text))
