"""One saved page checks certificates with no site behind it: opened from the disk, cut off from every network."""

from dataclasses import replace
from datetime import timedelta

import pytest
from pyhanko.sign.signers import SimpleSigner

from lms.certificates import services, summary
from lms.certificates.credential import open_badge
from lms.certificates.face import face_from
from lms.certificates.rendering import render_face
from lms.core import clock, credentials, jobs, signing
from lms.core.db import transaction
from lms.core.digests import read_ed25519_key
from tests.browser.test_verify_file import (  # noqa: F401 (fixtures)
    address,
    apart,
    authority,
    complete,
    judged,
    ruled,
    sent,
    source,
    the_one,
)
from tests.certificates.altered import KINDS, flipped
from tests.certificates.test_checking import SAID
from tests.certificates.test_face import CREDITS

OFFLINE = {"genuine": "listed", "unregistered": "listed"}
"""Without the register a whole signature of ours is all that can be asked for; the lists of that day may withdraw it."""


@pytest.fixture
def saved(bare_app, tmp_path):
    """Save the page and answer its address on this disk."""

    def act(name="check.html", lang="en"):
        client = bare_app.test_client()
        client.set_cookie("lang", lang)
        answer = client.get("/verify/offline.html")
        assert answer.status_code == 200
        assert answer.headers["Content-Disposition"].startswith("attachment")
        (tmp_path / name).write_bytes(answer.get_data())
        return (tmp_path / name).as_uri()

    return act


def credits_of(other):
    """A certificate of credits under the number and the key of the other one."""
    face = replace(CREDITS, serial=other.reason.removeprefix("Certificate "))
    badge = credentials.as_file(open_badge(face, number=1))
    return other.sign(render_face(face, credential=badge), other.own)


def opened(contexts, file):
    page = contexts("en", base_url="http://localhost").new_page()
    page.context.set_offline(True)
    page.goto(file)
    return page


def test_the_saved_page_names_each_altered_file_and_asks_nobody(source, saved, contexts, apart):  # noqa: F811
    page = opened(contexts, saved())
    asked = sent(page)
    files = apart(lambda: {kind: how(source) for kind, (how, _code, _pdfsig) in KINDS.items()})
    found = {kind: judged(page, data) for kind, data in files.items()}
    expected = {kind: OFFLINE.get(code, code) for kind, (_how, code, _pdfsig) in KINDS.items()}
    assert {kind: code for kind, (code, _words) in found.items()} == expected
    assert all(words == SAID[code] for code, words in found.values() if code != "listed")
    assert asked == []
    judged(page, source.signed)
    assert source.reason.removeprefix("Certificate ") in page.locator("#verdict").inner_text()
    assert "Certificate of completion" in page.locator("#verdict").inner_text()
    judged(page, apart(lambda: credits_of(source)))
    assert "Certificate of credits" in page.locator("#verdict").inner_text()
    judged(page, files["never signed"])  # what nobody signed says nothing of its kind
    assert "Certificate of c" not in page.locator("#verdict dl").inner_text()
    assert page.evaluate("document.documentElement.scrollWidth") <= 1280


def test_the_lists_in_the_page_withdraw_a_certificate_and_a_key(
    bare_app,
    source,  # noqa: F811
    ruled,  # noqa: F811
    settings,
    at,
    saved,
    contexts,
    apart,  # noqa: F811
):
    def act(verb):
        def do():
            with transaction():
                getattr(services, verb)(the_one(), reason="an error", at=at, by=ruled.director)
            jobs.Worker(bare_app).drain()

        apart(do)
        return judged(opened(contexts, saved(f"{verb}.html")), source.signed)[0]

    assert act("suspend") == "suspended"
    assert act("lift") == "listed"
    assert act("revoke") == "closed"
    signing.revoke(
        settings.keys_dir, at=clock.now() + timedelta(hours=1), passphrase=settings.keys_passphrase
    )
    assert judged(opened(contexts, saved("key.html")), source.signed)[0] == "revoked_signer"


def read_code(page, code):
    """Paste what a QR code says and wait for what is said of it: code and words."""
    page.evaluate("document.querySelector('#verdict').removeAttribute('data-code')")
    page.locator("#code").fill(code)
    page.locator("[data-paper] button").click()
    page.locator("#verdict[data-code]").wait_for()
    verdict = page.locator("#verdict")
    return verdict.get_attribute("data-code"), verdict.inner_text()


@pytest.fixture
def printed(source, apart, settings):  # noqa: F811
    """What the QR code of Li Siyuan's certificate says."""

    def code():
        row = the_one()
        pem = (settings.keys_dir / signing.CREDENTIALS).read_bytes()
        key = read_ed25519_key(pem, settings.keys_passphrase)
        return summary.address_of(face_from(row.facts), number=row.id, private_key=key)

    return apart(code)


def changed_of(code):
    return code[:-40] + ("B" * 20) + code[-20:]


def test_the_saved_page_reads_the_code_on_a_print_and_asks_nobody(
    bare_app,
    printed,
    ruled,  # noqa: F811
    at,
    saved,
    contexts,
    apart,  # noqa: F811
):
    page = opened(contexts, saved())
    asked = sent(page)
    code, words = read_code(page, printed)
    assert code == "paper_listed"
    for fact in ("FFLY-2026-000001-M", "李思远 Li Siyuan", "Certificate of completion", "proves no training"):
        assert fact in words
    assert read_code(page, changed_of(printed))[0] == "paper_changed"
    assert read_code(page, printed.replace("localhost", "localhosts"))[0] == "paper_changed"
    code, words = read_code(page, printed.split("#")[0])
    assert (code, "李思远" in words) == ("paper_bare", False)
    assert asked == []
    for verb, expected in (
        ("suspend", "paper_suspended"),
        ("lift", "paper_listed"),
        ("revoke", "paper_closed"),
    ):

        def do(verb=verb):
            with transaction():
                getattr(services, verb)(the_one(), reason="an error", at=at, by=ruled.director)
            jobs.Worker(bare_app).drain()

        apart(do)
        assert read_code(opened(contexts, saved(f"{verb}.html")), printed)[0] == expected


def test_a_browser_without_the_signature_of_the_code_says_so(printed, saved, contexts):
    page = contexts("en", base_url="http://localhost").new_page()
    page.add_init_script(
        "const own = SubtleCrypto.prototype.importKey;"
        "SubtleCrypto.prototype.importKey = function (form, key, how, ...more) {"
        "return how.name === 'Ed25519' ? Promise.reject(new DOMException('no', 'NotSupportedError')) : own.call(this, form, key, how, ...more); };"
    )
    page.goto(saved())
    assert read_code(page, printed)[0] == "paper_unable"


def test_the_page_of_the_site_reads_the_code_and_asks_by_the_number_only(
    printed,
    address,  # noqa: F811
    ruled,  # noqa: F811
    at,
    contexts,
    apart,  # noqa: F811
):
    page = contexts("en", base_url=address, service_workers="block").new_page()
    page.goto("/verify")
    page.locator("[data-paper]:visible").wait_for()
    asked = sent(page)
    assert read_code(page, printed)[0] == "paper"
    assert [(method, url, body) for method, url, body in asked] == [
        ("GET", f"{address}/verify/FFLY-2026-000001-M?format=json", None)
    ]
    assert read_code(page, changed_of(printed))[0] == "paper_changed"

    def revoke():
        with transaction():
            services.revoke(the_one(), reason="an error", at=at, by=ruled.director)

    apart(revoke)
    assert read_code(page, printed)[0] == "paper_closed"


def test_a_signature_in_the_newer_way_of_rsa_is_read_as_the_server_reads_it(
    source,  # noqa: F811
    settings,
    saved,
    contexts,
    apart,  # noqa: F811
):
    signer = SimpleSigner.load_pkcs12(
        str(settings.keys_dir / "signer.p12"),
        passphrase=settings.keys_passphrase.encode(),
        prefer_pss=True,
    )
    signed = apart(lambda: source.sign(source.unsigned, signer))
    assert b"2a864886f70d01010a" in signed.lower()  # RSASSA-PSS, in the hexadecimal of the signature
    page = opened(contexts, saved())
    root = (settings.keys_dir / "root.crt").read_bytes()
    for data, code in ((signed, "valid"), (flipped(signed, 300), "altered")):
        assert apart(lambda data=data: signing.check_pdf(data, root=root)).code == code
        assert judged(page, data)[0] == {"valid": "listed", "altered": "changed"}[code]


def test_an_authority_on_p_256_is_understood_too(
    source,  # noqa: F811
    settings,
    saved,
    contexts,
    apart,  # noqa: F811
):
    other = settings.keys_dir.with_name("p256")
    signing.create_authority(
        other,
        organisation="Another hospital",
        at=clock.now() - timedelta(days=1),
        passphrase="word of another",
        kind=signing.P256,
    )
    signed = apart(lambda: source.sign(source.unsigned, signing.load_signer(other, "word of another")))
    assert judged(opened(contexts, saved()), signed)[0] == "lookalike"
    settings.keys_dir.rename(settings.keys_dir.with_name("first"))
    other.rename(settings.keys_dir)
    page = opened(contexts, saved("other.html"))
    assert judged(page, signed)[0] == "listed"
    assert judged(page, source.signed)[0] == "lookalike"
    assert judged(page, signed[:300] + b"x" + signed[301:])[0] == "changed"
