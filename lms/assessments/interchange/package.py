"""Zip archives of strangers, read within bounds, and those that are written."""

import io
import itertools
import posixpath
import re
import stat
import zipfile
from collections.abc import Mapping
from dataclasses import dataclass, field
from urllib.parse import unquote

from lms.core.errors import RuleBroken
from lms.core.i18n import _

LARGEST_BYTES = 100 * 1024 * 1024
"""Unpacked, all members together."""
LARGEST_MEMBER = 30 * 1024 * 1024
MOST_MEMBERS = 5_000
MOST_RATIO = 200
"""Unpacked to packed, of members larger than FREE_BYTES: no text or picture comes near it."""
FREE_BYTES = 1024 * 1024
_EPOCH = (2000, 1, 1, 0, 0, 0)
"""The time of written members, so that the same questions make the same bytes."""
_DRIVE = re.compile(r"[A-Za-z]:")


@dataclass(frozen=True)
class LeftOut:
    """An item that a format cannot carry."""

    item: str
    """Its code, or its place where it has none."""
    code: str
    """Why, in snake case."""
    message: str


@dataclass(frozen=True)
class Written:
    """A file of items, and what is not in it."""

    data: bytes
    left_out: tuple[LeftOut, ...] = ()


@dataclass(frozen=True)
class Package:
    """The files of an archive."""

    files: Mapping[str, bytes]
    """Path from the top → content."""
    _folded: dict[str, str] = field(default_factory=dict)

    def path(self, reference: str, base: str = "") -> str:
        """The path of the file that ``reference`` names in the file ``base``; empty if it is not in the package.

        Some programs write addresses from the top, in other letters or percent-encoded; those are found too.
        """
        plain = reference.strip().replace("\\", "/").partition("#")[0]
        for one in (plain, unquote(plain), unquote(plain.partition("?")[0])):
            for start in (posixpath.dirname(base), ""):
                found = posixpath.normpath(posixpath.join(start, one)).lstrip("/") if one else ""
                if found in self.files:
                    return found
                if name := self._any_case().get(found.casefold(), ""):
                    return name
        return ""

    def content(self, reference: str, base: str = "") -> bytes | None:
        """What the file holds that ``reference`` names in the file ``base``."""
        return self.files.get(self.path(reference, base))

    def _any_case(self) -> Mapping[str, str]:
        if not self._folded:
            self._folded.update({name.casefold(): name for name in self.files})
        return self._folded


def open(data: bytes) -> Package:  # noqa: A001 (package.open reads well)
    """All the files of a zip archive.

    Raises RuleBroken("zip_broken") for what is none, "zip_path" for members that point outside the archive, "zip_bomb" for one that
    grows without bound, "zip_unsafe" for members that are encrypted, double or not what the directory says.
    """
    try:
        with zipfile.ZipFile(io.BytesIO(data)) as archive:
            members = archive.infolist()
            _refuse_paths(members)
            _refuse_bombs(members)
            _refuse_unsafe(members)
            return Package(_files(archive, members))
    except RuleBroken:
        raise
    except Exception as problem:  # hostile input: zipfile raises whatever it likes
        raise RuleBroken("zip_broken", _("The zip file is damaged. Pack it again.")) from problem


def _refuse_paths(members: list[zipfile.ZipInfo]) -> None:
    for member in members:
        name = member.orig_filename
        parts = name.split("/")
        is_link = stat.S_ISLNK(member.external_attr >> 16)
        if (
            not name
            or name.startswith("/")
            or "\\" in name
            or ".." in parts
            or _DRIVE.match(name)
            or any(sign < " " for sign in name)
            or is_link
        ):
            raise RuleBroken(
                "zip_path", _("The zip file holds a path that leads out of it. For safety it is not opened.")
            )


def _bomb() -> RuleBroken:
    return RuleBroken("zip_bomb", _("The zip file unpacks to more than may be. Split it into several."))


def _refuse_bombs(members: list[zipfile.ZipInfo]) -> None:
    if len(members) > MOST_MEMBERS or sum(member.file_size for member in members) > LARGEST_BYTES:
        raise _bomb()
    for member in members:
        is_swelling = member.file_size > max(1, member.compress_size) * MOST_RATIO
        if member.file_size > LARGEST_MEMBER or (member.file_size > FREE_BYTES and is_swelling):
            raise _bomb()
    ordered = sorted(members, key=lambda member: member.header_offset)
    for one, after in itertools.pairwise(ordered):
        if one.header_offset + one.compress_size > after.header_offset:  # members that share their bytes
            raise _bomb()


def _refuse_unsafe(members: list[zipfile.ZipInfo]) -> None:
    names = [member.filename for member in members]
    if len(set(names)) != len(names) or any(member.flag_bits & 1 for member in members):
        raise RuleBroken(
            "zip_unsafe", _("The zip file is protected with a password or holds a file twice. Pack it again.")
        )


def _files(archive: zipfile.ZipFile, members: list[zipfile.ZipInfo]) -> dict[str, bytes]:
    found: dict[str, bytes] = {}
    for member in members:
        if member.is_dir() or member.filename.startswith("__MACOSX/"):
            continue
        with archive.open(member) as file:
            content = file.read(member.file_size + 1)
        if len(content) != member.file_size:
            raise RuleBroken("zip_unsafe", _("The zip file is not what its directory says. Pack it again."))
        found[member.filename] = content
    return found


def packed(files: Mapping[str, bytes]) -> bytes:
    """A zip archive of files, the same bytes for the same files."""
    made = io.BytesIO()
    with zipfile.ZipFile(made, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in files.items():
            archive.writestr(zipfile.ZipInfo(name, _EPOCH), content, zipfile.ZIP_DEFLATED)
    return made.getvalue()
