"""The same altered files before poppler's pdfsig: it agrees with us on each, as far as a tool without our register can."""

import os
import shutil
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest

from lms.certificates import checking, rendering, rules
from lms.core import signing
from tests.certificates.altered import KINDS, Source, forger_of
from tests.outside.test_pdf_tools import AT, FACE, ORGANISATION, Authority, authority, run

pytestmark = pytest.mark.outside

SERIAL = rules.serial("FFLY", 2026, 17)


@pytest.fixture(scope="module", autouse=True)
def _tools() -> None:
    missing = [tool for tool in ("pdfsig", "certutil") if shutil.which(tool) is None]
    if missing and os.environ.get("LMS_OUTSIDE"):
        pytest.fail(f"not installed: {', '.join(missing)}")
    if missing:
        pytest.skip(f"not installed: {', '.join(missing)}")


@pytest.fixture(scope="module")
def ours(tmp_path_factory: pytest.TempPathFactory, _tools: None) -> Authority:
    return authority(tmp_path_factory.mktemp("ours"))


@pytest.fixture(scope="module")
def source(ours: Authority, tmp_path_factory: pytest.TempPathFactory) -> Source:
    face = replace(FACE, serial=SERIAL, name_zh="李思远", name_latin="Li Siyuan")
    unsigned = rendering.render_face(face)
    reason = f"Certificate {SERIAL}"
    return Source(
        signed=signing.sign_pdf(unsigned, signer=ours.signer, reason=reason, location="l", at=AT),
        unsigned=unsigned,
        at=AT,
        own=ours.signer,
        forger=forger_of(tmp_path_factory.mktemp("forger") / "keys", AT - timedelta(days=1), ORGANISATION),
        reason=reason,
    )


def told(said: str) -> str:
    """What pdfsig says of a file, in one word."""
    first = said.split("Signature #2", maxsplit=1)[0]
    if "does not contain any signatures" in said or "Signature #1" not in said:
        return "none"
    if "Signature is Valid" not in first:
        return "invalid"
    if "Certificate is Trusted" not in first:
        return "stranger"
    return "part" if "Not total document signed" in first else "valid whole"


@pytest.mark.parametrize("kind", KINDS)
def test_pdfsig_says_the_same(kind: str, source: Source, ours: Authority, tmp_path: Path) -> None:
    how, expected, pdfsig = KINDS[kind]
    file = tmp_path / "certificate.pdf"
    file.write_bytes(how(source))
    assert told(run("pdfsig", "-nssdir", ours.nss, file, check=False)) == pdfsig
    # Without the register a whole signature of ours is all that anybody can ask for.
    found = checking.inspect(file.read_bytes(), signing.Trust(ours.root.read_bytes()))
    assert found.code == {"unregistered": "genuine"}.get(expected, expected)
