"""Static files keep their budgets, their floor and their names; what templates ask of them exists."""

import base64
import gzip
import hashlib
import json
import re
import shutil
import subprocess
import threading

import pytest
from flask import Flask

from lms.web import assets, texts

KB = 1024
CSS_BUDGET = 10 * KB
JS_BUDGET = 10 * KB
WORKER_BUDGET = 3 * KB
CHECKPOINTS_BUDGET = 1 * KB
LATE_BUDGETS = {
    "authoring.js": 2 * KB,
    "captions.js": 3 * KB,
    "controls.js": 1 * KB + 256,
    "offline.js": 4 * KB,
    "order.js": 1 * KB,
    "player.js": 6 * KB,
    "practice.js": 1 * KB,
    "streams.js": 1 * KB + 256,
    "study.js": 2 * KB + 512,
    "upload.js": 2 * KB,
    "verify.js": 8 * KB,
}
"""Gzipped, as they travel. Checkpoints come only with a lecture that has some. The worker is fetched behind the first page."""

VENDOR_BUDGETS = {"vendor/hls.js": 190 * KB, "vendor/tus.js": 22 * KB}
"""Of others, by name; each is fetched only where it is needed, never by a first load."""

SHELL = ["outbox.js", "app.js"]
OWN_SCRIPTS = sorted(path.name for path in assets.SOURCE.glob("*.js"))

NEWER_THAN_ES2017 = {
    "optional chaining": r"\?\.[A-Za-z_(\[]",
    "nullish coalescing": r"\?\?",
    "catch without a name": r"catch\s*\{",
    "object spread": r"[{,]\s*\.\.\.[^\]\)]*\}",
    "async iteration": r"for\s+await",
    "private fields": r"this\.#",
    "bigint": r"\b\d+n\b",
    "lookbehind or named groups": r"\(\?<",
}


def gzipped(*files: bytes) -> int:
    """Bytes on the wire, each file packed by itself."""
    return sum(len(gzip.compress(data, 9)) for data in files)


@pytest.fixture(scope="session")
def published() -> dict[str, bytes]:
    """The files as they are sent, by name, with the service worker among them."""
    worker = assets.minified("sw.js", (assets.SOURCE / "sw.js").read_bytes())
    return assets.sources() | {"sw.js": worker}


@pytest.fixture(scope="session")
def originals() -> dict[str, str]:
    """Our own scripts as they are written."""
    return {name: (assets.SOURCE / name).read_text(encoding="utf-8") for name in OWN_SCRIPTS}


# ---------------------------------------------------------------- budgets


def test_the_stylesheet_keeps_its_budget(published):
    assert gzipped(published["app.css"]) <= CSS_BUDGET


@pytest.mark.parametrize("scripts", [("forms.js",), ("exam.js",)])
def test_the_scripts_of_a_first_load_keep_their_budget(published, scripts):
    assert gzipped(*(published[name] for name in [*SHELL, *scripts])) <= JS_BUDGET


def test_the_service_worker_keeps_its_budget(published):
    assert gzipped(published["sw.js"]) <= WORKER_BUDGET


def test_the_script_of_checkpoints_keeps_its_budget(published):
    assert gzipped(published["checkpoints.js"]) <= CHECKPOINTS_BUDGET


@pytest.mark.parametrize("script", sorted(LATE_BUDGETS))
def test_scripts_of_single_pages_keep_their_budgets(published, script):
    assert gzipped(published[script]) <= LATE_BUDGETS[script]


def test_every_script_of_others_has_a_budget_and_keeps_it(published):
    found = {
        name: data for name, data in published.items() if name.startswith("vendor/") and name.endswith(".js")
    }
    assert set(found) == set(VENDOR_BUDGETS)
    assert not {name: gzipped(data) for name, data in found.items() if gzipped(data) > VENDOR_BUDGETS[name]}


def test_no_page_loads_a_script_of_others_at_once(templates):
    assert not [name for name, text in templates.items() if re.search(r"<script[^>]+vendor/", text)]


# ---------------------------------------------------------------- scripts


def code(script: str) -> str:
    """A script without comments, strings, templates and regular expressions: what is left is brackets, names and signs."""
    kept, at, before = [], 0, ""
    while at < len(script):
        two, char = script[at : at + 2], script[at]
        if two == "/*":
            at = script.index("*/", at) + 2
            continue
        if two == "//":
            at = script.find("\n", at) if "\n" in script[at:] else len(script)
            continue
        opens_pattern = char == "/" and (
            before in "(,=:[!&|?{};" or re.search(r"\breturn$", "".join(kept).rstrip())
        )
        if char in "'\"`" or opens_pattern:
            end, in_class = at + 1, False
            while script[end] != char or in_class:
                if script[end] == "\\":
                    end += 1
                elif opens_pattern and script[end] in "[]":
                    in_class = script[end] == "["
                end += 1
            kept.append("''")
            before, at = "'", end + 1
            continue
        kept.append(char)
        if not char.isspace():
            before = char
        at += 1
    return "".join(kept)


@pytest.mark.parametrize("name", OWN_SCRIPTS)
def test_minifying_changes_nothing_but_space_and_comments(published, originals, name):
    squeezed = [re.sub(r"\s+", "", code(text)) for text in (originals[name], published[name].decode())]
    assert squeezed[0] == squeezed[1]


@pytest.mark.parametrize("name", OWN_SCRIPTS)
def test_brackets_of_the_minified_scripts_close(published, name):
    pairs, open_ones = {")": "(", "]": "[", "}": "{"}, []
    for char in code(published[name].decode()):
        if char in "([{":
            open_ones.append(char)
        elif char in pairs:
            assert open_ones, f"{name} closes {char} once too often"
            assert open_ones.pop() == pairs[char]
    assert not open_ones


@pytest.mark.skipif(
    shutil.which("node") is None, reason="the product needs no node; where there is one, it looks too"
)
@pytest.mark.parametrize("name", OWN_SCRIPTS)
def test_minified_scripts_parse(published, name, tmp_path):
    file = tmp_path / name
    file.write_bytes(published[name])
    assert subprocess.run(["node", "--check", file], capture_output=True, check=False).returncode == 0


@pytest.mark.parametrize("name", OWN_SCRIPTS)
def test_scripts_keep_to_the_floor(originals, name):
    """ES2017: what a WebView of 2022 in a hospital still reads."""
    text = code(originals[name])
    assert not [what for what, pattern in NEWER_THAN_ES2017.items() if re.search(pattern, text)]


def test_own_files_name_no_host(published):
    """Nothing is loaded from elsewhere, and nothing tells others who reads."""
    names_host = re.compile(rb"(?:https?:)?//[a-z0-9-]+\.[a-z0-9.-]+", re.IGNORECASE)
    own = {name: data for name, data in published.items() if not name.startswith("vendor/")}
    assert len(own) >= 8
    assert not [
        (name, found)
        for name, data in own.items()
        if name.endswith((".css", ".js", ".svg", ".json"))
        for found in names_host.findall(data.replace(b"http://www.w3.org/", b""))
    ]


@pytest.mark.parametrize(("group", "scripts"), [("forms", ["forms.js"]), ("exam", ["exam.js", "items.js"])])
def test_scripts_and_their_sentences_agree(originals, app: Flask, group, scripts):
    with app.test_request_context():
        spoken = texts.js_texts(group)
    used = set()
    for name in ["app.js", *scripts]:
        used |= set(re.findall(r"\btexts\.(\w+)", originals[name])) - {"textContent"}
    assert used == set(spoken)


# ---------------------------------------------------------------- stylesheet


def test_both_ways_to_the_dark_have_the_same_colours():
    tokens = (assets.SOURCE / "css" / "tokens.css").read_text(encoding="utf-8")
    system = re.search(r':root:not\(\[data-theme="light"\]\) \{(.*?)\}', tokens, re.DOTALL)
    chosen = re.search(r':root\[data-theme="dark"\] \{\s*color-scheme: dark;(.*?)\}', tokens, re.DOTALL)
    assert system is not None
    assert chosen is not None
    assert system.group(1).split() == chosen.group(1).split()


def test_the_light_page_has_the_colours_of_all_others():
    css = {
        name: (assets.SOURCE / "css" / f"{name}.css").read_text(encoding="utf-8")
        for name in ("tokens", assets.PLAIN)
    }
    for block in (r":root \{", r':root:not\(\[data-theme="light"\]\) \{', r':root\[data-theme="dark"\] \{'):
        theirs, own = (
            dict(re.findall(r"(--[\w-]+): ([^;]+);", re.search(block + r"(.*?)\}", css[name], re.DOTALL)[1]))
            for name in ("tokens", assets.PLAIN)
        )
        assert own
        assert own == {name: theirs[name] for name in own}


def test_every_token_that_is_used_exists():
    css = assets.sources()["app.css"].decode()
    assert set(re.findall(r"var\((--[\w-]+)", css)) <= set(re.findall(r"(--[\w-]+):", css))


def test_every_file_of_the_stylesheet_is_joined():
    assert {path.stem for path in (assets.SOURCE / "css").glob("*.css")} == {*assets.STYLES, assets.PLAIN}


def test_every_class_of_a_page_has_a_style(templates):
    """A class without a style is a typing error or left over. Pages only: print templates and mails bring their own."""
    css = assets.sources()["app.css"].decode()
    scripts = " ".join(path.read_text(encoding="utf-8") for path in assets.SOURCE.glob("*.js"))
    known = set(re.findall(r"\.([a-zA-Z][\w-]*)", css)) | set(re.findall(r"[.'\" ]([a-z][\w-]*)", scripts))
    unknown = {
        (name, found)
        for name, text in templates.items()
        if name.endswith(".html") and not name.startswith(("certificates/print/", "emails/"))
        for classes in re.findall(
            r'\sclass="([^"]*)"', re.sub(r"\{\{.*?\}\}", "?", re.sub(r"\{[%#].*?[%#]\}", " ", text))
        )
        for found in classes.split()
        if "?" not in found and found not in known
    }
    assert not unknown


def test_every_icon_that_is_named_exists(templates, modules):
    icons = json.loads((assets.SOURCE / "icons" / "icons.json").read_text(encoding="utf-8"))
    named = re.compile(r"""\bicon\(\s*["']([a-z0-9-]+)["']""")
    sources = {**templates, **{module.name: module.text for module in modules}}
    assert not [
        (name, icon) for name, text in sources.items() for icon in named.findall(text) if icon not in icons
    ]
    assert (assets.SOURCE / "icons" / "LICENSE").is_file()


# ---------------------------------------------------------------- building and serving


def status(client, url: str) -> int:
    """The status of an address; a file that is served stays open until the answer is closed."""
    with client.get(url) as answer:
        return answer.status_code


def test_processes_that_start_at_once_agree_on_one_build(tmp_path):
    homes, together = [], threading.Barrier(4)

    def start():
        together.wait()
        homes.append(assets.build(tmp_path)[0])

    threads = [threading.Thread(target=start) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(set(homes)) == 1
    assert [path.name for path in tmp_path.iterdir()] == [homes[0].name]
    assert all(path.with_name(path.name + ".br").exists() for path in homes[0].rglob("*.js"))


def test_a_build_that_stands_is_not_built_again(tmp_path):
    home, _found = assets.build(tmp_path)
    before = {path: path.stat().st_ino for path in home.iterdir()}
    assert assets.build(tmp_path)[0] == home
    assert {path: path.stat().st_ino for path in home.iterdir()} == before


def test_the_last_builds_stay_and_older_ones_go(tmp_path):
    for number in range(8):
        (tmp_path / f"{number:012d}").mkdir()
    home, _found = assets.build(tmp_path)
    kept = assets.older_builds(tmp_path, home)
    assert len(kept) == assets.BUILDS_KEPT - 1
    assert {path.name for path in tmp_path.iterdir()} == {home.name, *(path.name for path in kept)}


def test_files_are_served_for_ever_and_packed(app: Flask):
    client = app.test_client()
    url = app.extensions["assets"].url("app.js")
    with client.get(url, headers={"Accept-Encoding": "gzip, br"}) as answer:
        assert answer.status_code == 200
        assert "immutable" in answer.headers["Cache-Control"]
        assert answer.headers["X-Content-Type-Options"] == "nosniff"
        assert answer.headers["Content-Encoding"] == "br"
        assert answer.mimetype in {"text/javascript", "application/javascript"}
    assert status(client, "/static/app.js") == 404
    assert status(client, "/static/../settings.py") == 404


def test_what_only_the_server_reads_is_not_published():
    assert not [name for name in assets.sources() if name.startswith(("icons/", "css/")) or name == "sw.js"]


def test_a_first_visit_carries_the_style_and_the_next_one_the_file(bare_app: Flask):
    client = bare_app.test_client()
    first = client.get("/offline")
    style = re.search(r"<style>(.*?)</style>", first.text, re.DOTALL)
    assert style is not None
    digest = base64.b64encode(hashlib.sha256(style.group(1).encode()).digest()).decode()
    assert f"'sha256-{digest}'" in first.headers["Content-Security-Policy"]
    second = client.get("/offline")
    assert "<style>" not in second.text
    assert "sha256-" not in second.headers["Content-Security-Policy"]
    assert bare_app.extensions["assets"].url("app.css") in second.text


def test_the_worker_keeps_only_what_exists(app: Flask):
    client = app.test_client()
    answer = client.get("/sw.js")
    assert answer.headers["Cache-Control"] == "no-cache"
    assert answer.headers["Service-Worker-Allowed"] == "/"
    config = json.loads(answer.text.split("self.FIREFLY=", 1)[1].split(";\n", 1)[0])
    for url in [*config["outbox"], *config["precache"]]:
        assert status(client, url) == 200, url


def test_the_manifest_names_icons_that_exist(app: Flask):
    client = app.test_client()
    manifest = client.get("/app.webmanifest").get_json()
    for entry in manifest["icons"]:
        assert status(client, entry["src"]) == 200


def test_the_offline_page_carries_nobodys_name(browser, cast):
    """It is kept for everybody who uses the browser."""
    page = browser(cast.trainee).get("/offline").text
    assert "data-account" not in page
    assert "/sign-out" not in page
