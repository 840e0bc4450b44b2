"""What others say of our certificates: poppler with NSS, OpenSSL, qpdf, ghost-free of our own code.

These tests need poppler-utils, libnss3-tools, openssl, qpdf and zbar-tools. Under ``./run check`` (LMS_OUTSIDE=1) a missing
tool is a failure; elsewhere they are skipped and say what is missing.
"""

import os
import re
import shutil
import subprocess
from dataclasses import dataclass, replace
from datetime import UTC, date, datetime
from pathlib import Path

import pytest

from lms.certificates import rendering, summary
from lms.certificates.face import CertificateFace
from lms.core import signing
from lms.core.digests import ed25519_public_key
from lms.core.pdf import stamping
from tests.certificates.test_face import CREDITS

pytestmark = pytest.mark.outside

TOOLS = ("pdfsig", "certutil", "openssl", "qpdf", "pdffonts", "pdfinfo", "pdftotext", "pdftoppm", "zbarimg")
AT = datetime(2026, 11, 21, 1, 0, tzinfo=UTC)
WORD = "correct horse"
ORGANISATION = "萤火儿科培训项目 Firefly"

FACE = CertificateFace(
    serial="FF-2026-000017-K",
    name_zh="欧阳𬱖䶮𠮷",
    name_latin="Ouyang Weiyanji",
    name_native="བཀྲ་ཤིས་ཚེ་རིང་",
    native_lang="bo",
    hospital_zh="青石县人民医院",
    hospital_en="Qingshi County People’s Hospital",
    programme_zh="萤火高级儿科培训项目",
    programme_en="Firefly Advanced Pediatric Training Programme",
    cohort_zh="2026年春季班",
    cohort_en="Spring 2026 cohort",
    sponsor_zh="东湖大学附属儿童医院",
    sponsor_en="Children’s Hospital of Donghu University",
    from_on=date(2026, 3, 2),
    to_on=date(2026, 6, 21),
    weeks=16,
    units=(("新生儿重症监护病房", "the neonatal intensive care unit"),),
    hours=320,
    director_name="林知远",
    issued_on=date(2026, 11, 21),
    verify_url="https://firefly.example.org/verify/FF-2026-000017-K",
    demo=True,
)


def run(*command: str | Path, check: bool = True) -> str:
    """Output of a tool in plain English."""
    done = subprocess.run(
        [str(part) for part in command],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
        env=os.environ | {"LC_ALL": "C.UTF-8", "TZ": "UTC"},
    )
    if check and done.returncode:
        raise AssertionError(f"{command[0]} ended with {done.returncode}: {done.stdout}{done.stderr}")
    return done.stdout + done.stderr


@pytest.fixture(scope="module", autouse=True)
def _tools() -> None:
    missing = [tool for tool in TOOLS if shutil.which(tool) is None]
    if missing and os.environ.get("LMS_OUTSIDE"):
        pytest.fail(f"not installed: {', '.join(missing)}")
    if missing:
        pytest.skip(f"not installed: {', '.join(missing)}")


@dataclass(frozen=True)
class Authority:
    folder: Path
    signer: signing.Signer
    nss: str
    """The database of a reader who trusts the root and knows nothing else."""

    @property
    def root(self) -> Path:
        return self.folder / signing.ROOT


def authority(folder: Path) -> Authority:
    signing.create_authority(folder / "keys", organisation=ORGANISATION, at=AT, passphrase=WORD)
    nss = folder / "nss"
    nss.mkdir()
    run("certutil", "-N", "-d", f"sql:{nss}", "--empty-password")
    run(
        "certutil",
        "-A",
        "-d",
        f"sql:{nss}",
        "-n",
        "root",
        "-t",
        "CT,C,C",
        "-i",
        folder / "keys" / signing.ROOT,
    )
    return Authority(folder / "keys", signing.load_signer(folder / "keys", WORD), f"sql:{nss}")


@pytest.fixture(scope="module")
def ours(tmp_path_factory: pytest.TempPathFactory, _tools: None) -> Authority:
    return authority(tmp_path_factory.mktemp("ours"))


@pytest.fixture(scope="module")
def certificate(tmp_path_factory: pytest.TempPathFactory, ours: Authority) -> Path:
    path = tmp_path_factory.mktemp("out") / "certificate.pdf"
    data = rendering.render_face(FACE)
    path.write_bytes(
        signing.sign_pdf(data, signer=ours.signer, reason="颁发结业证书 Issue", location="中国 China", at=AT)
    )
    return path


# ---------------------------------------------------------------- the signature


def test_pdfsig_with_only_our_root_finds_it_valid_trusted_and_whole(
    certificate: Path, ours: Authority
) -> None:
    said = run("pdfsig", "-nssdir", ours.nss, certificate)
    assert "Signature is Valid" in said
    assert "Certificate is Trusted" in said
    assert "Total document signed" in said
    assert "ETSI.CAdES.detached" in said
    assert "Signing Time: Nov 21 2026 01:00:00" in said


def test_pdfsig_does_not_trust_an_authority_with_the_same_names(certificate: Path, tmp_path: Path) -> None:
    said = run("pdfsig", "-nssdir", authority(tmp_path).nss, certificate)
    assert "Signature is Valid" in said
    assert "Certificate is Trusted" not in said


def test_pdfsig_sees_a_changed_byte(certificate: Path, ours: Authority, tmp_path: Path) -> None:
    data = bytearray(certificate.read_bytes())
    data[2000] ^= 1
    (tmp_path / "x.pdf").write_bytes(data)
    assert "Signature is Valid" not in run("pdfsig", "-nssdir", ours.nss, tmp_path / "x.pdf", check=False)


def cms_and_content(path: Path, folder: Path) -> tuple[Path, Path]:
    """The CMS object and the bytes it signs, taken out by hand."""
    data = path.read_bytes()
    found = re.search(rb"/ByteRange \[(\d+) (\d+) (\d+) (\d+)\]", data)
    assert found
    start, before, resume, after = map(int, found.groups())
    assert (start, resume + after) == (0, len(data))
    (folder / "content.bin").write_bytes(data[:before] + data[resume:])
    (folder / "signature.der").write_bytes(
        bytes.fromhex(data[before + 1 : resume - 1].decode()).rstrip(b"\0")
    )
    return folder / "signature.der", folder / "content.bin"


def test_openssl_verifies_the_signature_against_our_root(
    certificate: Path, ours: Authority, tmp_path: Path
) -> None:
    signature, content = cms_and_content(certificate, tmp_path)
    verify = ("openssl", "cms", "-verify", "-binary", "-inform", "DER", "-purpose", "any", "-out", os.devnull)
    when = ("-attime", str(int(AT.timestamp())))
    assert "successful" in run(*verify, *when, "-in", signature, "-content", content, "-CAfile", ours.root)
    (tmp_path / "other").mkdir()
    other = authority(tmp_path / "other")
    refused = run(*verify, *when, "-in", signature, "-content", content, "-CAfile", other.root, check=False)
    assert "successful" not in refused


# ---------------------------------------------------------------- the document


def test_qpdf_finds_no_fault(certificate: Path) -> None:
    assert "No syntax or stream encoding errors found" in run("qpdf", "--check", certificate)


def test_all_fonts_are_embedded_cut_and_readable(certificate: Path) -> None:
    rows = run("pdffonts", certificate).splitlines()[2:]
    names = {row.split()[0].split("+")[1] for row in rows}
    assert names == {"Noto-Serif-SC", "Noto-Serif-SC-Bold", "Firefly-Rare-Han", "Noto-Serif-Tibetan"}
    for row in rows:
        assert re.search(r"\byes yes yes\b", row), row


def test_the_document_is_tagged_and_names_itself(certificate: Path) -> None:
    said = run("pdfinfo", certificate)
    assert re.search(r"Tagged:\s+yes", said)
    assert re.search(r"Pages:\s+1\b", said)
    assert re.search(r"Page size:\s+841.89 x 595.276 pts \(A4\)", said)
    assert "结业证书 – 欧阳𬱖䶮𠮷 – FF-2026-000017-K" in said
    assert re.search(r"JavaScript:\s+no", said)


def test_a_screen_reader_hears_the_facts_in_order(certificate: Path) -> None:
    said = run("pdfinfo", "-struct-text", certificate)
    heard = [
        said.index(fact)
        for fact in (
            "结业证书",
            "欧阳𬱖䶮𠮷",
            "Ouyang Weiyanji",
            "萤火高级儿科培训项目",
            FACE.serial,
            "林知远",
        )
    ]
    assert heard == sorted(heard)
    assert "H1" in said
    assert "Link" in said
    assert "Figure" in said


def words(path: Path) -> str:
    return re.sub(r"\s+", "", run("pdftotext", path, "-"))


@pytest.mark.parametrize(
    ("name_zh", "name_latin", "name_native", "native_lang"),
    [
        ("陈晓燕", "Chen Xiaoyan", "", ""),
        ("李𭝠张𮧵䶮𠮷㛃", "Li Xuyi", "", ""),
        ("扎西次仁", "Tashi Tsering", "བཀྲ་ཤིས་ཚེ་རིང་", "bo"),
        (
            "阿卜杜热合曼·买买提吐尔逊·阿布都克里木·努尔麦麦提",
            "Abdurahman Memettursun",
            "ئابدۇراخمان مەمەتتۇرسۇن",
            "ug",
        ),
        ("乌兰图雅", "Ulaantuyaa", "ᠤᠯᠠᠭᠠᠨᠲᠤᠶᠠ", "mn"),
        ("", "María José Nguyễn-O’Brien", "", ""),
    ],
)
def test_every_name_can_be_read_back_from_one_page(
    tmp_path: Path, name_zh: str, name_latin: str, name_native: str, native_lang: str
) -> None:
    face = replace(
        FACE, name_zh=name_zh, name_latin=name_latin, name_native=name_native, native_lang=native_lang
    )
    path = tmp_path / "name.pdf"
    path.write_bytes(rendering.render_face(face))
    text = words(path)
    for name in (name_zh, name_latin):
        assert re.sub(r"\s+", "", name) in text
    for row in run("pdffonts", path).splitlines()[2:]:
        assert re.search(r"\byes yes yes\b", row), row
    if native_lang:
        read = re.sub(r"[\s\u202a-\u202e]", "", run("pdftotext", path, "-"))
        if (
            face.native_direction == "rtl"
        ):  # poppler breaks such a run into pieces; its letters must all be there
            read, name_native = (sorted(re.findall(r"[\u0600-\u06ff]", text)) for text in (read, name_native))
        assert name_native == read if isinstance(read, list) else re.sub(r"\s", "", name_native) in read
    assert re.search(r"Pages:\s+1\b", run("pdfinfo", path))


def test_the_sample_says_that_it_is_one_and_the_words_are_whole(certificate: Path) -> None:
    text = words(certificate)
    assert "样例：演示项目，不作为任何资格证明" in text
    assert "CERTIFICATEOFCOMPLETION" in text
    assert "CERTIFICATE OF COMPLETION" in run("pdftotext", "-layout", certificate, "-")


def test_the_page_can_be_drawn_and_is_not_empty(certificate: Path, tmp_path: Path) -> None:
    run("pdftoppm", "-r", "50", "-gray", certificate, tmp_path / "page")
    (page,) = tmp_path.glob("page*.pgm")
    pixels = page.read_bytes()[20:]
    dark = sum(pixel < 128 for pixel in pixels) / len(pixels)
    assert 0.005 < dark < 0.2


# ---------------------------------------------------------------- time stamps


@pytest.fixture(scope="module")
def stamped(tmp_path_factory: pytest.TempPathFactory, ours: Authority) -> Path:
    path = tmp_path_factory.mktemp("stamped") / "certificate.pdf"
    sealing = signing.load_sealing(ours.folder, WORD, level="B-T", authority_url="", at=AT)
    path.write_bytes(
        signing.sign_pdf(
            rendering.render_face(FACE, credential=b'{"a":1}'),
            signer=ours.signer,
            reason="Issue",
            location="China",
            at=AT,
            sealing=sealing,
        )
    )
    return path


def test_pdfsig_finds_a_stamped_file_valid_trusted_and_whole(stamped: Path, ours: Authority) -> None:
    said = run("pdfsig", "-nssdir", ours.nss, stamped)
    assert "Signature is Valid" in said
    assert "Certificate is Trusted" in said
    assert "Total document signed" in said
    assert "No syntax or stream encoding errors found" in run("qpdf", "--check", stamped)


def test_openssl_verifies_the_time_stamp_over_the_signature(
    stamped: Path, ours: Authority, tmp_path: Path
) -> None:
    from asn1crypto import cms

    signature, _content = cms_and_content(stamped, tmp_path)
    signer = cms.ContentInfo.load(signature.read_bytes())["content"]["signer_infos"][0]
    (stamp,) = [one for one in signer["unsigned_attrs"] if one["type"].native == "signature_time_stamp_token"]
    (tmp_path / "stamp.der").write_bytes(stamp["values"][0].dump())
    (tmp_path / "signed.bin").write_bytes(signer["signature"].native)
    verify = ("openssl", "ts", "-verify", "-token_in", "-in", tmp_path / "stamp.der")
    chain = ("-CAfile", ours.root, "-untrusted", ours.folder / signing.ISSUING)
    when = ("-attime", str(int(AT.timestamp())))
    assert "Verification: OK" in run(*verify, *chain, *when, "-data", tmp_path / "signed.bin")
    (tmp_path / "other.bin").write_bytes(b"another signature")
    refused = run(*verify, *chain, *when, "-data", tmp_path / "other.bin", check=False)
    assert "Verification: OK" not in refused


def test_a_stamped_certificate_is_one_like_the_others(tmp_path: Path) -> None:
    """The bytes are those of a drawing from nothing (tests/core/test_stamping.py); here other programs look at them."""
    plain = replace(FACE, name_native="", native_lang="", demo=False)
    stamping.forget()
    for number, name in enumerate(("陈晓燕", "李思远", "王小明", "赵云飞")):
        face = replace(plain, name_zh=name, name_latin="Name Latin", serial=f"FF-2026-{number:06d}-K")
        stamped, drawn = tmp_path / "stamped.pdf", tmp_path / "drawn.pdf"
        stamped.write_bytes(rendering.render_face(face))
        drawn.write_bytes(rendering.render_face(face, afresh=True))
    assert next(iter(stamping._plates.values())).proven
    assert "No syntax or stream encoding errors found" in run("qpdf", "--check", stamped)
    assert "赵云飞" in words(stamped)
    assert "FF-2026-000003-K" in words(stamped)
    assert "李思远" not in words(stamped)
    said = run("pdfinfo", "-struct-text", stamped)
    assert said == run("pdfinfo", "-struct-text", drawn)
    assert said.index("赵云飞") < said.index("Name Latin") < said.index("FF-2026-000003-K")
    for row in run("pdffonts", stamped).splitlines()[2:]:
        assert re.search(r"\byes yes yes\b", row), row
    for path in (stamped, drawn):
        run("pdftoppm", "-r", "150", "-png", path, path.with_suffix(""))
    assert (tmp_path / "stamped-1.png").read_bytes() == (tmp_path / "drawn-1.png").read_bytes()


# ---------------------------------------------------------------- the code on a print

PAPER_KEY = bytes(range(32))
PAPER_URL = "https://training.hospital.example.org.cn/verify/FFLY-2026-000412-K?k=h7Kq2mPz4xWd"
LONG = {
    "name_zh": "阿卜杜热西提·麦麦提明·伊敏江",
    "name_latin": "Abduraxit Mamatmin Iminjan",
    "programme_zh": "东湖大学附属儿童医院高级儿科重症医学专科医师培训项目",
}


@pytest.mark.parametrize("base", [FACE, CREDITS], ids=["completion", "credits"])
@pytest.mark.parametrize(
    "texts", [{"name_zh": "陈晓燕", "name_latin": "Chen Xiaoyan"}, LONG], ids=["short", "long"]
)
def test_a_print_of_110_dpi_still_proves_itself(
    tmp_path: Path, base: CertificateFace, texts: dict[str, str]
) -> None:
    face = replace(
        base,
        **texts,
        native_lang="",
        name_native="",
        serial="FFLY-2026-000412-K",
        verify_url=PAPER_URL,
        summary=summary.FORM,
    )
    code = summary.address_of(face, number=12_345, private_key=PAPER_KEY)
    (tmp_path / "one.pdf").write_bytes(rendering.render_face(face, address=code))
    run(
        "pdftoppm",
        "-r",
        "110",
        "-png",
        "-gray",
        "-f",
        "1",
        "-singlefile",
        tmp_path / "one.pdf",
        tmp_path / "one",
    )
    read = run("zbarimg", "--raw", "-q", tmp_path / "one.png").splitlines()[0]
    assert read == code
    assert summary.read(read, public_key=ed25519_public_key(PAPER_KEY)).code == summary.HOLDS
