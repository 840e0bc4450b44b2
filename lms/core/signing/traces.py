"""What else can be learned from a PDF that does not hold: what it says it is, and whether its pages were drawn over.

Everything here reads bytes of strangers. Streams are unpacked up to a limit and no further.
"""

import hashlib
import re
import zlib
from collections.abc import Iterator
from io import BytesIO
from typing import Any

from pyhanko.pdf_utils import generic
from pyhanko.pdf_utils.reader import PdfFileReader

MOST_UNPACKED = 16 * 1024 * 1024
"""Bytes that all streams of a file may unpack to together before it is called a bomb; ours unpack to less than 1 MB."""

_STREAM = re.compile(rb"stream\r?\n")
_TWICE = re.compile(rb"/FlateDecode\s*/FlateDecode|/LZWDecode|/RunLengthDecode|/Crypt\b")


def unpacked(data: bytes, *, most: int = MOST_UNPACKED) -> Iterator[bytes]:
    """Every deflated stream in ``data``, unpacked; raises ``OverflowError`` past ``most`` bytes in all."""
    left = most
    for found in _STREAM.finditer(data):
        if data[found.end() : found.end() + 1] not in {b"\x78", b"\x58", b"\x48", b"\x68", b"\x38"}:
            continue
        inflater = zlib.decompressobj()
        try:
            piece = inflater.decompress(memoryview(data)[found.end() :], left + 1)
        except zlib.error:
            continue
        left -= len(piece)
        if left < 0:
            raise OverflowError
        yield piece


def is_bomb(data: bytes) -> bool:
    """Whether unpacking ``data`` could take more memory than a check may cost, or cannot be foreseen."""
    if _TWICE.search(data):
        return True
    try:
        for _piece in unpacked(data):
            pass
    except OverflowError:
        return True
    return False


def texts(data: bytes) -> Iterator[str]:
    """What a file says of itself in any of its parts, as far as it can be read without a font."""
    yield from _both(data)
    try:
        for piece in unpacked(data):
            yield from _both(piece)
    except OverflowError:
        return


def _both(data: bytes) -> Iterator[str]:
    yield data.decode("latin-1")
    if b"\xfe\xff" in data:
        yield data.replace(b"\0", b"").decode("latin-1")


_REASON = re.compile(rb"/Reason\s{0,20}\(((?:[^()\\]|\\.){0,400})\)", re.DOTALL)
_ESCAPE = re.compile(rb"\\([0-7]{1,3}|.)", re.DOTALL)
_NAMED = {b"n": b"\n", b"r": b"\r", b"t": b"\t", b"b": b"\b", b"f": b"\f"}


def signed_reason(data: bytes, before: int, resume: int) -> str | None:
    """The /Reason of the signature whose hole lies between the two places; it is among the signed bytes."""
    begins = max(data.rfind(b" obj", 0, before), before - 4096, 0)
    ends = data.find(b"endobj", resume, resume + 4096)
    found = _REASON.search(data[begins:before]) or _REASON.search(data[resume : max(ends, resume)])
    if found is None:
        return None

    def plain(escape: re.Match[bytes]) -> bytes:
        said = escape.group(1)
        return bytes([int(said, 8) & 255]) if said[:1].isdigit() else _NAMED.get(said, said)

    said = _ESCAPE.sub(plain, found.group(1))
    if said.startswith(b"\xfe\xff"):
        return said[2:].decode("utf-16-be", errors="replace")
    return said.decode("latin-1")


_PARTS = re.compile(rb"obj|xref|trailer")


def redraws(data: bytes, signed: int) -> bool:
    """Whether what was added behind the first ``signed`` bytes changes what a page shows; also where that cannot be told."""
    if not _PARTS.search(data, signed):
        return False  # a reader finds nothing there to show
    try:
        return _pages(data) != _pages(data[:signed])
    except Exception:  # noqa: BLE001 - a reader over hostile bytes: whatever it stumbles over may cover the page
        return True


_MOST_PARTS = 20_000


def _pages(data: bytes) -> str:
    """Digest of all that hangs on the pages: their contents, fonts, pictures and annotations."""
    root = PdfFileReader(BytesIO(data), strict=False).root
    digest, seen = hashlib.sha256(), 0
    known: dict[tuple[int, int], int] = {}
    waiting: list[Any] = [root.raw_get("/Pages"), root.get("/AcroForm", generic.NullObject())]
    while waiting:
        one = waiting.pop()
        seen += 1
        if seen > _MOST_PARTS:
            raise OverflowError
        if isinstance(one, generic.IndirectObject):
            place = known.get((one.idnum, one.generation))
            digest.update(b"R%d" % (len(known) if place is None else place))
            if place is not None:
                continue
            known[one.idnum, one.generation] = len(known)
            one = one.get_object()  # type: ignore[no-untyped-call]
        if isinstance(one, generic.StreamObject):
            digest.update(b"S" + one.encoded_data)
        if isinstance(one, generic.DictionaryObject):
            keys = sorted(key for key in one if key not in {"/Parent", "/P", "/Metadata", "/StructParents"})
            digest.update(("D" + "".join(keys)).encode())
            waiting += [one.raw_get(key) for key in keys]
        elif isinstance(one, generic.ArrayObject):
            digest.update(b"A%d" % len(one))
            waiting += [one.raw_get(place) for place in range(len(one))]
        else:
            digest.update(repr(one).encode())
    return digest.hexdigest()
