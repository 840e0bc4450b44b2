"""Drafted captions: a recogniser of the site's own writes them, nobody but the authors sees them, an author publishes them.

The recogniser of these tests is a real program that reads the WAV it is given and writes a file, as whisper-cli does.
"""

import dataclasses
import os
import subprocess
import sys
import time
from datetime import timedelta
from pathlib import Path

import pytest
from sqlalchemy import select

from lms.core import clock, site, video
from lms.core.db import db, transaction
from lms.core.errors import RuleBroken
from lms.core.jobs import Worker
from lms.core.storage import storage
from lms.core.video import speech
from lms.courses import services
from lms.courses.models import CaptionDraft
from lms.operations import doctor
from lms.settings import UnsafeSettings, load
from tests.courses.conftest import fresh
from tests.courses.test_desk import DYING

RECOGNISER = """#!{python}
import os, sys, time, wave
from pathlib import Path
if "--help" in sys.argv:
    sys.exit("usage: recogniser -l LANG -f WAV -of OUT")
here = Path({here!r})
wav, lang, out = (sys.argv[sys.argv.index(name) + 1] for name in ("-f", "-l", "-of"))
with wave.open(wav) as sound:
    assert (sound.getframerate(), sound.getnchannels(), sound.getsampwidth()) == (16000, 1, 2)
    seconds = sound.getnframes() / 16000
with (here / "runs").open("a") as log:
    log.write(lang + " " + str(os.nice(0)) + "\\n")
does = (here / "does").read_text() if (here / "does").exists() else ""
if does == "fail":
    sys.exit("model file is broken")
if does == "endless":
    (here / "child").write_text(str(os.getpid()))
    print("[00:00:00.000 --> 00:00:02.000]  Airway first.", flush=True)
    while True:
        time.sleep(0.1)
if does == "talk":
    while True:
        os.write(1, b"x" * 65536)
if does == "huge":
    with open(out + ".vtt", "wb") as file:
        while True:
            file.write(b"WEBVTT " * 100000)
if does == "nothing":
    sys.exit(0)
texts = {{
    "garbage": "no captions at all",
    "silent": "WEBVTT\\n\\n",
    "srt": "1\\n00:00:00,000 --> 00:00:01,500\\nAirway first.\\n",
}}
words = "气道优先。" if lang == "zh" else "Air way first."
vtt = "WEBVTT\\n\\n00:00:00.000 --> 00:00:02.000\\n" + words + "\\n\\n00:00:02.000 --> 00:00:02.000\\n.\\n\\n"
vtt += "00:00:02.000 --> 00:00:%06.3f\\nThe end.\\n" % seconds
Path(out + (".srt" if does == "srt" else ".vtt")).write_text(texts.get(does, vtt), "utf-8")
"""


@pytest.fixture
def recogniser(app, tmp_path):
    """A configured recogniser; ``recogniser("fail")`` tells it what to do from now on."""
    program = tmp_path / "my recogniser"
    program.write_text(RECOGNISER.format(python=sys.executable, here=str(tmp_path)), "utf-8")
    program.chmod(0o755)
    command = f"'{program}' -l {{lang}} -f {{wav}} -of {{out}}"
    app.extensions["lms_settings"] = dataclasses.replace(site.settings(), transcriber=command)

    def does(what: str) -> None:
        (tmp_path / "does").write_text(what)

    does.folder = tmp_path
    does.command = command
    return does


def ask(client, lecture, lang="en"):
    return client.post(f"/lectures/{lecture.public_id}/drafts", data={"lang": lang})


def the_draft():
    fresh()
    return db.session.scalars(select(CaptionDraft)).one()


def desk(client, lecture):
    return client.get(f"/lectures/{lecture.public_id}/edit").text


def test_without_the_setting_no_page_speaks_of_it_and_nothing_can_be_asked(app, browser, cast, playable):
    client = browser(cast.educator, lang="en")
    assert "recogniser" not in desk(client, playable.lecture)
    assert "/drafts" not in desk(client, playable.lecture)
    assert ask(client, playable.lecture).status_code == 404
    assert not db.session.scalars(select(CaptionDraft)).all()


def test_a_draft_is_seen_by_nobody_until_its_author_has_put_it_right_and_published_it(
    app, browser, cast, playable, recogniser, queries
):
    lecture, client, learner = playable.lecture, browser(cast.educator, lang="en"), browser(cast.trainee)
    for _click in range(2):
        assert ask(client, lecture).status_code == 303
    row = the_draft()
    progress = f"/lectures/{lecture.public_id}/drafts/{row.public_id}"
    assert client.get(progress, headers={"Accept": "application/json"}).json["state"] == "asked"
    assert f'data-job="{progress}"' in desk(client, lecture)
    assert Worker(app).drain() == 1
    assert ask(client, lecture).status_code == 303, "a third click does not overwrite it"
    row = the_draft()
    assert (row.state, row.progress_percent, row.lease_owner) == ("ready", 100, None)
    assert [cue.text for cue in services.cues(row.text)] == ["Air way first.", "The end."]
    assert (recogniser.folder / "runs").read_text().split() == ["en", str(min(19, os.nice(0) + 10))]
    assert not [one for one in (storage().root / ".tmp").iterdir() if one.name.startswith("draft-")]
    with queries() as seen:
        assert "Drafted by machine" in desk(client, lecture)
    assert seen.count <= 13, seen.statements

    captions = f"/lectures/{lecture.public_id}/captions/en"
    for address in (f"{captions}.vtt", f"/lectures/{lecture.public_id}/transcript"):
        assert learner.get(address).status_code == 404
    assert "Air way" not in learner.get(f"/lectures/{lecture.public_id}").text

    editor = client.get(f"{captions}/edit?draft=1").text
    assert "Air way first." in editor
    assert "A machine wrote this draft" in editor
    assert "Air way" not in client.get(f"{captions}/edit").text
    better = row.text.replace("Air way", "Airway")
    saved = client.post(f"{captions}/edit?draft=1", data={"text": better, "act": "save"})
    assert saved.location == f"{captions}/edit?draft=1"
    assert "Airway first." in client.get(saved.location).text
    assert learner.get(f"{captions}.vtt").status_code == 404
    bad = client.post(f"{captions}/edit?draft=1", data={"text": "Airway", "act": "save"})
    assert bad.status_code == 422
    assert "A machine wrote this draft" in bad.text

    named = better.replace("The end.", "患儿张三，男")
    assert client.post(f"{captions}/edit?draft=1", data={"text": named, "act": "publish"}).status_code == 422
    for _click in range(2):
        done = client.post(f"{captions}/edit?draft=1", data={"text": better, "act": "publish"})
        assert done.location == f"/lectures/{lecture.public_id}/edit"
    assert "Airway first." in learner.get(f"{captions}.vtt").text
    assert "Drafted by machine" not in desk(client, lecture)
    assert "A machine wrote" not in client.get(f"{captions}/edit?draft=1").text
    row = the_draft()
    assert (row.state, row.text) == ("closed", "")
    ask(client, lecture)
    Worker(app).drain()
    assert the_draft().state == "ready", "it can be drafted anew"
    assert "Airway first." in learner.get(f"{captions}.vtt").text, "and what learners have stays"


def test_chinese_is_drafted_as_chinese_and_a_subrip_file_is_as_good(app, browser, cast, playable, recogniser):
    client = browser(cast.educator)
    ask(client, playable.lecture, "zh-Hans")
    Worker(app).drain()
    assert "气道优先。" in the_draft().text
    assert (recogniser.folder / "runs").read_text().startswith("zh ")
    recogniser("srt")
    ask(client, playable.lecture)
    Worker(app).drain()
    fresh()
    row = db.session.scalars(select(CaptionDraft).where(CaptionDraft.lang == "en")).one()
    assert row.text.startswith("WEBVTT\n\n00:00:00.000 --> 00:00:01.500\nAirway first.")


FAILURES = {
    "fail": ("recogniser", "The recogniser ended with an error."),
    "garbage": ("no_captions", "no captions that can be read"),
    "silent": ("nothing_heard", "heard nobody speak"),
    "nothing": ("no_result", "ended without writing captions"),
    "huge": ("too_much", "wrote more than captions can be"),
    "talk": ("too_much", "wrote more than captions can be"),
    "endless": ("too_slow", "took too long and was stopped"),
}


@pytest.mark.parametrize("kind", FAILURES)
def test_a_recogniser_that_fails_says_why_and_can_be_tried_again(
    app, browser, cast, playable, recogniser, monkeypatch, kind
):
    code, sentence = FAILURES[kind]
    if kind == "endless":
        monkeypatch.setattr(speech, "START_S", 3.0)
        monkeypatch.setattr(speech, "WALL_FACTOR", 0.0)
    client = browser(cast.educator, lang="en")
    recogniser(kind)
    ask(client, playable.lecture)
    Worker(app).drain()
    row = the_draft()
    assert (row.state, row.refusal, row.attempts, row.text) == ("failed", code, 1, "")
    page = desk(client, playable.lecture)
    assert sentence in page
    assert "Try again" in page
    assert not _lives(recogniser.folder / "child")
    recogniser("")
    monkeypatch.undo()
    ask(client, playable.lecture)
    Worker(app).drain()
    assert (the_draft().state, the_draft().refusal) == ("ready", "")


def test_where_the_recogniser_has_gone_the_desk_says_so(app, browser, cast, playable, recogniser):
    client = browser(cast.educator, lang="en")
    ask(client, playable.lecture)
    (recogniser.folder / "my recogniser").unlink()
    Worker(app).drain()
    assert the_draft().refusal == "no_recogniser"
    assert "cannot be run" in desk(client, playable.lecture)


def _lives(file: Path) -> bool:
    """Whether the program that wrote its number there still runs (the kernel needs a moment to end it)."""
    for _wait in range(40):
        if not file.exists() or not Path(f"/proc/{file.read_text()}").exists():
            return False
        time.sleep(0.05)
    return True


def test_a_worker_killed_over_it_leaves_nothing_running_and_the_next_one_does_it_again(
    app, browser, cast, playable, recogniser, settings
):
    recogniser("endless")
    ask(browser(cast.educator), playable.lecture)
    given = {
        "data_dir": str(settings.data_dir),
        "database_url": settings.database_url,
        "queue_url": settings.queue_url,
        "secret_key": settings.secret_key,
        "keys_passphrase": settings.keys_passphrase,
        "transcriber": recogniser.command,
    }
    worker = subprocess.Popen([sys.executable, "-c", DYING, repr(given)], cwd=Path(__file__).parents[2])
    try:
        for _wait in range(600):
            time.sleep(0.05)
            if the_draft().progress_percent:
                break
        assert 0 < the_draft().progress_percent < 100, "it was in the middle"
    finally:
        worker.kill()
        worker.wait()
    assert the_draft().state == "drafting"
    assert not _lives(recogniser.folder / "child")
    recogniser("")
    assert Worker(app).drain() == 0, "the dead worker's lease still holds"
    with clock.travelled(timedelta(seconds=90)):
        assert Worker(app).drain() == 1
    assert (the_draft().state, the_draft().attempts) == ("ready", 2)


def test_a_draft_that_is_stopped_stays_away_and_one_that_is_discarded_too(
    app, browser, cast, playable, recogniser
):
    client, lecture = browser(cast.educator, lang="en"), playable.lecture
    ask(client, lecture)
    discard = f"/lectures/{lecture.public_id}/drafts/{the_draft().public_id}/discard"
    assert client.post(discard).status_code == 303
    assert Worker(app).drain() == 0
    ask(client, lecture)
    Worker(app).drain()
    for _click in range(2):
        assert client.post(discard).status_code == 303
    assert (the_draft().state, the_draft().text) == ("closed", "")
    with transaction(), pytest.raises(RuleBroken, match="wrong_state"):
        services.finish_draft(the_draft(), "WEBVTT")


def test_only_educators_of_the_programme_draft(app, browser, cast, playable, recogniser):
    lecture = playable.lecture
    ask(browser(cast.educator), lecture)
    Worker(app).drain()
    draft = f"/lectures/{lecture.public_id}/drafts/{the_draft().public_id}"
    for name, by in cast.everyone().items():
        if name == "educator":
            continue
        client = browser(by)
        assert ask(client, lecture, "zh-Hans").status_code == 404, name
        assert client.get(draft, headers={"Accept": "application/json"}).status_code == 404, name
        assert client.post(f"{draft}/discard").status_code == 404, name
        editor = f"/lectures/{lecture.public_id}/captions/en/edit?draft=1"
        assert client.get(editor).status_code == 404, name
    assert the_draft().state == "ready"
    assert (
        browser(cast.educator).post("/lectures/abcdefghjkmn/drafts", data={"lang": "en"}).status_code == 404
    )


def test_a_language_that_is_none_and_a_film_that_is_not_ready_are_refused(
    app, browser, cast, playable, recogniser, add_lecture
):
    client = browser(cast.educator, lang="en")
    ask(client, playable.lecture, "fr")
    assert "Choose the language of the captions." in desk(client, playable.lecture)
    bare = add_lecture(title="Bare")
    ask(client, bare)
    page = desk(client, bare)
    assert "once the film is ready" in page
    assert "Draft English captions" not in page
    assert not db.session.scalars(select(CaptionDraft)).all()


def test_a_command_line_that_cannot_be_one_is_refused_at_the_start(tmp_path):
    for command in ("whisper-cli -f sound.wav", "whisper 'x {wav}", "{wav}"):
        with pytest.raises(UnsafeSettings, match="LMS_TRANSCRIBER"):
            load({"LMS_TRANSCRIBER": command}, env="test", data_dir=tmp_path)
    assert load({}, env="test", data_dir=tmp_path).transcriber == ""


def test_the_doctor_says_off_and_names_what_cannot_be_run(app, recogniser, settings, at, tmp_path):
    def says(command: str) -> tuple[bool, str]:
        found = doctor._transcriber(dataclasses.replace(settings, transcriber=command))
        ok, words, mend = next(iter(found))
        assert ok or mend
        return ok, words

    assert says("") == (True, "Drafted captions are off.")
    assert says(recogniser.command)[0]
    assert "/nowhere/whisper is not there" in says("/nowhere/whisper {wav}")[1]
    assert "/nowhere/model.bin is not there" in says(f"{recogniser.command} -m /nowhere/model.bin")[1]
    broken = tmp_path / "broken"
    broken.write_bytes(b"\x7fELF of another machine")
    broken.chmod(0o755)
    assert "cannot be run" in says(f"{broken} {{wav}}")[1]
    assert video.trouble_of(recogniser.command) == ""
