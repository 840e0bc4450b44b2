"""Whole courses: out as one file, in from one, copied for the next cohort, put into the archive."""

import re
import shutil
import zipfile
from collections.abc import Callable, Iterator, Mapping, Sequence
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
from lms.courses.models import Caption, Course, CourseFile, Lecture, Module, Source, Unit, Video
from lms.courses.queries import opening, things
from lms.courses.rules import carrying, release
from lms.courses.rules.carrying import Plan
from lms.courses.services.authoring import add_course, add_lecture, add_module
from lms.courses.services.base import scope_of, who
from lms.courses.services.captions import captions_text, set_captions
from lms.courses.services.things import (
    add_file,
    add_picture,
    add_source,
    add_unit,
    keep_file,
    link_sources,
    set_release,
)
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


def describe(course: Course, *, with_films: bool) -> Whole:
    """All of a course, with the words that its authors see last; of its tests their codes and titles."""
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
    used = things.sources_by_thing(course)
    modules = []
    for module in db.session.scalars(
        select(Module).where(Module.course_id == course.id).order_by(Module.number)
    ):
        items = []
        for one in sorted(held.values(), key=lambda one: one.number):
            if one.module_id != module.id:
                continue
            described = _described(one, keys, with_films=with_films)
            items.append(described | {"sources": [row.public_id for row in used.get(one.public_id, ())]})
        modules.append({"title_zh": module.title_zh, "title_en": module.title_en, "items": items})
    words = {name: getattr(course, name) for name in ("title_zh", "title_en", "summary_zh", "summary_en")}
    manifest = {
        "format": FORMAT,
        "version": VERSION,
        "begins": db.session.get_one(Cohort, course.cohort_id).start_on.isoformat(),
        "course": words,
        "pictures": pictures,
        "tests": _tests(course, modules),
        "sources": _sources(used),
        "modules": modules,
    }
    return Whole(manifest, keys)


def _tests(course: Course, modules: list[dict[str, Any]]) -> list[dict[str, str]]:
    """The tests that a course leads to or waits for: code, titles and purpose; the papers stay in their bank."""
    items = [item for part in modules for item in part["items"]]
    wanted = {item["test"] for item in items if item.get("test")}
    for item in items:
        wanted |= release.tests_in(item["release"])
    offered = opening.offered(course.cohort_id) if wanted else {}
    return [
        {"ref": one.ref, "title_zh": one.title_zh, "title_en": one.title_en, "purpose": one.purpose}
        for one in offered.values()
        if one.ref in wanted
    ]


def _sources(used: Mapping[str, Sequence[Source]]) -> list[dict[str, str]]:
    rows = {row.public_id: row for found in used.values() for row in found}
    return [
        {"ref": row.public_id, "title": row.title, "edition": row.edition, "url": row.url}
        for row in sorted(rows.values(), key=lambda row: (row.title, row.id))
    ]


def _described(one: Lecture | Unit, keys: dict[str, str], *, with_films: bool) -> dict[str, Any]:
    found: dict[str, Any] = {
        **things.draft_of(one),
        "ref": one.public_id,
        "kind": one.kind if isinstance(one, Unit) else "lecture",
        "release": one.release,
        "is_sample": one.is_sample,
    }
    if isinstance(one, Unit):
        if one.test_ref:
            found["test"] = one.test_ref
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
    interchange.write(target, whole.manifest, _files(whole.keys))
    _note(course, "export", at=at, by=by)


def _files(keys: Mapping[str, str]) -> Iterator[tuple[str, Path]]:
    """Digest and file of each, one after the other: no machine holds them all."""
    for digest, key in keys.items():
        with storage().local(key) as path:
            yield digest, path


@dataclass(frozen=True)
class _Media:
    """Where the media of a course that is being built come from."""

    data: Callable[[str], bytes]
    film: Callable[[str], tuple[Path | None, Examined] | None]
    trusted: bool
    """They passed the gates of this site once: copied byte for byte."""


Films = dict[str, tuple[Path, Examined]]


def unpack_films(path: Path, package: Package, folder: Path) -> Films:
    """Take the films of a course file out and look into each, outside any transaction. Raises VideoRefused."""
    found: Films = {}
    wanted = {item["film"] for module in package.modules for item in module["items"] if item["film"]}
    try:
        with zipfile.ZipFile(path) as archive:
            for digest in sorted(wanted):
                target = folder / digest
                with archive.open(f"media/{digest}") as source, target.open("wb") as out:
                    shutil.copyfileobj(source, out, interchange.CHUNK)
                found[digest] = (target, examine_video(target))
    except BaseException:
        for film, _examined in found.values():
            storage().discard(film)
        raise
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
    """Copy a course for another cohort, as a draft, without discussion; dates move with the beginning of the cohort.

    It leads to the tests of the same titles that the other cohort has; films are prepared anew.
    """
    policy.require(by, Permission.COURSE_EDIT, course, see=Permission.COURSE_READ)
    whole = describe(course, with_films=True)

    def film(digest: str) -> tuple[Path | None, Examined] | None:
        key = whole.keys[digest]  # sources stay for ever: the copy leads to the same file
        return None, Examined(storage().size(key), digest, source_key=key)

    made = _build(
        whole.manifest,
        cohort,
        _Media(lambda digest: storage().read(whole.keys[digest]), film, trusted=True),
        client_uuid=client_uuid,
        at=at,
        by=by,
    )
    made.is_sample = course.is_sample
    made.needs_review = course.needs_review
    db.session.flush()
    _note(made, "copy", at=at, by=by)
    return made


def plan_for(manifest: Mapping[str, Any], cohort: Cohort) -> Plan:
    """What of a course can be carried to a cohort, and what cannot, by name."""
    return carrying.plan(manifest, begins=cohort.start_on, tests=opening.offered(cohort.id).values())


def plan_of_copy(course: Course, cohort: Cohort, *, by: Actor) -> Plan:
    """The same for a copy."""
    policy.require(by, Permission.COURSE_EDIT, course, see=Permission.COURSE_READ)
    return plan_for(describe(course, with_films=False).manifest, cohort)


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
    carried = plan_for(manifest, cohort)
    sources = _kept_sources(course, manifest["sources"], at=at, by=by)
    later: list[tuple[Lecture | Unit, Any]] = []
    for part in manifest["modules"]:
        module = add_module(course, title_zh=part["title_zh"], title_en=part["title_en"], at=at, by=by)
        for item in part["items"]:
            if item["kind"] in carrying.PURPOSES and item["test"] not in carried.tests:
                continue
            made = _made(module, item, pictures, media, carried, at=at, by=by)
            if item["sources"]:
                link_sources(made, [sources[ref] for ref in item["sources"]], at=at, by=by)
            names[item["ref"]] = made.public_id
            later.append((made, item["release"]))
    for made, condition in later:
        if condition is not None and (kept_condition := _renamed(condition, names, carried)):
            set_release(made, kept_condition, at=at, by=by)
    return course


def _kept_sources(
    course: Course, given: Sequence[Mapping[str, str]], *, at: datetime, by: Actor
) -> dict[str, Source]:
    """The sources of a course by their names in its file: those of the programme with the same title, else new ones."""
    here = {row.title.casefold(): row for row in reversed(things.sources(course))}
    found: dict[str, Source] = {}
    for one in given:
        title = one["title"].strip().casefold()
        if title not in here:
            words = {name: one[name] for name in ("title", "edition", "url")}
            here[title] = add_source(course, **words, at=at, by=by)
        found[one["ref"]] = here[title]
    return found


def _renamed(condition: Any, names: dict[str, str], carried: Plan) -> dict[str, Any] | None:
    try:
        return release.renamed(condition, names, tests=carried.tests, shift_days=carried.shift_days)
    except (TypeError, AttributeError, RecursionError):
        raise interchange.broken() from None


def storage_suffix(data: bytes) -> str:
    """The ending of a picture's file by its content."""
    if data.startswith(b"\x89PNG"):
        return "png"
    return "webp" if data[8:12] == b"WEBP" else "jpg"


def _made(
    module: Module,
    item: dict[str, Any],
    pictures: dict[str, str],
    media: _Media,
    carried: Plan,
    *,
    at: datetime,
    by: Actor,
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
            test_ref=carried.tests[item["test"]] if item["kind"] in carrying.PURPOSES else "",
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
