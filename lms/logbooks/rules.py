"""Pure decisions about log entries: the state machine, what an entry must hold, what a signature binds.

Bands and enums are de-identification by construction: nothing in an entry is finer than a band.
"""

import unicodedata
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from datetime import date, timedelta
from typing import Any, Protocol, TypeVar

from lms.core.digests import digest_of
from lms.core.errors import RuleBroken
from lms.core.i18n import _, lazy

# ---------------------------------------------------------------- the state machine

DRAFT, SUBMITTED, RETURNED, DECLINED, SIGNED = "draft", "submitted", "returned", "declined", "signed"
COUNTERSIGNED, SUPERSEDED, VOIDED, LAPSED, DISCARDED = (
    "countersigned",
    "superseded",
    "voided",
    "lapsed",
    "discarded",
)

STATES: dict[str, str] = {
    DRAFT: lazy("Draft"),
    SUBMITTED: lazy("Waiting for a signature"),
    RETURNED: lazy("Returned"),
    DECLINED: lazy("Needs another signer"),
    SIGNED: lazy("Signed"),
    COUNTERSIGNED: lazy("Signed by two"),
    SUPERSEDED: lazy("Replaced by a later version"),
    VOIDED: lazy("Void"),
    LAPSED: lazy("Lapsed"),
    DISCARDED: lazy("Discarded"),
}


@dataclass(frozen=True)
class Move:
    """One act of the state machine."""

    before: frozenset[str]
    after: str
    who: str
    """``author``, ``signer``, ``second``, ``director`` or ``clock``."""


MOVES: dict[str, Move] = {
    "submit": Move(frozenset({DRAFT}), SUBMITTED, "author"),
    "resubmit": Move(frozenset({RETURNED, DECLINED}), SUBMITTED, "author"),
    "recall": Move(frozenset({SUBMITTED}), DRAFT, "author"),
    "discard": Move(frozenset({DRAFT}), DISCARDED, "author"),
    "sign": Move(frozenset({SUBMITTED}), SIGNED, "signer"),
    "return": Move(frozenset({SUBMITTED}), RETURNED, "signer"),
    "decline": Move(frozenset({SUBMITTED}), DECLINED, "signer"),
    # Where the machine goes on; no page offers these yet, and the database already knows them.
    "countersign": Move(frozenset({SIGNED}), COUNTERSIGNED, "second"),
    "supersede": Move(frozenset({SIGNED, COUNTERSIGNED}), SUPERSEDED, "author"),
    "void": Move(frozenset({SIGNED, COUNTERSIGNED}), VOIDED, "director"),
    "lapse": Move(frozenset({DRAFT, SUBMITTED, RETURNED, DECLINED}), LAPSED, "clock"),
}

IN_HAND = frozenset({DRAFT, RETURNED, DECLINED})
"""The author may write in it."""

COUNTED = frozenset({SIGNED, COUNTERSIGNED})
"""L4: only these count towards anything."""

SHOWN = (RETURNED, DECLINED, DRAFT, SUBMITTED, SIGNED, COUNTERSIGNED, LAPSED, VOIDED, SUPERSEDED)
"""States in the author's list, in the order in which they ask for attention."""


def move(state: str, act: str) -> str:
    """The state after ``act``. Raises RuleBroken ``entry_state`` where the machine has no such way."""
    way = MOVES[act]
    if state not in way.before:
        raise RuleBroken(
            "entry_state",
            _("This entry is in another state now: %(state)s. Reload the page.", state=str(STATES[state])),
        )
    return way.after


def acts(state: str, *, who: str, opened: bool, submitted_before: bool) -> list[str]:
    """What the author or the signer may do with an entry now; buttons are drawn from this."""
    found = [
        act for act, way in MOVES.items() if way.who == who and state in way.before and act != "supersede"
    ]
    return [
        act
        for act in found
        if not (act == "recall" and opened) and not (act == "discard" and submitted_before)
    ]


def require_unopened(*, opened: bool) -> None:
    """A submitted entry can be taken back only while its signer has not seen it."""
    if opened:
        raise RuleBroken(
            "entry_opened", _("Your mentor has already opened this entry. Ask for it to be returned.")
        )


def require_never_submitted(*, revision_no: int) -> None:
    """What a signer may have seen is kept; only a draft that never left can be thrown away."""
    if revision_no:
        raise RuleBroken("entry_kept", _("This entry was sent before and is kept."))


# ---------------------------------------------------------------- what an entry holds

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
SUCCESS: dict[str, str] = {"yes": lazy("Yes"), "no": lazy("No")}

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
FORM_VERSION = 1

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
}


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
    if len(content.note) > NOTE_MAX:
        raise RuleBroken("note_long", _("Use at most %(max)s characters.", max=NOTE_MAX), field="note")


def require_complete(content: Content) -> None:
    """What a signer must be able to read: the trainee's part and the child's age band."""
    if not content.operator_role:
        raise RuleBroken("role_missing", _("Choose your part."), field="operator_role")
    if not content.age_band:
        raise RuleBroken("age_missing", _("Choose the child’s age."), field="age_band")


def require_day(performed_on: date, *, today: date, first_submitted_on: date) -> None:
    """L5 and L6: no future dates, and nothing first submitted more than thirty days after it was done."""
    if performed_on > today:
        raise RuleBroken("future", _("This day has not come yet."), field="performed_on")
    if first_submitted_on - performed_on > REFUSED_AFTER:
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


# ---------------------------------------------------------------- what a signature binds


def require_level(level: int) -> None:
    """The O-SCORE has five levels."""
    if level not in O_SCORE:
        raise RuleBroken("level", _("Choose a level from 1 to 5."), field="level")


def require_words(level: int, content: Content, words: str) -> None:
    """Level 1 or 2, or a major complication, needs a sentence that the trainee can learn from."""
    if len(words) > WORDS_MAX:
        raise RuleBroken("words_long", _("Use at most %(max)s characters.", max=WORDS_MAX), field="words")
    if words:
        return
    if level <= 2:
        raise RuleBroken(
            "words_missing",
            _("At level 1 or 2, write one sentence: what should be different next time?"),
            field="words",
        )
    if content.complication == "major":
        raise RuleBroken(
            "words_missing",
            _("After a major complication, write one sentence about what happened."),
            field="words",
        )


def require_reason(reason: str, words: str) -> None:
    """An entry goes back with a reason that can be read: one of the phrases, or the signer's own words."""
    if reason and reason != DECLINE_REASON and reason not in RETURN_REASONS:
        raise RuleBroken("unknown_value", _("Choose one of the answers given."), field="reason")
    if len(words) > WORDS_MAX:
        raise RuleBroken("words_long", _("Use at most %(max)s characters.", max=WORDS_MAX), field="words")
    if not words and reason in {"", "other"}:
        raise RuleBroken("reason_missing", _("Write what should change."), field="words")


def require_revision(shown: int, now: int) -> None:
    """A signer decides on what was on the screen, not on what replaced it meanwhile."""
    if shown != now:
        raise RuleBroken("revision", _("This entry was changed after you opened it. Read it once more."))


def statement(
    *,
    payload_sha256: str,
    signer: str,
    acted_as: str,
    kind: str,
    level: int,
    words: str,
    method: str,
    signed_at: str,
) -> dict[str, Any]:
    """What the signer says by signing; its digest seals level and words to the record they are about."""
    return {
        "payload_sha256": payload_sha256,
        "signer": signer,
        "acted_as": acted_as,
        "kind": kind,
        "level": level,
        "words": words,
        "method": method,
        "signed_at": signed_at,
    }


def broken_link(
    *,
    payload: Mapping[str, Any],
    revision_sha256: str,
    signed_payload_sha256: str,
    said: Mapping[str, Any],
    statement_sha256: str,
    witnessed: Mapping[str, Any] | None,
) -> str:
    """Re-check a signature: empty when it fits the record, else the first link that does not hold.

    ``record``: the payload is not what was signed (L2). ``statement``: level, words, signer or time are not what was
    said. ``trail``: the audit trail witnessed something else, or nothing.
    """
    computed = digest_of(dict(payload))
    if not computed == revision_sha256 == signed_payload_sha256:
        return "record"
    if digest_of(dict(said)) != statement_sha256:
        return "statement"
    if witnessed is None or (witnessed.get("payload"), witnessed.get("statement")) != (
        computed,
        statement_sha256,
    ):
        return "trail"
    return ""
