"""Doorman of segno: QR codes as vectors, sharp on paper and on any screen."""

import re
from io import BytesIO

import segno
from markupsafe import Markup, escape

ERROR_CORRECTION = "m"
"""15 % of a code may be lost: enough for a folded, stamped print-out, and a smaller code than ``q``."""

_LONG = re.compile(r"(.+#)([0-9A-Z]{60,})")
"""An address whose fragment can be written in the alphanumeric mode: 5.5 bits a sign and not 8 (ISO/IEC 18004, 7.4.4)."""

QUIET_ZONE = 4
"""Modules of white around the code (ISO/IEC 18004 asks for 4)."""

DARK = "#12302f"

MASK = 2
"""Pattern laid over the code. Readers take any of the eight; to weigh all against each other costs more than the rest of a code."""


def svg(data: str, *, label: str) -> Markup:
    """An ``<svg>`` for a page, without fixed size. ``label``: what a screen reader says instead of it."""
    drawing = _code(data).svg_inline(
        border=QUIET_ZONE, dark=DARK, light="#fff", omitsize=True, svgclass="qr", lineclass=None
    )
    return Markup(drawing.replace("<svg ", f'<svg role="img" aria-label="{escape(label)}" ', 1))  # noqa: S704 - label escaped


def png(data: str, *, scale: int = 8) -> bytes:
    """The same code as a picture, ``scale`` pixels a module."""
    out = BytesIO()
    _code(data).save(out, kind="png", border=QUIET_ZONE, dark=DARK, light="#fff", scale=scale)
    return out.getvalue()


def data_uri(data: str) -> str:
    """The same code as the address of an ``<img>``; PDF needs it that way, for a tagged figure with an ``alt``."""
    uri: str = _code(data).svg_data_uri(border=QUIET_ZONE, dark=DARK, light="#fff", omitsize=True, nl=False)
    return uri


def _code(data: str) -> segno.QRCode:
    if not data:
        raise ValueError("a QR code needs something to say")
    parts = _LONG.fullmatch(data)
    if parts is None:
        return segno.make(data, error=ERROR_CORRECTION, micro=False, mask=MASK)
    segments = [(parts[1], segno.consts.MODE_BYTE), (parts[2], segno.consts.MODE_ALPHANUMERIC)]
    return segno.make(
        segments,  # type: ignore[arg-type]  # its stub does not know the segments that it takes
        error=ERROR_CORRECTION,
        boost_error=False,
        micro=False,
        mask=MASK,
    )
