"""Films from the machine itself: the command and the watched folder."""

import os
import shutil

import pytest
from sqlalchemy import select

from lms.core import site, video
from lms.core.db import db
from lms.core.errors import NotFound
from lms.core.jobs import Worker
from lms.courses import cli
from lms.courses.models import Video
from tests.courses.conftest import fresh


def rows() -> list[tuple[str, int | None]]:
    fresh()
    return [(row.source_name, row.uploaded_by) for row in db.session.scalars(select(Video)).all()]


def test_a_file_of_the_machine_becomes_a_version_once(app, add_lecture, film):
    lecture = add_lecture()
    assert cli.add(film, lecture.public_id) == cli.add(film, lecture.public_id)
    assert rows() == [(film.name, None)]
    assert film.exists()


def test_an_unknown_lecture_and_a_bad_file_are_refused(app, add_lecture, tmp_path):
    (tmp_path / "x.mp4").write_text("no film")
    with pytest.raises(NotFound):
        cli.add(tmp_path / "x.mp4", "aaaaaaaaaaaa")
    with pytest.raises(video.VideoRefused):
        cli.add(tmp_path / "x.mp4", add_lecture().public_id)
    assert rows() == []


@pytest.fixture
def inbox(app, tmp_path, monkeypatch):
    """A watched folder."""
    import dataclasses

    folder = tmp_path / "inbox"
    folder.mkdir()
    monkeypatch.setitem(
        app.extensions, "lms_settings", dataclasses.replace(site.settings(), video_inbox=str(folder))
    )
    return folder


def put(folder, film, name="lecture.mp4", *, age_s=120):
    folder.mkdir(exist_ok=True)
    shutil.copy(film, folder / name)
    then = (folder / name).stat().st_mtime - age_s
    os.utime(folder / name, (then, then))
    return folder / name


def test_a_settled_film_in_the_folder_is_taken_and_leaves_it(bare_app, add_lecture, film, inbox):
    lecture = add_lecture()
    taken = put(inbox / lecture.public_id, film)
    fresh_one = put(inbox / lecture.public_id, film, "still-copying.mp4", age_s=0)
    Worker(bare_app).chores()
    assert rows() == [("lecture.mp4", None)]
    assert not taken.exists()
    assert fresh_one.exists()


def test_what_cannot_be_taken_is_set_aside_with_the_reason_and_links_are_not_followed(
    bare_app, add_lecture, film, inbox, tmp_path
):
    lecture = add_lecture()
    text = tmp_path / "text"
    text.write_text("#EXTM3U\nfile:///etc/passwd\n")
    bad = put(inbox / lecture.public_id, text, "bad.mp4")
    lost = put(inbox / "aaaaaaaaaaaa", film)
    (inbox / lecture.public_id / "link.mp4").symlink_to(film)
    for _round in range(2):
        Worker(bare_app).chores()
    assert rows() == []
    assert "names_other_files" in bad.with_name("bad.mp4.refused.txt").read_text()
    assert bad.with_name("bad.mp4.refused").exists()
    assert "no lecture" in lost.with_name("lecture.mp4.refused.txt").read_text()
    assert (inbox / lecture.public_id / "link.mp4").is_symlink()
