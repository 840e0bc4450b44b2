"""The film in real Chromium: sent in pieces over a line that breaks, watched with everything beside it, kept and played offline."""

import os
import re
import subprocess
import time
from pathlib import Path

from playwright.sync_api import expect

from lms import demo
from lms.core import video

ACCOUNTS = {role: (login, password) for _name, role, login, password in demo.accounts_shown()}


def holds(true, what: str, *, within_s: float = 40) -> None:
    """Waits until something holds."""
    end = time.monotonic() + within_s
    while not true():
        assert time.monotonic() < end, f"not within {within_s} s: {what}"
        time.sleep(0.1)


def lecture_address(page) -> str:
    """The first lecture that the learner finds."""
    page.goto("/learn")
    return page.locator("a.task[href^='/lectures/']").first.get_attribute("href")


def make_film(path: Path, *, seconds: int) -> Path:
    """A film large enough for several pieces: noise does not shrink."""
    command = [video.find_ffmpeg(), "-nostdin", "-v", "error", "-y", "-f", "lavfi", "-i", f"nullsrc=s=320x180:r=10:d={seconds},geq=random(1)*255:128:128", "-f", "lavfi", "-i", f"sine=d={seconds}", "-c:v", "libx264", "-preset", "ultrafast", "-qp", "1", "-pix_fmt", "yuv420p"]  # fmt: skip
    subprocess.run([*command, str(path)], check=True, timeout=120)
    return path


def test_a_film_is_sent_in_pieces_stopped_closed_and_finished_by_another_browser(
    own_site, desk, sign_in, tmp_path
):
    film = make_film(tmp_path / "lecture.mp4", seconds=20)
    assert film.stat().st_size > 9 << 20, "more than one piece"
    page = desk("en", base_url=own_site.url).new_page()
    sign_in(page, *ACCOUNTS["educator"])
    address = lecture_address(page) + "/edit"
    page.goto(address)
    cdp = page.context.new_cdp_session(page)
    cdp.send("Network.enable")
    cdp.send(
        "Network.emulateNetworkConditions",
        {"offline": False, "latency": 20, "downloadThroughput": 4e6, "uploadThroughput": 4e6},
    )
    page.locator("input[type=file][name=video]").set_input_files(film)
    page.get_by_role("button", name="Upload", exact=True).click()
    bar = page.locator("[data-upload-state] progress")
    holds(lambda: float(bar.get_attribute("value") or 0) > (8 << 20), "the first piece has arrived")
    page.get_by_role("button", name="Pause").click()
    expect(page.locator("[data-upload-state]")).to_contain_text("Paused")
    page.context.close()

    other = desk("en", base_url=own_site.url).new_page()
    sign_in(other, *ACCOUNTS["educator"])
    other.goto(address)
    expect(other.locator("[data-unfinished]")).to_contain_text("lecture.mp4")
    other.locator("input[type=file][name=video]").set_input_files(film)
    sent: list[int] = []
    other.on(
        "request",
        lambda request: request.method == "PATCH" and sent.append(int(request.headers["upload-offset"])),
    )
    other.get_by_role("button", name="Upload", exact=True).click()
    expect(other.locator("#video-part")).to_contain_text("lecture.mp4")
    expect(other.get_by_text("has been received and is being prepared")).to_be_visible()
    assert sent[0] >= 6 << 20, "what had arrived was not sent again"
    assert other.locator("[data-unfinished]").count() == 0


def test_the_film_is_watched_with_chapters_transcript_notes_and_keys(own_site, phone, desk, sign_in):
    teacher = desk("en", base_url=own_site.url).new_page()
    sign_in(teacher, *ACCOUNTS["educator"])
    address = lecture_address(teacher)
    teacher.goto(address + "/chapters")
    teacher.locator("[name=chapters]").fill("0:00 | 开始 | Start\n0:12 | 气道 | Airway")
    teacher.get_by_role("button", name="Save the chapters").click()

    page = desk("en", base_url=own_site.url).new_page()
    sign_in(page, *ACCOUNTS["trainee"])
    page.goto(address)
    film = page.locator("video")
    quality = page.locator("[data-player] select").first
    expect(quality).to_contain_text(re.compile(r"Save data, 360 lines, \d+(\.\d)? MB in 10 minutes"))
    page.keyboard.press("k")
    holds(lambda: film.evaluate("v => !v.paused && v.currentTime > 0.5"), "K plays")
    page.locator(".chapters[data-follow] a").nth(1).click()
    holds(lambda: 11.9 < film.evaluate("v => v.currentTime") < 20, "a chapter is gone to")
    expect(page.locator(".chapters[data-follow] a[aria-current]")).to_contain_text("Airway")
    page.keyboard.press("b")
    holds(lambda: film.evaluate("v => v.currentTime") < 8, "B goes to the chapter before")
    page.keyboard.press(".")
    assert film.evaluate("v => v.playbackRate") == 1.25
    page.keyboard.press("k")
    holds(lambda: film.evaluate("v => v.paused"), "K pauses")

    said = page.locator("details[data-transcript]")
    said.locator("summary").click()
    last = said.locator("[data-seek]").last
    second = float(last.get_attribute("data-seek"))
    last.click()
    holds(lambda: abs(film.evaluate("v => v.currentTime") - second) < 4, "a line leads to its moment")
    said.locator("[type=search]").fill("no such word")
    expect(said.locator("li:visible")).to_have_count(0)

    page.locator("#notes summary").click()
    page.locator("#notes textarea").fill("k is for kilogram")
    page.get_by_role("button", name="Keep the note").click()
    page.wait_for_url(lambda url: "#notes" in url)
    expect(page.locator("#notes")).to_contain_text("k is for kilogram")

    small = phone("zh", base_url=own_site.url).new_page()
    sign_in(small, *ACCOUNTS["trainee"])
    small.goto(address)
    expect(small.locator("#notes")).to_contain_text("k is for kilogram")
    assert small.evaluate("document.documentElement.scrollWidth") <= 360


def test_a_lecture_kept_on_the_phone_plays_and_seeks_without_a_connection_and_is_counted_later(
    own_site, phone, sign_in, console
):
    console.forgive("ERR_INTERNET_DISCONNECTED|Failed to load resource|net::ERR_FAILED")
    context = phone("en", base_url=own_site.url)
    page = context.new_page()
    sign_in(page, *ACCOUNTS["trainee"])
    address = lecture_address(page)
    page.goto(address)
    page.evaluate("navigator.serviceWorker.ready.then(() => 1)")
    page.reload()
    keep = page.locator("[data-keep]")
    keep.get_by_role("button", name="Keep it").click()
    expect(keep).to_contain_text("Kept on this phone")

    page.goto("/learn/offline")
    expect(page.locator("[data-kept-list] li")).to_have_count(1)
    context.set_offline(True)
    page.goto(address)
    film = page.locator("video")
    film.evaluate("v => { v.muted = true; v.playbackRate = 2; return v.play(); }")
    holds(lambda: film.evaluate("v => v.currentTime") > 4, "it plays offline")
    film.evaluate("v => { v.currentTime = v.duration - 8; }")
    holds(lambda: film.evaluate("v => v.currentTime > v.duration - 5 && !v.seeking"), "it seeks offline")
    film.evaluate("v => v.pause()")
    expect(page.locator("[data-watch-state]")).to_contain_text("kept on this device")
    assert page.evaluate(
        "Object.keys(localStorage).some(k => k.startsWith('watch:') && k.split('.').length === 5)"
    )

    context.set_offline(False)

    def is_counted() -> bool:
        """The page as it comes anew: the one before may still have been sending."""
        page.goto(address)
        page.wait_for_timeout(2_000)
        return int(re.search(r"\d+", page.locator("[data-watched-text]").inner_text())[0]) > 20

    holds(is_counted, "what was watched offline is counted", within_s=90)
    page.goto("/learn/offline")
    page.get_by_role("button", name="Remove from this phone").click()
    expect(page.locator("[data-kept-list]")).to_contain_text("Nothing is kept")
    assert page.evaluate("caches.keys().then(n => Promise.all(n.filter(x => x.startsWith('media-')).map(x => caches.open(x).then(c => c.keys().then(k => k.length)))))") in ([], [0])  # fmt: skip


def test_pictures_come_only_when_asked_for_and_captions_are_timed_to_the_drawn_sound(
    own_site, phone, desk, sign_in
):
    teacher = desk("en", base_url=own_site.url).new_page()
    sign_in(teacher, *ACCOUNTS["educator"])
    address = lecture_address(teacher)
    teacher.goto(address + "/chapters")
    teacher.locator("[name=chapters]").fill("0:00 | 开始 | Start\n0:12 | 气道 | Airway")
    teacher.get_by_role("button", name="Save the chapters").click()
    teacher.goto(address + "/captions/en/edit")
    near = teacher.locator("[data-sound]")
    expect(near.locator("svg[data-drawn] path")).to_have_count(1)
    holds(lambda: teacher.locator("video").evaluate("v => v.readyState > 0"), "the film is known")
    near.click(position={"x": near.bounding_box()["width"] / 2, "y": 20})
    holds(
        lambda: 9 < teacher.locator("video").evaluate("v => v.currentTime") < 11,
        "the drawing leads to its moment",
    )
    expect(near.locator(".now")).to_have_count(1)
    picture(teacher, "captions")

    page = phone("en", base_url=own_site.url).new_page()
    sign_in(page, *ACCOUNTS["trainee"])
    page.goto(address)
    button = page.get_by_role("button", name="Show pictures")
    button.scroll_into_view_if_needed()
    page.wait_for_timeout(500)
    assert not page.evaluate(STILLS), "a page that is only opened loads none"
    button.click()
    holds(lambda: len(page.evaluate(STILLS)) == 2, "one picture for each chapter")
    assert 0 < max(page.evaluate(STILLS)) <= 4096
    page.get_by_text("The film in pictures").click()
    strip = page.locator(".stills img")
    holds(lambda: strip.first.evaluate("i => i.naturalWidth") > 0, "the strip is shown")
    picture(page, "pictures")
    assert page.evaluate("document.documentElement.scrollWidth") <= 360
    expect(strip.nth(1)).to_have_attribute("alt", re.compile(r"^Picture at "))
    strip.nth(1).click()
    holds(lambda: page.locator("video").evaluate("v => v.currentTime") > 3, "a picture leads to its moment")
    page.locator("video").evaluate("v => v.pause()")

    # What is heard twice on one page is told apart from what is heard once.
    told: list[dict] = []
    page.on("request", lambda request: request.url.endswith("/beats") and told.append(request.post_data_json))
    film = page.locator("video")
    for _time in range(2):
        film.evaluate("v => { v.currentTime = 2; return v.play(); }")
        holds(lambda: film.evaluate("v => v.currentTime") > 5, "it plays")
        film.evaluate("v => v.pause()")
    holds(lambda: page.wait_for_timeout(100) or (told and told[-1]["again"]), "the second time is told")
    start, end = told[-1]["again"][0]
    assert 1.9 <= start < 3
    assert 4 < end < 6


FETCHED = "name => performance.getEntriesByType('resource').some(one => one.name.includes(name))"
WATCHED_OVER = """
() => {
  const v = document.querySelector('video');
  self.jumps = 0;
  self.stream = v.src;
  v.addEventListener('seeking', () => { self.jumps += 1; });
  v.addEventListener('emptied', () => { self.jumps += 1; });
}
"""


def plays_on(film, seconds: float, what: str) -> None:
    """Waits until the film has gone on from where it stands."""
    at = film.evaluate("v => v.currentTime")
    holds(lambda: film.evaluate("v => v.currentTime") > at + seconds, what)


def test_a_slow_link_plays_the_cheapest_without_the_library_outlives_a_break_and_is_counted(
    own_site, phone, sign_in, link, console
):
    console.forgive("ERR_CONNECTION|ERR_EMPTY_RESPONSE|ERR_FAILED|Failed to load resource|net::ERR")
    line = link(own_site)
    page = phone("en", base_url=line.url).new_page()
    sign_in(page, *ACCOUNTS["trainee"])
    page.goto(lecture_address(page))
    page.wait_for_timeout(1000)  # the service worker keeps its files
    line.slow(rtt_ms=100, kbit_s=110)
    film = page.locator("video")
    film.evaluate("v => { v.muted = true; return v.play(); }")
    plays_on(film, 1, "it plays")
    assert page.evaluate(FETCHED, "/lite/0000.m4s")
    line.cut()
    holds(lambda: film.evaluate("v => v.readyState < 3"), "what had come is played, and it stands")
    line.mend()
    line.slow(rtt_ms=100, kbit_s=110)
    plays_on(film, 3, "it goes on by itself")
    assert not page.evaluate(FETCHED, "vendor/hls"), "nobody pays for the library on such a link"
    assert not page.evaluate(FETCHED, ".m3u8")
    film.evaluate("v => v.pause()")
    seen = int(film.evaluate("v => v.played.end(v.played.length - 1)"))
    counted = page.locator("progress[data-watched]")
    holds(lambda: int(float(counted.get_attribute("value"))) >= seen - 1, "what was played is counted")

    # A jump to where nothing has come yet brings what is there; the sound alone is the same player.
    film.evaluate("v => { v.currentTime = 20; return v.play(); }")
    holds(lambda: film.evaluate("v => v.currentTime") > 20.5, "it plays from there")
    page.get_by_role("button", name="Sound only").click()
    plays_on(film, 1, "the sound goes on from there")
    assert film.evaluate("v => v.videoWidth") == 0
    assert not page.evaluate(FETCHED, "audio.m4a")


def test_on_a_quick_link_the_library_takes_over_without_a_jump(own_site, desk, sign_in, link, console):
    console.forgive("ERR_FAILED")  # as the line is closed
    line = link(own_site)
    page = desk("en", base_url=line.url).new_page()
    sign_in(page, *ACCOUNTS["trainee"])
    page.goto(lecture_address(page))
    page.wait_for_timeout(1000)
    line.slow(rtt_ms=50, kbit_s=900)
    film = page.locator("video")
    page.evaluate(WATCHED_OVER)
    film.evaluate("v => { v.muted = true; return v.play(); }")
    holds(lambda: page.evaluate(FETCHED, "master.m3u8"), "the library has taken over")
    holds(lambda: page.evaluate(FETCHED, "/480/") or page.evaluate(FETCHED, "/720/"), "it brings more lines")
    holds(lambda: film.evaluate("v => v.currentTime") > 26, "it plays on")
    assert page.evaluate("self.jumps") == 0
    assert page.evaluate("self.stream === document.querySelector('video').src"), "the same stream"
    assert film.evaluate("v => v.played.length") == 1
    assert film.evaluate("v => v.videoHeight") > 360


def test_a_sharper_picture_that_is_chosen_comes_whatever_was_playing(own_site, desk, sign_in, link, console):
    console.forgive("ERR_FAILED")  # the line is closed while the next seconds are still coming
    line = link(own_site)
    page = desk("en", base_url=line.url).new_page()
    sign_in(page, *ACCOUNTS["trainee"])
    page.goto(lecture_address(page))
    page.wait_for_timeout(1000)
    line.slow(rtt_ms=50, kbit_s=120)
    film = page.locator("video")
    film.evaluate("v => { v.muted = true; return v.play(); }")
    plays_on(film, 0.5, "it plays")
    line.mend()
    page.locator("[data-player] select").first.select_option("3")
    holds(lambda: film.evaluate("v => v.videoHeight") == 720, "720 lines")


STILLS = "performance.getEntriesByType('resource').filter(one => one.name.includes('/stills/')).map(one => one.encodedBodySize)"


def picture(page, name: str) -> None:
    """Keep the page as a picture where the environment says so."""
    folder = os.environ.get("FILM_PICTURES")
    if folder:
        page.screenshot(path=f"{folder}/{name}.png", full_page=True)
