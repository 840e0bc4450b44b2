"""Assessments in the workplace: their forms as data, their life as data, and what is asked of whoever fills one in.

The overall level is the O-SCORE (retrospective, about this one event); the domains have a scale of their own, in
three steps with anchor words. The two are different families and never meet in one number.
"""

from collections import Counter
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import date, timedelta
from typing import Any

from lms.core.errors import RuleBroken
from lms.core.i18n import _, lazy
from lms.logbooks.rules.content import AGE_BANDS, O_SCORE, SETTINGS
from lms.logbooks.rules.states import Move

FORM_VERSION = 1
TEXT_MAX = 500
FOCUS_MAX = 200

FAMILY_LEVEL = "ES_retrospective"
"""Family of the overall level: entrustment looking back on one event (O-SCORE, ``rules.O_SCORE``)."""
FAMILY_DOMAIN = "milestone"
"""Family of the domains: how the trainee did, against what is expected at this stage."""

STEPS: dict[int, str] = {1: lazy("Not yet"), 2: lazy("As expected"), 3: lazy("Beyond")}


@dataclass(frozen=True)
class Domain:
    """One line of a form, with the words for both ends of its scale."""

    code: str
    name: str
    low: str
    """Anchor of step 1."""
    high: str
    """Anchor of step 3."""


def _domain(code: str, name: str, low: str, high: str) -> Domain:
    return Domain(code, name, low, high)


_JUDGEMENT = _domain(
    "judgement",
    lazy("Clinical judgement"),
    lazy("Misses the main problem"),
    lazy("Weighs risks and says why"),
)
_TEAM = _domain(
    "team",
    lazy("Work with the team"),
    lazy("Leaves others guessing"),
    lazy("Everybody knows what is next"),
)
_FAMILY = _domain(
    "family",
    lazy("Words for the family"),
    lazy("Technical, in haste"),
    lazy("Plain, asks what was understood"),
)
_LIMITS = _domain(
    "limits",
    lazy("Knows own limits"),
    lazy("Calls for help too late"),
    lazy("Calls early, says what for"),
)


@dataclass(frozen=True)
class Kind:
    """One kind of assessment."""

    code: str
    name: str
    about: str
    """What is looked at, in one line."""
    domains: tuple[Domain, ...]


KINDS: dict[str, Kind] = {
    kind.code: kind
    for kind in (
        Kind(
            "mini_cex",
            lazy("Mini-CEX"),
            lazy("A piece of a consultation, watched"),
            (
                _domain(
                    "history",
                    lazy("History taking"),
                    lazy("Asks by list, misses danger signs"),
                    lazy("Goes straight to what matters"),
                ),
                _domain(
                    "examination",
                    lazy("Examination"),
                    lazy("Unordered, disturbs the child"),
                    lazy("Gentle, complete, by priority"),
                ),
                _JUDGEMENT,
                _FAMILY,
                _LIMITS,
            ),
        ),
        Kind(
            "dops",
            lazy("DOPS"),
            lazy("A procedure, watched"),
            (
                _domain(
                    "preparation",
                    lazy("Indication, consent, preparation"),
                    lazy("Starts without a check"),
                    lazy("Checks all, has a plan B"),
                ),
                _domain(
                    "asepsis",
                    lazy("Asepsis and safety"),
                    lazy("Breaks the sterile field"),
                    lazy("Keeps it and says when it breaks"),
                ),
                _domain(
                    "technique",
                    lazy("Technique"),
                    lazy("Needs a hand to go on"),
                    lazy("Sure, economical, adapts"),
                ),
                _domain(
                    "comfort",
                    lazy("Pain relief and comfort"),
                    lazy("Not thought of"),
                    lazy("Planned and watched throughout"),
                ),
                _domain(
                    "aftercare",
                    lazy("After the procedure"),
                    lazy("Leaves without check or note"),
                    lazy("Checks, documents, instructs"),
                ),
            ),
        ),
        Kind(
            "cbd",
            lazy("Case-based discussion (CbD)"),
            lazy("A case of the trainee’s, talked through"),
            (
                _domain(
                    "record",
                    lazy("Record keeping"),
                    lazy("Gaps that others stumble over"),
                    lazy("Anybody could take over from it"),
                ),
                _domain(
                    "assessment",
                    lazy("Assessment and differential"),
                    lazy("One diagnosis, no reasons"),
                    lazy("Ranked, with reasons for and against"),
                ),
                _domain(
                    "treatment",
                    lazy("Tests and treatment"),
                    lazy("By habit"),
                    lazy("Each has its reason and its end"),
                ),
                _domain(
                    "follow_up",
                    lazy("Follow-up and what was learnt"),
                    lazy("Ends at discharge"),
                    lazy("Plans ahead, looks up what was open"),
                ),
                _JUDGEMENT,
            ),
        ),
        Kind(
            "handover",
            lazy("Handover (HAT)"),
            lazy("One handover, listened to"),
            (
                _domain(
                    "severity",
                    lazy("The sickest first"),
                    lazy("In order of the beds"),
                    lazy("Says who may get worse and how"),
                ),
                _domain(
                    "summary",
                    lazy("I-SBAR summary"),
                    lazy("A story without a point"),
                    lazy("Short, complete, in order"),
                ),
                _domain(
                    "actions",
                    lazy("Open tasks"),
                    lazy("Who does what stays open"),
                    lazy("Each with a name and a time"),
                ),
                _domain(
                    "read_back",
                    lazy("Questions and read-back"),
                    lazy("Goes on without asking"),
                    lazy("Lets the other repeat the plan"),
                ),
            ),
        ),
        Kind(
            "transport",
            lazy("Transport of a child"),
            lazy("A transport, from the call to the handover"),
            (
                _domain(
                    "stabilise",
                    lazy("Stabilised before leaving"),
                    lazy("Leaves with open problems"),
                    lazy("Airway, lines, warmth, sugar secured"),
                ),
                _domain(
                    "equipment",
                    lazy("Equipment and drugs"),
                    lazy("Found missing on the way"),
                    lazy("Checked, with reserves"),
                ),
                _domain(
                    "en_route",
                    lazy("On the way"),
                    lazy("Notices changes late"),
                    lazy("Sees it coming, acts, records"),
                ),
                _TEAM,
                _FAMILY,
            ),
        ),
        Kind(
            "resus_lead",
            lazy("Leading a resuscitation"),
            lazy("The trainee led the team"),
            (
                _domain(
                    "roles",
                    lazy("Gives out roles"),
                    lazy("Hands-on, nobody leads"),
                    lazy("At the foot end, all have a task"),
                ),
                _domain(
                    "sequence",
                    lazy("Keeps to the sequence"),
                    lazy("Loses steps or time"),
                    lazy("On time, reasons reversible causes"),
                ),
                _domain(
                    "loop",
                    lazy("Closed-loop communication"),
                    lazy("Orders into the room"),
                    lazy("By name, confirmed, done"),
                ),
                _domain(
                    "overview",
                    lazy("Keeps the overview"),
                    lazy("Drawn into one task"),
                    lazy("Sums up aloud, invites ideas"),
                ),
                _domain(
                    "debrief",
                    lazy("Debriefing"),
                    lazy("None"),
                    lazy("Calm, all speak, one thing changes"),
                ),
            ),
        ),
        Kind(
            "family_talk",
            lazy("Talk with a family"),
            lazy("Serious news, consent or a conflict"),
            (
                _domain(
                    "setting_up",
                    lazy("Preparing the talk"),
                    lazy("In the corridor, unprepared"),
                    lazy("Quiet place, right people, facts known"),
                ),
                _domain(
                    "listening",
                    lazy("Listening"),
                    lazy("Speaks most of the time"),
                    lazy("Lets them speak, bears silence"),
                ),
                _FAMILY,
                _domain(
                    "feelings",
                    lazy("Answers feelings"),
                    lazy("Passes over them"),
                    lazy("Names them, gives time"),
                ),
                _domain(
                    "plan",
                    lazy("A shared plan"),
                    lazy("Ends without a next step"),
                    lazy("Next step and contact agreed"),
                ),
            ),
        ),
    )
}

PHRASES: dict[str, tuple[str, ...]] = {
    "strength": (
        lazy("Well prepared, calm and ordered."),
        lazy("Saw the priority at once."),
        lazy("Clear words for team and family."),
    ),
    "improvement": (
        lazy("Say your plan aloud before you begin."),
        lazy("Call for help one step earlier."),
        lazy("Check once more before you finish."),
    ),
    "plan": (
        lazy("Do the next one with me watching, within two weeks."),
        lazy("Practise on the manikin, then show it."),
        lazy("Read the unit’s guideline and tell me three points."),
    ),
}
"""Quick phrases for a thumb; what is sent is what stands in the field."""

# ---------------------------------------------------------------- its life

REQUESTED, SUBMITTED, RESPONDED = "requested", "submitted", "responded"
DECLINED, CANCELLED, LAPSED, VOIDED = "declined", "cancelled", "lapsed", "voided"

STATES: dict[str, str] = {
    REQUESTED: lazy("Asked for"),
    SUBMITTED: lazy("Assessed"),
    RESPONDED: lazy("Answered by the trainee"),
    DECLINED: lazy("Declined"),
    CANCELLED: lazy("Taken back"),
    LAPSED: lazy("Lapsed"),
    VOIDED: lazy("Void"),
}

TRAINEE, ASSESSOR, DIRECTOR, CLOCK = "trainee", "assessor", "director", "clock"

MOVES: dict[str, Move] = {
    "submit": Move(frozenset({REQUESTED}), SUBMITTED, (ASSESSOR,)),
    "decline": Move(frozenset({REQUESTED}), DECLINED, (ASSESSOR,)),
    "cancel": Move(frozenset({REQUESTED}), CANCELLED, (TRAINEE,)),
    "respond": Move(frozenset({SUBMITTED}), RESPONDED, (TRAINEE,)),
    "void": Move(frozenset({SUBMITTED, RESPONDED}), VOIDED, (DIRECTOR,)),
    "remind": Move(frozenset({REQUESTED}), REQUESTED, (CLOCK,)),
    "lapse": Move(frozenset({REQUESTED}), LAPSED, (CLOCK,)),
}

COUNTED = frozenset({SUBMITTED, RESPONDED})
"""Assessed, signed and not void."""

STARTS_WITHIN = timedelta(days=7)
"""After the event: whoever starts it, memory is fresh."""
REMINDS_AFTER = (timedelta(days=3), timedelta(days=7))
LAPSES_AFTER = timedelta(days=14)

DECLINE_REASONS: dict[str, str] = {
    "not_present": lazy("I did not see it"),
    "too_long_ago": lazy("I no longer remember it well"),
    "talk": lazy("Let us talk about it first."),
}
VOID_REASONS: dict[str, str] = {
    "duplicate": lazy("Entered twice"),
    "identifying": lazy("It could identify a patient"),
    "misconduct": lazy("It did not happen as written"),
}


def move(state: str, act: str) -> str:
    """The state after ``act``. Raises RuleBroken ``assessment_state`` where the machine has no such way."""
    way = MOVES[act]
    if state not in way.before:
        raise RuleBroken(
            "assessment_state",
            _(
                "This assessment is in another state now: %(state)s. Reload the page.",
                state=str(STATES[state]),
            ),
        )
    return way.after


def acts(state: str, *, hands: Collection[str]) -> list[str]:
    """What may be done now by whoever holds these hands; buttons are drawn from this."""
    return [act for act, way in MOVES.items() if state in way.before and set(way.hands) & set(hands)]


def stage_of(waited: timedelta) -> int:
    """How many reminders are due by now."""
    return sum(waited >= limit for limit in REMINDS_AFTER)


# ---------------------------------------------------------------- what is asked


def require_request(kind: str, setting: str, age_band: str, focus: str) -> None:
    """Kind, place and band are known codes; the wish is short."""
    if kind not in KINDS:
        raise RuleBroken("unknown_value", _("Choose what should be assessed."), field="kind")
    if setting and setting not in SETTINGS:
        raise RuleBroken("unknown_value", _("Choose one of the answers given."), field="setting")
    if age_band and age_band not in AGE_BANDS:
        raise RuleBroken("unknown_value", _("Choose one of the answers given."), field="age_band")
    if len(focus) > FOCUS_MAX:
        raise RuleBroken("words_long", _("Use at most %(max)s characters.", max=FOCUS_MAX), field="focus")


def require_day(happened_on: date, *, today: date) -> None:
    """Not in the future, and started within seven days of the event."""
    if happened_on > today:
        raise RuleBroken("future", _("This day has not come yet."), field="happened_on")
    if today - happened_on > STARTS_WITHIN:
        raise RuleBroken(
            "too_late",
            _("An assessment starts within seven days of the event. This day is longer ago."),
            field="happened_on",
        )


def require_assessor(trainee_person_id: int, assessor_person_id: int, valid: Collection[int]) -> None:
    """Nobody assesses themselves, whatever the account; and only people of the programme assess."""
    if assessor_person_id == trainee_person_id:
        raise RuleBroken("own_assessment", _("Nobody assesses themselves."), field="assessor")
    if assessor_person_id not in valid:
        raise RuleBroken(
            "assessor_invalid", _("This person does not assess in your programme."), field="assessor"
        )


def require_form(
    kind: str, ratings: Mapping[str, int], level: int, *, strength: str, improvement: str, plan: str
) -> None:
    """A complete form: known domains and steps, at least one seen, the level, and the three sentences."""
    known = {domain.code for domain in KINDS[kind].domains}
    if set(ratings) - known or any(step not in STEPS for step in ratings.values()):
        raise RuleBroken("unknown_value", _("Choose one of the answers given."))
    if not ratings:
        raise RuleBroken("nothing_seen", _("Rate at least one thing that you saw."))
    if level not in O_SCORE:
        raise RuleBroken("level", _("Choose a level from 1 to 5."), field="level")
    for field, text in (("strength", strength), ("improvement", improvement), ("plan", plan)):
        if not text:
            raise RuleBroken(f"{field}_missing", _("One sentence is needed here."), field=field)
        require_short(text, field)


def require_short(text: str, field: str) -> None:
    """Free text stays short."""
    if len(text) > TEXT_MAX:
        raise RuleBroken("words_long", _("Use at most %(max)s characters.", max=TEXT_MAX), field=field)


def require_decline(reason: str) -> None:
    """A refusal has one of the reasons."""
    if reason not in DECLINE_REASONS:
        raise RuleBroken("reason_missing", _("Choose a reason."), field="reason")


@dataclass(frozen=True)
class Filled:
    """What an assessor put into a form."""

    level: int
    """O-SCORE, 1 to 5; 0 where none was chosen."""
    ratings: Mapping[str, int]
    """Domain → step; a domain that was not seen is left out."""
    strength: str
    improvement: str
    plan: str

    def cleaned(self, plain: Callable[[str], str]) -> "Filled":
        """The same with its texts made plain."""
        return replace(
            self,
            strength=plain(self.strength),
            improvement=plain(self.improvement),
            plan=plain(self.plan),
        )

    def as_json(self) -> dict[str, Any]:
        """The part of the signed document that the assessor wrote; each scale carries its family."""
        return {
            "form": FORM_VERSION,
            "level": self.level,
            "level_family": FAMILY_LEVEL,
            "ratings": dict(self.ratings),
            "ratings_family": FAMILY_DOMAIN,
            "strength": self.strength,
            "improvement": self.improvement,
            "plan": self.plan,
        }


# ---------------------------------------------------------------- over the programme

WANTED_ASSESSMENTS, WANTED_ASSESSORS, WANTED_CBD, WANTED_HANDOVER = 12, 4, 2, 1
"""A judgement (clinical reference 2.5), shown as a guide; no rule hangs on it."""


@dataclass(frozen=True)
class Wanted:
    """One number of the guide."""

    what: str
    have: int
    need: int


def standing(counted: Iterable[tuple[str, int]]) -> Sequence[Wanted]:
    """How far counted assessments (kind, assessor) lead against the guide."""
    rows = list(counted)
    kinds = Counter(kind for kind, _assessor in rows)
    return (
        Wanted(_("Assessments"), len(rows), WANTED_ASSESSMENTS),
        Wanted(_("Different assessors"), len({assessor for _kind, assessor in rows}), WANTED_ASSESSORS),
        Wanted(str(KINDS["cbd"].name), kinds["cbd"], WANTED_CBD),
        Wanted(str(KINDS["handover"].name), kinds["handover"], WANTED_HANDOVER),
    )
