"""Rebuild lms/fonts from the named packages; run it again only to take newer fonts.

    python tools/fonts.py            # needs npm, apt-get and dpkg-deb, a network, and uharfbuzz + fontTools

Sources, all under the SIL Open Font License 1.1:

* npm ``@expo-google-fonts/*``: complete TrueType files (TrueType outlines make a certificate three times
  smaller than the CFF collections of the distributions).
* Debian ``fonts-hanazono``: the ideographs of Extensions B to F that Noto Serif SC does not draw.
* Debian ``fonts-noto-core``: Noto Naskh Arabic 2.004. The newer 2.021 builds letters from a shape and its dots, which
  PDF cannot turn back into letters: a Uyghur name would be copied, and read aloud, wrongly.
* Debian ``unicode-data``: Unihan, which says what Extension B characters are more than dictionary ghosts.

What is done to them: Noto Serif SC Regular and the three native scripts are taken as they are. Bold is cut to
GB 2312 plus everything that is not an ideograph: it sets headings, never a name. Hanazono is cut to what is
missing and renamed, as its licence reserves its names.
"""

import bz2
import hashlib
import re
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterable
from io import BytesIO
from pathlib import Path

import uharfbuzz as hb
from fontTools.ttLib import TTFont

FOLDER = Path(__file__).resolve().parent.parent / "lms" / "fonts"

NPM = {
    "noto-serif-sc": "0.4.3",
    "noto-serif-tibetan": "0.4.2",
    "noto-sans-mongolian": "0.4.1",
}
DEBIAN = ("fonts-hanazono", "fonts-noto-core", "unicode-data")
AS_THEY_ARE = {
    "noto-serif-sc": "NotoSerifSC_400Regular.ttf",
    "noto-serif-tibetan": "NotoSerifTibetan_400Regular.ttf",
    "fonts-noto-core": "NotoNaskhArabic-Regular.ttf",
    "noto-sans-mongolian": "NotoSansMongolian_400Regular.ttf",
}
RARE_NAME = "Firefly Rare Han"

IDEOGRAPHS = ((0x3400, 0x4DBF), (0x4E00, 0x9FFF), (0xF900, 0xFAFF), (0x20000, 0x323AF))
EXTENSION_B = range(0x20000, 0x2A6E0)
EXTENSIONS_C_TO_F = range(0x2A700, 0x2EBF0)

# Registers that list an Extension B character because somebody writes it: Hong Kong, Macau and Japan's standards,
# Korean and British ones, modern Chinese dictionaries and encyclopedias, GB 18030, fangyan and scientific terms.
# Left out: Kangxi, Hanyu Da Zidian, the upper CNS 11643 planes and the Vietnamese list, which are mostly lexicography.
SOURCES_IN_USE = re.compile(
    r"kIRG_(?:HSource|MSource|JSource|KSource|UKSource|SSource)\t"
    r"|kIRG_GSource\t(?:GHC|GCH|GCY|GFZ|GBK|GU|GKJ|GGFZ|GHF|G3|GHZR)"
    r"|kIRG_TSource\t(?:T3|TA|TB|TC)-"
    r"|kUnihanCore2020\t|kTGHZ2013\t|kXHC1983\t|kTGH\t|kRSAdobe_Japan1_6\t"
)


def main() -> None:
    """Fetch the packages, cut what is to be cut and write lms/fonts."""
    with tempfile.TemporaryDirectory() as temporary:
        work = Path(temporary)
        for package, version in NPM.items():
            _unpack_npm(work, package, version)
        versions = {package: _unpack_debian(work, package) for package in DEBIAN}
        for package, file in AS_THEY_ARE.items():
            shutil.copyfile(next((work / package).rglob(file)), FOLDER / file)
            licence = "copyright" if package in DEBIAN else "LICENSE_FONT"
            shutil.copyfile(next((work / package).rglob(licence)), FOLDER / f"OFL-{package}.txt")
        regular = work / "noto-serif-sc" / "package" / "400Regular" / "NotoSerifSC_400Regular.ttf"
        bold = work / "noto-serif-sc" / "package" / "700Bold" / "NotoSerifSC_700Bold.ttf"
        (FOLDER / "NotoSerifSC_700Bold_GB2312.ttf").write_bytes(_cut(bold, _heading_characters(bold)))
        hanazono = next((work / "fonts-hanazono").rglob("HanaMinB.ttf"))
        rare = _rare_characters(
            work / "unicode-data", drawn=_coverage(regular), available=_coverage(hanazono)
        )
        (FOLDER / "FireflyRareHan.ttf").write_bytes(_rename(_cut(hanazono, rare), RARE_NAME))
        shutil.copyfile(
            next((work / "fonts-hanazono").rglob("copyright")),
            FOLDER / "OFL-hanazono.txt",
        )
    for package, version in versions.items():
        print(f"{package} {version}")
    for file in sorted(FOLDER.glob("*.ttf")):
        digest = hashlib.sha256(file.read_bytes()).hexdigest()
        print(
            f"{file.stat().st_size / 1e6:6.1f} MB  {len(_coverage(file)):6} characters  {digest[:16]}  {file.name}"
        )


def _unpack_npm(work: Path, package: str, version: str) -> None:
    target = work / package
    target.mkdir()
    subprocess.run(
        ["npm", "pack", "--silent", f"@expo-google-fonts/{package}@{version}"],
        cwd=target,
        check=True,
        stdout=subprocess.DEVNULL,
    )
    shutil.unpack_archive(next(target.glob("*.tgz")), target)


def _unpack_debian(work: Path, package: str) -> str:
    """Unpack a Debian package and return its version."""
    target = work / package
    target.mkdir()
    subprocess.run(["apt-get", "download", "-qq", package], cwd=target, check=True)
    archive = next(target.glob("*.deb"))
    subprocess.run(["dpkg-deb", "-x", archive, target], check=True)
    shown = subprocess.run(["dpkg-deb", "-f", archive, "Version"], check=True, capture_output=True, text=True)
    return shown.stdout.strip()


def _coverage(file: Path) -> set[int]:
    return set(hb.Face(hb.Blob.from_file_path(str(file))).unicodes)


def _is_ideograph(code_point: int) -> bool:
    return any(first <= code_point <= last for first, last in IDEOGRAPHS)


def _heading_characters(file: Path) -> set[int]:
    def in_gb2312(code_point: int) -> bool:
        try:
            chr(code_point).encode("gb2312")
        except UnicodeEncodeError:
            return False
        return True

    return {c for c in _coverage(file) if not _is_ideograph(c) or in_gb2312(c)}


def _rare_characters(unicode_data: Path, *, drawn: set[int], available: set[int]) -> set[int]:
    in_use: set[int] = set()
    for file in unicode_data.rglob("Unihan_*.txt.bz2"):
        for line in bz2.decompress(file.read_bytes()).decode().splitlines():
            code_point, _, rest = line.partition("\t")
            if code_point.startswith("U+") and SOURCES_IN_USE.match(rest):
                in_use.add(int(code_point.removeprefix("U+"), base=16))
    wanted = (in_use & set(EXTENSION_B)) | set(EXTENSIONS_C_TO_F)
    return (wanted & available) - drawn


def _cut(file: Path, characters: Iterable[int]) -> bytes:
    wanted = hb.SubsetInput()
    wanted.unicode_set.update(characters)
    wanted.layout_feature_tag_set.invert()  # all features: proportional widths make Latin quotes right
    wanted.flags = hb.SubsetFlags.NO_HINTING | hb.SubsetFlags.NOTDEF_OUTLINE
    subset = hb.subset(hb.Face(hb.Blob.from_file_path(str(file))), wanted)
    return bytes(subset.blob.data)


def _rename(data: bytes, family: str) -> bytes:
    font = TTFont(BytesIO(data), recalcTimestamp=False)
    postscript = family.replace(" ", "")
    names = {
        1: family,
        2: "Regular",
        3: f"{postscript};cut from HanaMinB 2.003",
        4: family,
        6: f"{postscript}-Regular",
    }
    font["name"].names = [record for record in font["name"].names if record.nameID in {0, 5, 13, 14}]
    for name_id, text in names.items():
        font["name"].setName(text, name_id, 3, 1, 0x409)
    font["OS/2"].usWeightClass = 400  # it stands beside a regular weight
    for unused in ("FFTM", "fpgm", "prep", "cvt "):
        if unused in font:
            del font[unused]
    out = BytesIO()
    font.save(out)
    return out.getvalue()


if __name__ == "__main__":
    sys.exit(main())
