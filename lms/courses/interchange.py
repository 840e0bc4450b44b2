"""A whole course as one file: a zip with ``course.json`` and media under their SHA-256. Written and read here, believed nowhere.

What is read was checked for its names, its sizes as they unpack (not as the directory claims), and its digests; the words
and pictures in it pass the same gates as those that an author types.
"""

import hashlib
import json
import re
import zipfile
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import Any

from lms.core.errors import RuleBroken
from lms.core.i18n import _

FORMAT = "firefly-course"
VERSION = 2
"""Version 1 had no tests, no sources, and did not say when its cohort began; it is still read."""
MANIFEST = "course.json"
MANIFEST_LIMIT_BYTES = 20_000_000
LIMIT_BYTES = 4_000_000_000
"""Of everything, unpacked."""
LIMIT_MEMBERS = 2000
_MEDIA = re.compile(r"media/([0-9a-f]{64})")
_KINDS = {"lecture", "page", "file", "test", "checkpoint"}
CHUNK = 1 << 20


def write(target: Path, manifest: Mapping[str, Any], media: Iterable[tuple[str, Path]]) -> None:
    """Write a course to a file; media by their digests, each once, as they are (films do not get smaller)."""
    with zipfile.ZipFile(target, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr(MANIFEST, json.dumps(manifest, ensure_ascii=False, indent=1, sort_keys=True))
        done: set[str] = set()
        for digest, path in media:
            if digest not in done:
                archive.write(path, f"media/{digest}", compress_type=zipfile.ZIP_STORED)
                done.add(digest)


@dataclass(frozen=True)
class Package:
    """A course file that was looked into."""

    manifest: dict[str, Any]
    media: dict[str, int]
    """Digest → size."""

    @property
    def course(self) -> dict[str, Any]:
        """The words of the course."""
        found: dict[str, Any] = self.manifest["course"]
        return found

    @property
    def modules(self) -> list[dict[str, Any]]:
        """Its modules with what they hold."""
        found: list[dict[str, Any]] = self.manifest["modules"]
        return found

    def count(self, kind: str) -> int:
        """How many things of a kind it holds."""
        return sum(item["kind"] == kind for module in self.modules for item in module["items"])

    @property
    def films(self) -> int:
        """How many lectures come with their film."""
        return sum(bool(item.get("film")) for module in self.modules for item in module["items"])


def read(path: Path) -> Package:
    """Look into a course file. Raises RuleBroken("package_…") before anything of it is kept."""
    try:
        with zipfile.ZipFile(path) as archive:
            members = archive.infolist()
            if len(members) > LIMIT_MEMBERS or sum(one.file_size for one in members) > LIMIT_BYTES:
                raise RuleBroken("package_bomb", _("The file is far larger inside than a course is."))
            names = [one.filename for one in members]
            if len(set(names)) != len(names) or any(
                name != MANIFEST and not _MEDIA.fullmatch(name) for name in names
            ):
                raise RuleBroken("package_names", _("The file holds what does not belong to a course."))
            if any(one.flag_bits & 1 for one in members) or MANIFEST not in names:
                raise broken()
            manifest = json.loads(_manifest(archive))
            media = {name[6:]: _size(archive, name) for name in names if name != MANIFEST}
    except (zipfile.BadZipFile, EOFError, OSError, NotImplementedError, ValueError, RecursionError, KeyError):
        raise broken() from None
    try:
        return Package(_checked(manifest, media), media)
    except TypeError:  # a list where a name should be
        raise broken() from None


def _manifest(archive: zipfile.ZipFile) -> bytes:
    with archive.open(MANIFEST) as file:
        data = file.read(MANIFEST_LIMIT_BYTES + 1)
    if len(data) > MANIFEST_LIMIT_BYTES:
        raise RuleBroken("package_bomb", _("The file is far larger inside than a course is."))
    return data


def _size(archive: zipfile.ZipFile, name: str) -> int:
    """The size of a member as it really unpacks; its name must be its digest."""
    digest, size = hashlib.sha256(), 0
    with archive.open(name) as file:
        while chunk := file.read(CHUNK):
            size += len(chunk)
            if size > LIMIT_BYTES:
                raise RuleBroken("package_bomb", _("The file is far larger inside than a course is."))
            digest.update(chunk)
    if digest.hexdigest() != name[6:]:
        raise RuleBroken("package_digest", _("A part of the file is not what its name says; it was damaged."))
    return size


def take(path: Path, digest: str) -> bytes:
    """One medium of a file that was looked into, whole: for pictures and documents."""
    with zipfile.ZipFile(path) as archive, archive.open(f"media/{digest}") as file:
        return file.read()


def broken() -> RuleBroken:
    """The refusal of what is no course file."""
    return RuleBroken("package_broken", _("This is not a course file, or it is damaged."))


def _text(of: Mapping[str, Any], name: str, *, longest: int, needed: bool = False) -> str:
    value = of.get(name, "")
    if not isinstance(value, str) or len(value) > longest or (needed and not value.strip()) or "\0" in value:
        raise broken()
    return value


def _checked(manifest: Any, media: Mapping[str, int]) -> dict[str, Any]:
    """The manifest with exactly what is understood; anything of another shape is refused."""
    if (
        not isinstance(manifest, dict)
        or manifest.get("format") != FORMAT
        or manifest.get("version") not in {1, VERSION}
        or not isinstance(manifest.get("course"), dict)
        or not isinstance(manifest.get("modules"), list)
        or not isinstance(manifest.get("pictures"), list)
    ):
        raise broken()
    tests = [_test(one) for one in _list(manifest, "tests")]
    sources = [_source(one) for one in _list(manifest, "sources")]
    refs = {one["ref"] for one in tests}, {one["ref"] for one in sources}
    return {
        "begins": _day(manifest.get("begins")),
        "tests": tests,
        "sources": sources,
        "course": {
            "title_zh": _text(manifest["course"], "title_zh", longest=160, needed=True),
            "title_en": _text(manifest["course"], "title_en", longest=160, needed=True),
            "summary_zh": _text(manifest["course"], "summary_zh", longest=1000),
            "summary_en": _text(manifest["course"], "summary_en", longest=1000),
        },
        "pictures": [_picture(one, media) for one in manifest["pictures"]],
        "modules": [_module(one, media, refs) for one in manifest["modules"]],
    }


def _list(of: Mapping[str, Any], name: str) -> list[Any]:
    found = of.get(name, [])
    if not isinstance(found, list) or len(found) > LIMIT_MEMBERS:
        raise broken()
    return found


def _day(given: Any) -> str | None:
    if given is None:
        return None
    try:
        return date.fromisoformat(given).isoformat()
    except (TypeError, ValueError):
        raise broken() from None


def _test(one: Any) -> dict[str, str]:
    if not isinstance(one, dict) or one.get("purpose") not in {"exam", "practice"}:
        raise broken()
    return {
        "ref": _text(one, "ref", longest=12, needed=True),
        "title_zh": _text(one, "title_zh", longest=160, needed=True),
        "title_en": _text(one, "title_en", longest=160, needed=True),
        "purpose": one["purpose"],
    }


def _source(one: Any) -> dict[str, str]:
    if not isinstance(one, dict):
        raise broken()
    found = {
        "ref": _text(one, "ref", longest=12, needed=True),
        "title": _text(one, "title", longest=240, needed=True),
        "edition": _text(one, "edition", longest=80),
        "url": _text(one, "url", longest=400),
    }
    if found["url"] and not found["url"].startswith(("https://", "http://")):
        raise broken()
    return found


def _picture(one: Any, media: Mapping[str, int]) -> dict[str, Any]:
    if not isinstance(one, dict) or one.get("sha256") not in media:
        raise broken()
    return {
        "ref": _text(one, "ref", longest=12, needed=True),
        "sha256": one["sha256"],
        "name": _text(one, "name", longest=160),
        "alt_zh": _text(one, "alt_zh", longest=300, needed=True),
        "alt_en": _text(one, "alt_en", longest=300, needed=True),
    }


Refs = tuple[set[str], set[str]]
"""Of the tests and of the sources that the file names."""


def _module(one: Any, media: Mapping[str, int], refs: Refs) -> dict[str, Any]:
    if not isinstance(one, dict) or not isinstance(one.get("items"), list):
        raise broken()
    return {
        "title_zh": _text(one, "title_zh", longest=160, needed=True),
        "title_en": _text(one, "title_en", longest=160, needed=True),
        "items": [_item(item, media, refs) for item in one["items"]],
    }


def _item(one: Any, media: Mapping[str, int], refs: Refs) -> dict[str, Any]:
    if not isinstance(one, dict) or one.get("kind") not in _KINDS:
        raise broken()
    found: dict[str, Any] = {
        "kind": one["kind"],
        "ref": _text(one, "ref", longest=12, needed=True),
        "release": one.get("release"),
        "is_sample": one.get("is_sample") is True,
    }
    for name in ("title_zh", "title_en"):
        found[name] = _text(one, name, longest=160, needed=True)
    if one["kind"] == "lecture":
        found |= {name: _text(one, name, longest=1000) for name in ("summary_zh", "summary_en")}
        points, captions = one.get("key_points", []), one.get("captions", {})
        if not isinstance(points, list) or not isinstance(captions, dict) or len(points) > 40:
            raise broken()
        found["key_points"] = [_point(point) for point in points]
        found["captions"] = {
            lang: _text(captions, lang, longest=2_000_000) for lang in ("zh-Hans", "en") if lang in captions
        }
    else:
        found |= {name: _text(one, name, longest=200_000) for name in ("body_zh", "body_en")}
    tests, sources = refs
    found["test"] = (
        one["test"] if one["kind"] in {"test", "checkpoint"} and one.get("test") in tests else None
    )
    if one["kind"] in {"test", "checkpoint"} and found["test"] is None:
        raise broken()
    found["sources"] = _list(one, "sources")
    if not all(isinstance(ref, str) and ref in sources for ref in found["sources"]):
        raise broken()
    for name in ("film", "file"):
        digest = one.get(name)
        if digest is not None and digest not in media:
            raise broken()
        found[name] = digest
    found["media_name"] = _text(one, "media_name", longest=160)
    if one["kind"] == "file" and not found["file"]:
        raise broken()
    return found


def _point(point: Any) -> dict[str, str]:
    if not isinstance(point, dict):
        raise broken()
    return {lang: _text(point, lang, longest=400, needed=True) for lang in ("zh", "en")}
