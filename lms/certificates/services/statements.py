"""Certificates of credits (学分证明): what the ledger has for a period, frozen into a second kind of the register."""

from collections.abc import Sequence
from datetime import date, datetime
from fractions import Fraction

from lms import policy
from lms.certificates import queries, rules
from lms.certificates.face import CreditFace, CreditYear
from lms.certificates.models import Certificate, CreditPlan, IssueBatch
from lms.certificates.rules import crediting
from lms.certificates.services.reserving import Candidate, lock_people, note_items, reserve, shared
from lms.core import clock
from lms.core.db import db
from lms.core.errors import RuleBroken
from lms.core.i18n import _
from lms.policy import Actor, Permission
from lms.programmes.models import Cohort, Enrolment

MET = rules.Trace(met=True, clauses=())


def issue_credits(
    cohort: Cohort,
    enrolments: Sequence[Enrolment],
    *,
    first: date,
    last: date,
    client_uuid: str,
    at: datetime,
    by: Actor,
) -> IssueBatch:
    """Reserve a certificate of credits for each person who has any in the period; the worker makes the files.

    The same ``client_uuid`` twice is one batch; who has a good one gets no second one: it is renewed by replacing it.
    Raises RuleBroken ``nobody_chosen``, ``no_plan``, ``period_order`` or ``period_future``.
    """
    policy.require(by, Permission.CERTIFICATE_ISSUE, cohort)
    again_ = queries.batch_of_uuid(client_uuid)
    if again_ is not None:
        return again_
    if not enrolments:
        raise RuleBroken("nobody_chosen", _("Choose at least one trainee."))
    crediting.require_period(first, last, today=clock.today(at))
    plan = queries.credit_plan(cohort.id)
    if plan is None:
        raise RuleBroken("no_plan", _("Nobody has said yet how this cohort's credits are counted."))
    batch = IssueBatch(
        cohort_id=cohort.id, client_uuid=client_uuid, requested_by=by.account_id, requested_at=at
    )
    db.session.add(batch)
    db.session.flush()
    lock_people([enrolment.person_id for enrolment in enrolments])
    ledgers = queries.ledgers([enrolment.id for enrolment in enrolments])
    able: list[tuple[Enrolment, Sequence[crediting.YearTotal]]] = []
    refusals: dict[int, tuple[str, str]] = {}
    for enrolment in enrolments:
        years = queries.sums(ledgers.get(enrolment.id, ()), plan.rules, first=first, last=last)
        refusal = refused(enrolment, years)
        if refusal is None:
            able.append((enrolment, years))
        else:
            refusals[enrolment.id] = refusal
    made = _reserve(able, cohort, plan, first=first, last=last, at=at, by=by)
    note_items(batch, enrolments, made, refusals)
    return batch


def refused(enrolment: Enrolment, years: Sequence[crediting.YearTotal]) -> tuple[str, str] | None:
    """Why no certificate of credits could be made for a person, as code and detail; their person is loaded."""
    if not any(one.credits or one.hours for one in years):
        return "no_credits", ""
    return queries.refusal(enrolment, MET)


def again(held: Certificate, enrolment: Enrolment, *, cause: str, at: datetime, by: Actor) -> Certificate:
    """A new one in place of ``held``: from the same first day to today (or the cohort's last day), as the ledger is now.

    The person is locked by the caller. Raises RuleBroken with the code of a refusal at issue.
    """
    cohort, today = enrolment.cohort, clock.today(at)
    plan = queries.credit_plan(cohort.id)
    assert plan is not None  # without one nothing was issued
    first, before = (date.fromisoformat(held.facts[name]) for name in ("from_on", "to_on"))
    last = max(before, min(today, cohort.end_on))
    years = queries.sums(queries.ledger(enrolment.id), plan.rules, first=first, last=last)
    refusal = refused(enrolment, years)
    if refusal is not None:
        raise RuleBroken(refusal[0], queries.refusal_words(*refusal))
    able = [(enrolment, years)]
    (made,) = _reserve(able, cohort, plan, first=first, last=last, at=at, by=by, instead_of=held, cause=cause)
    return made


def _reserve(
    able: Sequence[tuple[Enrolment, Sequence[crediting.YearTotal]]],
    cohort: Cohort,
    plan: CreditPlan,
    *,
    first: date,
    last: date,
    at: datetime,
    by: Actor,
    instead_of: Certificate | None = None,
    cause: str = "",
) -> list[Certificate]:
    """Reserve certificates of credits for those who have any in the period, with what they have in each year."""

    def candidate(enrolment: Enrolment, years: Sequence[crediting.YearTotal]) -> Candidate:
        return Candidate(
            enrolment,
            lambda serial, key: credit_face(
                enrolment,
                cohort,
                plan,
                years,
                first=first,
                last=last,
                serial=serial,
                verify_key=key,
                issued_on=clock.today(at),
            ),
            queries.statement(years, first=first, last=last, project_cap=plan.project_cap),
        )

    return reserve(
        [candidate(*one) for one in able],
        cohort,
        kind=rules.CREDIT,
        rule=None,
        at=at,
        by=by,
        instead_of=instead_of,
        cause=cause,
    )


def credit_face(
    enrolment: Enrolment,
    cohort: Cohort,
    plan: CreditPlan,
    years: Sequence[crediting.YearTotal],
    *,
    first: date,
    last: date,
    serial: str,
    verify_key: str,
    issued_on: date,
) -> CreditFace:
    """What a certificate of credits says, copied from where it is kept."""
    return CreditFace(
        **shared(enrolment, cohort, serial=serial, verify_key=verify_key, issued_on=issued_on),
        from_on=first,
        to_on=last,
        weeks=-(-((last - first).days + 1) // 7),
        credits=crediting.shown(sum((one.credits for one in years), Fraction(0))),
        study_hours=crediting.shown(sum((one.hours for one in years), Fraction(0))),
        minutes=sum(one.seconds for one in years) // 60,
        years=tuple(
            CreditYear(one.year, one.table, crediting.shown(one.credits), crediting.shown(one.hours))
            for one in years
        ),
        project_number=plan.project_number,
    )
