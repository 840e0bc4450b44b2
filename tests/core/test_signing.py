"""The authority, its signatures, and every way to spoil one; with the vectors of the standards for the digests."""

import logging
import re
import shutil
import stat
from datetime import UTC, datetime, timedelta
from io import BytesIO
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.serialization import load_pem_private_key
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from pyhanko.keys import load_cert_from_pemder
from pyhanko.pdf_utils import generic
from pyhanko.pdf_utils.incremental_writer import IncrementalPdfFileWriter
from pyhanko.pdf_utils.reader import PdfFileReader
from pyhanko.sign.validation import validate_pdf_signature
from pyhanko_certvalidator import ValidationContext

from lms.core import digests, pdf, signing

AT = datetime(2026, 11, 21, 1, 0, tzinfo=UTC)
WORD = "correct horse"
ORGANISATION = "萤火儿科培训项目 Firefly"


@pytest.fixture(scope="module")
def keys(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("authority") / "keys"
    signing.create_authority(folder, organisation=ORGANISATION, at=AT, passphrase=WORD)
    return folder


@pytest.fixture(scope="module")
def root(keys: Path) -> bytes:
    return (keys / signing.ROOT).read_bytes()


@pytest.fixture(scope="module")
def signer(keys: Path) -> signing.Signer:
    return signing.load_signer(keys, WORD)


@pytest.fixture(scope="module")
def unsigned(tmp_path_factory: pytest.TempPathFactory) -> bytes:
    folder = tmp_path_factory.mktemp("page")
    css = folder / "sheet.css"
    css.write_text('html { font-family: "Noto Serif SC" }')
    html = '<!doctype html><html lang="zh-CN"><head><title>t</title></head><body><h1>结业证书</h1><p>陈晓燕</p></body></html>'
    return pdf.render(
        html, css=[css], assets=folder, title={"zh-CN": "结业证书"}, identifier="FF-1", created=AT
    )


@pytest.fixture(scope="module")
def signed(unsigned: bytes, signer: signing.Signer) -> bytes:
    return signing.sign_pdf(
        unsigned, signer=signer, reason="颁发结业证书 Issue", location="中国 China", at=AT
    )


def overlay(data: bytes) -> bytes:
    """The attack that most readers hardly mention: another page drawn in an update behind the signature."""
    writer = IncrementalPdfFileWriter(BytesIO(data))
    page = writer.root["/Pages"]["/Kids"][0]
    page["/Contents"] = writer.add_object(generic.StreamObject(stream_data=b"BT ET"))
    writer.update_container(page)
    out = BytesIO()
    writer.write(out)
    return out.getvalue()


# ---------------------------------------------------------------- the authority


def test_an_authority_has_three_certificates_each_signed_by_the_one_above(keys: Path) -> None:
    root = x509.load_pem_x509_certificate((keys / signing.ROOT).read_bytes())
    issuing = x509.load_pem_x509_certificate((keys / signing.ISSUING).read_bytes())
    own = x509.load_der_x509_certificate(signing.load_signer(keys, WORD).signing_cert.dump())
    root.verify_directly_issued_by(root)
    issuing.verify_directly_issued_by(root)
    own.verify_directly_issued_by(issuing)
    years = [
        round((c.not_valid_after_utc - c.not_valid_before_utc) / timedelta(days=365.25))
        for c in (root, issuing, own)
    ]
    assert years == [20, 10, 3]
    assert {c.not_valid_before_utc < AT < c.not_valid_after_utc for c in (root, issuing, own)} == {True}
    purposes = {p.dotted_string for p in own.extensions.get_extension_for_class(x509.ExtendedKeyUsage).value}
    assert purposes == {"1.3.6.1.5.5.7.3.36", "1.3.6.1.5.5.7.3.4"}
    usage = own.extensions.get_extension_for_class(x509.KeyUsage)
    assert usage.critical
    assert usage.value.digital_signature
    assert usage.value.content_commitment
    assert not usage.value.key_cert_sign
    assert own.extensions.get_extension_for_class(x509.BasicConstraints).value.ca is False
    assert issuing.extensions.get_extension_for_class(x509.BasicConstraints).value.path_length == 0


def test_the_keys_are_locked_and_readable_by_their_owner_only(keys: Path) -> None:
    assert stat.S_IMODE(keys.stat().st_mode) == 0o700
    for name in (signing.ROOT_KEY, signing.ISSUING_KEY, signing.SIGNER):
        assert stat.S_IMODE((keys / name).stat().st_mode) == 0o600
    for name in (signing.ROOT_KEY, signing.ISSUING_KEY):
        with pytest.raises((TypeError, ValueError)):
            load_pem_private_key((keys / name).read_bytes(), password=None)
    with pytest.raises(signing.SigningFailed):
        signing.load_signer(keys, "wrong")
    with pytest.raises(signing.SigningFailed):
        signing.load_signer(keys / "nowhere", WORD)


def test_an_authority_is_never_overwritten_and_leaves_no_half(keys: Path, tmp_path: Path) -> None:
    before = (keys / signing.ROOT).read_bytes()
    with pytest.raises(FileExistsError):
        signing.create_authority(keys, organisation=ORGANISATION, at=AT, passphrase=WORD)
    assert (keys / signing.ROOT).read_bytes() == before
    signing.create_authority(tmp_path / "new" / "keys", organisation=ORGANISATION, at=AT, passphrase=WORD)
    assert [p.name for p in (tmp_path / "new").iterdir()] == ["keys"]


@pytest.mark.parametrize(
    ("organisation", "passphrase"), [("", WORD), ("  ", WORD), ("长" * 65, WORD), (ORGANISATION, "")]
)
def test_an_authority_needs_a_name_that_fits_and_a_passphrase(
    tmp_path: Path, organisation: str, passphrase: str
) -> None:
    with pytest.raises(ValueError, match=r"name|passphrase"):
        signing.create_authority(tmp_path / "keys", organisation=organisation, at=AT, passphrase=passphrase)
    assert not (tmp_path / "keys").exists()


def test_the_longest_organisation_name_still_fits_into_a_signature(tmp_path: Path, unsigned: bytes) -> None:
    signing.create_authority(tmp_path / "keys", organisation="院" * 64, at=AT, passphrase=WORD)
    signer = signing.load_signer(tmp_path / "keys", WORD)
    data = signing.sign_pdf(unsigned, signer=signer, reason="r", location="l", at=AT)
    check = signing.check_pdf(data, root=(tmp_path / "keys" / signing.ROOT).read_bytes())
    assert (check.code, check.organisation) == (signing.VALID, "院" * 64)


# ---------------------------------------------------------------- a genuine file


def test_a_signed_file_is_valid_and_says_who_and_when(
    signed: bytes, root: bytes, signer: signing.Signer
) -> None:
    check = signing.check_pdf(signed, root=root)
    assert check == signing.PdfCheck(
        signing.VALID,
        signer_name="Certificate Signer 2026",
        organisation=ORGANISATION,
        signer_fingerprint=signer.fingerprint,
        root_fingerprint=x509.load_pem_x509_certificate(root).fingerprint(hashes.SHA256()).hex(),
        signed_at=AT,
        covers_whole_file=True,
        reason="颁发结业证书 Issue",
        states=(len(signed),),
    )
    assert check.is_valid


def test_the_signature_only_adds_to_the_file_and_leaves_its_dates_alone(
    signed: bytes, unsigned: bytes
) -> None:
    assert signed.startswith(unsigned)
    assert len(signed) - len(unsigned) < 11_000
    assert b"xpacket" not in signed[len(unsigned) :]
    assert PdfFileReader(BytesIO(signed)).trailer["/Info"]["/ModDate"] == "D:20261121010000Z"


def test_pyhanko_agrees_that_it_is_certified_with_no_changes_allowed(signed: bytes, keys: Path) -> None:
    reader = PdfFileReader(BytesIO(signed), strict=True)
    (embedded,) = reader.embedded_signatures
    context = ValidationContext(trust_roots=[load_cert_from_pemder(str(keys / signing.ROOT))], moment=AT)
    status = validate_pdf_signature(embedded, context)
    assert status.bottom_line
    assert status.coverage.name == "ENTIRE_FILE"
    assert status.docmdp_ok
    assert embedded.docmdp_level.name == "NO_CHANGES"
    assert embedded.sig_object["/SubFilter"] == "/ETSI.CAdES.detached"
    assert embedded.sig_object["/Reason"] == "颁发结业证书 Issue"
    assert embedded.sig_object["/Location"] == "中国 China"
    assert int(embedded.sig_field["/F"]) & 4


def test_a_root_in_der_is_as_good_as_in_pem_and_nonsense_is_the_callers_mistake(
    signed: bytes, root: bytes
) -> None:
    from cryptography.hazmat.primitives.serialization import Encoding

    der = x509.load_pem_x509_certificate(root).public_bytes(Encoding.DER)
    assert signing.check_pdf(signed, root=der).is_valid
    with pytest.raises(ValueError):
        signing.check_pdf(signed, root=b"nonsense")


def test_a_file_is_judged_at_its_signing_time_unless_one_asks_for_another(signed: bytes, root: bytes) -> None:
    assert signing.check_pdf(signed, root=root, at=AT + timedelta(days=900)).is_valid
    late = signing.check_pdf(signed, root=root, at=AT + timedelta(days=1200))
    assert (late.code, late.root_fingerprint) == (signing.UNTRUSTED, None)


def test_a_signature_dated_before_its_certificate_is_not_trusted(
    unsigned: bytes, signer: signing.Signer, root: bytes
) -> None:
    early = signing.sign_pdf(unsigned, signer=signer, reason="r", location="l", at=AT - timedelta(days=2))
    assert signing.check_pdf(early, root=root).code == signing.UNTRUSTED


def test_a_signed_file_is_not_signed_again(signed: bytes, signer: signing.Signer) -> None:
    with pytest.raises(signing.SigningFailed):
        signing.sign_pdf(signed, signer=signer, reason="r", location="l", at=AT)


@pytest.mark.parametrize("data", [b"", b"%PDF-1.7", b"nonsense" * 100])
def test_what_is_no_pdf_is_not_signed(data: bytes, signer: signing.Signer) -> None:
    with pytest.raises(signing.SigningFailed):
        signing.sign_pdf(data, signer=signer, reason="r", location="l", at=AT)


# ---------------------------------------------------------------- every way to spoil one


def flip(data: bytes, position: int, by: int = 1) -> bytes:
    return data[:position] + bytes([data[position] ^ by]) + data[position + 1 :]


def hole_of(data: bytes) -> tuple[int, int]:
    found = re.search(rb"/ByteRange \[0 (\d+) (\d+) ", data)
    assert found
    return int(found[1]), int(found[2])


SPOILED = {
    "a byte of the page": (lambda d, u: flip(d, 300), signing.ALTERED),
    "the last signed byte": (lambda d, u: flip(d, len(d) - 2), signing.ALTERED),
    "the signature proper": (
        lambda d, u: flip(d, len(d[: hole_of(d)[1] - 1].rstrip(b"0")) - 9),
        signing.ALTERED,
    ),
    "the filling behind the CMS object": (lambda d, u: flip(d, hole_of(d)[1] - 8), signing.ALTERED),
    "a letter instead of a digit in the hole": (
        lambda d, u: flip(d, hole_of(d)[0] + 20, 0x60),
        signing.ALTERED,
    ),
    "an earlier start of the range": (
        lambda d, u: d.replace(b"/ByteRange [0 ", b"/ByteRange [1 "),
        signing.ALTERED,
    ),
    "a signing time": (lambda d, u: d.replace(b"20261121", b"20261120", 1), signing.ALTERED),
    "a byte in front": (lambda d, u: b"\n" + d, signing.ALTERED),
    "cut by one byte": (lambda d, u: d[:-1], signing.ALTERED),
    "cut in the hole": (lambda d, u: d[: hole_of(d)[0] + 500], signing.UNREADABLE),
    "cut in the page": (lambda d, u: d[: len(u) // 2], signing.UNREADABLE),
    "a newline behind": (lambda d, u: d + b"\n", signing.APPENDED),
    "rubbish behind": (lambda d, u: d + b"%%EOF rubbish" * 50, signing.APPENDED),
    "an overlay": (lambda d, u: overlay(d), signing.APPENDED),
    "another range in a comment behind": (lambda d, u: d + b"%/ByteRange [0 5 10 15]", signing.APPENDED),
    "stripped": (lambda d, u: u, signing.NO_SIGNATURE),
    "stripped by name": (lambda d, u: d.replace(b"/ByteRange", b"/BiteRange"), signing.NO_SIGNATURE),
    "nothing": (lambda d, u: b"", signing.UNREADABLE),
    "garbage": (lambda d, u: b"\x00\xff" * 4000, signing.UNREADABLE),
    "a picture": (lambda d, u: b"\x89PNG\r\n\x1a\n" + bytes(100), signing.UNREADABLE),
    "only a head": (lambda d, u: b"%PDF-1.7\n", signing.UNREADABLE),
    "too large": (lambda d, u: d + bytes(signing.MAX_BYTES), signing.UNREADABLE),
    "a bomb of nested arrays": (
        lambda d, u: b"%PDF-1.7\n" + b"[" * 2_000_000 + b"\n%%EOF",
        signing.NO_SIGNATURE,
    ),
    "a bomb of nested ASN.1": (
        lambda d, u: (
            b"%PDF-1.7 /ByteRange [0 60 60062 6]".ljust(60) + b"<" + b"3080" * 15_000 + b">" + b"%%EOF\n"
        ),
        signing.ALTERED,
    ),
    "a thousand ranges": (
        lambda d, u: b"%PDF-1.7 " + b"/ByteRange [0 9 11 99]<>" * 1000 + b"%%EOF",
        signing.ALTERED,
    ),
    "ranges of spaces": (
        lambda d, u: b"%PDF-1.7 " + (b"/ByteRange [" + b" " * 5000) * 200 + b"%%EOF",
        signing.NO_SIGNATURE,
    ),
}


@pytest.mark.parametrize("how", SPOILED)
def test_a_spoiled_file_is_named_for_what_it_is(
    how: str, signed: bytes, unsigned: bytes, root: bytes
) -> None:
    spoil, code = SPOILED[how]
    check = signing.check_pdf(spoil(signed, unsigned), root=root)
    assert check.code == code
    assert not check.is_valid


def test_an_authority_with_the_same_names_is_not_trusted(
    tmp_path: Path, unsigned: bytes, root: bytes, keys: Path
) -> None:
    signing.create_authority(tmp_path / "keys", organisation=ORGANISATION, at=AT, passphrase=WORD)
    forger = signing.load_signer(tmp_path / "keys", WORD)
    forged = signing.sign_pdf(
        unsigned, signer=forger, reason="颁发结业证书 Issue", location="中国 China", at=AT
    )
    check = signing.check_pdf(forged, root=root)
    assert (check.code, check.root_fingerprint, check.covers_whole_file) == (signing.UNTRUSTED, None, True)
    assert check.organisation == ORGANISATION
    assert check.signer_fingerprint == forger.fingerprint
    assert signing.check_pdf(forged, root=(tmp_path / "keys" / signing.ROOT).read_bytes()).is_valid
    # Nor does it help to send our own issuing certificate along, which has the same name as the forger's.
    shutil.copyfile(keys / signing.ISSUING, tmp_path / "keys" / signing.ISSUING)
    mixed = signing.Signer(
        forger._key,
        [
            x509.load_der_x509_certificate(forger.signing_cert.dump()),
            x509.load_pem_x509_certificate((keys / signing.ISSUING).read_bytes()),
        ],
    )
    forged = signing.sign_pdf(unsigned, signer=mixed, reason="r", location="l", at=AT)
    assert signing.check_pdf(forged, root=root).code == signing.UNTRUSTED


def test_the_issuing_key_itself_may_not_sign_certificates_of_holders(
    keys: Path, unsigned: bytes, root: bytes
) -> None:
    key = load_pem_private_key((keys / signing.ISSUING_KEY).read_bytes(), WORD.encode())
    issuing = x509.load_pem_x509_certificate((keys / signing.ISSUING).read_bytes())
    data = signing.sign_pdf(unsigned, signer=signing.Signer(key, [issuing]), reason="r", location="l", at=AT)  # type: ignore[arg-type]
    assert signing.check_pdf(data, root=root).code == signing.UNTRUSTED


def revocation_list(keys: Path, serial: int, *, issuer: Path | None = None) -> bytes:
    from cryptography.hazmat.primitives.serialization import Encoding

    folder = issuer or keys
    key = load_pem_private_key((folder / signing.ISSUING_KEY).read_bytes(), WORD.encode())
    name = x509.load_pem_x509_certificate((folder / signing.ISSUING).read_bytes()).subject
    revoked = (
        x509.RevokedCertificateBuilder()
        .serial_number(serial)
        .revocation_date(AT + timedelta(days=30))
        .build()
    )
    builder = (
        x509.CertificateRevocationListBuilder()
        .issuer_name(name)
        .last_update(AT)
        .next_update(AT + timedelta(days=60))
    )
    return builder.add_revoked_certificate(revoked).sign(key, hashes.SHA384()).public_bytes(Encoding.DER)  # type: ignore[arg-type]


def test_a_withdrawn_key_is_revoked_whatever_date_it_signs_with(
    keys: Path, tmp_path: Path, signed: bytes, signer: signing.Signer, root: bytes
) -> None:
    serial = signer.signing_cert.serial_number
    check = signing.check_pdf(signed, root=root, crls=[revocation_list(keys, serial)])
    assert check.code == signing.REVOKED
    assert signing.check_pdf(signed, root=root, crls=[revocation_list(keys, serial + 1)]).is_valid
    signing.create_authority(tmp_path / "keys", organisation=ORGANISATION, at=AT, passphrase=WORD)
    somebody = revocation_list(keys, serial, issuer=tmp_path / "keys")
    assert signing.check_pdf(signed, root=root, crls=[somebody]).is_valid


@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(place=st.integers(0, 2**20 - 1), change=st.integers(1, 255))
def test_no_change_anywhere_is_ever_valid_or_raises(
    place: int, change: int, signed: bytes, root: bytes
) -> None:
    # Wherever a byte changes; in the hole a digit may also change its case, which changes no bit of the signature.
    position = place % len(signed)  # each run signs a file of its own length
    spoiled = flip(signed, position, change)
    before, resume = hole_of(signed)
    if (
        before < position < resume - 1
        and spoiled[position : position + 1].upper() == signed[position : position + 1].upper()
    ):
        return
    assert not signing.check_pdf(spoiled, root=root).is_valid


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(contents=st.binary(max_size=300), shift=st.integers(-3, 3))
def test_no_content_of_the_hole_raises(contents: bytes, shift: int, root: bytes) -> None:
    hole = b"<" + contents.hex().encode() + b">"
    head = f"%PDF-1.7 /ByteRange [0 60 {60 + len(hole) + shift} 6]".encode().ljust(60)
    assert signing.check_pdf(head + hole + b"%%EOF\n", root=root).code == signing.ALTERED


def test_a_forged_file_leaves_no_noise_in_the_log(
    signed: bytes, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    signing.create_authority(tmp_path / "keys", organisation=ORGANISATION, at=AT, passphrase=WORD)
    with caplog.at_level(logging.DEBUG):
        signing.check_pdf(signed, root=(tmp_path / "keys" / signing.ROOT).read_bytes())
    assert [record for record in caplog.records if record.name != "asyncio"] == []


# ---------------------------------------------------------------- digests


def test_sha256_of_nothing_is_the_known_one() -> None:
    assert digests.sha256_hex(b"") == "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"


def test_canonical_json_is_that_of_rfc_8785_3_2_3_and_3_2_2() -> None:
    unsorted = {
        "\u20ac": "Euro Sign",
        "\r": "Carriage Return",
        "\ufb33": "Hebrew Letter Dalet With Dagesh",
        "1": "One",
        "\U0001f600": "Emoji: Grinning Face",
        "\u0080": "Control",
        "\u00f6": "Latin Small Letter O With Diaeresis",
    }
    names = re.findall(r'"(?P<name>[^"]+)":"', digests.canonical_json(unsorted).decode())
    assert names == ["\\r", "1", "\u0080", "\u00f6", "\u20ac", "\U0001f600", "\ufb33"]
    value = {
        "numbers": [333333333.33333329, 1e30, 4.50, 2e-3, 0.000000000000000000000000001],
        "string": "\u20ac$\u000f\u000aA'\u0042\u0022\u005c\\\"/",
        "literals": [None, True, False],
    }
    assert (
        digests.canonical_json(value)
        == (
            '{"literals":[null,true,false],"numbers":[333333333.3333333,1e+30,4.5,0.002,1e-27],'
            '"string":"\u20ac$\\u000f\\nA\'B\\"\\\\\\\\\\"/"}'
        ).encode()
    )


def test_equal_facts_have_equal_digests_and_what_json_cannot_say_is_refused() -> None:
    assert digests.digest_of({"a": 1, "b": ["陈"]}) == digests.digest_of({"b": ["陈"], "a": 1})
    for value in (float("nan"), 2**60, {1: "x"}, "\ud800", datetime.now(UTC)):
        with pytest.raises(ValueError, match="canonical"):
            digests.canonical_json(value)


RFC_8032_7_1 = [
    (
        "9d61b19deffd5a60ba844af492ec2cc44449c5697b326919703bac031cae7f60",
        "d75a980182b10ab7d54bfed3c964073a0ee172f3daa62325af021a68f707511a",
        "",
        "e5564300c360ac729086e2cc806e828a84877f1eb8e5d974d873e065224901555fb8821590a33bacc61e39701cf9b46bd25bf5f0595bbe24655141438e7a100b",
    ),
    (
        "4ccd089b28ff96da9db6c346ec114e0f5b8a319f35aba624da8cf6ed4fb8a6fb",
        "3d4017c3e843895a92b70aa74d1b7ebc9c982ccf2ec4968cc0cd55f12af4660c",
        "72",
        "92a009a9f0d4cab8720e820b5f642540a2b27b5416503f8fb3762223ebdb69da085ac1e43e15996e458f3613d0f11d8c387b2eaeb4302aeeb00d291612bb0c00",
    ),
    (
        "c5aa8df43f9f837bedb7442f31dcb7b166d38535076f094b85ce3a2e0b4458f7",
        "fc51cd8e6218a1a38da47ed00230f0580816ed13ba3303ac5deb911548908025",
        "af82",
        "6291d657deec24024827e69c3abe01a30ce548a284743a445e3680d7db5ac3ac18ff9b538d16f290ae67f760984dc6594a7c15e9716ed28dc027beceea1ec40a",
    ),
]


@pytest.mark.parametrize(("private", "public", "message", "signature"), RFC_8032_7_1)
def test_ed25519_is_that_of_rfc_8032(private: str, public: str, message: str, signature: str) -> None:
    private_key, public_key, text, known = map(bytes.fromhex, (private, public, message, signature))
    assert digests.ed25519_public_key(private_key) == public_key
    assert digests.sign_ed25519(text, private_key=private_key) == known
    assert digests.verify_ed25519(text, known, public_key=public_key)
    assert not digests.verify_ed25519(text + b"!", known, public_key=public_key)
    assert not digests.verify_ed25519(text, flip(known, 3), public_key=public_key)
    assert not digests.verify_ed25519(text, known[:-1], public_key=public_key)
    assert not digests.verify_ed25519(text, known, public_key=public_key[:-1])
