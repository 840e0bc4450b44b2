"""Pictures of a film: which moments, what they weigh, and that nobody pays for them unasked."""

import io
from pathlib import Path

import pytest
from PIL import Image

from lms.core import video
from lms.core.db import db, transaction
from lms.courses import services
from lms.courses.models import Lecture
from lms.courses.rules import stills
from tests.courses.conftest import fresh

CHAPTERS = [{"at_s": 0, "zh": "气道", "en": "Airway"}, {"at_s": 75, "zh": "呼吸", "en": "Breathing"}]


def test_slides_and_chapters_give_the_moments_and_each_knows_its_chapter():
    found = stills.moments(100, [21, 40, 62, 77], CHAPTERS)
    assert [one.at_s for one in found] == [0, 21, 40, 62, 75]  # 77 would show the thumbnail of 75 again
    assert [one.chapter["en"] for one in found] == ["Airway"] * 4 + ["Breathing"]


def test_a_film_without_slides_is_shown_at_even_steps():
    found = stills.moments(1600, [700], [])
    assert [one.at_s for one in found] == list(range(0, 1600, 100))
    assert {one.chapter for one in found} == {None}
    assert [one.at_s for one in stills.moments(4, [], [])] == [0]
    assert stills.moments(0, [], []) == []


def test_no_film_has_more_pictures_than_anybody_looks_through():
    found = stills.moments(14_400, list(range(60, 14_000, 60)), [])
    assert len(found) == stills.MOST
    assert found[0].at_s == 0


def read(name):
    return Path(name).read_bytes()


def test_a_still_is_the_thumbnail_of_its_moment_and_small(made):
    folder, manifest = made
    assert manifest.thumbs == "thumbs.vtt"
    data = video.still(str(folder), 2, read=read)
    with Image.open(io.BytesIO(data)) as found:
        assert (found.format, found.size) == ("WEBP", (160, 90))
    assert len(data) <= 4096
    with pytest.raises(FileNotFoundError):
        video.still(str(folder), 5, read=read)


def test_each_still_is_cut_at_its_own_place(tmp_path):
    sheet = Image.new("RGB", (320, 180))
    colours = [(250, 0, 0), (0, 250, 0), (0, 0, 250)]
    for number, colour in enumerate(colours):
        sheet.paste(
            colour, (number % 2 * 160, number // 2 * 90, number % 2 * 160 + 160, number // 2 * 90 + 90)
        )
    sheet.save(tmp_path / "thumbs-01.webp", lossless=True)
    cues = "".join(
        f"00:00:{n * 5:02d}.000 --> 00:00:{n * 5 + 5:02d}.000\nthumbs-01.webp#xywh={n % 2 * 160},{n // 2 * 90},160,90\n\n"
        for n in range(3)
    )
    (tmp_path / "thumbs.vtt").write_text(f"WEBVTT\n\n{cues}../../x.webp#xywh=0,0,160,90\n", "ascii")
    for number, colour in enumerate(colours):
        with Image.open(io.BytesIO(video.still(str(tmp_path), number * 5 + 4, read=read))) as found:
            middle = found.getpixel((80, 45))
            assert all(abs(a - b) < 12 for a, b in zip(middle, colour, strict=True))
    with pytest.raises(FileNotFoundError):  # a line that names a file elsewhere is no cue of ours
        video.still(str(tmp_path), 15, read=read)


def test_a_still_needs_the_signed_address_of_its_film(browser, cast, playable, at, bare_app):
    client = browser(cast.trainee)
    page = client.get(f"/lectures/{playable.lecture.public_id}").text
    base = page.split('data-still="')[1].split("poster.")[0]
    answer = client.get(f"{base}stills/0.webp")
    assert answer.status_code == 200
    assert answer.content_type == "image/webp"
    assert "immutable" in answer.headers["Cache-Control"]
    assert client.get(f"{base}stills/3600.webp").status_code == 404
    forged = base.replace("/media/", "/media/9", 1)
    assert client.get(f"{forged}stills/0.webp").status_code == 404


def test_the_page_loads_no_picture_but_offers_them_with_words(app, browser, cast, lecture, at):
    with transaction():
        row = db.session.get_one(Lecture, lecture.id)
        row.chapters = CHAPTERS
        film = db.session.get_one(services.videos.Video, row.video_id)
        film.manifest = dict(film.manifest, thumbs="thumbs.vtt", slides=[20, 40, 60, 75])
    fresh()
    page = browser(cast.trainee, lang="en").get(f"/lectures/{lecture.public_id}").text
    chapters = page.split('<ol class="chapters"')[1].split("</ol>")[0]
    assert "<img" not in chapters  # the script puts them there when somebody presses the button
    assert 'data-stills="Show pictures"' in chapters
    strip = page.split('<ol class="stills"')[1].split("</ol>")[0]
    assert strip.count("<img") == strip.count('loading="lazy"') == 5
    assert "in the chapter “Breathing”" in strip
    assert "<details" in page.split('<ol class="stills"')[0].rpartition("</details>")[2]
    desk = browser(cast.educator, lang="en").get(f"/lectures/{lecture.public_id}/chapters").text
    assert desk.count('loading="lazy"') == 5


def test_a_film_without_thumbnails_shows_none(browser, cast, lecture):
    page = browser(cast.trainee).get(f"/lectures/{lecture.public_id}").text
    assert "data-stills" not in page
    assert 'class="stills"' not in page
