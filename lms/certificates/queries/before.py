"""What is looked at before anything is issued: what would stop a certificate, and what would read badly on it."""

from collections.abc import Sequence
from dataclasses import dataclass

from sqlalchemy import select
from sqlalchemy.orm import joinedload

from lms.accounts.models import Person
from lms.certificates.queries.cohorts import refusal, refusal_words
from lms.certificates.rules import Trace
from lms.core.db import db
from lms.core.i18n import _
from lms.programmes.models import Cohort, Enrolment


@dataclass(frozen=True)
class Remark:
    """One thing about one person that somebody should look at before issuing."""

    code: str
    words: str
    fix: str
    """Where it is mended."""
    blocks: bool = False
    """Whether no certificate is made while it is so."""


def before_issue(enrolment: Enrolment) -> list[Remark]:
    """What to mend for one trainee, what stops the certificate first; person, home hospital and placements are loaded."""
    person = enrolment.person
    page = f"/people/{person.public_id}"
    found = []
    stops = refusal(enrolment, Trace(met=True, clauses=()))
    if stops is not None:
        found.append(Remark(stops[0], refusal_words(*stops), page, blocks=True))
    if person.name_zh and not person.name_latin:
        words = _("The name in Latin letters is missing; the English text will carry the Chinese name.")
        found.append(Remark("latin_missing", words, page))
    if person.name_latin and not person.name_zh:
        words = _("The Chinese name is missing; the Latin name will stand in the Chinese text.")
        found.append(Remark("chinese_missing", words, page))
    if enrolment.home_hospital is None:
        words = _("No home hospital is known; the hospital that holds the programme will be named.")
        found.append(Remark("hospital_missing", words, page))
    if not enrolment.placements:
        words = _("No placement is known; no unit will be named.")
        found.append(Remark("placement_missing", words, f"/progress/{enrolment.public_id}"))
    return found


def remarks(enrolments: Sequence[Enrolment]) -> dict[int, list[Remark]]:
    """Enrolment → what to mend before issuing; those with nothing to mend are left out."""
    return {one.id: found for one in enrolments if (found := before_issue(one))}


@dataclass(frozen=True)
class BadName:
    """A name that cannot be printed."""

    person: Person
    why: str


def names_to_correct(cohort: Cohort) -> list[BadName]:
    """Trainees of a cohort whose names cannot be printed, each with the characters that no shipped font draws.

    Ask ``programmes.cohort`` first: it holds the door.
    """
    rows = db.session.scalars(
        select(Enrolment)
        .options(joinedload(Enrolment.person))
        .where(Enrolment.cohort_id == cohort.id, Enrolment.state != "withdrawn")
        .order_by(Enrolment.id)
    ).all()
    stops = [(row.person, refusal(row, Trace(met=True, clauses=()))) for row in rows]
    return [BadName(person, refusal_words(*why)) for person, why in stops if why]
