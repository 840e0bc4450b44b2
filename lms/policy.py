"""Who may do what: authorization on one page.

``TABLE`` maps each permission to an OR of ANDs over tiny predicates; what is not in the table is refused. A predicate
sees the actor and the *shape* of the thing (``thing.trainee_person_id``), never its table, so it can be read aloud.
Roles are not hierarchical: each is (role, scope, from, to), and an administrator cannot sign clinical records.
"""

from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from typing import Any

from lms.core.errors import NotAllowed, NotFound
from lms.core.i18n import _


class Role(StrEnum):
    """What a person is to some scope, for some time."""

    APPLICANT = "applicant"
    TRAINEE = "trainee"
    MENTOR = "mentor"
    SECOND_ASSESSOR = "second_assessor"
    UNIT_LEAD = "unit_lead"
    COMMITTEE_MEMBER = "committee_member"
    COMMITTEE_CHAIR = "committee_chair"
    EDUCATOR = "educator"
    CLINICAL_REVIEWER = "clinical_reviewer"
    EXAMINER = "examiner"
    JUDGE = "judge"
    INVIGILATOR = "invigilator"
    MARKER = "marker"
    COORDINATOR = "coordinator"
    DIRECTOR = "director"
    HOSPITAL_LIAISON = "hospital_liaison"
    EDUCATION_OFFICE = "education_office"
    DATA_PROTECTION_OFFICER = "data_protection_officer"
    AUDITOR = "auditor"
    ADMINISTRATOR = "administrator"


SITE = "site"
"""Scope of the whole site. Other scopes: ``programme:<id>``, ``cohort:<id>``, ``hospital:<id>``."""


@dataclass(frozen=True)
class Actor:
    """Who asks, made once per request: the account, the person behind it, the roles they hold today."""

    account_id: int
    account_public_id: str
    person_id: int
    """Person and account are apart: several accounts of one person are known as one person."""
    name: str
    locale: str = "zh_Hans"
    xinjiang_time: bool = False
    grants: frozenset[tuple[Role, str]] = field(default_factory=frozenset)
    session_id: int | None = None
    seen_at: datetime | None = None
    """When the session was last noted as in use."""

    def has(self, role: Role, *scopes: str) -> bool:
        """Whether the actor holds ``role`` today in one of ``scopes`` (the site's scope always counts)."""
        return any((role, scope) in self.grants for scope in (SITE, *scopes))

    def is_any(self, *roles: Role) -> bool:
        """Whether the actor holds one of ``roles`` today in any scope."""
        return any(role in roles for role, _scope in self.grants)

    @property
    def is_staff(self) -> bool:
        """Whether the actor holds any role but that of a learner."""
        return any(role not in {Role.APPLICANT, Role.TRAINEE} for role, _scope in self.grants)

    def scope_ids(self, kind: str, *roles: Role) -> set[int] | None:
        """Ids of the scopes of ``kind`` where the actor holds one of ``roles``; None means all (a site-wide role)."""
        found: set[int] = set()
        for role, scope in self.grants:
            if role not in roles:
                continue
            if scope == SITE:
                return None
            name, _colon, number = scope.partition(":")
            if name == kind:
                found.add(int(number))
        return found


class Permission(StrEnum):
    """An act on a kind of thing: ``feature.thing.act``."""

    ACCOUNT_READ = "accounts.account.read"
    ACCOUNT_MANAGE = "accounts.account.manage"
    GRANT_MANAGE = "accounts.grant.manage"
    PROFILE_READ = "accounts.profile.read"
    PROFILE_WRITE = "accounts.profile.write"
    IDENTITY_ENTER = "accounts.identity.enter"
    IDENTITY_REMOVE = "accounts.identity.remove"
    IDENTITY_REVEAL = "accounts.identity.reveal"
    AUDIT_READ = "core.audit.read"
    APPROVE = "core.approval.decide"
    WEBHOOK_MANAGE = "core.webhook.manage"
    SITE_OPERATE = "core.site.operate"

    COHORT_READ = "programmes.cohort.read"
    COHORT_MANAGE = "programmes.cohort.manage"
    ENROLMENT_READ = "programmes.enrolment.read"
    SIGNING_DELEGATE = "programmes.signing.delegate"
    MEETING_READ = "programmes.meeting.read"
    MEETING_HOLD = "programmes.meeting.hold"
    MEETING_ACKNOWLEDGE = "programmes.meeting.acknowledge"
    ATTENDANCE_READ = "programmes.attendance.read"
    ATTENDANCE_CONFIRM = "programmes.attendance.confirm"
    ROSTER_READ = "programmes.roster.read"
    QUALIFICATION_READ = "programmes.qualification.read"
    QUALIFICATION_ENTER = "programmes.qualification.enter"
    LOAD_EXCEED = "programmes.load.exceed"

    COURSE_READ = "courses.course.read"
    COURSE_EDIT = "courses.course.edit"
    DRAFT_READ = "courses.draft.read"
    WORDING_REVIEW = "courses.wording.review"
    ANNOUNCE = "courses.announcement.make"
    POST_WRITE = "courses.post.write"
    POST_MODERATE = "courses.post.moderate"
    LECTURE_WATCH = "courses.lecture.watch"

    BANK_READ = "assessments.bank.read"
    BANK_MANAGE = "assessments.bank.manage"
    ITEM_WRITE = "assessments.item.write"
    ITEM_REVIEW = "assessments.item.review"
    TEST_READ = "assessments.test.read"
    TEST_MANAGE = "assessments.test.manage"
    STATISTICS_READ = "assessments.statistics.read"
    CUT_RATE = "assessments.cut.rate"
    SITTING_START = "assessments.sitting.start"
    SITTING_READ = "assessments.sitting.read"
    SITTING_ANSWER = "assessments.sitting.answer"
    SITTING_SUPERVISE = "assessments.sitting.supervise"
    SITTING_ADJUDICATE = "assessments.sitting.adjudicate"
    PRACTICE_ANSWER = "assessments.practice.answer"
    PRACTICE_READ = "assessments.practice.read"

    APPEAL_MAKE = "assessments.appeal.make"
    APPEAL_READ = "assessments.appeal.read"
    APPEAL_ANSWER = "assessments.appeal.answer"
    DRILL_RUN = "assessments.drill.run"
    RESPONSE_MARK = "assessments.response.mark"
    MARKING_MANAGE = "assessments.marking.manage"

    ENTRY_WRITE = "logbooks.entry.write"
    ENTRY_READ = "logbooks.entry.read"
    ENTRY_CHANGE = "logbooks.entry.change"
    ENTRY_SIGN = "logbooks.entry.sign"
    ENTRY_COUNTERSIGN = "logbooks.entry.countersign"
    ENTRY_AMEND = "logbooks.entry.amend"
    ENTRY_VOID = "logbooks.entry.void"
    ENTRY_LET_IN = "logbooks.entry.let_in"
    FRAMEWORK_READ = "logbooks.framework.read"
    FRAMEWORK_EDIT = "logbooks.framework.edit"
    FRAMEWORK_PUBLISH = "logbooks.framework.publish"
    FRAMEWORK_REVIEW = "logbooks.framework.review"
    FRAMEWORK_RATIFY = "logbooks.framework.ratify"
    LEDGER_READ = "logbooks.ledger.read"
    COMMITTEE_READ = "logbooks.committee.read"
    COMMITTEE_CONVENE = "logbooks.committee.convene"
    COMMITTEE_VOTE = "logbooks.committee.vote"
    COMMITTEE_CLOSE = "logbooks.committee.close"
    DECISION_APPEAL = "logbooks.decision.appeal"
    DECISION_ANSWER = "logbooks.decision.answer"
    ENTRUSTMENT_READ = "logbooks.entrustment.read"
    ENTRUSTMENT_REVOKE = "logbooks.entrustment.revoke"
    WORKPLACE_ASK = "logbooks.workplace.ask"
    WORKPLACE_START = "logbooks.workplace.start"
    WORKPLACE_READ = "logbooks.workplace.read"
    WORKPLACE_ASSESS = "logbooks.workplace.assess"
    WORKPLACE_RESPOND = "logbooks.workplace.respond"
    WORKPLACE_VOID = "logbooks.workplace.void"
    FEEDBACK_ASK = "logbooks.feedback.ask"
    FEEDBACK_RUN = "logbooks.feedback.run"
    FEEDBACK_SEE = "logbooks.feedback.see"
    FEEDBACK_READ = "logbooks.feedback.read"
    FEEDBACK_RELEASE = "logbooks.feedback.release"
    FEEDBACK_RATE = "logbooks.feedback.rate"
    FEEDBACK_SELF = "logbooks.feedback.self"
    SAMPLE_READ = "logbooks.sample.read"
    SAMPLE_CHECK = "logbooks.sample.check"
    BADGE_MAKE = "logbooks.badge.make"

    PROGRESS_READ = "certificates.progress.read"
    CERTIFICATE_ISSUE = "certificates.certificate.issue"
    CERTIFICATE_READ = "certificates.certificate.read"
    CERTIFICATE_REVOKE = "certificates.certificate.revoke"
    CREDIT_READ = "certificates.credit.read"
    CREDIT_CORRECT = "certificates.credit.correct"


Predicate = Callable[[Actor, Any], bool]


def _scopes(thing: Any) -> tuple[str, ...]:
    """The scopes a thing lies in: its cohort, its programme, its hospital, as far as it has them; a person lies in several."""
    found = list(getattr(thing, "scope_codes", ()))
    for kind in ("cohort", "programme", "hospital"):
        number = getattr(thing, f"{kind}_id", None)
        if number is not None:
            found.append(f"{kind}:{number}")
    return tuple(found)


def holds(*roles: Role) -> Predicate:
    """The actor holds one of the roles in a scope of the thing."""

    def predicate(actor: Actor, thing: Any) -> bool:
        return any(actor.has(role, *_scopes(thing)) for role in roles)

    predicate.__name__ = " or ".join(roles)
    return predicate


def is_self(actor: Actor, thing: Any) -> bool:
    """the account is the actor's own"""
    return bool(getattr(thing, "person_id", None) == actor.person_id)


def is_trainee(actor: Actor, thing: Any) -> bool:
    """the thing belongs to the actor's own training"""
    return bool(getattr(thing, "trainee_person_id", None) == actor.person_id)


def is_author(actor: Actor, thing: Any) -> bool:
    """the actor wrote it"""
    return bool(getattr(thing, "author_person_id", None) == actor.person_id)


def is_signer(actor: Actor, thing: Any) -> bool:
    """it was submitted to the actor"""
    return bool(getattr(thing, "signer_person_id", None) == actor.person_id)


def is_mentor(actor: Actor, thing: Any) -> bool:
    """the actor is paired with the trainee on this day"""
    return actor.person_id in getattr(thing, "mentor_person_ids", ())


def is_second(actor: Actor, thing: Any) -> bool:
    """the actor supervised on that day beside the signer"""
    return actor.person_id in getattr(thing, "second_person_ids", ())


def someone_else_signs(actor: Actor, thing: Any) -> bool:
    """it was not submitted to the actor"""
    return bool(getattr(thing, "signer_person_id", None) != actor.person_id)


def is_someone_else_s_training(actor: Actor, thing: Any) -> bool:
    """it is not the actor's own training"""
    return bool(getattr(thing, "trainee_person_id", None) != actor.person_id)


def is_judge(actor: Actor, thing: Any) -> bool:
    """the actor was asked to judge it"""
    return actor.person_id in getattr(thing, "judge_person_ids", ())


def is_marker(actor: Actor, thing: Any) -> bool:
    """the actor was asked to mark it"""
    return actor.person_id in getattr(thing, "marker_person_ids", ())


def is_assessor(actor: Actor, thing: Any) -> bool:
    """the actor was asked to assess it"""
    return bool(getattr(thing, "assessor_person_id", None) == actor.person_id)


def is_rater(actor: Actor, thing: Any) -> bool:
    """the actor was asked for feedback"""
    return actor.person_id in getattr(thing, "rater_person_ids", ())


def is_released(_actor: Actor, thing: Any) -> bool:
    """it was released to the trainee"""
    return bool(getattr(thing, "is_released", False))


def someone_elses_training(actor: Actor, thing: Any) -> bool:
    """it belongs to no training of the actor's person"""
    return bool(getattr(thing, "trainee_person_id", None) != actor.person_id)


def someone_else_sat_it(actor: Actor, thing: Any) -> bool:
    """no account of the actor's person answered it"""
    return bool(getattr(thing, "trainee_person_id", None) != actor.person_id)


def is_enrolled(actor: Actor, thing: Any) -> bool:
    """the actor is enrolled in a cohort of the thing"""
    return any(actor.has(Role.TRAINEE, scope) for scope in _scopes(thing))


def is_published(_actor: Actor, thing: Any) -> bool:
    """it is published"""
    return getattr(thing, "state", None) == "published"


def holds_somewhere(*roles: Role) -> Predicate:
    """The actor holds one of the roles in any scope: for things of the whole site."""

    def predicate(actor: Actor, _thing: Any) -> bool:
        return actor.is_any(*roles)

    predicate.__doc__ = f"the actor is {' or '.join(roles)} of any programme"
    return predicate


def takes_part(actor: Actor, _thing: Any) -> bool:
    """the actor learns or works in a programme"""
    return any(role != Role.APPLICANT for role, _scope in actor.grants)


def wrote_nothing_of_it(actor: Actor, thing: Any) -> bool:
    """no account of the actor's person wrote any of it"""
    return actor.person_id not in getattr(thing, "editor_person_ids", ())


def is_practice(_actor: Actor, thing: Any) -> bool:
    """it belongs to a practice bank"""
    return getattr(thing, "purpose", None) == "practice"


def someone_else_wrote_it(actor: Actor, thing: Any) -> bool:
    """no account of the actor's person wrote it"""
    return bool(getattr(thing, "author_person_id", None) != actor.person_id)


def sits_in_it(actor: Actor, thing: Any) -> bool:
    """the actor sits in the meeting"""
    return actor.person_id in getattr(thing, "member_person_ids", ())


def chairs_it(actor: Actor, thing: Any) -> bool:
    """the actor chairs the meeting"""
    return bool(getattr(thing, "chair_person_id", None) == actor.person_id)


def has_no_conflict(actor: Actor, thing: Any) -> bool:
    """the actor neither is the trainee nor was ever paired with them"""
    trainee = getattr(thing, "trainee_person_id", None)
    return actor.person_id != trainee and actor.person_id not in getattr(thing, "mentor_person_ids", ())


def did_not_decide(actor: Actor, thing: Any) -> bool:
    """the actor did not sit in the meeting that decided"""
    return actor.person_id not in getattr(thing, "member_person_ids", ())


def was_submitted(_actor: Actor, thing: Any) -> bool:
    """it has left the trainee's draft"""
    return getattr(thing, "state", None) not in {"draft", "discarded"}


R, P = Role, Permission

_RUNS = holds(R.COORDINATOR, R.DIRECTOR, R.ADMINISTRATOR)
_READS = holds(R.COORDINATOR, R.DIRECTOR, R.ADMINISTRATOR, R.AUDITOR)

TABLE: dict[Permission, list[list[Predicate]]] = {
    P.ACCOUNT_READ: [[is_self], [holds(R.ADMINISTRATOR, R.AUDITOR)]],
    P.ACCOUNT_MANAGE: [[holds(R.ADMINISTRATOR)]],
    P.GRANT_MANAGE: [[holds(R.ADMINISTRATOR)]],
    P.PROFILE_READ: [
        [is_self],
        [holds(R.ADMINISTRATOR, R.COORDINATOR, R.DIRECTOR, R.DATA_PROTECTION_OFFICER)],
    ],
    P.PROFILE_WRITE: [[is_self], [holds(R.ADMINISTRATOR, R.COORDINATOR)]],
    P.IDENTITY_ENTER: [[is_self], [holds(R.ADMINISTRATOR)]],
    P.IDENTITY_REMOVE: [[holds(R.ADMINISTRATOR, R.DATA_PROTECTION_OFFICER)]],
    P.IDENTITY_REVEAL: [[holds(R.DIRECTOR, R.DATA_PROTECTION_OFFICER)]],
    P.AUDIT_READ: [[holds(R.AUDITOR, R.ADMINISTRATOR, R.DATA_PROTECTION_OFFICER)]],
    P.APPROVE: [[holds(R.DIRECTOR, R.COMMITTEE_CHAIR, R.EXAMINER, R.ADMINISTRATOR)]],
    P.WEBHOOK_MANAGE: [[holds(R.ADMINISTRATOR)]],
    P.SITE_OPERATE: [[holds(R.ADMINISTRATOR)]],
    P.COHORT_READ: [[_READS], [holds(R.EDUCATOR, R.EDUCATION_OFFICE)]],
    P.COHORT_MANAGE: [[_RUNS]],
    P.ENROLMENT_READ: [[is_trainee], [is_mentor], [_READS]],
    P.SIGNING_DELEGATE: [[is_mentor]],
    P.MEETING_READ: [[is_trainee], [is_mentor], [holds(R.COORDINATOR, R.DIRECTOR)]],
    P.MEETING_HOLD: [[is_mentor, is_someone_else_s_training]],
    P.MEETING_ACKNOWLEDGE: [[is_trainee]],
    P.ATTENDANCE_READ: [[is_trainee], [is_mentor], [holds(R.COORDINATOR, R.DIRECTOR, R.AUDITOR)]],
    P.ATTENDANCE_CONFIRM: [
        [is_mentor, is_someone_else_s_training],
        [holds(R.COORDINATOR), is_someone_else_s_training],
    ],
    P.ROSTER_READ: [[is_enrolled], [holds(R.MENTOR, R.SECOND_ASSESSOR)], [_READS]],
    P.QUALIFICATION_READ: [[_READS]],
    P.QUALIFICATION_ENTER: [[holds(R.DIRECTOR)]],
    P.LOAD_EXCEED: [[holds(R.DIRECTOR)]],
    P.COURSE_READ: [
        [is_enrolled, is_published],
        [holds(R.EDUCATOR, R.CLINICAL_REVIEWER, R.MENTOR)],
        [_READS],
    ],
    P.COURSE_EDIT: [[holds(R.EDUCATOR)]],
    P.DRAFT_READ: [[holds(R.EDUCATOR, R.CLINICAL_REVIEWER, R.DIRECTOR)]],
    P.WORDING_REVIEW: [[holds(R.CLINICAL_REVIEWER, R.DIRECTOR), someone_else_wrote_it]],
    P.ANNOUNCE: [[holds(R.EDUCATOR, R.COORDINATOR, R.DIRECTOR)]],
    P.POST_WRITE: [[is_enrolled, is_published], [holds(R.EDUCATOR, R.CLINICAL_REVIEWER, R.MENTOR)]],
    P.POST_MODERATE: [[holds(R.EDUCATOR, R.DIRECTOR)]],
    P.LECTURE_WATCH: [[is_enrolled, is_published]],
    P.BANK_READ: [
        [holds(R.EXAMINER, R.CLINICAL_REVIEWER, R.DIRECTOR)],
        [holds(R.EDUCATOR), is_practice],
    ],
    P.BANK_MANAGE: [[holds(R.EXAMINER)]],
    P.ITEM_WRITE: [[holds(R.EXAMINER)], [holds(R.EDUCATOR), is_practice]],
    P.ITEM_REVIEW: [[holds(R.CLINICAL_REVIEWER, R.EXAMINER, R.DIRECTOR), someone_else_wrote_it]],
    P.TEST_READ: [[is_enrolled, is_published], [holds(R.EXAMINER, R.EDUCATOR, R.INVIGILATOR)], [_READS]],
    P.TEST_MANAGE: [[holds(R.EXAMINER)], [holds(R.EDUCATOR), is_practice]],
    P.CUT_RATE: [[is_judge]],
    P.STATISTICS_READ: [[holds(R.EXAMINER, R.EDUCATOR, R.DIRECTOR)]],
    P.SITTING_START: [[is_enrolled, is_published]],
    P.SITTING_READ: [[is_trainee], [holds(R.EXAMINER, R.INVIGILATOR)], [_READS]],
    P.SITTING_ANSWER: [[is_trainee]],
    P.SITTING_SUPERVISE: [[holds(R.INVIGILATOR, R.EXAMINER)]],
    P.SITTING_ADJUDICATE: [[holds(R.INVIGILATOR, R.EXAMINER, R.DIRECTOR)]],
    P.APPEAL_MAKE: [[is_trainee]],
    P.APPEAL_READ: [
        [is_trainee],
        [holds(R.EXAMINER, R.DIRECTOR, R.AUDITOR)],
        [holds(R.EDUCATOR), is_practice],
    ],
    P.APPEAL_ANSWER: [[holds(R.EXAMINER, R.DIRECTOR)], [holds(R.EDUCATOR), is_practice]],
    P.PRACTICE_ANSWER: [[is_enrolled, is_practice]],
    P.PRACTICE_READ: [[is_trainee]],
    P.RESPONSE_MARK: [[holds(R.MARKER), is_marker, someone_else_sat_it]],
    P.MARKING_MANAGE: [[holds(R.COORDINATOR, R.EXAMINER)]],
    P.DRILL_RUN: [[holds(R.DIRECTOR, R.ADMINISTRATOR)]],
    P.ENTRY_WRITE: [[is_trainee]],
    P.ENTRY_READ: [
        [is_author],
        [is_signer, was_submitted],
        [is_mentor, was_submitted],
        [holds(R.COORDINATOR, R.DIRECTOR, R.AUDITOR, R.UNIT_LEAD), was_submitted],
    ],
    P.ENTRY_CHANGE: [[is_author]],
    P.ENTRY_SIGN: [[is_signer, someone_else_wrote_it]],
    P.ENTRY_COUNTERSIGN: [
        [someone_else_wrote_it, someone_else_signs, is_second],
        [holds(R.UNIT_LEAD), someone_else_wrote_it, someone_else_signs],
    ],
    P.ENTRY_AMEND: [[is_author], [is_signer, was_submitted]],
    P.ENTRY_VOID: [[holds(R.DIRECTOR), someone_else_wrote_it]],
    P.ENTRY_LET_IN: [[holds(R.COORDINATOR, R.DIRECTOR)]],
    P.FRAMEWORK_READ: [
        [takes_part, is_published],
        [holds_somewhere(R.DIRECTOR, R.CLINICAL_REVIEWER, R.COMMITTEE_CHAIR, R.AUDITOR)],
    ],
    P.FRAMEWORK_EDIT: [[holds_somewhere(R.DIRECTOR)]],
    P.FRAMEWORK_PUBLISH: [[holds_somewhere(R.DIRECTOR)]],
    P.FRAMEWORK_REVIEW: [[holds_somewhere(R.CLINICAL_REVIEWER), wrote_nothing_of_it]],
    P.FRAMEWORK_RATIFY: [[holds_somewhere(R.COMMITTEE_CHAIR, R.DIRECTOR), is_published]],
    P.LEDGER_READ: [[is_self], [holds(R.COORDINATOR, R.DIRECTOR)]],
    P.COMMITTEE_READ: [[sits_in_it], [holds(R.COORDINATOR, R.DIRECTOR, R.AUDITOR, R.COMMITTEE_CHAIR)]],
    P.COMMITTEE_CONVENE: [[holds(R.COORDINATOR, R.COMMITTEE_CHAIR)]],
    P.COMMITTEE_VOTE: [[holds(R.COMMITTEE_MEMBER, R.COMMITTEE_CHAIR), sits_in_it, has_no_conflict]],
    P.COMMITTEE_CLOSE: [[holds(R.COMMITTEE_CHAIR), chairs_it]],
    P.DECISION_APPEAL: [[is_trainee]],
    P.DECISION_ANSWER: [
        [holds(R.DIRECTOR, R.COMMITTEE_CHAIR, R.COMMITTEE_MEMBER), did_not_decide, has_no_conflict]
    ],
    P.ENTRUSTMENT_READ: [
        [is_trainee],
        [is_mentor],
        [holds(R.COORDINATOR, R.DIRECTOR, R.AUDITOR, R.UNIT_LEAD, R.COMMITTEE_MEMBER, R.COMMITTEE_CHAIR)],
    ],
    P.ENTRUSTMENT_REVOKE: [[holds(R.COMMITTEE_CHAIR, R.DIRECTOR)]],
    P.WORKPLACE_ASK: [[is_trainee]],
    P.WORKPLACE_START: [[is_mentor, someone_elses_training]],
    P.WORKPLACE_READ: [
        [is_trainee],
        [is_assessor],
        [is_mentor],
        [holds(R.COORDINATOR, R.DIRECTOR, R.AUDITOR, R.UNIT_LEAD)],
    ],
    P.WORKPLACE_ASSESS: [[is_assessor, someone_elses_training]],
    P.WORKPLACE_RESPOND: [[is_trainee]],
    P.WORKPLACE_VOID: [[holds(R.DIRECTOR), someone_elses_training]],
    P.FEEDBACK_ASK: [[is_trainee]],
    P.FEEDBACK_RUN: [
        [is_mentor, someone_elses_training],
        [holds(R.COORDINATOR, R.DIRECTOR), someone_elses_training],
    ],
    P.FEEDBACK_SEE: [[is_trainee], [is_mentor], [holds(R.COORDINATOR, R.DIRECTOR)]],
    P.FEEDBACK_READ: [[is_trainee, is_released], [is_mentor, someone_elses_training]],
    P.FEEDBACK_RELEASE: [[is_mentor, someone_elses_training]],
    P.FEEDBACK_RATE: [[is_rater, someone_elses_training]],
    P.FEEDBACK_SELF: [[is_trainee]],
    P.SAMPLE_READ: [[holds(R.UNIT_LEAD, R.COORDINATOR, R.DIRECTOR, R.AUDITOR)]],
    P.SAMPLE_CHECK: [[holds(R.UNIT_LEAD, R.DIRECTOR), someone_else_wrote_it, someone_else_signs]],
    P.BADGE_MAKE: [[is_trainee], [holds(R.COORDINATOR, R.DIRECTOR)]],
    P.PROGRESS_READ: [[is_trainee], [is_mentor], [_READS]],
    P.CERTIFICATE_ISSUE: [[_RUNS]],
    P.CERTIFICATE_READ: [[is_trainee], [_READS], [holds(R.EDUCATION_OFFICE)]],
    P.CERTIFICATE_REVOKE: [[holds(R.DIRECTOR, R.ADMINISTRATOR)]],
    P.CREDIT_READ: [[is_trainee], [_READS], [holds(R.EDUCATION_OFFICE)]],
    P.CREDIT_CORRECT: [[holds(R.DIRECTOR, R.ADMINISTRATOR), is_someone_else_s_training]],
}


def allows(actor: Actor | None, permission: Permission, thing: Any = None) -> bool:
    """Whether the table lets the actor do this to the thing."""
    if actor is None:
        return False
    return any(
        all(predicate(actor, thing) for predicate in together) for together in TABLE.get(permission, [])
    )


def require(by: Actor, permission: Permission, thing: Any = None, *, see: Permission | None = None) -> None:
    """Refuse unless allowed: NotFound if the actor may not even see the thing, NotAllowed if they may."""
    if allows(by, permission, thing):
        return
    if see is not None and allows(by, see, thing):
        raise NotAllowed(_("Your role does not allow this here."))
    if see is None and thing is None:
        raise NotAllowed(_("Your role does not allow this here."))
    raise NotFound


def permissions_markdown() -> str:
    """docs/permissions.md: the table in words."""
    lines = [
        "# Permissions",
        "",
        "Generated from `lms/policy.py` (`lms permissions`); a test compares it. Each line is one way in; what is not listed is refused.",
        "A role counts in the scope it was granted for (site, programme, cohort, hospital) and from its first to its last day.",
        "",
        "| permission | allowed when |",
        "|---|---|",
    ]
    for permission in sorted(TABLE):
        ways = [
            " and ".join((p.__doc__ or f"the actor is {p.__name__}").strip() for p in together)
            for together in TABLE[permission]
        ]
        lines.append(f"| `{permission.value}` | {'<br>'.join(ways)} |")
    return "\n".join(lines) + "\n"
