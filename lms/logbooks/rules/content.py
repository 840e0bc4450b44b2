"""What an entry holds, by when it is written, and how an item is found.

Bands and enums are de-identification by construction: nothing in an entry is finer than a band.
"""

import re
import unicodedata
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from datetime import date, timedelta
from typing import Any, Protocol, TypeVar

from lms.core.errors import RuleBroken
from lms.core.i18n import _, lazy

ROLES: dict[str, str] = {
    "O": lazy("Observed"),
    "A": lazy("Assisted"),
    "S_TS": lazy("Did it, supervisor hands-on"),
    "S_TU": lazy("Did it, supervisor in the room"),
    "P": lazy("Did it alone"),
    "T": lazy("Taught a colleague"),
}
"""Operator role (the trainee's part), after the eLogbook codes; not the same as entrustment."""

AGE_BANDS: dict[str, str] = {
    "0-23h": lazy("0–23 hours"),
    "1-6d": lazy("1–6 days"),
    "7-28d": lazy("7–28 days"),
    "1-11mo": lazy("1–11 months"),
    "1-4y": lazy("1–4 years"),
    "5-12y": lazy("5–12 years"),
    "13-17y": lazy("13–17 years"),
}

GESTATION_BANDS: dict[str, str] = {
    "<28": lazy("under 28 weeks"),
    "28-31": lazy("28 to 31+6 weeks"),
    "32-33": lazy("32 to 33+6 weeks"),
    "34-36": lazy("34 to 36+6 weeks"),
    ">=37": lazy("37 weeks or more"),
}

WEIGHT_BANDS: dict[str, str] = {
    "<750g": lazy("under 750 g"),
    "750-999g": lazy("750–999 g"),
    "1000-1499g": lazy("1000–1499 g"),
    "1500-2499g": lazy("1500–2499 g"),
    "2500-3999g": lazy("2500–3999 g"),
    ">=4000g": lazy("4000 g or more"),
    "<10kg": lazy("under 10 kg"),
    "10-19kg": lazy("10–19 kg"),
    "20-39kg": lazy("20–39 kg"),
    ">=40kg": lazy("40 kg or more"),
}

SETTINGS: dict[str, str] = {
    "NICU": lazy("NICU"),
    "PICU": lazy("PICU"),
    "delivery": lazy("Delivery room"),
    "ED": lazy("Emergency department"),
    "theatre": lazy("Operating theatre"),
    "ward": lazy("Ward"),
    "transport": lazy("Transport"),
    "outreach": lazy("Outreach visit"),
    "simulation": lazy("Simulation centre"),
}

MODES: dict[str, str] = {
    "real": lazy("A real patient"),
    "simulation": lazy("Simulation"),
    "observed_broadcast": lazy("Watched by video link"),
}

COMPLICATIONS: dict[str, str] = {"none": lazy("None"), "minor": lazy("Minor"), "major": lazy("Major")}
COMPLICATION_KINDS: dict[str, str] = {
    "hypoxia": lazy("Low oxygen or slow heart"),
    "bleeding": lazy("Bleeding"),
    "air_leak": lazy("Air leak"),
    "malposition": lazy("Wrong position"),
    "infection": lazy("Infection"),
    "injury": lazy("Injury of tissue"),
    "other": lazy("Another one"),
}
SUCCESS: dict[str, str] = {"yes": lazy("Yes"), "no": lazy("No")}
SHIFTS: dict[str, str] = {"day": lazy("Day"), "night": lazy("Night")}
DIFFICULTIES: dict[str, str] = {"low": lazy("Easy"), "mod": lazy("Usual"), "high": lazy("Hard")}
KINDS: dict[str, str] = {
    "procedure": lazy("A procedure"),
    "patient_managed": lazy("A patient I looked after"),
    "event": lazy("An event: resuscitation, transport, consultation, talk with a family"),
    "teaching": lazy("Teaching"),
}
ROUTES: dict[str, str] = {
    "oral": lazy("Mouth"),
    "nasal": lazy("Nose"),
    "umbilical": lazy("Umbilical"),
    "peripheral": lazy("Peripheral vessel"),
    "central": lazy("Central vessel"),
    "intraosseous": lazy("Bone"),
    "other": lazy("Another route"),
}

O_SCORE: dict[int, str] = {
    1: lazy("I had to do it"),
    2: lazy("I had to talk them through"),
    3: lazy("I had to prompt from time to time"),
    4: lazy("I needed to be in the room just in case"),
    5: lazy("I did not need to be there"),
}
"""Retrospective entrustment of one observation (Gofton 2012), in the mentor's words."""

O_SCORE_SELF: dict[int, str] = {
    1: lazy("My supervisor did it"),
    2: lazy("I was talked through it"),
    3: lazy("I was prompted from time to time"),
    4: lazy("My supervisor was there just in case"),
    5: lazy("I did not need my supervisor there"),
}
"""The same scale in the trainee's words."""

RETURN_REASONS: dict[str, str] = {
    "incomplete": lazy("Please add what is missing."),
    "role": lazy("I see your part differently."),
    "complication": lazy("Please state the complications."),
    "talk": lazy("Let us talk about it first."),
    "other": lazy("Another reason"),
}
DECLINE_REASON = "not_present"
DECLINE_TEXT = lazy("I was not there. Please ask somebody else.")

NOTE_MAX = 500
WORDS_MAX = 500
INDICATION_MAX = 60
REFLECTION_MAX = 600
FORM_VERSION = 2

LATE_AFTER = timedelta(days=7)
REFUSED_AFTER = timedelta(days=30)

_ENUMS: dict[str, Iterable[str]] = {
    "operator_role": ROLES,
    "age_band": AGE_BANDS,
    "gestation_band": GESTATION_BANDS,
    "weight_band": WEIGHT_BANDS,
    "setting": SETTINGS,
    "mode": MODES,
    "success": SUCCESS,
    "complication": COMPLICATIONS,
    "complication_kind": COMPLICATION_KINDS,
    "shift": SHIFTS,
    "kind": KINDS,
    "device_route": ROUTES,
    "pain_relief": SUCCESS,
    "consent_seen": SUCCESS,
    "difficulty": DIFFICULTIES,
}
_ICD10 = re.compile(r"[A-Z][0-9]{2}")


@dataclass(frozen=True)
class Content:
    """The clinical facts of one entry, as the author gave them; empty means not given, and nothing is assumed."""

    operator_role: str = ""
    age_band: str = ""
    gestation_band: str = ""
    weight_band: str = ""
    setting: str = ""
    mode: str = ""
    attempts: int | None = None
    success: str = ""
    """``yes``, ``no`` or empty. Failures are logged too (L9): they are exposure, never competence."""
    complication: str = ""
    complication_kind: str = ""
    shift: str = ""
    kind: str = ""
    diagnosis: str = ""
    """ICD-10, three characters."""
    indication: str = ""
    device_route: str = ""
    pain_relief: str = ""
    consent_seen: str = ""
    difficulty: str = ""
    self_level: int | None = None
    """The trainee's own view on the O-SCORE, 1 to 5."""
    note: str = ""

    def as_json(self) -> dict[str, Any]:
        """Only what was given."""
        return {name: value for name, value in asdict(self).items() if value not in ("", None)}

    @classmethod
    def of_json(cls, stored: Mapping[str, Any]) -> "Content":
        """What ``as_json`` wrote; fields of later forms are left alone."""
        return cls(**{name: value for name, value in stored.items() if name in cls.__dataclass_fields__})


def require_known(content: Content) -> None:
    """Every enum holds one of its values, every number lies in its range, the note is not too long."""
    for name, allowed in _ENUMS.items():
        value = getattr(content, name)
        if value and value not in allowed:
            raise RuleBroken("unknown_value", _("Choose one of the answers given."), field=name)
    if content.attempts is not None and not 1 <= content.attempts <= 20:
        raise RuleBroken("attempts", _("Give a number of attempts from 1 to 20."), field="attempts")
    if content.self_level is not None and content.self_level not in O_SCORE:
        raise RuleBroken("unknown_value", _("Choose one of the answers given."), field="self_level")
    if content.diagnosis and not _ICD10.fullmatch(content.diagnosis):
        raise RuleBroken(
            "diagnosis",
            _("Give the first three characters of the ICD-10 code, such as P22."),
            field="diagnosis",
        )
    if len(content.indication) > INDICATION_MAX:
        raise RuleBroken(
            "indication_long", _("Use at most %(max)s characters.", max=INDICATION_MAX), field="indication"
        )
    if len(content.note) > NOTE_MAX:
        raise RuleBroken("note_long", _("Use at most %(max)s characters.", max=NOTE_MAX), field="note")


def require_complete(content: Content) -> None:
    """What a signer must be able to read: the trainee's part and the child's age band."""
    if not content.operator_role:
        raise RuleBroken("role_missing", _("Choose your part."), field="operator_role")
    if not content.age_band:
        raise RuleBroken("age_missing", _("Choose the child’s age."), field="age_band")


def require_day(performed_on: date, *, today: date, first_submitted_on: date, let_in: bool = False) -> None:
    """L5 and L6: no future dates, and nothing first submitted more than thirty days after it was done.

    ``let_in``: the coordinator has let late entries of this day in, with a reason.
    """
    if performed_on > today:
        raise RuleBroken("future", _("This day has not come yet."), field="performed_on")
    if first_submitted_on - performed_on > REFUSED_AFTER and not let_in:
        raise RuleBroken(
            "too_late",
            _("This was more than 30 days ago. Ask your coordinator how it can still be recorded."),
            field="performed_on",
        )


def is_late(performed_on: date, *, first_submitted_on: date) -> bool:
    """L5: submitted more than seven days after it was done. A later correction does not make an entry late."""
    return first_submitted_on - performed_on > LATE_AFTER


def require_signer(
    author_person_id: int, signer_person_id: int | None, valid_person_ids: Sequence[int]
) -> int:
    """L1 and the pairing of the day: the signer, by default the primary mentor (first of ``valid_person_ids``)."""
    if signer_person_id is None:
        if not valid_person_ids:
            raise RuleBroken(
                "no_signer", _("You had no mentor on this day. Ask your coordinator."), field="signer"
            )
        signer_person_id = valid_person_ids[0]
    if signer_person_id == author_person_id:
        raise RuleBroken("own_entry", _("Nobody signs their own entry."), field="signer")
    if signer_person_id not in valid_person_ids:
        raise RuleBroken(
            "signer_invalid",
            _("This person did not supervise you on this day. Choose another."),
            field="signer",
        )
    return signer_person_id


# ---------------------------------------------------------------- finding an item


class Named(Protocol):
    """What can be searched by name."""

    code: Any
    title_zh: Any
    title_en: Any
    initials: Any


Found = TypeVar("Found", bound=Named)


def find_items(among: Iterable[Found], text: str) -> list[Found]:
    """Items whose code, Chinese title, pinyin initials or English title hold ``text``; an exact code or title alone wins."""
    wanted = _folded(text)
    if not wanted:
        return []
    found: list[Found] = []
    for item in among:
        names = {
            _folded(name)
            for title in (item.title_zh, item.title_en)
            for name in (title, f"{item.code}{title}")
        }
        if wanted in names or wanted == item.code.lower():
            return [item]
        if any(wanted in name for name in names) or wanted in item.initials:
            found.append(item)
    return found


def _folded(text: str) -> str:
    """Text as it is compared: width and case folded, letters, digits and characters only."""
    return "".join(letter for letter in unicodedata.normalize("NFKC", text).casefold() if letter.isalnum())
