"""The sound as a drawing: its size, its pauses, and who may see it."""

import json
import subprocess
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lms.core import video
from lms.core.db import db, transaction
from lms.core.video import waveform
from lms.courses.models import Video
from tests.courses.conftest import fresh


@pytest.fixture(scope="module")
def spoken(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, video.Manifest]:
    """A film of ten seconds in which somebody speaks from the second to the fourth and from the seventh on."""
    folder = tmp_path_factory.mktemp("spoken")
    film = folder / "film.mp4"
    voice = "aevalsrc='0.4*sin(2*PI*300*t)*(between(t,2,4)+gte(t,7))':d=10:s=16000"
    command = [video.find_ffmpeg(), "-nostdin", "-v", "error", "-y", "-f", "lavfi", "-i", "testsrc=s=160x90:r=10:d=10", "-f", "lavfi", "-i", voice, "-preset", "ultrafast", "-pix_fmt", "yuv420p", str(film)]  # fmt: skip
    subprocess.run(command, check=True, timeout=60)
    return folder / "out", video.transcode(film, folder / "out")


def test_the_waveform_shows_where_somebody_speaks_to_a_tenth_of_a_second(spoken):
    folder, manifest = spoken
    assert manifest.peaks == "peaks.bin"
    found = waveform.heights((folder / manifest.peaks).read_bytes())
    assert manifest.peaks_per_s == pytest.approx(20, rel=0.02)
    loud = [place / manifest.peaks_per_s for place, height in enumerate(found) if height >= 5]
    starts = [now for before, now in zip([-9.0, *loud], loud, strict=False) if now - before > 0.5]
    assert starts == [pytest.approx(2, abs=0.1), pytest.approx(7, abs=0.1)]
    assert not [one for one in loud if 4.15 < one < 6.85]


def test_no_film_has_a_waveform_of_more_than_four_kilobytes():
    assert waveform.places(14_400) == 8192
    assert waveform.places(0.01) == 2


@given(st.floats(0.01, 20_000))
def test_places_come_in_pairs(length_s):
    found = waveform.places(length_s)
    assert found % 2 == 0
    assert 2 <= found <= 8192


@given(st.lists(st.integers(0, 15), min_size=1, max_size=300), st.integers(1, 120))
def test_a_coarser_waveform_hides_no_word(found, most):
    made = waveform.coarser(found, most)
    assert len(made) <= most
    assert max(made) == max(found)


def test_strokes_stand_where_their_places_are():
    assert waveform.strokes([0, 3, 0, 1]) == "M.5 16m1 -3v6m0 -3m2 -1v2m0 -1"


@pytest.fixture
def drawn(app, playable, made):
    """A lecture whose film has a waveform."""
    _folder, manifest = made
    with transaction():
        row = db.session.get_one(Video, playable.video.id)
        row.manifest = json.loads(manifest.to_json())
    fresh()
    return playable


def test_the_editor_of_captions_shows_the_sound_and_its_parts_are_drawn_by_the_server(browser, cast, drawn):
    client = browser(cast.educator, lang="en")
    page = client.get(f"/lectures/{drawn.lecture.public_id}/captions/en/edit").text
    assert "The sound of the whole film: " in page
    address = page.split('data-sound="')[1].split('"')[0]
    answer = client.get(f"{address}?from=0")
    assert answer.status_code == 200
    assert answer.content_type.startswith("image/svg+xml")
    assert 'viewBox="0 0 4' in answer.text  # twenty seconds of some twenty places
    assert answer.text.count("v") > 40
    assert len(answer.data) < 8000
    for start in (-20, 4, 10**12):
        assert client.get(f"{address}?from={start}").status_code == 404


def test_only_educators_see_the_sound(browser, cast, drawn):
    address = f"/lectures/{drawn.lecture.public_id}/videos/{drawn.video.public_id}/sound.svg"
    for name, by in cast.everyone().items():
        answer = browser(by).get(address)
        assert (answer.status_code == 200) == (by.is_any("educator") and name != "stranger"), name


def test_a_film_prepared_before_there_were_drawings_has_none(browser, cast, lecture):
    client = browser(cast.educator)
    page = client.get(f"/lectures/{lecture.public_id}/captions/en/edit")
    assert page.status_code == 200
    assert "data-sound" not in page.text
