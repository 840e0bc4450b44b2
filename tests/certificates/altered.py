"""Ways in which a genuine certificate is spoiled, and what each is to be called."""

import io
import re
import shutil
import zlib
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path

import pikepdf
from pyhanko.pdf_utils import generic
from pyhanko.pdf_utils.incremental_writer import IncrementalPdfFileWriter
from pyhanko.sign import signers
from pyhanko.sign.fields import SigFieldSpec

from lms.core import signing

WHITE = b"q 1 g 100 500 400 60 re f Q"


@dataclass(frozen=True)
class Source:
    """A genuine file, what it says before it is signed, and who might forge one."""

    signed: bytes
    unsigned: bytes
    at: datetime
    own: signing.Signer
    forger: signing.Signer
    reason: str

    def sign(self, pdf: bytes, signer: signing.Signer, reason: str | None = None, **more: object) -> bytes:
        moment = self.at + timedelta(minutes=1)
        said = self.reason if reason is None else reason
        return signing.sign_pdf(pdf, signer=signer, reason=said, location="l", at=moment, **more)  # type: ignore[arg-type]


def forger_of(folder: Path, at: datetime, organisation: str) -> signing.Signer:
    """Somebody with an authority of the same name as ours."""
    word = "somebody's passphrase"
    if not folder.exists():
        signing.create_authority(
            folder, organisation=organisation, at=at - timedelta(days=1), passphrase=word, kind=signing.P256
        )
    return signing.load_signer(folder, word)


def flipped(data: bytes, place: int) -> bytes:
    return data[:place] + bytes([data[place] ^ 1]) + data[place + 1 :]


def rewritten(change: Callable[[pikepdf.Pdf], None], data: bytes, **how: object) -> bytes:
    """Opened by another program, changed, and saved whole."""
    out = io.BytesIO()
    with pikepdf.open(io.BytesIO(data)) as pdf:
        change(pdf)
        pdf.save(out, **how)  # type: ignore[arg-type]
    return out.getvalue()


def updated(change: Callable[[IncrementalPdfFileWriter], None], data: bytes) -> bytes:
    """Changed by an update behind the file, as the format allows."""
    writer = IncrementalPdfFileWriter(io.BytesIO(data), strict=False)
    change(writer)
    out = io.BytesIO()
    writer.write(out)
    return out.getvalue()


def _page(writer: IncrementalPdfFileWriter) -> generic.DictionaryObject:
    return writer.root["/Pages"]["/Kids"][0]


def _overlay(writer: IncrementalPdfFileWriter) -> None:
    page = _page(writer)
    stream = writer.add_object(generic.StreamObject(stream_data=WHITE))
    kept = page.raw_get("/Contents")
    kept = list(kept) if isinstance(kept, generic.ArrayObject) else [kept]
    page["/Contents"] = generic.ArrayObject([*kept, stream])
    writer.update_container(page)


def _note(writer: IncrementalPdfFileWriter) -> None:
    page = _page(writer)
    box = generic.ArrayObject([generic.NumberObject(n) for n in (100, 500, 400, 560)])
    note = generic.DictionaryObject(
        {
            generic.pdf_name("/Type"): generic.pdf_name("/Annot"),
            generic.pdf_name("/Subtype"): generic.pdf_name("/FreeText"),
            generic.pdf_name("/Rect"): box,
            generic.pdf_name("/Contents"): generic.pdf_string("Wang Wu"),
            generic.pdf_name("/DA"): generic.pdf_string("/Helv 20 Tf"),
        }
    )
    kept = list(page.get("/Annots", generic.ArrayObject()))
    page["/Annots"] = generic.ArrayObject([*kept, writer.add_object(note)])
    writer.update_container(page)


def _rename(writer: IncrementalPdfFileWriter) -> None:
    writer.set_info(
        writer.add_object(
            generic.DictionaryObject({generic.pdf_name("/Title"): generic.pdf_string("Wang Wu")})
        )
    )
    writer.update_root()


def _second_page(pdf: pikepdf.Pdf) -> None:
    pdf.add_blank_page()


def _drawn_over(pdf: pikepdf.Pdf) -> None:
    pdf.pages[0].contents_add(pdf.make_stream(WHITE))


def _unsigned(pdf: pikepdf.Pdf) -> None:
    del pdf.Root["/AcroForm"]
    for name in ("/Perms", "/DSS"):
        if name in pdf.Root:
            del pdf.Root[name]
    for page in pdf.pages:
        if "/Annots" in page:
            del page["/Annots"]


def _hole(data: bytes) -> tuple[int, int]:
    found = re.search(rb"/ByteRange \[0 (\d+) (\d+) ", data)
    assert found
    return int(found[1]), int(found[2])


def _hole_zeroed(data: bytes) -> bytes:
    start, end = _hole(data)[0] + 1, _hole(data)[1] - 1
    return data[:start] + b"0" * (end - start) + data[end:]


def _other_name(data: bytes) -> bytes:
    """One letter of the Latin name in the metadata, which stands in the clear."""
    assert b"Siyuan" in data
    return data.replace(b"Siyuan", b"Siyuam", 1)


def _bomb(data: bytes) -> bytes:
    packed = zlib.compress(bytes(40_000_000), 9)
    return (
        data
        + b"\n9999 0 obj\n<</Filter/FlateDecode/Length %d>>\nstream\n%s\nendstream endobj\n%%%%EOF\n"
        % (
            len(packed),
            packed,
        )
    )


def _foreign() -> bytes:
    out = io.BytesIO()
    with pikepdf.new() as pdf:
        pdf.add_blank_page()
        pdf.save(out)
    return out.getvalue()


KINDS: dict[str, tuple[Callable[[Source], bytes], str, str]] = {
    # what was done: (how, what we call it, what pdfsig says of the first signature)
    "nothing": (lambda s: s.signed, "genuine", "valid whole"),
    "an overlay in an update": (lambda s: updated(_overlay, s.signed), "overlaid", "part"),
    "a note over the name": (lambda s: updated(_note, s.signed), "overlaid", "part"),
    "an overlay, signed by somebody": (
        lambda s: _signed_again(updated(_overlay, s.signed), s),
        "overlaid",
        "part",
    ),
    "an update that cannot be unpacked": (lambda s: _bomb(s.signed), "overlaid", "none"),
    "another title in an update": (lambda s: updated(_rename, s.signed), "appended", "part"),
    "a newline behind": (lambda s: s.signed + b"\n", "appended", "part"),
    "a comment behind": (lambda s: s.signed + b"% seen\n%%EOF\n", "appended", "part"),
    "another name": (lambda s: _other_name(s.signed), "changed", "invalid"),
    "a byte of the page": (lambda s: flipped(s.signed, 300), "changed", "invalid"),
    "another signing time": (
        lambda s: flipped(s.signed, s.signed.index(b"/M (D") + 20),
        "changed",
        "invalid",
    ),
    "another reason": (
        lambda s: s.signed.replace(b"/Reason (Certificate", b"/Reason (Xertificate"),
        "changed",
        "invalid",
    ),
    "a byte of the signature": (
        lambda s: flipped(s.signed, len(s.signed[: _hole(s.signed)[1] - 1].rstrip(b"0")) - 9),
        "changed",
        "invalid",
    ),
    "saved by another program": (lambda s: rewritten(lambda _pdf: None, s.signed), "changed", "invalid"),
    "drawn over and saved whole": (lambda s: rewritten(_drawn_over, s.signed), "changed", "invalid"),
    "a second page, saved whole": (lambda s: rewritten(_second_page, s.signed), "changed", "invalid"),
    "the signature zeroed": (lambda s: _hole_zeroed(s.signed), "stripped", "invalid"),
    "the field taken out": (lambda s: rewritten(_unsigned, s.signed), "stripped", "none"),
    "the field taken out, packed": (
        lambda s: rewritten(
            _unsigned, s.signed, object_stream_mode=pikepdf.ObjectStreamMode.generate, compress_streams=True
        ),
        "stripped",
        "none",
    ),
    "never signed": (lambda s: s.unsigned, "stripped", "none"),
    "signed by an authority of the same name": (
        lambda s: s.sign(s.unsigned, s.forger),
        "lookalike",
        "stranger",
    ),
    "drawn over and signed by a look-alike": (
        lambda s: s.sign(rewritten(_drawn_over, s.unsigned), s.forger),
        "lookalike",
        "stranger",
    ),
    "our signature, not in the register": (
        lambda s: s.sign(s.unsigned, s.own),
        "unregistered",
        "valid whole",
    ),
    "our signature under another paper": (
        lambda s: s.sign(_foreign(), s.own, "Logbook"),
        "foreign",
        "valid whole",
    ),
    "somebody's signed letter": (lambda s: s.sign(_foreign(), s.forger, "Letter"), "foreign", "stranger"),
    "a letter": (lambda s: _foreign(), "foreign", "none"),
}


def _signed_again(data: bytes, source: Source) -> bytes:
    class Careless(signers.PdfSigner):  # type: ignore[misc]
        def _enforce_certification_constraints(self, reader: object) -> None:
            pass

    meta = signers.PdfSignatureMetadata(field_name="Second", md_algorithm="sha256")
    writer = IncrementalPdfFileWriter(io.BytesIO(data), strict=False)
    out = Careless(meta, source.forger, new_field_spec=SigFieldSpec("Second")).sign_pdf(writer)
    return out.getvalue()


def copy_authority(folder: Path, to: Path) -> Path:
    """An authority that a test may change."""
    return Path(shutil.copytree(folder, to))
