"""The few fixed tabs of each role: the same everywhere, three to five."""

from dataclasses import dataclass

from lms.core import ports
from lms.core.i18n import _
from lms.policy import Actor, Role


@dataclass(frozen=True)
class Tab:
    """One tab of the shell."""

    key: str
    href: str
    icon: str
    label: str
    count: int = 0


_WORK: dict[str, tuple[Role, ...]] = {
    "cohorts": (Role.ADMINISTRATOR, Role.COORDINATOR, Role.DIRECTOR, Role.EDUCATION_OFFICE),
    "certificates": (Role.ADMINISTRATOR, Role.COORDINATOR, Role.DIRECTOR),
    "people": (Role.ADMINISTRATOR,),
    "learn": (Role.EDUCATOR, Role.CLINICAL_REVIEWER, Role.COORDINATOR, Role.DIRECTOR),
    "tests": (Role.EDUCATOR, Role.EXAMINER, Role.INVIGILATOR, Role.COORDINATOR, Role.DIRECTOR),
    "marking": (Role.MARKER,),
    "bank": (Role.EXAMINER, Role.CLINICAL_REVIEWER, Role.EDUCATOR, Role.DIRECTOR),
    "committee": (Role.COMMITTEE_MEMBER, Role.COMMITTEE_CHAIR),
    "bedside": (Role.UNIT_LEAD, Role.COMMITTEE_MEMBER, Role.COMMITTEE_CHAIR),
    "audit": (Role.ADMINISTRATOR, Role.AUDITOR, Role.DATA_PROTECTION_OFFICER),
    "audited-cohorts": (Role.AUDITOR,),
    "audited-certificates": (Role.AUDITOR,),
    "audited-learn": (Role.AUDITOR,),
    "audited-tests": (Role.AUDITOR,),
}
"""Whose daily work a tab is, in the order of the tabs; what an auditor looks at comes after the trail."""


def _staff_tabs() -> dict[str, Tab]:
    found = {
        tab.key: tab
        for tab in (
            Tab("cohorts", "/cohorts", "users", _("Cohorts")),
            Tab("certificates", "/certificates", "award", _("Certificates")),
            Tab("people", "/people", "user", _("People")),
            Tab("learn", "/learn", "book-open", _("Courses")),
            Tab("tests", "/tests", "list-checks", _("Tests")),
            Tab("marking", "/marking", "pen-line", _("Marking")),
            Tab("bank", "/bank", "layers", _("Item bank")),
            Tab("committee", "/committee", "scale", _("Committee")),
            Tab("bedside", "/bedside", "qr-code", _("Bedside")),
            Tab("audit", "/audit", "history", _("Audit trail")),
        )
    }
    return found | {f"audited-{key}": tab for key, tab in found.items()}


def tabs(actor: Actor | None) -> list[Tab]:
    """The tabs of whoever is signed in, at most five; a person with several roles sees the work of each."""
    if actor is None:
        return []
    found: list[Tab] = []
    if actor.is_any(Role.TRAINEE):
        found += [
            Tab("home", "/", "house", _("Today")),
            Tab("learn", "/learn", "book-open", _("Learn")),
            Tab("logbook", "/logbook", "notebook-pen", _("Logbook")),
            Tab("tests", "/tests", "list-checks", _("Tests")),
            Tab("progress", "/progress", "award", _("Progress")),
        ]
    if actor.is_any(Role.MENTOR, Role.SECOND_ASSESSOR):
        found += [
            Tab("to-sign", "/to-sign", "inbox", _("To sign"), _count("to-sign", actor)),
            Tab("trainees", "/trainees", "users", _("My trainees")),
        ]
    found += [_staff_tabs()[key] for key, roles in _WORK.items() if actor.is_any(*roles)]
    unique = {tab.key: tab for tab in reversed(found)}
    return sorted(unique.values(), key=lambda tab: [t.key for t in found].index(tab.key))[:5]


def _count(key: str, actor: Actor) -> int:
    provider = ports.tab_counts.get(key)
    return provider(actor) if provider else 0
