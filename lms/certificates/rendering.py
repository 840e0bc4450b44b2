"""From a face to a PDF: no Flask, no database, no clock, so that a worker or an audit draws the same bytes."""

from datetime import datetime, time
from functools import cache
from pathlib import Path
from zoneinfo import ZoneInfo

from jinja2 import Environment

import lms
from lms.certificates.face import CertificateFace, CreditFace
from lms.core import pdf, qr
from lms.core.digests import sha256_hex

ZONE = ZoneInfo("Asia/Shanghai")
CREDENTIAL = "credential.json"
CREDENTIAL_IS = "Open Badges 3.0, W3C Verifiable Credential 2.0"
SHEETS = {
    "completion": ("completion.html", ("completion.css",), "结业证书", "Certificate of Completion"),
    "credit": (
        "credit.html",
        ("completion.css", "credit.css"),
        "学分证明",
        "Certificate of Continuing Education Credits",
    ),
}
"""Template, style sheets and title of each kind."""
FITS = (0, 1, 2)
"""Steps of the style sheet, from roomy to tight; the first that keeps every sheet to its one page is taken."""


def render_face(
    face: CertificateFace,
    *,
    credential: bytes | None = None,
    address: str = "",
    preview: bool = False,
    afresh: bool = False,
) -> bytes:
    """Draw the certificate, unsigned, on one A4 sheet and those of its annex, its credential attached.

    ``address``: what the QR code says and the link leads to where that is more than ``face.verify_url``: the same with a
    signed summary behind it. ``preview``: it says that it is none. ``afresh``: drawn from nothing; the bytes are the same.

    Raises ``pdf.MissingGlyphs`` if a character has no shipped font, ``pdf.TooManyPages`` if the texts are too long
    even in the smallest print.
    """
    name, styles, title_zh, title_en = SHEETS["credit" if isinstance(face, CreditFace) else "completion"]
    template = _templates().get_template(name)
    address = address or face.verify_url
    code = qr.data_uri(address)
    attached = [pdf.Attachment(CREDENTIAL, CREDENTIAL_IS, credential)] if credential else []
    for fit in FITS:
        try:
            return pdf.render(
                template.render(face=face, qr=code, address=address, fit=fit, preview=preview),
                css=[_folder() / style for style in styles],
                assets=_folder() / "art",
                title={
                    "zh-CN": f"{title_zh} – {face.name} – {face.serial}",
                    "en": f"{title_en} – {face.name_latin or face.name} – {face.serial}",
                },
                identifier=face.serial,
                created=datetime.combine(face.issued_on, time(), ZONE),
                languages=("zh-CN", "en"),
                author=" ".join(filter(None, (face.sponsor_zh, face.sponsor_en))),
                subject=" / ".join(filter(None, (face.programme_zh, face.programme_en))),
                attachments=attached,
                max_pages=1 + len(face.annex_sheets),
                afresh=afresh,
            )
        except pdf.TooManyPages:
            if fit == FITS[-1]:
                raise
    raise AssertionError("FITS is never empty")


@cache
def template_sha256() -> str:
    """Digest of all that decides the look beside the face: template, style sheet, drawings and fonts."""
    files = [
        path for folder in (_folder(), pdf.FONTS) for path in sorted(folder.rglob("*")) if path.is_file()
    ]
    return sha256_hex("\n".join(f"{path.name} {sha256_hex(path.read_bytes())}" for path in files).encode())


@cache
def _folder() -> Path:
    """The print templates: inside the package where it is installed, beside it in a checkout."""
    package = Path(lms.__file__).resolve().parent
    inside = package / "templates" / "certificates" / "print"
    return inside if inside.is_dir() else package.parent / "templates" / "certificates" / "print"


@cache
def _templates() -> Environment:
    return pdf.templates(_folder())
