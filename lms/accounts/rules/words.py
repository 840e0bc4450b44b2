"""What roles and scopes are called."""

from collections.abc import Iterable, Mapping

from lms.core import i18n
from lms.core.i18n import _, lazy
from lms.core.ports import Scope
from lms.policy import SITE, Role

_ROLES: dict[str, str] = {
    Role.APPLICANT: lazy("Applicant"),
    Role.TRAINEE: lazy("Trainee"),
    Role.MENTOR: lazy("Mentor"),
    Role.SECOND_ASSESSOR: lazy("Second assessor"),
    Role.UNIT_LEAD: lazy("Unit lead"),
    Role.COMMITTEE_MEMBER: lazy("Committee member"),
    Role.COMMITTEE_CHAIR: lazy("Committee chair"),
    Role.EDUCATOR: lazy("Educator"),
    Role.CLINICAL_REVIEWER: lazy("Clinical reviewer"),
    Role.EXAMINER: lazy("Examiner"),
    Role.JUDGE: lazy("Standard-setting judge"),
    Role.INVIGILATOR: lazy("Invigilator"),
    Role.MARKER: lazy("Marker"),
    Role.COORDINATOR: lazy("Coordinator"),
    Role.DIRECTOR: lazy("Programme director"),
    Role.HOSPITAL_LIAISON: lazy("Hospital liaison"),
    Role.EDUCATION_OFFICE: lazy("Education office"),
    Role.DATA_PROTECTION_OFFICER: lazy("Data-protection officer"),
    Role.AUDITOR: lazy("Auditor"),
    Role.ADMINISTRATOR: lazy("Administrator"),
}


def role_name(role: str) -> str:
    """What a role is called in the reader's language; an unknown one by its code."""
    return str(_ROLES.get(role, role))


_ALSO: dict[str, Role] = {
    "学员": Role.TRAINEE,
    "进修生": Role.TRAINEE,
    "student": Role.TRAINEE,
    "导师": Role.MENTOR,
    "带教老师": Role.MENTOR,
    "带教": Role.MENTOR,
    "第二评估人": Role.SECOND_ASSESSOR,
    "讲师": Role.EDUCATOR,
    "教师": Role.EDUCATOR,
    "考官": Role.EXAMINER,
    "监考": Role.INVIGILATOR,
    "协调员": Role.COORDINATOR,
    "项目主任": Role.DIRECTOR,
}
"""What lists of hospitals call a role, beside its own names."""


def role_of(text: str) -> Role | None:
    """The role that a word in a list means: its code, its name in either language, or what hospitals call it."""
    wanted = "".join(text.split()).casefold()
    for role in Role:
        names = {role.value}
        for language in i18n.LOCALES:
            with i18n.speaking(language):
                names.add(role_name(role))
        if wanted in {"".join(name.split()).casefold() for name in names}:
            return role
    return _ALSO.get(wanted)


def place_name(place: Scope) -> str:
    """A place with the code that people know it by."""
    return f"{i18n.pick(place.name_zh, place.name_en)} ({place.short})"


def place_names(places: Iterable[Scope]) -> dict[str, str]:
    """What each scope code stands for."""
    return {SITE: _("Whole site"), **{place.code: place_name(place) for place in places}}


def scope_name(scope: str, names: Mapping[str, str]) -> str:
    """What a scope code stands for; a place that is gone by its code."""
    return names.get(scope, scope)
