"""Pages: a trainee's credits and hours, a cohort's, and the certificates that state them."""

from collections.abc import Sequence
from datetime import date
from fractions import Fraction
from typing import Any

from flask import Response, flash, redirect, render_template, request, url_for
from flask.typing import ResponseReturnValue

from lms.certificates import queries, services
from lms.certificates.forms import CorrectForm, PlanForm, StatementForm
from lms.certificates.models import CreditEntry
from lms.certificates.rules import crediting as rules
from lms.certificates.views.blueprint import bp
from lms.core import clock, imports, limits
from lms.core.errors import NotFound, RuleBroken
from lms.core.i18n import _, locale
from lms.policy import Permission, Role, allows
from lms.programmes import queries as programmes
from lms.programmes.models import Cohort, Enrolment
from lms.web import files
from lms.web.confirm import confirmation, confirmed
from lms.web.guard import actor, members, reads_first, staff

RUNNERS = (Role.ADMINISTRATOR, Role.COORDINATOR, Role.DIRECTOR)
READERS = (*RUNNERS, Role.AUDITOR, Role.EDUCATION_OFFICE)
XLSX = "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet"


# One trainee


@bp.get("/credits")
@members
def credits_own() -> ResponseReturnValue:
    """The trainee's own credits and hours."""
    return _ledger(queries.own_credits(actor()), own=True)


@bp.get("/credits.csv")
@members
def credits_own_csv() -> ResponseReturnValue:
    """The trainee's own ledger as a table."""
    page = queries.own_credits(actor())
    if page is None:
        raise NotFound
    return files.table("credits.csv", HEAD(), [_cells(one) for one in page.entries])


@bp.get("/credits/<enrolment_id>")
@staff(*READERS)
def credits_of(enrolment_id: str) -> ResponseReturnValue:
    """The same page for the office, with the way to correct it."""
    return _ledger(queries.credits_of(enrolment_id, actor()), own=False)


def _ledger(page: queries.LedgerPage | None, *, own: bool) -> ResponseReturnValue:
    may_correct = (
        page is not None
        and not own
        and allows(actor(), Permission.CREDIT_CORRECT, queries.ledger_scope(page.enrolment))
    )
    today = clock.today()
    jurisdiction = page.plan.jurisdiction if page and page.plan else "CN"
    return render_template(
        "certificates/credits/ledger.html",
        tab="progress" if own else "certificates",
        page=page,
        own=own,
        may_correct=may_correct,
        shown=rules.shown,
        minutes=rules.minutes,
        table=rules.table_on(jurisdiction, today),
        this_year=today.year,
        words=_words(),
    )


def _words() -> dict[str, Any]:
    return {
        "kind": {
            "lecture": _("Lecture watched"),
            "placement": _("Training placement"),
            "session": _("Session attended"),
        },
        "speaker": _("as speaker"),
        "category": {
            rules.PROJECT: _("project"),
            rules.SELF_STUDY: _("self-study"),
            rules.PLACEMENT: _("placement"),
        },
        "reason": {
            "changed": _("Counted anew: what was attended changed."),
            "gone": _("Taken back: what it was counted for is no longer there."),
        },
    }


@bp.get("/credits/<enrolment_id>/<entry_id>/<verb>")
@staff(Role.DIRECTOR, Role.ADMINISTRATOR)
def credit_act_form(enrolment_id: str, entry_id: str, verb: str) -> ResponseReturnValue:
    """Why a line is taken out or put back."""
    return _act_page(enrolment_id, entry_id, verb, CorrectForm())


def _the(enrolment_id: str, entry_id: str, verb: str) -> tuple[Enrolment, CreditEntry]:
    found = queries.enrolment_for_credits(enrolment_id, actor(), permission=Permission.CREDIT_CORRECT)
    entry = next(
        (one for one in queries.ledger(found.id) if one.public_id == entry_id and not one.is_counter), None
    )
    if entry is None or verb not in ("strike", "put-back"):
        raise NotFound
    return found, entry


def _act_page(enrolment_id: str, entry_id: str, verb: str, form: CorrectForm) -> ResponseReturnValue:
    enrolment, entry = _the(enrolment_id, entry_id, verb)
    return render_template(
        "certificates/credits/correct.html",
        tab="certificates",
        enrolment=enrolment,
        entry=entry,
        verb=verb,
        form=form,
        shown=rules.shown,
        confirmation=confirmation(clock.now()),
    ), form.status


@bp.post("/credits/<enrolment_id>/<entry_id>/<verb>")
@staff(Role.DIRECTOR, Role.ADMINISTRATOR)
@reads_first
def credit_act(enrolment_id: str, entry_id: str, verb: str) -> ResponseReturnValue:
    """Take a line out of a ledger, or put it back, with a reason and a fresh confirmation."""
    by, at = actor(), clock.now()
    enrolment, _entry = _the(enrolment_id, entry_id, verb)
    act = services.strike if verb == "strike" else services.put_back
    form = CorrectForm.of_request()
    if confirmed(form, at=at) and form.run(
        lambda: act(enrolment, entry_id, reason=form.reason.data or "", at=at, by=by)
    ):
        flash(
            _("The line no longer counts; it stays in the ledger with the reason.")
            if verb == "strike"
            else _("The line counts again."),
            "success",
        )
        return redirect(url_for("certificates.credits_of", enrolment_id=enrolment_id), 303)
    return _act_page(enrolment_id, entry_id, verb, form)


# A cohort


@bp.get("/certificates/cohorts/<cohort_id>/credits")
@staff(*READERS)
def credits_cohort(cohort_id: str) -> ResponseReturnValue:
    """What everybody of a cohort has, and the way to certify it."""
    cohort = programmes.cohort(cohort_id, actor())
    form = StatementForm(data=_period(cohort))
    return _cohort_page(cohort, form)


def _period(cohort: Cohort) -> dict[str, date]:
    return {"first": cohort.start_on, "last": max(cohort.start_on, min(cohort.end_on, clock.today()))}


def _cohort_page(cohort: Cohort, form: StatementForm) -> ResponseReturnValue:
    by = actor()
    return render_template(
        "certificates/credits/cohort.html",
        tab="certificates",
        cohort=cohort,
        plan=queries.credit_plan(cohort.id),
        rows=queries.cohort_credits(cohort),
        may_plan=allows(by, Permission.COHORT_MANAGE, cohort),
        may_issue=allows(by, Permission.CERTIFICATE_ISSUE, cohort),
        reads_matrix=by.is_any(*RUNNERS, Role.AUDITOR),
        form=form,
        shown=rules.shown,
    ), form.status


def HEAD() -> list[str]:  # noqa: N802 (a constant in the reader's language)
    """Columns of an exported ledger."""
    return [
        _("Day"),
        _("Activity"),
        _("Role"),
        _("Minutes"),
        _("Credits"),
        _("Hours"),
        _("Rules"),
        _("Counted as"),
        _("Reason"),
        _("Written"),
    ]


def _cells(entry: CreditEntry) -> list[imports.Cell]:
    words = _words()
    return [
        entry.day,
        entry.title_en if locale() == "en" else entry.title_zh,
        words["speaker"] if entry.role == "speaker" else "",
        _number(rules.minutes(entry.seconds), 1),
        _number(entry.credits, 4),
        _number(entry.hours, 4),
        entry.table_code,
        words["category"].get(entry.category, entry.category),
        words["reason"].get(entry.reason, entry.reason),
        clock.today(entry.at),
    ]


def _number(amount: Fraction, places: int = 2) -> imports.Cell:
    """An amount as a table keeps it: whole where it is."""
    text = rules.shown(amount, places)
    return float(text) if "." in text else int(text)


def _rows(cohort: Cohort) -> tuple[list[str], list[Sequence[imports.Cell]]]:
    head = [_("Name"), _("Home hospital"), *HEAD()]
    rows: list[Sequence[imports.Cell]] = []
    for entry in queries.cohort_ledger(cohort.id):
        home = entry.enrolment.home_hospital
        rows.append([entry.enrolment.person.name, home.name_zh if home else "", *_cells(entry)])
    return head, rows


@bp.get("/certificates/cohorts/<cohort_id>/credits.csv")
@staff(*READERS)
def credits_csv(cohort_id: str) -> ResponseReturnValue:
    """Every line of a cohort's ledgers."""
    cohort = programmes.cohort(cohort_id, actor())
    return files.table(f"credits-{cohort.code}.csv", *_rows(cohort))


@bp.get("/certificates/cohorts/<cohort_id>/credits.xlsx")
@staff(*READERS)
def credits_xlsx(cohort_id: str) -> ResponseReturnValue:
    """The same as a workbook: sums by year on the first sheet, every line on the second."""
    cohort = programmes.cohort(cohort_id, actor())
    head, rows = _rows(cohort)
    sums: list[Sequence[imports.Cell]] = [
        [
            row.enrolment.person.name,
            row.enrolment.home_hospital.name_zh if row.enrolment.home_hospital else "",
            year.year,
            year.table,
            _number(rules.minutes(year.seconds), 1),
            _number(year.credits),
            _number(year.hours),
        ]
        for row in queries.cohort_credits(cohort)
        for year in row.years
    ]
    columns = [_("Name"), _("Home hospital"), _("Year"), _("Rules"), _("Minutes"), _("Credits"), _("Hours")]
    sheets = [imports.Page(_("Sums by year"), sums, header=columns), imports.Page(_("Every line"), rows)]
    answer = Response(imports.to_book(head, sheets), mimetype=XLSX)
    answer.headers.set("Content-Disposition", "attachment", filename=f"credits-{cohort.code}.xlsx")
    answer.headers["Cache-Control"] = "no-store"
    return answer


@bp.get("/certificates/cohorts/<cohort_id>/credits/plan")
@staff(*RUNNERS)
def credit_plan(cohort_id: str) -> ResponseReturnValue:
    """By whose rules a cohort is counted."""
    cohort = programmes.cohort(cohort_id, actor(), permission=Permission.COHORT_MANAGE)
    plan = queries.credit_plan(cohort.id)
    return _plan_page(cohort, PlanForm(obj=plan) if plan else PlanForm())


def _plan_page(cohort: Cohort, form: PlanForm) -> ResponseReturnValue:
    return render_template(
        "certificates/credits/plan.html",
        tab="certificates",
        cohort=cohort,
        plan=queries.credit_plan(cohort.id),
        tables=rules.TABLES,
        form=form,
    ), form.status


@bp.post("/certificates/cohorts/<cohort_id>/credits/plan")
@staff(*RUNNERS)
def set_credit_plan(cohort_id: str) -> ResponseReturnValue:
    """Set by whose rules a cohort is counted; everybody is counted anew. The same plan twice is once."""
    by, at = actor(), clock.now()
    cohort = programmes.cohort(cohort_id, by, permission=Permission.COHORT_MANAGE)
    form = PlanForm.of_request()
    if not form.run(
        lambda: services.set_plan(
            cohort,
            rules.Plan(
                form.jurisdiction.data or "",
                (form.project_number.data or "").strip(),
                form.level.data or "",
                form.project_cap.data,
            ),
            at=at,
            by=by,
        )
    ):
        return _plan_page(cohort, form)
    flash(_("Everybody of the cohort has been counted by these rules."), "success")
    return redirect(url_for("certificates.credits_cohort", cohort_id=cohort_id), 303)


# Certificates of credits


def _chosen(cohort: Cohort, form: StatementForm) -> Sequence[Enrolment]:
    wanted = form.id.data or []
    if request.form.get("everyone"):
        wanted = queries.uncertified_ids(cohort)
    return queries.chosen(cohort, wanted)


@bp.post("/certificates/cohorts/<cohort_id>/credits/check")
@staff(*RUNNERS)
def check_credits(cohort_id: str) -> ResponseReturnValue:
    """Before issuing: the names, the period and what each certificate will state."""
    cohort = programmes.cohort(cohort_id, actor(), permission=Permission.CERTIFICATE_ISSUE)
    form = StatementForm.of_request()
    if not form.validate():
        return _cohort_page(cohort, form)
    assert form.first.data is not None
    assert form.last.data is not None
    try:
        rules.require_period(form.first.data, form.last.data, today=clock.today())
    except RuleBroken as refusal:
        form.refuse(refusal)
        return _cohort_page(cohort, form)
    chosen = _chosen(cohort, form)
    if not chosen:
        form.refuse(RuleBroken("nobody_chosen", _("Choose at least one trainee.")))
        return _cohort_page(cohort, form)
    return _check_page(cohort, chosen, form)


def _check_page(cohort: Cohort, chosen: Sequence[Enrolment], form: StatementForm) -> ResponseReturnValue:
    plan = queries.credit_plan(cohort.id)
    stated = {
        one.id: queries.sums(
            queries.ledger(one.id),
            plan.rules if plan else None,
            first=form.first.data,
            last=form.last.data,
        )
        for one in chosen
    }
    return render_template(
        "certificates/credits/check.html",
        tab="certificates",
        cohort=cohort,
        chosen=chosen,
        stated=stated,
        remarks=queries.remarks(chosen),
        form=form,
        shown=rules.shown,
    ), form.status


@bp.post("/certificates/cohorts/<cohort_id>/credits/issue")
@staff(*RUNNERS)
def issue_credits(cohort_id: str) -> ResponseReturnValue:
    """Issue certificates of credits to the chosen; the files are made by the worker."""
    by, at = actor(), clock.now()
    cohort = programmes.cohort(cohort_id, by, permission=Permission.CERTIFICATE_ISSUE)
    form = StatementForm.of_request()
    chosen = queries.chosen(cohort, form.id.data or [])

    def act() -> object:
        assert form.first.data is not None
        assert form.last.data is not None
        return services.issue_credits(
            cohort,
            chosen,
            first=form.first.data,
            last=form.last.data,
            client_uuid=form.client_uuid.data or "",
            at=at,
            by=by,
        )

    if form.run(act):
        return redirect(url_for("certificates.batch", batch_id=form.result.public_id), 303)
    return _check_page(cohort, chosen, form)


PREVIEW_LIMIT = (30, 60)
"""Previews and seconds for one person: each is drawn anew, half a second of work."""


@bp.get("/certificates/cohorts/<cohort_id>/credits/preview/<enrolment_id>.pdf")
@staff(*RUNNERS)
def preview_credits(cohort_id: str, enrolment_id: str) -> ResponseReturnValue:
    """One trainee's certificate of credits as it would be printed now, marked as none."""
    by, at = actor(), clock.now()
    cohort = programmes.cohort(cohort_id, by, permission=Permission.CERTIFICATE_ISSUE)
    chosen = queries.chosen(cohort, [enrolment_id])
    if not chosen:
        raise NotFound
    try:
        first, last = (date.fromisoformat(request.args.get(name, "")) for name in ("first", "last"))
    except ValueError as problem:
        raise NotFound from problem
    limits.hit(f"preview:{by.account_id}", limit=PREVIEW_LIMIT[0], per_s=PREVIEW_LIMIT[1], at=at)
    drawn = services.preview_credits(chosen[0], cohort, first=first, last=last, at=at, by=by)
    answer = Response(drawn, mimetype="application/pdf")
    answer.headers.set("Content-Disposition", "inline", filename=f"preview-{enrolment_id}.pdf")
    answer.headers["Cache-Control"] = "no-store"
    return answer
