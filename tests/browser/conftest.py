"""Fixtures of the browser tests.

`site`        the demonstration programme, served by `lms serve` in a process of its own; read it, do not change it
`own_site`    the same, a fresh copy for one test that changes things; `serve(LMS_…="…")` with other settings
`phone`       `phone("zh")` → a context of 360 × 740 with touch; `desk` → 1280 × 800; both watch the console
`sign_in`     `sign_in(page, login)` through the sign-in page
`axe`         `axe(page)` → what axe-core finds on the page as it stands
`link`        `link(site)` → a line to the site that can be cut (link.py)
`nginx`       `nginx(site)` → the same site behind what `lms deploy nginx` writes

`page.wait_for_function` evaluates text inside the page, which our policy refuses: use `inspection.wait_until`.
What a page is to show after an act is waited for: `inspection.pressed` for what leads to another page, Playwright's `expect` for the rest.
A test that fails leaves pictures of its pages in .pytest_cache/browser/.
"""

import contextlib
import fcntl
import os
import re
import shutil
import signal
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from lms.settings import load
from tests import servers
from tests.browser.link import Link
from tests.servers import free_port

if TYPE_CHECKING:
    from playwright.sync_api import Browser, BrowserContext, ConsoleMessage, Page

HERE = Path(__file__).resolve().parent
ROOT = HERE.parents[1]
PICTURES = ROOT / ".pytest_cache" / "browser"
CHROMIUM = os.environ.get("CHROMIUM", "/usr/bin/chromium")
ARGUMENTS = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--autoplay-policy=no-user-gesture-required",
]
PATIENCE_MS = 40_000
"""So long a test waits for what must come: a busy machine is no fault."""
AXE = HERE / "vendor" / "axe.min.js"
AXE_TAGS = ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa", "best-practice"]
LANGUAGES = {"zh": ("zh_Hans", "zh-CN"), "en": ("en", "en-GB")}
"""Short name → the value of our cookie, the language that the browser asks for."""

collect_ignore_glob = (
    [] if find_spec("playwright") else ["test_*.py"]
)  # ./run check brings it, ./run test does without


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Everything in this folder needs Chromium."""
    for item in items:
        if HERE in item.path.parents:
            item.add_marker(pytest.mark.browser)


# ---------------------------------------------------------------- the site


@dataclass
class Site:
    """The product, served as a site serves it."""

    data: Path
    port: int = field(default_factory=free_port)
    settings: dict[str, str] = field(default_factory=dict)
    """Further LMS_* variables."""
    process: subprocess.Popen[bytes] | None = None

    @property
    def url(self) -> str:
        """Where a browser finds it (localhost: a secure context, as service workers want)."""
        return f"http://localhost:{self.port}"

    @property
    def environment(self) -> dict[str, str]:
        """The variables of the server's process: ours, and none of the caller's settings."""
        kept = {key: value for key, value in os.environ.items() if not key.startswith("LMS_")}
        return (
            kept
            | {"LMS_ENV": "demo", "LMS_DATA_DIR": str(self.data), "LMS_BASE_URL": self.url}
            | self.settings
        )

    def start(self) -> "Site":
        """Starts the server and waits until it answers."""
        log = (self.data / "server.log").open("ab")
        self.process = subprocess.Popen(
            [sys.executable, "-m", "lms.cli", "serve", "--bind", f"127.0.0.1:{self.port}", "--with-worker"],
            cwd=ROOT, env=self.environment, stdin=subprocess.DEVNULL, stdout=log, stderr=log, start_new_session=True,
        )  # fmt: skip
        log.close()
        end = time.monotonic() + 60
        while time.monotonic() < end and self.process.poll() is None:
            with contextlib.suppress(OSError, urllib.error.URLError):
                urllib.request.urlopen(self.url + "/healthz", timeout=5).close()
                return self
            time.sleep(0.1)
        self.stop()
        pytest.fail(f"the site did not start:\n{self.log()}")

    def kill(self) -> None:
        """The loss of power: master and workers end without a word."""
        assert self.process
        os.killpg(self.process.pid, signal.SIGKILL)
        self.process.wait()

    def stop(self) -> None:
        """Stops the server as a person does."""
        if self.process and self.process.poll() is None:
            self.process.terminate()
            try:
                self.process.wait(30)
            except subprocess.TimeoutExpired:
                self.process.kill()
                self.process.wait()

    def run(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        """An `lms` command with the site's settings."""
        return subprocess.run(
            [sys.executable, "-m", "lms.cli", *arguments],
            cwd=ROOT, env=self.environment, capture_output=True, text=True, check=False,
        )  # fmt: skip

    def log(self) -> str:
        """The end of what the server had to say."""
        return (self.data / "server.log").read_text(errors="replace")[-4000:]


@pytest.fixture(scope="session")
def demo_data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The data folder of the demonstration programme, built once for all workers of a run; never served itself."""
    base = tmp_path_factory.getbasetemp()
    if "PYTEST_XDIST_WORKER" in os.environ:
        base = base.parent
    folder = base / "demo"
    with (base / "demo.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not (folder / "built").exists():
            shutil.rmtree(folder, ignore_errors=True)
            folder.mkdir()
            subprocess.run([sys.executable, "-m", "tests.browser.build_demo", folder], cwd=ROOT, check=True)
            (folder / "built").touch()
    return folder


@pytest.fixture(scope="session")
def site(demo_data: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    """The demonstration programme, served for all tests of this worker."""
    with served(demo_data, tmp_path_factory.mktemp("site")) as found:
        yield found


@pytest.fixture
def serve(demo_data: Path, tmp_path: Path) -> Iterator[Callable[..., Site]]:
    """`serve(LMS_…="…")`: the demonstration programme with further settings, served for one test that may change it."""
    with contextlib.ExitStack() as running:
        yield lambda **settings: running.enter_context(served(demo_data, tmp_path / "site", **settings))


@pytest.fixture
def own_site(serve: Callable[..., Site]) -> Site:
    """The demonstration programme, served for one test that changes it."""
    return serve()


@contextlib.contextmanager
def served(demo: Path, folder: Path, **settings: str) -> Iterator[Site]:
    """Serves a copy of the demonstration; a server that complained fails whoever used it."""
    shutil.copytree(demo, folder, dirs_exist_ok=True)
    found = Site(folder, settings=settings).start()
    try:
        yield found
    finally:
        found.stop()
    assert "Traceback" not in found.log(), found.log()


@pytest.fixture
def link() -> Iterator[Callable[[Site], Link]]:
    """`link(site)`: a line to the site; browsers use its `url`."""
    with contextlib.ExitStack() as lines:
        yield lambda site: lines.enter_context(Link(site.port))


@pytest.fixture(scope="session")
def nginx(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Callable[[Site], str]]:
    """`nginx(site)`: the address of the site behind an nginx with the configuration that `lms deploy nginx` writes."""
    with contextlib.ExitStack() as started:

        def start(site: Site) -> str:
            folder, port = tmp_path_factory.mktemp("nginx"), free_port()
            settings = load({}, env="demo", data_dir=site.data, base_url=f"http://localhost:{port}")
            started.enter_context(servers.nginx(settings, folder, port=port, bind=[f"127.0.0.1:{site.port}"]))
            return f"http://localhost:{port}"

        yield start


# ---------------------------------------------------------------- browsers


@pytest.fixture(scope="session")
def chromium() -> Iterator["Browser"]:
    """Real Chromium, of the distribution."""
    from playwright.sync_api import expect, sync_playwright

    expect.set_options(timeout=PATIENCE_MS)
    with sync_playwright() as playwright:
        found = playwright.chromium.launch(executable_path=CHROMIUM, args=ARGUMENTS)
        yield found
        found.close()


@dataclass
class Console:
    """What the browsers of a test complained about."""

    problems: list[str] = field(default_factory=list)
    forgiven: list[str] = field(default_factory=list)

    def forgive(self, pattern: str) -> None:
        """Complaints that this test provokes, for example `net::ERR_` after the line was cut."""
        self.forgiven.append(pattern)

    def watch(self, context: "BrowserContext") -> None:
        """Listen to a context."""

        def hear(line: "ConsoleMessage") -> None:
            if line.type == "error":
                self.problems.append(f"{line.text} ({line.location})")

        context.on("console", hear)
        context.on("weberror", lambda error: self.problems.append(str(error.error)))

    @property
    def unforgiven(self) -> list[str]:
        """What nobody expected."""
        return [
            line for line in self.problems if not any(re.search(pattern, line) for pattern in self.forgiven)
        ]


@pytest.fixture
def console() -> Console:
    """The complaints of this test's browsers; any that is not forgiven fails the test."""
    return Console()


Contexts = Callable[..., "BrowserContext"]


@pytest.fixture
def contexts(chromium: "Browser", console: Console, request: pytest.FixtureRequest) -> Iterator[Contexts]:
    """A maker of contexts: `contexts("zh", base_url=…, **Playwright's options)`."""
    made: list[BrowserContext] = []

    def make(lang: str = "zh", *, base_url: str | None = None, **options: Any) -> "BrowserContext":
        cookie, asked = LANGUAGES[lang]
        address = base_url or request.getfixturevalue("site").url
        context = chromium.new_context(
            base_url=address, locale=asked, timezone_id="Asia/Shanghai", reduced_motion="reduce", **options
        )
        context.add_cookies([{"name": "lang", "value": cookie, "url": address}])
        context.set_default_timeout(PATIENCE_MS)
        console.watch(context)
        made.append(context)
        return context

    yield make
    if getattr(request.node, "has_failed", False):
        PICTURES.mkdir(parents=True, exist_ok=True)
        for number, page in enumerate(page for context in made for page in context.pages):
            name = re.sub(r"[^\w-]+", "_", request.node.name)
            with contextlib.suppress(Exception):
                page.screenshot(path=PICTURES / f"{name}-{number}.png", full_page=True, timeout=5_000)
    for context in made:
        context.close()
    assert not console.unforgiven


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item: pytest.Item, call: pytest.CallInfo[None]) -> Any:
    """Remember on the test itself that it failed, for the pictures."""
    report = yield
    if report.failed:
        item.has_failed = True  # type: ignore[attr-defined]
    return report


@pytest.fixture
def phone(contexts: Contexts) -> Contexts:
    """A small phone, held in one hand."""

    def make(lang: str = "zh", **options: Any) -> "BrowserContext":
        return contexts(
            lang,
            **{"viewport": {"width": 360, "height": 740}, "is_mobile": True, "has_touch": True} | options,
        )

    return make


@pytest.fixture
def desk(contexts: Contexts) -> Contexts:
    """An office screen."""

    def make(lang: str = "zh", **options: Any) -> "BrowserContext":
        return contexts(lang, **{"viewport": {"width": 1280, "height": 800}} | options)

    return make


SignIn = Callable[..., None]


@pytest.fixture
def sign_in() -> SignIn:
    """`sign_in(page, login, password)` by the form, as a person does."""

    def act(page: "Page", login: str, password: str) -> None:
        page.goto("/sign-in")
        form = page.locator("form[action='/sign-in']").first
        form.locator("[name=login]").fill(login)
        form.locator("[name=password]").fill(password)
        form.locator("[type=submit], button").last.click()
        page.wait_for_url(lambda url: "/sign-in" not in url)

    return act


@pytest.fixture(scope="session")
def axe() -> Callable[..., list[str]]:
    """`axe(page)`: what axe-core finds on the page as it stands, one line per rule that is broken; `axe(page, rules)`: by some rules only."""
    source = AXE.read_text(encoding="utf-8")
    run = "only => axe.run(document, {runOnly: only, resultTypes: ['violations']})"

    def act(page: "Page", rules: Sequence[str] = ()) -> list[str]:
        if not page.evaluate("typeof window.axe === 'object'"):
            page.evaluate(source)
        only = {"type": "rule", "values": list(rules)} if rules else {"type": "tag", "values": AXE_TAGS}
        return [
            f"{rule['id']} ({rule['impact']}): "
            + "; ".join(f"{node['target']} {node['html'][:120]}" for node in rule["nodes"][:3])
            for rule in page.evaluate(run, only)["violations"]
        ]

    return act
