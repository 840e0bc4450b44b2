"""The signer's key in a token (PKCS#11), with SoftHSM: made inside, never read out, and what happens when it is away."""

import dataclasses
import json
import os
import shutil
import subprocess
import sys
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from sqlalchemy import select

from lms.app import create_app
from lms.certificates import cli
from lms.certificates.jobs import key_trouble
from lms.certificates.models import Certificate
from lms.certificates.rendering import render_face
from lms.core import signing
from lms.core.db import db
from lms.core.signer import Signer
from lms.core.signing import Token, tokens
from lms.core.storage import storage
from lms.settings import UnsafeSettings, as_lines, load
from tests.certificates.conftest import issue_to
from tests.outside.test_pdf_tools import FACE

pytestmark = pytest.mark.outside

AT = datetime(2026, 11, 21, 1, 0, tzinfo=UTC)
WORD = "a passphrase for tests"
PIN = "314159"


def module_file() -> Path | None:
    places = (
        "/usr/lib/softhsm",
        "/usr/lib/*/softhsm",
        "/usr/lib64/pkcs11",
        "/opt/homebrew/lib/softhsm",
        "/usr/local/lib/softhsm",
    )
    found = [path for place in places for path in Path("/").glob(f"{place[1:]}/libsofthsm2.so")]
    return found[0] if found else None


@pytest.fixture
def soft(tmp_path, monkeypatch):
    """`soft("A")` is a fresh token of that label in a place of its own."""
    module, tool = module_file(), shutil.which("softhsm2-util")
    if module is None or tool is None:
        if os.environ.get("LMS_OUTSIDE"):
            pytest.fail("not installed: softhsm2")
        pytest.skip("not installed: softhsm2")
    place = tmp_path / "softhsm"
    place.mkdir()
    (tmp_path / "softhsm.conf").write_text(f"directories.tokendir = {place}\nobjectstore.backend = file\n")
    monkeypatch.setenv("SOFTHSM2_CONF", str(tmp_path / "softhsm.conf"))
    tokens.forget()

    def make(label: str, *, key: str = "firefly-signer") -> Token:
        subprocess.run(
            [tool, "--init-token", "--free", "--label", label, "--pin", PIN, "--so-pin", "271828"],
            check=True,
            capture_output=True,
        )
        (tmp_path / "pin").write_text(f"{PIN}\n")
        return Token(module, label, key, tmp_path / "pin")

    yield make
    tokens.forget()


def signed(folder: Path, token: Token, *, level: str = "B-B", at: datetime = AT) -> bytes:
    return signing.sign_pdf(
        render_face(FACE),
        signer=signing.load_signer(folder, WORD, token),
        reason="Issue",
        location="China",
        at=at,
        sealing=signing.load_sealing(folder, WORD, level=level, authority_url="", at=at),
    )


def authority(folder: Path, token: Token, *, kind: str = signing.RSA) -> Path:
    signing.create_authority(folder, organisation="Hospital", at=AT, passphrase=WORD, kind=kind, token=token)
    return folder


def pdfsig(pdf: bytes, root: Path, folder: Path) -> str:
    """What poppler says with an NSS store that holds the root alone."""
    if not (shutil.which("pdfsig") and shutil.which("certutil")):
        pytest.skip("not installed: poppler-utils, libnss3-tools")
    nss = folder / "nss"
    nss.mkdir(exist_ok=True)
    subprocess.run(["certutil", "-N", "-d", f"sql:{nss}", "--empty-password"], check=True)
    subprocess.run(
        ["certutil", "-A", "-d", f"sql:{nss}", "-n", "root", "-t", "CT,C,C", "-i", root], check=True
    )
    (folder / "signed.pdf").write_bytes(pdf)
    command = ["pdfsig", "-nssdir", f"sql:{nss}", str(folder / "signed.pdf")]
    return subprocess.run(
        command, check=True, capture_output=True, text=True, env=os.environ | {"LC_ALL": "C.UTF-8"}
    ).stdout


@pytest.mark.parametrize("level", ["B-B", "B-T"])
@pytest.mark.parametrize("kind", signing.KEY_KINDS)
def test_what_a_token_signs_is_valid_for_us_and_for_poppler(soft, tmp_path, kind, level):
    token = soft("Hospital")
    keys = authority(tmp_path / "keys", token, kind=kind)
    assert not (keys / signing.SIGNER).exists()
    pdf = signed(keys, token, level=level)
    check = signing.check_pdf(pdf, root=(keys / signing.ROOT).read_bytes())
    assert (check.code, check.covers_whole_file) == ("valid", True)
    said = pdfsig(pdf, keys / signing.ROOT, tmp_path)
    assert "Signature is Valid." in said
    assert "Certificate is Trusted." in said
    assert "Total document signed" in said


def test_the_key_cannot_be_read_out(soft, tmp_path):
    import pkcs11

    token = soft("Hospital")
    authority(tmp_path / "keys", token)
    session = tokens._session(token)
    (key,) = session.get_objects({pkcs11.Attribute.CLASS: pkcs11.ObjectClass.PRIVATE_KEY})
    assert (key[pkcs11.Attribute.SENSITIVE], key[pkcs11.Attribute.EXTRACTABLE]) == (True, False)
    with pytest.raises(pkcs11.AttributeSensitive):
        key[pkcs11.Attribute.PRIVATE_EXPONENT]


def test_the_next_signer_takes_the_place_of_the_last_and_its_files_stay_valid(soft, tmp_path):
    token = soft("Hospital")
    keys = authority(tmp_path / "keys", token)
    before, first = signed(keys, token), signing.load_signer(keys, WORD, token).fingerprint
    signing.rotate(keys, at=AT + timedelta(days=300), passphrase=WORD, token=token, kind=signing.P256)
    assert signing.load_signer(keys, WORD, token).fingerprint != first
    assert tokens.keys_in(token) == 1
    root = (keys / signing.ROOT).read_bytes()
    assert signing.check_pdf(before, root=root).code == "valid"
    assert signing.check_pdf(signed(keys, token, at=AT + timedelta(days=301)), root=root).code == "valid"
    states = {one.state for one in signing.status(keys, WORD, at=AT) if one.fingerprint == first}
    assert states == {"retired"}
    signing.revoke(keys, at=AT + timedelta(days=302), passphrase=WORD)
    with pytest.raises(signing.SigningFailed, match="revoked"):
        signing.load_signer(keys, WORD, token)


def test_a_site_moves_from_a_file_to_a_token(soft, tmp_path):
    keys = tmp_path / "keys"
    signing.create_authority(keys, organisation="Hospital", at=AT, passphrase=WORD)
    token = soft("Hospital")
    with pytest.raises(signing.KeyAway, match="holds no key"):
        signing.load_signer(keys, WORD, token)
    signing.rotate(keys, at=AT + timedelta(days=1), passphrase=WORD, token=token)
    assert not (keys / signing.SIGNER).exists(), "the key of before is destroyed"
    root = (keys / signing.ROOT).read_bytes()
    assert signing.check_pdf(signed(keys, token, at=AT + timedelta(days=2)), root=root).code == "valid"


def test_a_token_with_such_a_key_is_not_taken_for_another_authority(soft, tmp_path):
    token = soft("Hospital")
    authority(tmp_path / "keys", token)
    with pytest.raises(FileExistsError, match="already"):
        authority(tmp_path / "other", token)
    assert signed(tmp_path / "keys", token)
    assert authority(tmp_path / "third", dataclasses.replace(token, key="another-site"))
    assert signed(tmp_path / "keys", token)


def test_a_wrong_pin_is_said_and_never_tried_twice(soft, tmp_path):
    import pkcs11

    token = soft("Hospital")
    keys = authority(tmp_path / "keys", token)
    tokens.forget()
    token.pin_file.write_text("000000")
    with pytest.raises(signing.KeyAway, match="refuses the PIN"):
        signing.load_signer(keys, WORD, token)
    flags = pkcs11.lib(str(token.module)).get_token(token_label="Hospital").flags
    assert flags & pkcs11.TokenFlag.USER_PIN_COUNT_LOW, "the token counts wrong ones"
    token.pin_file.write_text(PIN)
    assert signing.load_signer(keys, WORD, token)
    tokens.forget()
    token.pin_file.write_text("000000")
    for _again in range(20):
        with pytest.raises(signing.KeyAway, match="not tried again"):
            signing.load_signer(keys, WORD, token)
    flags = pkcs11.lib(str(token.module)).get_token(token_label="Hospital").flags
    assert not flags & pkcs11.TokenFlag.USER_PIN_COUNT_LOW, "none of the twenty reached the token"


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"label": "Another"}, "is it plugged in"),
        ({"module": Path("/nowhere/lib.so")}, "is not there"),
        ({"module": Path("/etc/passwd")}, "does not answer"),
        ({"pin_file": Path("/nowhere/pin")}, "cannot be read"),
        ({"key": "another"}, "holds no key"),
    ],
)
def test_what_is_missing_is_said_in_words(soft, tmp_path, change, words):
    token = soft("Hospital")
    keys = authority(tmp_path / "keys", token)
    tokens.forget()
    with pytest.raises(signing.KeyAway, match=words):
        signing.load_signer(keys, WORD, dataclasses.replace(token, **change))
    assert signing.load_signer(keys, WORD, token), "and the right one signs"


def settings_of(settings, token: Token):
    return dataclasses.replace(
        settings,
        signer="separate",
        pkcs11_module=str(token.module),
        pkcs11_token=token.label,
        pkcs11_key=token.key,
        pkcs11_pin_file=str(token.pin_file),
    )


def test_certificates_wait_while_the_token_is_away_and_are_made_when_it_is_back(
    app, soft, settings, ruled, complete, at, tmp_path, browser
):
    token = soft("Hospital")
    there = settings_of(settings, token)
    signing.create_authority(there.keys_dir, organisation="Hospital", at=at, passphrase=WORD, token=token)
    complete(ruled.enrolment)
    issue_to(ruled, ruled.enrolment, at)
    joined = create_app(there)
    signer = Signer(joined, trouble=key_trouble)
    assert signer.drain(rounds=0) == 0  # the session is open
    (tmp_path / "softhsm").rename(tmp_path / "pulled")
    (tmp_path / "softhsm").mkdir()
    tokens.forget()
    assert signer.drain() == 0
    signer.chores()
    assert "is it plugged in" in signer.trouble
    row = db.session.scalars(select(Certificate)).one()
    assert (row.state, row.attempts) == ("reserved", 0)
    shutil.rmtree(tmp_path / "softhsm")
    (tmp_path / "pulled").rename(tmp_path / "softhsm")
    signer.drain()
    assert signer.trouble == ""
    db.session.rollback()
    db.session.expire_all()
    row = db.session.scalars(select(Certificate)).one()
    assert row.state == "good"
    data = storage().path(row.pdf_key).read_bytes()
    assert signing.check_pdf(data, root=(there.keys_dir / signing.ROOT).read_bytes()).code == "valid"
    with joined.app_context():
        db.session.remove()
        db.engine.dispose()


def test_another_process_finds_the_key_and_the_command_says_whether_it_signs(
    soft, settings, tmp_path, capsys
):
    token = soft("Hospital")
    there = settings_of(settings, token)
    assert cli.make_keys(settings=there, kind="p-256") == 0
    (tmp_path / "settings.env").write_text(as_lines(there), encoding="utf-8")

    def status():
        command = [sys.executable, "-m", "lms.cli", "--settings", str(tmp_path / "settings.env")]
        done = subprocess.run(
            [*command, "certificates", "keys", "status"],
            capture_output=True,
            text=True,
            check=False,
            env={name: value for name, value in os.environ.items() if not name.startswith("LMS_")},
        )
        return done.returncode, json.loads(done.stdout.splitlines()[-1])

    assert status() == (0, {"token": "Hospital", "key": "firefly-signer", "state": "signs"})
    token.pin_file.write_text("000000")
    code, said = status()
    assert code == 1
    assert "refuses the PIN" in said["trouble"]


def test_half_a_token_is_refused_in_the_settings(tmp_path):
    with pytest.raises(UnsafeSettings, match="LMS_PKCS11_TOKEN and LMS_PKCS11_PIN_FILE"):
        load({"LMS_PKCS11_MODULE": "/x"}, env="test", data_dir=tmp_path)
