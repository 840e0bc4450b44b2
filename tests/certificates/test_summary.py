"""The code on a print proves itself: what it says is signed, fits to its address, and is nothing that the paper does not say."""

import io
import json
from dataclasses import replace

import pytest
from pyhanko.pdf_utils.reader import PdfFileReader
from sqlalchemy import select

from lms.certificates import cli, queries, services, summary
from lms.certificates.face import face_from
from lms.certificates.models import Certificate
from lms.certificates.rendering import render_face
from lms.cli import main
from lms.core import credentials, jobs, signing
from lms.core.db import db, transaction
from lms.core.digests import digest_of, ed25519_public_key, read_ed25519_key
from lms.core.pdf import plate, stamping
from lms.core.storage import storage
from tests.certificates.conftest import issue_to
from tests.certificates.test_face import CREDITS, FACE

KEY, OTHER_KEY = bytes(range(32)), bytes(range(1, 33))
PUBLIC = ed25519_public_key(KEY)
URL = "https://lms.example.org/verify/FFLY-2026-000001-M?k=h7Kq2mPz4xWd"
SIGNED = replace(FACE, serial="FFLY-2026-000001-M", verify_url=URL, summary=summary.FORM)
SIGNED_CREDITS = replace(CREDITS, serial="FFLY-2026-000001-M", verify_url=URL, summary=summary.FORM)


def address(face=SIGNED, key=KEY):
    return summary.address_of(face, number=131_073, private_key=key)


@pytest.mark.parametrize("face", [SIGNED, SIGNED_CREDITS, replace(SIGNED, demo=False, hours=None)])
def test_what_is_signed_is_what_the_paper_says(face):
    assert address(face) == address(face)
    assert address(face).startswith(f"{URL}#1")
    reading = summary.read(f" {address(face)}\n", public_key=PUBLIC)
    assert reading.code == summary.HOLDS
    paper = reading.paper
    assert (paper.serial, paper.issued_on, paper.from_on, paper.to_on, paper.is_sample) == (
        face.serial,
        face.issued_on,
        face.from_on,
        face.to_on,
        face.demo,
    )
    assert paper.name == f"{face.name_zh} {face.name_latin}"
    assert (paper.programme, paper.number, paper.site) == (
        face.programme_zh,
        131_073,
        "https://lms.example.org",
    )
    if face is SIGNED_CREDITS:
        assert (paper.kind, paper.amount) == ("credit", f"{face.credits}/{face.study_hours}")
    else:
        assert (paper.kind, paper.amount) == ("completion", str(face.hours or ""))


def test_the_query_may_be_another_one_but_neither_site_nor_number():
    good = address()
    assert summary.read(good.replace("?k=h7Kq2mPz4xWd", ""), public_key=PUBLIC).code == summary.HOLDS
    for changed in (
        good.replace("lms.example.org", "lms.examp1e.org"),
        good.replace("FFLY-2026-000001-M", "FFLY-2026-000002-K"),
        good.replace("https:", "http:"),
    ):
        assert summary.read(changed, public_key=PUBLIC).code == summary.BROKEN
    assert summary.read(good, public_key=ed25519_public_key(OTHER_KEY)).code == summary.BROKEN


def test_every_other_sign_in_the_fragment_breaks_it():
    front, _, fragment = address().partition("#")
    for place in range(len(fragment) - 1):  # the last sign holds bits that stand for nothing
        other = "7" if fragment[place] != "7" else "A"
        changed = f"{front}#{fragment[:place]}{other}{fragment[place + 1 :]}"
        assert summary.read(changed, public_key=PUBLIC).code == summary.BROKEN


@pytest.mark.parametrize(
    ("typed", "code"),
    [
        ("", summary.BARE),
        ("hello", summary.BARE),
        (URL, summary.BARE),
        (f"{URL}#", summary.BARE),
        (f"{URL}#1", summary.BROKEN),
        (f"{URL}#1A", summary.BROKEN),
        (f"{URL}#1{'A' * 103}", summary.BROKEN),
        (f"{URL}#é§", summary.BROKEN),
        (f"{URL}#9{'A' * 160}", summary.BROKEN),
    ],
)
def test_whatever_else_somebody_types_is_named(typed, code):
    assert summary.read(typed, public_key=PUBLIC) == summary.Reading(
        code, "FFLY-2026-000001-M" if URL in typed else ""
    )


def test_a_long_title_is_cut_so_that_cameras_still_read_the_code():
    long = replace(SIGNED, programme_zh="儿" * 60)
    paper = summary.read(address(long), public_key=PUBLIC).paper
    assert paper.programme == "儿" * summary.PROGRAMME_SIGNS + "…"


def test_facts_from_before_there_was_a_summary_stay_what_they_were():
    assert "summary" not in FACE.facts()
    assert face_from(FACE.facts()) == FACE
    assert SIGNED.facts()["summary"] == 1
    assert face_from(json.loads(json.dumps(SIGNED.facts()))) == SIGNED


@pytest.mark.parametrize("base", [SIGNED, SIGNED_CREDITS], ids=["completion", "credits"])
def test_signed_codes_are_stamped_too_and_the_bytes_are_those_of_a_drawing(base, monkeypatch):
    stamping.forget()
    done = []
    stamp = plate.Plate.stamp
    monkeypatch.setattr(plate.Plate, "stamp", lambda self, *a: done.append(stamp(self, *a)) or done[-1])
    for number in range(6):
        serial = f"FFLY-2026-00000{number}-K"
        face = replace(base, serial=serial, verify_url=f"https://lms.example.org/verify/{serial}?k={number}")
        code = summary.address_of(face, number=number, private_key=KEY)
        assert render_face(face, address=code) == render_face(face, address=code, afresh=True)
    assert len(done) == 4  # the first is drawn, the second drawn and kept, the third compared


# ---------------------------------------------------------------- what was issued


@pytest.fixture
def key(settings):
    pem = (settings.keys_dir / signing.CREDENTIALS).read_bytes()
    return read_ed25519_key(pem, settings.keys_passphrase)


def links(data):
    """The addresses that the first page of a PDF leads to."""
    reader = PdfFileReader(io.BytesIO(data))
    page = reader.root["/Pages"]["/Kids"][0].get_object()
    marks = [mark.get_object() for mark in page["/Annots"]]
    return [str(mark["/A"]["/URI"]) for mark in marks if "/A" in mark]


def redrawn(row, key):
    face = face_from(row.facts)
    code = summary.address_of(face, number=row.id, private_key=key) if face.summary else ""
    badge = credentials.as_file(queries.credential_of(row))
    return render_face(face, credential=badge, address=code), code


def test_a_new_certificate_carries_it_and_is_drawn_again_to_the_byte(app, issued, key):
    data = storage().read(issued.pdf_key)
    drawn, code = redrawn(issued, key)
    assert data.startswith(drawn)  # the signature is appended
    assert code.split("#")[0] == issued.facts["verify_url"]
    assert code in links(data)
    assert summary.read(code, public_key=ed25519_public_key(key)).code == summary.HOLDS


def test_a_number_taken_before_there_was_a_summary_is_issued_without(
    app, bare_app, ruled, complete, keys, at, key, monkeypatch
):
    monkeypatch.setattr(summary, "FORM", 0)
    complete(ruled.enrolment)
    issue_to(ruled, ruled.enrolment, at)
    monkeypatch.undo()
    jobs.Worker(bare_app).drain()
    db.session.expire_all()
    row = db.session.scalars(select(Certificate)).one()
    assert "summary" not in row.facts
    assert digest_of(row.facts) == row.facts_sha256
    data = storage().read(row.pdf_key)
    assert data.startswith(redrawn(row, key)[0])
    assert row.facts["verify_url"] in links(data)


def test_the_command_line_checks_a_print_without_a_network(
    app, bare_app, browser, issued, key, ruled, at, tmp_path, capsys
):
    code = redrawn(issued, key)[1]

    def kept(name, path):
        (tmp_path / name).write_bytes(browser().get(path).data)
        return str(tmp_path / name)

    def lists():
        return [
            word
            for purpose in ("revocation", "suspension")
            for word in ("--status", kept(purpose, f"/status/{purpose}/1"))
        ]

    did = kept("did.json", "/.well-known/did.json")
    assert main(["verify", "--qr", code, "--issuer", did]) == 0
    said = capsys.readouterr().out
    for words in (issued.serial, "signed by this site", "李思远 Li Siyuan", issued.facts["issued_on"]):
        assert words in said
    assert main(["verify", "--qr", code, "--issuer", did, *lists()]) == 0
    assert "none of the given lists" in capsys.readouterr().out
    with transaction():
        services.revoke(issued, reason="an error", at=at, by=ruled.director)
    jobs.Worker(bare_app).drain()
    assert main(["verify", "--qr", code, "--issuer", did, *lists()]) == 1
    assert cli.STATUS_WORDS["closed"] in capsys.readouterr().out
    assert main(["verify", "--qr", code[:-40] + "A" * 40, "--issuer", did]) == 1
    assert cli.PAPER_WORDS[summary.BROKEN] in capsys.readouterr().out
    assert main(["verify", "--qr", code.split("#")[0], "--issuer", did]) == 1
    assert cli.PAPER_WORDS[summary.BARE] in capsys.readouterr().out
    for wrong in (["--qr", code], ["--issuer", did], [did], ["--qr", code, "--issuer", did + "x"]):
        assert main(["verify", *wrong]) == 2
