"""Whole courses: out as one file, in from one, copied for the next cohort, put into the archive."""

import re
import shutil
import zipfile
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

from sqlalchemy import select

from lms import policy
from lms.core import audit
from lms.core.db import db
from lms.core.storage import storage
from lms.courses import interchange
from lms.courses.interchange import FORMAT, VERSION, Package
from lms.courses.models import Caption, Course, CourseFile, Lecture, Module, Unit, Video
from lms.courses.queries import things
from lms.courses.rules import release
from lms.courses.services.authoring import add_course, add_lecture, add_module
from lms.courses.services.base import scope_of, who
from lms.courses.services.captions import captions_text, set_captions
from lms.courses.services.things import add_file, add_picture, add_unit, keep_file, set_release
from lms.courses.services.videos import Examined, examine_video, receive_video
from lms.policy import Actor, Permission
from lms.programmes.models import Cohort

_ADDRESS = re.compile(r"/learn/pictures/(\w{12})")


@dataclass(frozen=True)
class Whole:
    """A course described, and where its media lie."""

    manifest: dict[str, Any]
    keys: dict[str, str]
    """Digest → key in the storage."""
    left_out: int
    """Tests and checkpoints: they belong to their cohort."""


def describe(course: Course, *, with_films: bool) -> Whole:
    """All of a course but its tests, with the words that its authors see last."""
    keys: dict[str, str] = {}
    pictures = []
    for kept in things.files(course, "picture"):
        keys[kept.sha256] = kept.key
        pictures.append(
            {
                "ref": kept.public_id,
                "sha256": kept.sha256,
                "name": kept.name,
                "alt_zh": kept.alt_zh,
                "alt_en": kept.alt_en,
            }
        )
    held = {one.public_id: one for one in things.things_of(course)}
    modules, left_out = [], 0
    for module in db.session.scalars(
        select(Module).where(Module.course_id == course.id).order_by(Module.number)
    ):
        items = []
        for one in sorted(held.values(), key=lambda one: one.number):
            if one.module_id != module.id:
                continue
            if isinstance(one, Unit) and one.kind in {"test", "checkpoint"}:
                left_out += 1
                continue
            items.append(_described(one, keys, with_films=with_films))
        modules.append({"title_zh": module.title_zh, "title_en": module.title_en, "items": items})
    words = {name: getattr(course, name) for name in ("title_zh", "title_en", "summary_zh", "summary_en")}
    manifest = {
        "format": FORMAT,
        "version": VERSION,
        "course": words,
        "pictures": pictures,
        "modules": modules,
    }
    return Whole(manifest, keys, left_out)


def _described(one: Lecture | Unit, keys: dict[str, str], *, with_films: bool) -> dict[str, Any]:
    found: dict[str, Any] = {
        **things.draft_of(one),
        "ref": one.public_id,
        "kind": one.kind if isinstance(one, Unit) else "lecture",
        "release": one.release,
        "is_sample": one.is_sample,
    }
    if isinstance(one, Unit):
        if one.file_id is not None:
            file = db.session.get_one(CourseFile, one.file_id)
            keys[file.sha256] = file.key
            found |= {"file": file.sha256, "media_name": file.name}
        return found
    found["captions"] = {
        caption.lang: caption.text
        for caption in db.session.scalars(select(Caption).where(Caption.lecture_id == one.id))
    }
    film = db.session.get(Video, one.video_id) if with_films and one.video_id else None
    if film is not None and storage().exists(film.source_key):
        keys[film.source_sha256] = film.source_key
        found |= {"film": film.source_sha256, "media_name": film.source_name}
    return found


def export_course(course: Course, target: Path, *, with_films: bool, at: datetime, by: Actor) -> None:
    """Write a course to a file that another site, or this one, can take in."""
    policy.require(by, Permission.COURSE_EDIT, course, see=Permission.COURSE_READ)
    whole = describe(course, with_films=with_films)
    interchange.write(
        target, whole.manifest, ((digest, storage().path(key)) for digest, key in whole.keys.items())
    )
    _note(course, "export", at=at, by=by)


@dataclass(frozen=True)
class _Media:
    """Where the media of a course that is being built come from."""

    data: Callable[[str], bytes]
    film: Callable[[str], tuple[Path, Examined] | None]
    trusted: bool
    """They passed the gates of this site once: copied byte for byte."""


Films = dict[str, tuple[Path, Examined]]


def unpack_films(path: Path, package: Package, folder: Path) -> Films:
    """Take the films of a course file out and look into each, outside any transaction. Raises VideoRefused."""
    found: Films = {}
    wanted = {item["film"] for module in package.modules for item in module["items"] if item["film"]}
    with zipfile.ZipFile(path) as archive:
        for digest in sorted(wanted):
            target = folder / digest
            with archive.open(f"media/{digest}") as source, target.open("wb") as out:
                shutil.copyfileobj(source, out, interchange.CHUNK)
            found[digest] = (target, examine_video(target))
    return found


def import_course(
    path: Path,
    package: Package,
    cohort: Cohort,
    *,
    films: Films,
    client_uuid: str | None,
    at: datetime,
    by: Actor,
) -> Course:
    """Make a course of a file that was looked into, as a draft; the same ``client_uuid`` twice is one course."""
    course = _build(
        package.manifest,
        cohort,
        _Media(lambda digest: interchange.take(path, digest), films.get, trusted=False),
        client_uuid=client_uuid,
        at=at,
        by=by,
    )
    _note(course, "import", at=at, by=by)
    return course


def copy_course(
    course: Course, cohort: Cohort, *, client_uuid: str | None, at: datetime, by: Actor
) -> Course:
    """Copy a course for another cohort, as a draft, without tests, dates and discussion; films are prepared anew."""
    policy.require(by, Permission.COURSE_EDIT, course, see=Permission.COURSE_READ)
    whole = describe(course, with_films=True)

    def film(digest: str) -> tuple[Path, Examined] | None:
        source = storage().path(whole.keys[digest])
        with source.open("rb") as stream:
            path = storage().receive(stream, limit_bytes=source.stat().st_size)
        return path, Examined(source.stat().st_size, digest)

    made = _build(
        whole.manifest,
        cohort,
        _Media(lambda digest: storage().path(whole.keys[digest]).read_bytes(), film, trusted=True),
        client_uuid=client_uuid,
        at=at,
        by=by,
    )
    made.is_sample = course.is_sample
    made.needs_review = course.needs_review
    db.session.flush()
    _note(made, "copy", at=at, by=by)
    return made


def _build(
    manifest: dict[str, Any],
    cohort: Cohort,
    media: _Media,
    *,
    client_uuid: str | None,
    at: datetime,
    by: Actor,
) -> Course:
    course = add_course(cohort, **manifest["course"], client_uuid=client_uuid, at=at, by=by)
    if db.session.scalar(select(Module.id).where(Module.course_id == course.id).limit(1)) is not None:
        return course
    pictures: dict[str, str] = {}
    for one in manifest["pictures"]:
        words = {"name": one["name"], "alt_zh": one["alt_zh"], "alt_en": one["alt_en"]}
        data = media.data(one["sha256"])
        if media.trusted:
            suffix = "." + storage_suffix(data)
            kept = keep_file(course, data, kind="picture", suffix=suffix, **words, at=at, by=by)
        else:
            kept = add_picture(course, data, **words, at=at, by=by)
        pictures[one["ref"]] = kept.public_id
    names: dict[str, str] = {}
    later: list[tuple[Lecture | Unit, Any]] = []
    for part in manifest["modules"]:
        module = add_module(course, title_zh=part["title_zh"], title_en=part["title_en"], at=at, by=by)
        for item in part["items"]:
            made = _made(module, item, pictures, media, at=at, by=by)
            names[item["ref"]] = made.public_id
            later.append((made, item["release"]))
    for made, condition in later:
        if condition is not None and (kept_condition := _renamed(condition, names)):
            set_release(made, kept_condition, at=at, by=by)
    return course


def _renamed(condition: Any, names: dict[str, str]) -> dict[str, Any] | None:
    try:
        return release.renamed(condition, names)
    except (TypeError, AttributeError, RecursionError):
        raise interchange.broken() from None


def storage_suffix(data: bytes) -> str:
    """The ending of a picture's file by its content."""
    if data.startswith(b"\x89PNG"):
        return "png"
    return "webp" if data[8:12] == b"WEBP" else "jpg"


def _made(
    module: Module, item: dict[str, Any], pictures: dict[str, str], media: _Media, *, at: datetime, by: Actor
) -> Lecture | Unit:
    titles = {"title_zh": item["title_zh"], "title_en": item["title_en"]}
    if item["kind"] != "lecture":
        file = None
        if item.get("file"):
            file = add_file(module.course, media.data(item["file"]), name=item["media_name"], at=at, by=by)
        bodies = {
            name: _ADDRESS.sub(
                lambda found: f"/learn/pictures/{pictures.get(found[1], found[1])}", item[name]
            )
            for name in ("body_zh", "body_en")
        }
        return add_unit(
            module,
            kind=item["kind"],
            **titles,
            **bodies,
            file=file,
            is_sample=item["is_sample"],
            at=at,
            by=by,
        )
    lecture = add_lecture(
        module,
        **titles,
        summary_zh=item["summary_zh"],
        summary_en=item["summary_en"],
        key_points=item["key_points"],
        is_sample=item["is_sample"],
        at=at,
        by=by,
    )
    for lang, text in item["captions"].items():
        set_captions(lecture, lang=lang, text=captions_text(text.encode()), at=at, by=by)
    film = media.film(item["film"]) if item.get("film") else None
    if film is not None:
        receive_video(
            lecture, film[0], name=item["media_name"], client_uuid=None, examined=film[1], at=at, by=by
        )
    return lecture


def archive_course(course: Course, *, archived: bool, at: datetime, by: Actor) -> None:
    """Take a course out of the lists, or back into them; what was learnt in it stays and counts."""
    policy.require(by, Permission.COURSE_EDIT, course, see=Permission.COURSE_READ)
    if (course.archived_at is not None) != archived:
        course.archived_at = at if archived else None
        db.session.flush()
        _note(course, "archive" if archived else "unarchive", at=at, by=by)


def _note(course: Course, act: str, *, at: datetime, by: Actor | None) -> None:
    audit.record(
        f"courses.course.{act}",
        scope=scope_of(course.cohort),
        at=at,
        account_id=who(by),
        subject=f"course:{course.public_id}",
    )
