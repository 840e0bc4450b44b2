"""What the register answers to a digest, and the page that is saved for the day without a connection."""

import base64
import hashlib
import json
import re
from datetime import timedelta

import pytest

from lms import cli
from lms.certificates import cli as certificates_cli
from lms.certificates import services
from lms.certificates.views import verification
from lms.core import clock
from lms.core.db import transaction
from lms.core.digests import sha256_hex
from lms.core.jobs import Worker
from lms.core.storage import storage

UNKNOWN = {"serial": None, "state": "unknown"}


def test_a_digest_is_answered_as_the_number_is_with_the_name_shortened(app, issued, browser):
    client = browser(lang="en")
    digest = sha256_hex(storage().read(issued.pdf_key))
    answer = client.get(f"/verify/states.json?sha256={'0' * 64}&sha256={digest}")
    assert answer.headers["Cache-Control"] == "no-store"
    found = answer.get_json()
    assert (found["serial"], found["state"], found["name"]) == (issued.serial, "good", "李*远 L* S*")
    by_number = client.get(f"/verify/{issued.serial}?format=json").get_json()
    assert found["name"] == by_number["name"]
    assert found["programme"] == issued.facts["programme_en"]


@pytest.mark.parametrize("asked", ["", "?sha256=", "?sha256=x", f"?sha256={'a' * 63}", f"?sha256={'A' * 64}"])
def test_what_is_no_digest_of_ours_is_unknown(app, browser, asked):
    assert browser().get(f"/verify/states.json{asked}").get_json() == UNKNOWN


def test_who_asks_without_end_waits(app, browser, monkeypatch):
    monkeypatch.setattr(verification, "VERIFY_LIMIT", (3, 60))
    client = browser()
    assert [client.get("/verify/states.json").status_code for _ in range(4)] == [200, 200, 200, 429]


def test_the_saved_page_carries_all_it_needs_and_may_load_nothing(app, issued, browser):
    text = browser(lang="en").get("/verify/offline.html").text
    policy = re.search(r'Content-Security-Policy" content="([^"]+)"', text)[1].replace("&#39;", "'")
    script = re.findall(r"<script>(.*?)</script>", text, re.DOTALL)
    assert len(script) == 1
    digest = base64.b64encode(hashlib.sha256(script[0].encode()).digest()).decode()
    assert f"script-src 'sha256-{digest}'" in policy
    assert policy.startswith("default-src 'none'")
    assert not re.search(r'(?:src|href)="(?!http://localhost/verify/|#)', text)
    told = json.loads(re.search(r'id="trust">(.*?)</script>', text, re.DOTALL)[1])
    assert set(told) == {"root", "lists", "status", "until", "at", "kinds", "paper"}
    assert len(told["lists"]) == 2
    assert all("/status/" in address for address in told["status"])
    assert "李" not in text


def test_the_command_line_writes_the_same_page(bare_app, issued, settings, tmp_path, monkeypatch, capsys):
    monkeypatch.setattr("lms.cli.acts._settings", lambda _data: settings)
    monkeypatch.setattr("lms.app.create_app", lambda _settings: bare_app)
    to = tmp_path / "check.html"
    assert cli.main(["certificates", "verifier", "--to", str(to), "--lang", "en"]) == 0
    assert "<h1>Check a certificate</h1>" in to.read_text(encoding="utf-8")
    assert str(to) in capsys.readouterr().out


def test_without_an_authority_there_is_no_such_page(app, browser):
    assert browser().get("/verify/offline.html").status_code == 404


@pytest.fixture
def kept(bare_app, issued, browser, tmp_path):
    """Fetch the published status lists, as somebody keeps them; the certificate's file lies beside them."""

    def act():
        Worker(bare_app).drain()
        paths = []
        for purpose in ("revocation", "suspension"):
            paths.append(tmp_path / f"{purpose}.json")
            paths[-1].write_bytes(browser().get(f"/status/{purpose}/1").data)
        (tmp_path / "one.pdf").write_bytes(storage().read(issued.pdf_key))
        return tmp_path / "one.pdf", paths

    return act


@pytest.mark.parametrize(
    ("verb", "code", "words"),
    [
        (None, 0, "none of the given lists withdraws it"),
        ("suspend", 1, "names it as suspended"),
        ("revoke", 1, "names it as revoked or replaced"),
    ],
)
def test_the_command_line_asks_lists_that_were_kept(
    issued, kept, ruled, settings, at, capsys, verb, code, words
):
    if verb:
        with transaction():
            getattr(services, verb)(issued, reason="an error", at=at, by=ruled.director)
    pdf, lists = kept()
    root = settings.keys_dir / "root.crt"
    assert certificates_cli.verify(pdf, root=root, statuses=lists) == code
    assert words in capsys.readouterr().out


def test_lists_are_checked_against_the_key_that_the_site_publishes(
    issued, kept, browser, settings, tmp_path, capsys
):
    pdf, lists = kept()
    root, issuer = settings.keys_dir / "root.crt", tmp_path / "did.json"
    issuer.write_bytes(browser().get("/.well-known/did.json").data)

    def answer():
        code = certificates_cli.verify(pdf, root=root, statuses=lists, issuer=issuer)
        return code, capsys.readouterr().out

    code, said = answer()
    assert (code, "was not asked" in said) == (0, False), said
    forged = json.loads(lists[0].read_bytes())
    forged["validUntil"] = "2999-01-01T00:00:00Z"
    lists[0].write_text(json.dumps(forged), encoding="utf-8")
    code, said = answer()
    assert (code, "not signed by this issuer" in said) == (1, True), said
    assert certificates_cli.verify(pdf, root=root, statuses=lists) == 0
    assert "was not asked" in capsys.readouterr().out
    for nonsense in ("{}", "nothing", '{"id": "a", "verificationMethod": [{"id": "a#credentials"}]}'):
        issuer.write_text(nonsense, encoding="utf-8")
        assert answer()[0] == 2, nonsense


def test_lists_that_lapsed_or_are_missing_or_are_none_are_said_to_be(issued, kept, settings, capsys):
    pdf, lists = kept()
    root = settings.keys_dir / "root.crt"
    assert certificates_cli.verify(pdf, root=root, statuses=lists[:1]) == 1
    assert "not all among the given ones" in capsys.readouterr().out
    with clock.travelled(timedelta(days=30)):
        assert certificates_cli.verify(pdf, root=root, statuses=lists) == 0
    assert "have lapsed" in capsys.readouterr().out
    for nonsense in (b"{}", b"[]", b"nothing", b'{"id": 1, "validUntil": 2}'):
        lists[1].write_bytes(nonsense)
        assert certificates_cli.verify(pdf, root=root, statuses=lists) in {1, 2}, nonsense
