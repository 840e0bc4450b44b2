"""What stands on a certificate: facts copied when it is issued and never read again from anywhere else."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields
from datetime import date
from typing import Any
from urllib.parse import urlsplit

from lms.certificates.rules import CREDIT

RIGHT_TO_LEFT = frozenset(("ar", "ckb", "fa", "he", "kk-arab", "ky-arab", "ug", "ur"))
"""Languages whose native names run from the right (primary tag, or tag with its script)."""


ANNEX_ROWS = 10
"""Lines on one sheet of the annex, so few that long titles still fit."""

LEVELS = {
    1: ("仅可观摩", "may watch only"),
    2: ("直接监督下操作，监督者在场", "direct supervision, the supervisor in the room"),
    3: ("间接监督下操作，监督者可迅速到场", "indirect supervision, the supervisor quickly at hand"),
    4: ("独立操作，监督者可联系到", "unsupervised, the supervisor within reach"),
    5: ("可监督他人", "may supervise others"),
}
"""ten Cate's levels of supervision as they are printed."""


@dataclass(frozen=True)
class AnnexLine:
    """One procedure that the competence committee has entrusted the holder with."""

    code: str
    title_zh: str
    title_en: str
    level: int
    """ten Cate, 1 to 5."""
    from_on: date

    @property
    def level_zh(self) -> str:
        """The level in Chinese words."""
        return LEVELS[self.level][0]

    @property
    def level_en(self) -> str:
        """The level in English words."""
        return LEVELS[self.level][1]


@dataclass(frozen=True, kw_only=True)
class CertificateFace:
    """The facts of one certificate of completion. Texts in Chinese and English; English may be empty, Chinese not.

    Raises ``ValueError`` for a face that no certificate can have: no serial, nobody's name, an end before the start.
    """

    serial: str
    name_zh: str
    """The holder's name as the identity card writes it; empty for a person without a Chinese name."""
    name_latin: str
    name_native: str = ""
    """The name in its own script (Tibetan, Uyghur, Mongolian…)."""
    native_lang: str = ""
    """BCP 47 tag of ``name_native``: ``bo``, ``ug``, ``mn``."""
    hospital_zh: str
    """The holder's home hospital."""
    hospital_en: str
    programme_zh: str
    programme_en: str
    cohort_zh: str
    cohort_en: str
    sponsor_zh: str
    """Who holds the programme and answers for the certificate."""
    sponsor_en: str
    from_on: date
    to_on: date
    weeks: int
    units: tuple[tuple[str, str], ...] = ()
    """Where the holder was placed, in order: (Chinese, English)."""
    hours: int | None = None
    """Learning hours; ``None`` where the programme does not count them."""
    director_name: str
    issued_on: date
    verify_url: str
    """The public address that answers for this serial; also in the QR code."""
    demo: bool = False
    """Printed as a sample: the demonstration programme qualifies nobody."""
    annex: tuple[AnnexLine, ...] = ()
    """What the holder is entrusted with on the day of issue; printed on sheets of its own behind the first."""
    summary: int = 0
    """Form of the signed summary in the QR code (lms/certificates/summary.py); 0: it carries none, as on older certificates."""

    def __post_init__(self) -> None:
        if not self.serial or not self.name or not self.hospital_zh or not self.programme_zh:
            raise ValueError("a certificate needs a serial, a holder, a hospital and a programme")
        if self.to_on < self.from_on or self.weeks < 1:
            raise ValueError("a programme takes at least a week and ends after it begins")
        if self.name_native and not self.native_lang:
            raise ValueError("a native name needs its language")
        if urlsplit(self.verify_url).scheme not in {"http", "https"}:
            raise ValueError("verify_url must be an absolute web address")

    @property
    def name(self) -> str:
        """The name in large letters."""
        return self.name_zh or self.name_latin

    @property
    def native_direction(self) -> str:
        """``rtl`` or ``ltr``, for the name in its own script."""
        tag = self.native_lang.lower()
        return "rtl" if tag in RIGHT_TO_LEFT or tag.split("-")[0] in RIGHT_TO_LEFT else "ltr"

    @property
    def verify_address(self) -> str:
        """``verify_url`` as one types it: without its scheme, query and fragment."""
        parts = urlsplit(self.verify_url)
        return f"{parts.netloc}{parts.path}"

    @property
    def units_zh(self) -> str:
        """The units, ``甲、乙``."""
        return "、".join(zh for zh, _ in self.units)

    @property
    def units_en(self) -> str:
        """The units, ``A, B and C``; a unit without an English name stands in Chinese."""
        *others, last = [en or zh for zh, en in self.units] or [""]
        return f"{', '.join(others)} and {last}" if others else last

    @property
    def annex_sheets(self) -> tuple[tuple[AnnexLine, ...], ...]:
        """The annex as it is laid on sheets."""
        return tuple(
            self.annex[first : first + ANNEX_ROWS] for first in range(0, len(self.annex), ANNEX_ROWS)
        )

    @property
    def from_on_zh(self) -> str:
        """First day, ``2026年3月2日``."""
        return date_zh(self.from_on)

    @property
    def from_on_en(self) -> str:
        """First day, ``2 March 2026``."""
        return date_en(self.from_on)

    @property
    def to_on_zh(self) -> str:
        """Last day in Chinese."""
        return date_zh(self.to_on)

    @property
    def to_on_en(self) -> str:
        """Last day in English."""
        return date_en(self.to_on)

    @property
    def issued_on_zh(self) -> str:
        """Day of issue in Chinese."""
        return date_zh(self.issued_on)

    @property
    def issued_on_en(self) -> str:
        """Day of issue in English."""
        return date_en(self.issued_on)

    def facts(self) -> dict[str, Any]:
        """All fields as JSON can say them, to be kept in the register and digested."""
        values = {field.name: getattr(self, field.name) for field in fields(self)}
        days = {name: value.isoformat() for name, value in values.items() if isinstance(value, date)}
        lines = [asdict(one) | {"from_on": one.from_on.isoformat()} for one in self.annex]
        values.pop("annex")
        if not self.summary:
            values.pop("summary")  # as in facts from before there was one
        return (
            values
            | days
            | {"units": [list(unit) for unit in self.units]}
            | ({"annex": lines} if lines else {})  # facts from before there was an annex have none either
        )

    @classmethod
    def from_facts(cls, facts: Mapping[str, Any]) -> "CertificateFace":
        """The face that ``facts()`` came from."""
        days = {name: date.fromisoformat(facts[name]) for name in ("from_on", "to_on", "issued_on")}
        units = tuple((zh, en) for zh, en in facts["units"])
        annex = tuple(
            AnnexLine(**{**one, "from_on": date.fromisoformat(one["from_on"])})
            for one in facts.get("annex", ())
        )
        return cls(**{**facts, **days, "units": units, "annex": annex})


@dataclass(frozen=True)
class CreditYear:
    """What one calendar year brought under one table; numbers as they are printed."""

    year: int
    table: str
    credits: str
    hours: str


@dataclass(frozen=True, kw_only=True)
class CreditFace(CertificateFace):
    """The facts of one certificate of credits: what the ledger held for the period from ``from_on`` to ``to_on``."""

    kind: str = CREDIT
    credits: str
    """All years together."""
    study_hours: str
    """学时 of all years together; not derived from the credits."""
    minutes: int
    """Attended, all activities together."""
    years: tuple[CreditYear, ...]
    project_number: str = ""
    """项目编号 of the approved project; empty where there is none."""

    def facts(self) -> dict[str, Any]:
        """All fields as JSON can say them."""
        return super().facts() | {"years": [asdict(one) for one in self.years]}

    @classmethod
    def from_facts(cls, facts: Mapping[str, Any]) -> "CreditFace":
        """The face that ``facts()`` came from."""
        years = tuple(CreditYear(**one) for one in facts["years"])
        return super().from_facts({**facts, "years": years})  # type: ignore[return-value]  # made by cls


def face_from(facts: Mapping[str, Any]) -> CertificateFace:
    """The face of whatever kind the facts are of; those from before there were two say no kind."""
    return (CreditFace if facts.get("kind") == CREDIT else CertificateFace).from_facts(facts)


MONTHS = [
    "January",
    "February",
    "March",
    "April",
    "May",
    "June",
    "July",
    "August",
    "September",
    "October",
    "November",
    "December",
]


def date_zh(day: date) -> str:
    """``2026年3月2日``, as documents in China write a day."""
    return f"{day.year}年{day.month}月{day.day}日"


def date_en(day: date) -> str:
    """``2 March 2026``, whatever the machine's locale; day and month stay on one line."""
    return f"{day.day}\N{NO-BREAK SPACE}{MONTHS[day.month - 1]} {day.year}"
