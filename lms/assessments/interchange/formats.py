"""Which reader a file is for, and which writer. They are imported when they are needed, so that a web process starts without them."""

from collections.abc import Sequence

from lms.assessments.interchange.drafts import Draft, Place, Problem, Reading
from lms.assessments.interchange.package import Written
from lms.core.i18n import _

ACCEPT = ".xlsx,.csv,.tsv,.docx,.txt,.gift,.xml,.zip"
LIMIT_BYTES = 10 * 1024 * 1024
WRITTEN = {
    "xlsx": (".xlsx", "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet"),
    "moodle": (".xml", "application/xml"),
    "qti": (".zip", "application/zip"),
}
"""Formats that are written → suffix and media type of their files."""


def read(data: bytes, filename: str) -> Reading:
    """The items of a file, by what it holds and how its name ends; a file that nobody reads is one problem."""
    name = filename.lower()
    if len(data) > LIMIT_BYTES:
        return _refused(
            "file_too_large", _("The file is larger than %(limit)s MB.", limit=LIMIT_BYTES // 1024 // 1024)
        )
    if name.endswith(".docx"):
        from lms.assessments.interchange import document

        return document.read(data, filename)
    if name.endswith((".xml", ".zip")):
        if name.endswith(".xml") and (b"<quiz" in data or b"<question " in data):
            from lms.assessments.interchange import moodle

            return moodle.read(data)
        from lms.assessments.interchange import qti

        return qti.read(data, filename)
    if data.startswith((b"PK\x03\x04", b"\xd0\xcf\x11\xe0")) or name.endswith((".csv", ".tsv")):
        from lms.assessments.interchange import workbook

        return workbook.read(data, filename)
    if name.endswith((".txt", ".gift")):
        from lms.assessments.interchange import aiken, gift
        from lms.assessments.interchange.plain import decoded

        return gift.read(data) if "{" in decoded(data) else aiken.read(data)
    return _refused(
        "file_type", _("This kind of file is not read: %(kinds)s are.", kinds=ACCEPT.replace(",", " "))
    )


def _refused(code: str, message: str) -> Reading:
    return Reading("", (), (Problem(Place("file"), code, message),))


def write(kind: str, drafts: Sequence[Draft]) -> Written:
    """A file of items in a format of WRITTEN, and what it cannot carry, with the reasons."""
    if kind == "moodle":
        from lms.assessments.interchange import moodle

        return Written(moodle.write(drafts), moodle.losses(drafts))
    if kind == "qti":
        from lms.assessments.interchange import qti

        return qti.write(drafts)
    from lms.assessments.interchange import workbook

    return Written(*workbook.write(drafts))
