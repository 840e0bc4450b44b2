"""How soon a lecture shows its first picture over slow links, in real Chromium: `./run film`, one JSON object a line.

The demonstration, with one lecture of three minutes (the slides of a sample, each shown for twelve seconds, and its voice), is
served through a line that is slow (link.py). What is measured

first_s     from pressing "play" to the first picture; `cold`: from opening the address, with nothing in any cache and "play"
            pressed at the earliest moment; `sound`: to the first sound
stalled_s   how long it stood still in the first minute after that
resumed_s   after a break of 20 s that outlasted what had come: from the link's return to the film's
"""

import argparse
import json
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from playwright.sync_api import BrowserContext, Page, sync_playwright

from lms import demo
from lms.core import video
from tests.browser.conftest import ARGUMENTS, CHROMIUM, ROOT, Site, served
from tests.browser.link import Link

ACCOUNTS = {role: (login, password) for _name, role, login, password in demo.accounts_shown()}
WARM = ((400, 400, 3.5), (128, 400, 5.0), (64, 600, 9.0))
"""kb/s, ms there and back, s allowed."""
SLOWEST = (64, 600)
LIBRARY = "Promise.all(['hlsjs', 'streams'].map(one => fetch(document.querySelector('video').dataset[one]))).then(() => 1)"
"""As on a page where it was needed before."""
WATCH = """
addEventListener('DOMContentLoaded', () => {
  const v = document.querySelector('video'), seen = self.seen = { stalls: [] };
  if (!v) return;
  const now = () => performance.now() / 1000;
  v.addEventListener('playing', () => { if (!seen.first) seen.first = now(); if (seen.since) { seen.stalls.push(now() - seen.since); seen.since = 0; } });
  v.addEventListener('waiting', () => { if (seen.first) seen.since = now(); });
  self.press = () => { seen.pressed = now(); v.play(); };
  if (%s) setTimeout(() => { const sound = document.querySelector('[data-player] button'); if (%s) { sound.click(); } self.press(); }, 0);
});
"""


def main() -> int:
    """Measure; 0 whatever the figures say: every line carries its target."""
    given = argparse.ArgumentParser(description="The first picture over slow links.")
    given.add_argument("--data", type=Path, help="the data folder of a built demonstration, if there is one")
    folder = given.parse_args().data
    with tempfile.TemporaryDirectory(prefix="firefly-playback-") as name:
        if folder is None:
            folder = Path(name) / "demo"
            folder.mkdir()
            _say("building the demonstration")
            subprocess.run([sys.executable, "-m", "tests.browser.build_demo", folder], cwd=ROOT, check=True)
        with (
            served(folder, Path(name) / "site") as site,
            Link(site.port) as link,
            sync_playwright() as tools,
        ):
            browser = tools.chromium.launch(executable_path=CHROMIUM, args=ARGUMENTS)
            home = browser.new_context(base_url=link.url, viewport={"width": 360, "height": 740})
            page = home.new_page()
            _sign_in(page)
            address = _long_lecture(site, page, Path(name))
            cookies: Any = home.cookies()
            home.close()

            def stranger() -> BrowserContext:
                context = browser.new_context(base_url=link.url, viewport={"width": 360, "height": 740})
                context.add_cookies(cookies)
                return context

            _measure(link, address, stranger)
            browser.close()
    return 0


def _measure(link: Link, address: str, stranger: Callable[[], BrowserContext]) -> None:
    for kbit_s, rtt_ms, allowed_s in WARM:
        context = stranger()
        page = _watched(context)
        page.goto(address)
        page.evaluate("navigator.serviceWorker.ready.then(() => 1)")
        page.reload()
        page.wait_for_timeout(4000)
        page.evaluate(LIBRARY)
        link.slow(rtt_ms=rtt_ms, kbit_s=kbit_s)
        page.evaluate("press()")
        _tell("warm", kbit_s, rtt_ms, _minute(page), allowed_s)
        if kbit_s == SLOWEST[0]:
            _break(page, link)
        link.mend()
        context.close()
    for job, is_sound, allowed_s in (("cold", False, 9.0), ("cold, sound", True, 7.0)):
        context = stranger()
        page = _watched(context, at_once=True, sound=is_sound)
        link.slow(rtt_ms=SLOWEST[1], kbit_s=SLOWEST[0])
        page.goto(address, wait_until="commit")
        _tell(job, *SLOWEST, _minute(page), allowed_s)
        link.mend()
        context.close()


def _watched(context: BrowserContext, *, at_once: bool = False, sound: bool = False) -> Page:
    page = context.new_page()
    page.add_init_script(WATCH % (json.dumps(at_once), json.dumps(sound)))
    return page


def _minute(page: Page) -> dict[str, Any]:
    end = time.monotonic() + 60
    while time.monotonic() < end and not page.evaluate("self.seen && seen.first"):
        time.sleep(0.1)
    page.wait_for_timeout(60_000)
    seen: dict[str, Any] = page.evaluate(
        "Object.assign({}, seen, { at: document.querySelector('video').currentTime })"
    )
    return seen


def _break(page: Page, link: Link) -> None:
    """The link is gone until the film has stood for 20 s."""
    link.cut()
    while not page.evaluate("document.querySelector('video').readyState < 3"):
        page.wait_for_timeout(200)
    page.wait_for_timeout(20_000)
    link.mend()
    link.slow(rtt_ms=SLOWEST[1], kbit_s=SLOWEST[0])
    began, end = time.monotonic(), time.monotonic() + 60
    while time.monotonic() < end and page.evaluate("document.querySelector('video').readyState < 3"):
        time.sleep(0.1)
    print(json.dumps({"job": "break of 20 s", "kbit_s": SLOWEST[0], "rtt_ms": SLOWEST[1], "resumed_s": round(time.monotonic() - began, 1)}), flush=True)  # fmt: skip


def _tell(job: str, kbit_s: int, rtt_ms: int, seen: dict[str, Any], allowed_s: float) -> None:
    first = seen["first"] - (seen["pressed"] if job == "warm" else 0) if seen.get("first") else None
    line = {
        "job": job,
        "kbit_s": kbit_s,
        "rtt_ms": rtt_ms,
        "first_s": first and round(first, 1),
        "allowed_s": allowed_s,
        "stalls": len(seen["stalls"]),
        "stalled_s": round(sum(seen["stalls"]), 1),
        "pressed_s": round(seen.get("pressed", 0), 1),
        "reached_s": round(seen["at"], 1),
    }
    print(json.dumps(line), flush=True)


def _sign_in(page: Page) -> None:
    login, password = ACCOUNTS["trainee"]
    page.goto("/sign-in")
    page.locator("[name=login]").fill(login)
    page.locator("[name=password]").fill(password)
    page.locator("main form button:not([type=button])").first.click()
    page.wait_for_url(lambda url: "/sign-in" not in url)


def _long_lecture(site: Site, page: Page, folder: Path) -> str:
    """The first lecture gets the film of three minutes; its address."""
    sample, film = ROOT / "lms/samples/lectures/m01-critically-ill-child.mp4", folder / "three-minutes.mp4"
    slides = "[0:v]fps=1/4,setpts=N*12/TB,fps=25,trim=duration=180[v]"
    command = [video.find_ffmpeg(), "-nostdin", "-v", "error", "-y", "-stream_loop", "-1", "-i", str(sample), "-filter_complex", slides, "-map", "[v]", "-map", "0:a", "-t", "180", "-c:v", "libx264", "-preset", "veryfast", "-crf", "20", "-pix_fmt", "yuv420p", str(film)]  # fmt: skip
    subprocess.run(command, check=True)
    page.goto("/learn")
    address = page.locator("a.task[href^='/lectures/']").first.get_attribute("href") or ""
    done = site.run("video", "add", str(film), "--lecture", address.rpartition("/")[2])
    assert done.returncode == 0, done.stderr
    _say("making the film")
    end = time.monotonic() + 900
    while time.monotonic() < end:
        page.goto(address)
        if "180" in (page.locator("progress[data-watched]").get_attribute("max") or ""):
            return address
        page.wait_for_timeout(3000)
    raise SystemExit("the film was not made in time")


def _say(words: str) -> None:
    print(f"film: {words}", file=sys.stderr, flush=True)


if __name__ == "__main__":
    raise SystemExit(main())
