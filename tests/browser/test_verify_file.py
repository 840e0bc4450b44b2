"""A certificate's PDF is judged in the browser: the same words as the server's check, and no byte of the file on the line."""

import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta

import pytest
from sqlalchemy import select
from werkzeug.serving import make_server

from lms.certificates import queries, services
from lms.certificates.face import CertificateFace
from lms.certificates.models import Certificate
from lms.certificates.rendering import render_face
from lms.certificates.views import verification
from lms.core import clock, credentials, jobs, signing
from lms.core.db import db, transaction
from lms.core.storage import storage
from tests.browser.conftest import free_port
from tests.certificates.altered import KINDS, Source, copy_authority, forger_of
from tests.certificates.conftest import authority, complete, issue_to, ruled  # noqa: F401 (fixtures)
from tests.certificates.test_checking import SAID

HERE_ONLY: dict[str, str] = {}
"""Kinds that the browser calls by another code than the server, because it has no reader of PDF."""


@pytest.fixture
def apart(bare_app) -> Callable:
    """Work of the product in a thread of its own: here Playwright's loop runs, and signing wants to run one itself."""

    def act(work):
        def inside():
            with bare_app.app_context():
                return work()

        with ThreadPoolExecutor(1) as pool:
            return pool.submit(inside).result()

    return act


@pytest.fixture
def source(bare_app, ruled, complete, settings, authority, at, apart, tmp_path_factory) -> Source:  # noqa: F811
    """Li Siyuan's certificate, made and good, and what a forger needs."""
    copy_authority(authority, settings.keys_dir)
    complete(ruled.enrolment)

    def make():
        issue_to(ruled, ruled.enrolment, at)
        jobs.Worker(bare_app).drain()
        db.session.expire_all()
        row = the_one()
        return Source(
            signed=storage().read(row.pdf_key),
            unsigned=render_face(
                CertificateFace.from_facts(row.facts),
                credential=credentials.as_file(queries.credential_of(row)),
            ),
            at=clock.now(),
            own=signing.load_signer(settings.keys_dir, settings.keys_passphrase),
            forger=forger_of(tmp_path_factory.getbasetemp() / "forger", at, "Test hospital"),
            reason=f"Certificate {row.serial}",
        )

    return apart(make)


def the_one() -> Certificate:
    return db.session.scalars(select(Certificate)).one()


@pytest.fixture
def address(bare_app, monkeypatch):
    """The product in a thread of this test, with the register of this test."""
    monkeypatch.setattr(verification, "VERIFY_LIMIT", (1000, 60))
    server = make_server("127.0.0.1", free_port(), bare_app, threaded=True)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    yield f"http://localhost:{server.port}"
    server.shutdown()
    thread.join()


def judged(page, data, name="certificate.pdf"):
    """Choose a file and wait for what is said: code and words."""
    verdict = page.locator("#verdict")
    page.evaluate("document.querySelector('#verdict').removeAttribute('data-code')")
    page.locator("[data-verify] [type=file]").set_input_files(
        {"name": name, "mimeType": "application/pdf", "buffer": data}
    )
    page.locator("#verdict[data-code]").wait_for()
    return verdict.get_attribute("data-code"), verdict.locator("h2").inner_text()


def sent(page):
    """What the page asks for from now on: method, address, body."""
    asked = []
    page.on("request", lambda one: asked.append((one.method, one.url, one.post_data_buffer)))
    return asked


def test_the_browser_names_each_altered_file_as_the_server_does_and_sends_none(
    source, address, contexts, apart
):
    page = contexts("en", base_url=address, service_workers="block").new_page()
    page.goto("/verify")
    page.locator("[data-local]:visible").wait_for()
    asked = sent(page)
    files = apart(lambda: {kind: how(source) for kind, (how, _code, _pdfsig) in KINDS.items()})
    found = {kind: judged(page, data) for kind, data in files.items()}
    expected = {kind: HERE_ONLY.get(kind, code) for kind, (_how, code, _pdfsig) in KINDS.items()}
    assert {kind: code for kind, (code, _words) in found.items()} == expected
    assert {kind: words for kind, (_code, words) in found.items()} == {
        kind: SAID[code] for kind, code in expected.items()
    }
    assert asked
    for method, url, body in asked:
        assert (method, body) == ("GET", None)
        assert url.startswith(f"{address}/verify/states.json?sha256=")
        assert len(url) < 700
    # What the register adds is what its page shows a stranger.
    judged(page, source.signed)
    shown = page.locator("#verdict").inner_text()
    assert source.reason.removeprefix("Certificate ") in shown
    assert "李思远" not in shown
    assert "李*远" in shown


def test_a_withdrawn_certificate_a_withdrawn_key_and_a_longer_file_are_told_apart(
    source,
    ruled,  # noqa: F811
    settings,
    at,
    address,
    contexts,
    apart,
):
    page = contexts("en", base_url=address, service_workers="block").new_page()
    page.goto("/verify")
    page.locator("[data-local]:visible").wait_for()

    def lengthened():
        sealing = signing.load_sealing(
            settings.keys_dir, settings.keys_passphrase, level="B-LTA", authority_url="", at=clock.now()
        )
        longer = signing.extend_pdf(source.signed, sealing=sealing, at=clock.now())
        # Lawful, as the server can prove; the browser says that it cannot, and offers the way to the server.
        assert queries.inspect_here(longer).code == "genuine"
        return longer

    longer = apart(lengthened)
    assert judged(page, longer)[0] == "extended"
    page.locator("#verdict [data-send]").click()
    page.locator("h1", has_text=SAID["genuine"]).wait_for()
    page.goto("/verify")
    page.locator("[data-local]:visible").wait_for()
    for verb, words in (
        ("suspend", "is suspended at present"),
        ("lift", SAID["genuine"]),
        ("revoke", "has been revoked"),
    ):

        def act(verb=verb):
            with transaction():
                getattr(services, verb)(the_one(), reason="an error", at=at, by=ruled.director)

        apart(act)
        assert words in judged(page, source.signed)[1]
    signing.revoke(
        settings.keys_dir, at=clock.now() + timedelta(hours=1), passphrase=settings.keys_passphrase
    )
    page.goto("/verify")
    page.locator("[data-local]:visible").wait_for()
    assert judged(page, source.signed)[1] == SAID["revoked_signer"]
    assert judged(page, b"\x89PNG" + bytes(300))[0] == "unreadable"
