"""What was done to a file: one table, and the same words from the judgement, the page and the command line."""

import io
from datetime import timedelta

import pytest

from lms.certificates import checking, cli, queries, services
from lms.certificates.face import CertificateFace
from lms.certificates.rendering import render_face
from lms.certificates.views import verification
from lms.core import clock, credentials, signing
from lms.core.db import transaction
from lms.core.storage import storage
from tests.certificates.altered import KINDS, Source, copy_authority, forger_of

SAID = {
    "genuine": "This file is genuine, and the certificate is valid",
    "overlaid": "Something was laid over the page after it was signed",
    "appended": "Something was added to the file after it was signed",
    "changed": "The file was changed after it was signed",
    "stripped": "The file names a certificate but carries no signature",
    "lookalike": "The file is signed, but not by us",
    "revoked_signer": "The file is signed with a key that was withdrawn",
    "unregistered": "The register does not know this file",
    "foreign": "This file is not a certificate of ours",
}


@pytest.fixture
def keys(settings, authority):
    """The site's keys, which a test may change."""
    return copy_authority(authority, settings.keys_dir)


@pytest.fixture
def source(issued, settings, tmp_path_factory, at) -> Source:
    forger = forger_of(tmp_path_factory.getbasetemp() / "forger", at, "Test hospital")
    badge = credentials.as_file(queries.credential_of(issued))
    return Source(
        signed=storage().read(issued.pdf_key),
        unsigned=render_face(CertificateFace.from_facts(issued.facts), credential=badge),
        at=clock.now(),
        own=signing.load_signer(settings.keys_dir, settings.keys_passphrase),
        forger=forger,
        reason=f"Certificate {issued.serial}",
    )


@pytest.fixture
def send(browser):
    """Send a file to the page as a stranger."""
    client = browser(lang="en")

    def act(data: bytes, name: str = "certificate.pdf", **more):
        form = {"file": (io.BytesIO(data), name)}
        return client.post("/verify", data=form, content_type="multipart/form-data", **more)

    return act


def heading(answer) -> str:
    return answer.text.split("<h1>")[1].split("</h1>")[0]


def test_each_altered_file_is_named_for_what_it_is(
    source, issued, send, settings, tmp_path, capsys, monkeypatch
):
    monkeypatch.setattr(verification, "FILE_LIMIT", (1000, 60))
    found, page, line = {}, {}, {}
    trust = signing.trust_of(settings.keys_dir)
    for kind, (how, _expected, _pdfsig) in KINDS.items():
        data = how(source)
        found[kind] = queries.inspect_here(data).code
        answer = send(data)
        assert answer.status_code == 200, kind
        page[kind] = heading(answer)
        file = tmp_path / "one.pdf"
        file.write_bytes(data)
        good = cli.verify(file, root=settings.keys_dir / "root.crt") == 0
        line[kind] = (good, capsys.readouterr().out.split(": ", 1)[1].split(" (")[0].strip())
        assert good == checking.inspect(data, trust).is_good
    assert len(KINDS) >= 16
    assert found == {kind: expected for kind, (_how, expected, _pdfsig) in KINDS.items()}
    assert page == {kind: SAID[expected] for kind, (_how, expected, _pdfsig) in KINDS.items()}
    # Without the register a whole signature of ours is all the command line can ask for.
    offline = {"unregistered": "genuine"}
    assert line == {
        kind: (
            offline.get(expected, expected) == "genuine",
            cli.WORDS[offline.get(expected, expected)],
        )
        for kind, (_how, expected, _pdfsig) in KINDS.items()
    }


def test_who_shows_the_file_reads_the_whole_name_and_a_stranger_to_it_does_not(source, issued, send):
    assert "李思远" in send(source.signed).text
    changed = send(source.signed[:300] + b"x" + source.signed[301:]).text
    assert "李思远" not in changed
    assert issued.serial in changed


@pytest.mark.parametrize(
    ("verb", "words"), [("revoke", "has been revoked"), ("suspend", "is suspended at present")]
)
def test_a_genuine_file_of_a_withdrawn_certificate_says_so(source, issued, send, ruled, at, verb, words):
    with transaction():
        getattr(services, verb)(issued, reason="an error", at=at, by=ruled.director)
    assert words in heading(send(source.signed))
    assert queries.inspect_here(source.signed).code == "withdrawn"


def test_a_file_signed_with_a_withdrawn_key_says_so(source, issued, send, settings):
    signing.revoke(
        settings.keys_dir, at=clock.now() + timedelta(hours=1), passphrase=settings.keys_passphrase
    )
    assert heading(send(source.signed)) == SAID["revoked_signer"]


def test_a_long_term_file_and_its_earlier_state_are_both_known(source, issued, settings, send):
    sealing = signing.load_sealing(
        settings.keys_dir, settings.keys_passphrase, level="B-LTA", authority_url="", at=clock.now()
    )
    longer = signing.extend_pdf(source.signed, sealing=sealing, at=clock.now())
    assert queries.inspect_here(longer).code == "genuine"  # evidence that somebody else has added is lawful
    assert heading(send(longer)) == SAID["genuine"]


@pytest.mark.parametrize(
    ("data", "name", "words"),
    [
        (b"", "", "Choose the PDF of a certificate."),
        (b"", "empty.pdf", "This is no readable PDF."),
        (b"\x89PNG\r\n\x1a\n" + bytes(500), "photo.png", "This is no readable PDF."),
        (b"%PDF-1.7\n", "cut.pdf", "This is no readable PDF."),
        (b"%PDF-1.7\n" + bytes(3000), "large.pdf", "The file is larger than 2 MB"),
    ],
)
def test_what_is_no_pdf_is_a_slip_of_the_form(app, keys, send, data, name, words, monkeypatch):
    monkeypatch.setattr(checking, "MOST_BYTES", 2000)
    answer = send(data, name)
    assert answer.status_code == 422
    assert words in answer.text


def test_programs_get_the_same_in_json(source, issued, send):
    answer = send(source.signed, headers={"Accept": "application/json"}).get_json()
    assert (answer["file"], answer["serial"], answer["state"]) == ("genuine", issued.serial, "good")
    assert send(b"x", headers={"Accept": "application/json"}).status_code == 422


def test_nothing_is_kept_and_the_answer_is_not_stored(source, send):
    before = sorted(path for path in storage().root.rglob("*") if path.is_file())
    answer = send(source.signed)
    assert answer.headers["Cache-Control"] == "no-store"
    assert sorted(path for path in storage().root.rglob("*") if path.is_file()) == before


def test_who_sends_many_files_waits(app, keys, send, monkeypatch):
    monkeypatch.setattr(verification, "FILE_LIMIT", (3, 60))
    assert [send(b"x").status_code for _ in range(5)] == [422, 422, 422, 429, 429]


def test_a_site_without_an_authority_shows_no_form_for_files(app, browser, send):
    assert 'enctype="multipart/form-data"' not in browser().get("/verify").text
    assert send(b"%PDF-1.7 %%EOF").status_code == 404


def test_both_languages_have_the_form(app, keys, browser):
    assert 'enctype="multipart/form-data"' in browser(lang="en").get("/verify").text
    assert 'enctype="multipart/form-data"' in browser(lang="zh").get("/verify").text
