"""Compiled templates are kept over restarts, and a folder that is lost, full or damaged keeps no page from anybody."""

import os

import pytest

from lms.app import create_app
from lms.web.compiled import build_of, keep_templates


@pytest.fixture
def serve(settings, tmp_path, monkeypatch):
    """``serve()``: the sign-in page of a server that has just started, and how many templates it had to compile."""

    def start(folder=tmp_path / "compiled"):
        app = create_app(settings)
        keep_templates(app, folder)
        compiled, jinja = [], app.jinja_env._compile
        monkeypatch.setattr(
            app.jinja_env, "_compile", lambda source, name: compiled.append(name) or jinja(source, name)
        )
        answer = app.test_client().get("/sign-in")
        assert answer.status_code == 200
        return answer.data, len(compiled)

    return start


def test_a_server_that_starts_again_compiles_nothing(serve, tmp_path):
    page, compiled = serve()
    assert compiled > 2
    assert serve() == (page, 0)


@pytest.mark.parametrize("left", [b"", b"\0" * 100, 30, -1])
def test_half_a_file_is_compiled_anew(serve, tmp_path, left):
    """As a loss of power may leave it: empty, nothing but zeros, or cut off."""
    page, compiled = serve()
    for path in tmp_path.glob("compiled/*/*"):
        path.write_bytes(path.read_bytes()[:left] if isinstance(left, int) else left)
    assert serve() == (page, compiled)
    assert serve() == (page, 0)


def test_a_folder_that_cannot_be_written_keeps_no_page_back(serve, tmp_path):
    page, compiled = serve()
    in_the_way = tmp_path / "a file"
    in_the_way.write_text("")
    assert serve(in_the_way / "compiled") == (page, compiled)


def test_what_another_build_compiled_is_neither_read_nor_kept(serve, tmp_path):
    old = tmp_path / "compiled" / "0123456789abcdef"
    old.mkdir(parents=True)
    _page, compiled = serve()
    assert compiled
    assert not old.exists()


def test_a_build_is_known_by_its_files(tmp_path):
    path = tmp_path / "page.html"
    path.write_text("one")
    before = build_of(tmp_path)
    assert build_of(tmp_path) == before
    path.write_text("three")
    after = build_of(tmp_path)
    (tmp_path / "page.pyc").write_text("")
    assert before != after == build_of(tmp_path)
    os.utime(path, ns=(0, 0))
    assert build_of(tmp_path) not in {before, after}
