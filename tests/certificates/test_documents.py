"""The document of a certificate: its credential, its further states, status lists, and the day a key is stolen."""

import dataclasses
import json
from datetime import timedelta
from io import BytesIO

import pikepdf
import pytest
from sqlalchemy import select, text
from sqlalchemy.exc import DBAPIError

from lms.certificates import cli, jobs, queries, services
from lms.certificates.models import Certificate, CertificateDocument, CertificateFile, StatusList
from lms.core import clock, credentials, signing, site
from lms.core.db import db, transaction
from lms.core.digests import read_public_pem
from lms.core.jobs import Worker
from lms.core.storage import storage
from tests.certificates.test_register import issue_to


@pytest.fixture
def own_keys(settings, at) -> None:
    """An authority that a test may change."""
    signing.create_authority(
        settings.keys_dir,
        organisation="Test hospital",
        at=at - timedelta(days=1),
        passphrase=settings.keys_passphrase,
        address=settings.base_url,
    )


@pytest.fixture
def level(bare_app, settings, monkeypatch):
    """Choose how far the site signs."""

    def act(value: str) -> None:
        other = dataclasses.replace(settings, signature_level=value)
        monkeypatch.setattr(site, "settings", lambda: other)

    return act


@pytest.fixture
def issue(app, bare_app, ruled, complete, own_keys, at):
    """Issue one certificate and work off all that waits."""

    def act() -> Certificate:
        complete(ruled.enrolment)
        issue_to(ruled, ruled.enrolment, at)
        Worker(bare_app).drain()
        db.session.expire_all()
        return db.session.scalars(select(Certificate)).one()

    return act


def newest(certificate) -> bytes:
    return storage().read(queries.latest_file(certificate.id).pdf_key)


def judged(data, settings, **more):
    return signing.check_pdf(data, root=(settings.keys_dir / "root.crt").read_bytes(), **more)


def test_the_credential_lies_in_the_file_and_is_genuine(issue, settings):
    certificate = issue()
    data = newest(certificate)
    with pikepdf.open(BytesIO(data)) as file:
        (name,) = file.attachments
        attached = file.attachments[name]
        inside = json.loads(attached.get_file().read_bytes())
        relationship = file.Root.AF[0].AFRelationship
    assert (name, str(relationship)) == ("credential.json", "/Data")
    assert inside == queries.credential_of(certificate)
    public = read_public_pem((settings.keys_dir / signing.CREDENTIALS_PUBLIC).read_bytes())
    assert credentials.is_genuine(inside, public_key=public)
    assert not credentials.is_genuine(inside | {"name": "another"}, public_key=public)
    assert "李思远" in json.dumps(inside, ensure_ascii=False)
    assert judged(data, settings).is_valid


def test_the_holder_downloads_credential_and_badge_and_a_stranger_knows_neither(issue, ruled, browser):
    certificate = issue()
    holder = browser(ruled.trainee)
    fetched = holder.get(f"/certificates/{certificate.serial}/credential.json")
    assert fetched.get_json(force=True) == queries.credential_of(certificate)
    badge = holder.get(f"/certificates/{certificate.serial}/badge.png").data
    assert badge.startswith(b"\x89PNG")
    assert b"iTXtopenbadgecredential\0" in badge
    stranger = browser(ruled.other_trainee)
    for name in ("credential.json", "badge.png"):
        assert stranger.get(f"/certificates/{certificate.serial}/{name}").status_code == 404


def test_key_lists_and_did_are_open_to_anybody(issue, browser, settings):
    client = browser()
    issue()
    did = client.get("/.well-known/did.json").get_json(force=True)
    assert did["id"] == credentials.did_of(settings.base_url)
    for name in ("root.crt", "issuing.crt", "root.crl", "issuing.crl"):
        assert client.get(f"/pki/{name}").status_code == 200
    for name in ("signer.p12", "issuing.key", "credentials.key"):
        assert client.get(f"/pki/{name}").status_code == 404
    assert client.get("/status/revocation/1").status_code == 200
    assert client.get("/status/revocation/2").status_code == 404
    assert client.get("/status/gossip/1").status_code == 404


def test_a_revoked_certificate_is_on_the_published_list(issue, bare_app, ruled, browser, at):
    client = browser()
    certificate = issue()
    index = credentials.status_place(certificate.id)[1]
    assert not credentials.is_listed(client.get("/status/revocation/1").get_json(force=True), index)
    with transaction():
        services.revoke(certificate, reason="forged papers", at=at, by=ruled.director)
    Worker(bare_app).drain()
    assert credentials.is_listed(client.get("/status/revocation/1").get_json(force=True), index)
    assert not credentials.is_listed(client.get("/status/suspension/1").get_json(force=True), index)


def test_a_list_that_says_something_else_than_the_register_is_found_by_itself(issue, bare_app):
    issue()
    assert not db.session.scalars(select(StatusList.id).where(queries.untrue_list())).all()
    db.session.execute(text("UPDATE certificate SET state = 'revoked'"))
    db.session.commit()
    assert len(db.session.scalars(select(StatusList.id).where(queries.untrue_list())).all()) == 1


def test_a_site_that_signs_b_lta_extends_what_it_signed_before(issue, level, bare_app, settings):
    certificate = issue()
    before = newest(certificate)
    level("B-LTA")
    db.session.rollback()
    Worker(bare_app).drain()
    after = newest(certificate)
    assert after.startswith(before)
    assert [row.level for row in queries.files_of(certificate.id)] == ["B-B", "B-LTA"]
    assert db.session.get_one(CertificateDocument, certificate.id).due_at is not None
    check = judged(after, settings)
    assert (check.code, check.covers_whole_file) == ("valid", False)
    assert queries.certificate_of_file(queries.files_of(certificate.id)[0].sha256).id == certificate.id


def test_a_time_stamp_is_followed_by_another_before_it_lapses(issue, level, bare_app, settings, monkeypatch):
    level("B-LTA")
    certificate = issue()
    document = db.session.get_one(CertificateDocument, certificate.id)
    assert document.level == "B-LTA"
    first, due = newest(certificate), document.due_at
    later = due + timedelta(days=1)
    monkeypatch.setattr(clock, "now", lambda: later)
    signing.renew_lists(settings.keys_dir, at=later - timedelta(hours=1), passphrase=settings.keys_passphrase)
    signing.rotate(settings.keys_dir, at=later, passphrase=settings.keys_passphrase)
    db.session.rollback()
    Worker(bare_app).drain(rounds=3)
    assert newest(certificate).startswith(first)
    assert newest(certificate) != first
    assert db.session.get_one(CertificateDocument, certificate.id).due_at > later
    assert judged(newest(certificate), settings).is_valid


def test_no_state_of_a_file_is_ever_changed_or_forgotten(issue):
    issue()
    for statement in ("UPDATE certificate_file SET level = 'B-T'", "DELETE FROM certificate_file"):
        with pytest.raises(DBAPIError):
            db.session.execute(text(statement))
        db.session.rollback()
    assert db.session.scalars(select(CertificateFile)).one().level == "B-B"


@pytest.mark.parametrize(("chosen", "code"), [("B-B", "revoked"), ("B-T", "revoked"), ("B-LTA", "valid")])
def test_when_the_key_is_stolen_only_b_lta_files_survive(
    issue, level, settings, chosen, code, at, capsys, monkeypatch
):
    level(chosen)
    certificate = issue()
    assert judged(newest(certificate), settings).is_valid
    stolen = signing.load_signer(settings.keys_dir, settings.keys_passphrase)
    forged = signing.sign_pdf(
        storage_free_pdf(), signer=stolen, reason="r", location="l", at=at + timedelta(seconds=1)
    )
    noticed = clock.now() + timedelta(hours=1)
    monkeypatch.setattr(clock, "now", lambda: noticed)
    assert cli.revoke_key("", settings=settings, why="compromise") == 0
    said = capsys.readouterr().out
    assert (certificate.serial in said) == (chosen != "B-LTA")
    lists = [(settings.keys_dir / name).read_bytes() for name in (signing.ISSUING_CRL, signing.ROOT_CRL)]
    check = judged(newest(certificate), settings, crls=lists, today=clock.now() + timedelta(days=1))
    assert check.code == code
    assert judged(forged, settings, crls=lists).code == "revoked"
    with pytest.raises(signing.SigningFailed):
        signing.load_signer(settings.keys_dir, settings.keys_passphrase)
    assert cli.rotate_keys(settings=settings, kind="p-256") == 0
    assert signing.load_signer(settings.keys_dir, settings.keys_passphrase).fingerprint != stolen.fingerprint


def storage_free_pdf() -> bytes:
    from lms.certificates.rendering import render_face
    from tests.certificates.test_face import FACE

    return render_face(FACE)


def test_the_next_certificate_is_signed_by_the_next_signer(issue, settings):
    before = signing.load_signer(settings.keys_dir, settings.keys_passphrase).fingerprint
    assert cli.rotate_keys(settings=settings, kind="p-256") == 0
    certificate = issue()
    after = queries.latest_file(certificate.id).signer_sha256
    assert after not in {None, before}
    assert judged(newest(certificate), settings).signer_fingerprint == after
    states = {
        one.fingerprint: one.state
        for one in signing.status(settings.keys_dir, settings.keys_passphrase, at=clock.now())
    }
    assert (states[before], states[after]) == ("retired", "in_force")


def test_without_the_issuing_key_no_key_is_made_or_withdrawn(own_keys, app, settings):
    (settings.keys_dir / signing.ISSUING_KEY).unlink()
    assert cli.rotate_keys(settings=settings, kind="rsa-3072") == 2
    assert cli.revoke_key("", settings=settings, why="ended") == 2
    assert cli.make_keys(settings=settings, kind="rsa-3072") == 2
    assert cli.keys_status(settings=settings) == 0


def test_an_authority_from_before_credentials_still_issues(issue, settings):
    for name in (signing.CREDENTIALS, signing.CREDENTIALS_PUBLIC, signing.STAMPER, signing.ISSUING_CRL):
        (settings.keys_dir / name).unlink()
    certificate = issue()
    assert certificate.state == "good"
    assert db.session.get_one(CertificateDocument, certificate.id).credential is None
    assert jobs.LIST_RENEWAL < jobs.LIST_LIFE
