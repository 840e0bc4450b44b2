"""Builds the wheel, installs it into a fresh environment with requirements/run.txt alone, starts its server and asks it for pages.

What a checkout hides, this finds: a template or a translation that does not travel, a package that only tests brought in, a
command that starts only where the tests run.
"""

import os
import re
import secrets
import signal
import socket
import subprocess
import sys
import tempfile
import time
import urllib.error
import urllib.request
import venv
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent

START_S = 60


def free_port() -> int:
    """A port of 127.0.0.1 that nobody listens on."""
    with socket.socket() as held:
        held.bind(("127.0.0.1", 0))
        return int(held.getsockname()[1])


def get(address: str, language: str = "zh-CN") -> tuple[int, str, str]:
    """Status, text and Location of a page; redirects are not followed."""
    asked = urllib.request.Request(address, headers={"Accept-Language": language})
    try:
        with urllib.request.build_opener(Stay).open(asked, timeout=20) as answer:
            return answer.status, answer.read().decode(errors="replace"), ""
    except urllib.error.HTTPError as answer:
        with answer:
            return answer.code, answer.read().decode(), answer.headers.get("Location", "")


class Stay(urllib.request.HTTPRedirectHandler):
    """Does not follow."""

    def redirect_request(self, *_given: object) -> None:
        """See urllib."""


def wait_for(process: subprocess.Popen[str], site: str) -> None:
    """Until the server answers; raises where it ends or stays silent."""
    end = time.monotonic() + START_S
    while True:
        if process.poll() is not None:
            raise AssertionError(f"the server ended with status {process.returncode}")
        try:
            status, text, _location = get(f"{site}/healthz")
        except OSError:
            status, text = 0, ""
        if status == 200:
            assert '"ok":true' in text.replace(" ", ""), text
            return
        if time.monotonic() > end:
            raise AssertionError(f"the server did not answer within {START_S} s")
        time.sleep(0.2)


def ask(site: str, invitation: str) -> None:
    """What the running site must answer."""
    for path, status, words in (
        ("/", 303, ""),
        ("/sign-in", 200, "萤火"),
        (invitation, 200, "萤火"),
        ("/verify/AAAA-AAAA", 404, "萤火"),
        ("/no-such-page", 404, "萤火"),
    ):
        found, text, location = get(site + path)
        assert found == status, (path, found)
        assert words in text, (path, text[:400])
        assert status != 303 or "/sign-in" in location, (path, location)
        print(f"   {found} {'/invitation/…' if path == invitation else path}")
    chinese, english = get(f"{site}/no-such-page")[1], get(f"{site}/no-such-page", "en")[1]
    assert "There is nothing here" in english, english[:400]
    assert "There is nothing here" not in chinese, "translations did not travel"
    sheets = re.findall(r"/static/[\w./-]+", english)
    assert sheets, "no static file is named by the page"
    for sheet in sorted(set(sheets)):
        assert get(site + sheet)[0] == 200, sheet
    print(f"   200 {len(set(sheets))} static files")


def serve(lms: Path, folder: Path, clean: dict[str, str]) -> None:
    """`lms init`, then the real server in a process of its own, asked over HTTP and stopped by a signal."""
    port = free_port()
    site = f"http://127.0.0.1:{port}"
    environ = clean | {
        "LMS_ENV": "production",
        "LMS_SECRET_KEY": secrets.token_urlsafe(48),
        "LMS_KEYS_PASSPHRASE": secrets.token_urlsafe(24),
        "LMS_DATA_DIR": str(folder / "data"),
        "LMS_BASE_URL": site,
        "LMS_ORGANISATION": "儿童医院",
    }
    made = subprocess.run(
        [lms, "init", "--name", "陈静", "--login", "chen@example.org"],
        check=True,
        cwd=folder,
        env=environ,
        capture_output=True,
        text=True,
    )
    link = re.search(rf"{site}(/invitation/\S+)", made.stdout)
    assert link, made.stdout
    command = [lms, "serve", "--bind", f"127.0.0.1:{port}", "--threads", "4", "--with-worker"]
    process = subprocess.Popen(command, cwd=folder, env=environ, text=True)
    try:
        wait_for(process, site)
        ask(site, link[1])
        process.send_signal(signal.SIGTERM)
        assert process.wait(30) == 0, f"stopped with status {process.returncode}"
    finally:
        if process.poll() is None:
            process.kill()
            process.wait()


def main() -> int:
    """Runs the whole proof; returns 1 where the installed package fails."""
    with tempfile.TemporaryDirectory(prefix="firefly-wheel-") as name:
        folder = Path(name)
        build = [sys.executable, "-m", "pip", "wheel", "-q", "--no-deps", "--no-build-isolation"]
        subprocess.run([*build, "-w", str(folder), str(ROOT)], check=True)
        (wheel,) = folder.glob("*.whl")
        print(f"   {wheel.name}, {wheel.stat().st_size / 1e6:.1f} MB")
        environment = folder / "venv"
        venv.create(environment, with_pip=True)
        python = environment / "bin" / "python"
        pip = [str(python), "-m", "pip", "install", "-q", "--no-deps", "--no-compile"]
        subprocess.run([*pip, "--require-hashes", "-r", str(ROOT / "requirements" / "run.txt")], check=True)
        subprocess.run([*pip, str(wheel)], check=True)
        clean = {key: value for key, value in os.environ.items() if not re.match(r"LMS_|PYTHONPATH", key)}
        where = subprocess.run(
            [python, "-P", "-c", "import lms; print(lms.__file__)"],
            check=True,
            cwd=folder,
            env=clean,
            capture_output=True,
            text=True,
        )
        home = Path(where.stdout.strip())
        assert "site-packages" in home.parts, f"not the installed package: {home}"
        try:
            serve(environment / "bin" / "lms", folder, clean)
        except AssertionError as problem:
            print(f"   the installed wheel does not serve what a checkout serves: {problem}")
            return 1
        shown = subprocess.run(
            [environment / "bin" / "lms", "--version"],
            check=True,
            cwd=folder,
            env=clean,
            capture_output=True,
            text=True,
        )
        print(f"   {shown.stdout.strip()}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
