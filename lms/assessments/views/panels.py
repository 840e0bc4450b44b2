"""Pages of pass marks by Ebel, Hofstee and borderline regression: the panel, the result, the printed sheet, one judge's page."""

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from flask import flash, redirect, render_template, request, url_for
from flask.typing import ResponseReturnValue

from lms.assessments import queries, services
from lms.assessments.forms import StudyForm
from lms.assessments.forms.panels import LimitsForm, SortForm, StandardForm
from lms.assessments.models import ExamForm, StandardStudy, Test
from lms.assessments.psychometrics import charts
from lms.assessments.queries.pass_marks import cut_sheet
from lms.assessments.queries.standards import PanelView
from lms.assessments.rules import standards as rule
from lms.assessments.views.blueprint import bp
from lms.assessments.views.cuts import deciders, read_test
from lms.core import approvals, clock
from lms.core.errors import NotFound, RuleBroken
from lms.core.i18n import _
from lms.policy import Actor, Permission, allows
from lms.web.forms import Form
from lms.web.guard import actor, members

PAGES = ("ebel", "hofstee", "borderline")
"""Methods that have a page of their own."""


def _read(public_id: str, method: str, by: Actor) -> Test:
    """A test for a method's page. NotFound for all who neither propose nor decide, and for a method that is none."""
    if method not in PAGES:
        raise NotFound
    return read_test(public_id, by)


@bp.app_template_filter()
def method_words(code: str) -> str:
    """The name of a method of pass marks."""
    return str(rule.METHODS.get(code, code))


@bp.app_template_filter()
def ebel_cell(code: str) -> str:
    """A cell of Ebel's grid in words."""
    return rule.cell_words(code)


def pictures(method: str, evidence: Mapping[str, Any] | None) -> list[charts.Chart]:
    """What a pass mark rests on, drawn; the numbers of each drawing go with it."""
    if evidence is None:
        return []
    if method == "ebel":
        return [charts.judges_cuts("cut-chart", evidence["cuts"], cut=float(evidence["percent"]))]
    if method == "hofstee":
        limits = evidence["limits"]
        return [
            charts.hofstee(
                "cut-chart",
                [(at, rate) for at, rate in evidence["curve"]],
                cuts=(limits["least_cut"], limits["most_cut"]),
                rates=(limits["least_fail"] / 100, limits["most_fail"] / 100),
                found=(float(evidence["percent"]), evidence["fail_rate"]),
            )
        ]
    if method == "borderline":
        return [
            charts.borderline_regression(
                f"cut-chart-{one['slot']}",
                [(rating, score) for rating, score in one["points"]],
                slope=one["slope"],
                intercept=one["intercept"],
                borderline=rule.BORDERLINE,
            )
            for one in evidence["stations"]
        ]
    return []


# ---------------------------------------------------------------- the method's page


@bp.get("/tests/<public_id>/cut/<method>")
@deciders
def standard(public_id: str, method: str) -> ResponseReturnValue:
    """A pass mark by one method: the panel, what it comes to, and the proposal."""
    by, at = actor(), clock.now()
    return _page(_read(public_id, method, by), method, by, at)


def _page(
    found: Test, method: str, by: Actor, at: datetime, failed: Form | None = None
) -> ResponseReturnValue:
    studies = () if method == "borderline" else queries.standard_studies(found.id, method)
    subject = f"test:{found.public_id}"
    manages = allows(by, Permission.TEST_MANAGE, found)
    is_draft = found.state == "draft"
    is_waiting = approvals.is_waiting((services.CUT, services.REGRADE), subject)
    papers = queries.forms_of(found.id)
    running = any(one.state != "closed" for one in studies)
    is_early = is_draft or (method != "ebel" and not found.is_released)
    may_ask = manages and method != "borderline" and is_early and bool(papers) and not running
    asked = failed if isinstance(failed, StudyForm) else StudyForm()
    today = clock.today(at)
    asked.offer(papers, queries.possible_judges(found.programme_id, on=today) if may_ask else [])
    closed = next((one for one in studies if one.state == "closed"), None)
    views = queries.panel_views(studies) if studies else []
    view = next((one for one in views if one.study is closed), None)
    evidence, why_not = _evidence(found, method, closed, at, view, papers[-1] if papers else None)
    form = failed if isinstance(failed, StandardForm) else StandardForm()
    page = render_template(
        "assessments/standard.html",
        test=found,
        method=method,
        views=views,
        evidence=evidence,
        why_not=why_not,
        pictures=pictures(method, evidence),
        study=closed,
        form=form,
        study_form=asked,
        failed=failed or Form(),
        manages=manages,
        is_waiting=is_waiting,
        may_ask=may_ask,
        has_papers=bool(papers),
        may_propose=manages and evidence is not None and not is_waiting and is_early,
        may_regrade=manages
        and evidence is not None
        and method in rule.FROM_RESULTS
        and not is_waiting
        and found.is_released
        and evidence["whole_percent"] != found.cut_percent,
        few=rule.FEW_RESULTS,
        tab="tests",
    )
    return page, failed.status if failed else 200


def _evidence(
    test: Test,
    method: str,
    study: StandardStudy | None,
    at: datetime,
    view: PanelView | None,
    form: ExamForm | None,
) -> tuple[Mapping[str, Any] | None, str]:
    """What the method comes to, or why it comes to nothing yet."""
    try:
        return services.standard_evidence(test, method, study, at=at, view=view, form=form), ""
    except RuleBroken as refusal:
        return None, refusal.message


@bp.post("/tests/<public_id>/cut/<method>/judges")
@deciders
def ask_panel(public_id: str, method: str) -> ResponseReturnValue:
    """Ask judges to a panel."""
    by, at = actor(), clock.now()
    found = _read(public_id, method, by)
    if method == "borderline":
        raise NotFound
    papers = queries.forms_of(found.id)
    people = queries.possible_judges(found.programme_id, on=clock.today(at))
    form = StudyForm.of_request()
    form.offer(papers, people)
    if not form.run(
        lambda: services.start_panel(
            found,
            next(paper for paper in papers if str(paper.n) == form.paper.data),
            method,
            [person for person in people if person.public_id in (form.judges.data or [])],
            by=by,
            at=at,
        )
    ):
        return _page(_read(public_id, method, by), method, by, at, form)
    flash(_("The judges are told."), "success")
    return _back(public_id, method)


@bp.post("/tests/<public_id>/cut/<method>/judges/<study_id>/<act>")
@deciders
def move_panel(public_id: str, method: str, study_id: str, act: str) -> ResponseReturnValue:
    """Begin the second round, or end the study."""
    by, at = actor(), clock.now()
    found = _read(public_id, method, by)
    study = None if method == "borderline" else loaded_study(found, method, study_id)
    if study is None or act not in rule.STUDY_MOVES[study.method]:
        raise NotFound
    form = Form.of_request()
    if not form.run(lambda: services.move_panel(study, act, by=by, at=at)):
        return _page(_read(public_id, method, by), method, by, at, form)
    return _back(public_id, method)


@bp.post("/tests/<public_id>/cut/<method>/propose")
@deciders
def propose_standard(public_id: str, method: str) -> ResponseReturnValue:
    """Propose what was found; another person decides on the page of the pass mark."""
    by, at = actor(), clock.now()
    found = _read(public_id, method, by)
    form = StandardForm.of_request()
    if not form.run(
        lambda: services.propose_standard(
            found,
            method,
            loaded_study(found, method, form.study.data or ""),
            percent=form.percent.data,
            reason=form.reason.data or "",
            by=by,
            at=at,
        )
    ):
        return _page(_read(public_id, method, by), method, by, at, form)
    flash(_("Another person decides on the pass mark."), "success")
    return redirect(url_for("assessments.cut", public_id=public_id), 303)


def loaded_study(test: Test, method: str, public_id: str) -> StandardStudy | None:
    """The study that a form or an address names, with its paper; None for none. Raises NotFound for another test's."""
    if not public_id:
        return None
    found = next(
        (one for one in queries.standard_studies(test.id, method) if one.public_id == public_id), None
    )
    if found is None:
        raise NotFound
    return found


def _back(public_id: str, method: str) -> ResponseReturnValue:
    return redirect(url_for("assessments.standard", public_id=public_id, method=method), 303)


# ---------------------------------------------------------------- on paper


@bp.get("/tests/<public_id>/cut/<int:n>")
@deciders
def cut_paper(public_id: str, n: int) -> ResponseReturnValue:
    """An agreed pass mark for the files: method, error, drawing, numbers, and how likely a decision is wrong."""
    found = read_test(public_id, actor())
    sheet = cut_sheet(found, n)
    score = sheet.agreed.score
    return render_template(
        "assessments/cut_paper.html",
        test=found,
        sheet=sheet,
        score=score,
        pictures=pictures(score.method, score.evidence),
        tab="tests",
    )


# ---------------------------------------------------------------- one judge


@bp.route("/panels/<public_id>", methods=["GET", "POST"])
@members
def panel(public_id: str) -> ResponseReturnValue:
    """What one judge says: where each question belongs (Ebel), or which pass marks they accept (Hofstee)."""
    by, at = actor(), clock.now()
    study = queries.standard_study(public_id, by)
    return _sorting(study, by, at) if study.method == "ebel" else _limits(study, by, at)


def _saved(study: StandardStudy) -> ResponseReturnValue:
    flash(_("What you said is saved."), "success")
    return redirect(url_for("assessments.panel", public_id=study.public_id), 303)


def _sorting(study: StandardStudy, by: Actor, at: datetime) -> ResponseReturnValue:
    form, public_id = SortForm.of_request(), study.public_id
    if request.method == "POST":
        said = form.read(slot["slot"] for slot in study.form.slots)
        if form.run(lambda: services.sort_questions(study, form.round.data, said, by=by, at=at)):
            return _saved(study)
        study = queries.standard_study(public_id, by)
    sheet = queries.own_sheet(study, by.person_id)
    mine = rule.Sorted.of(sheet.mine)
    shown = form.typed or {
        **{f"cell-{slot}": cell for slot, cell in mine.cells.items()},
        **{f"expect-{cell}": str(percent) for cell, percent in mine.expected.items()},
    }
    page = render_template(
        "assessments/panel_ebel.html",
        study=study,
        test=study.test,
        items=queries.paper(study.form, None),
        sheet=sheet,
        shown=shown,
        panel={one.cell: one for one in sheet.grid},
        unsorted=sum(slot["slot"] not in mine.cells for slot in study.form.slots) if sheet.is_saved else 0,
        unsaid=[cell for cell in rule.CELLS if cell in mine.cells.values() and cell not in mine.expected]
        if sheet.is_saved
        else (),
        relevance=rule.RELEVANCE,
        difficulty=rule.DIFFICULTY,
        may_say=study.state != "closed" and (study.round == 1 or sheet.has_first),
        form=form,
        tab="to-sign",
    )
    return page, form.status


def _limits(study: StandardStudy, by: Actor, at: datetime) -> ResponseReturnValue:
    form, public_id = LimitsForm.of_request(), study.public_id
    if request.method == "POST":
        if form.run(
            lambda: services.accept_limits(
                study, {name: form[name].data for name in rule.LIMITS}, by=by, at=at
            )
        ):
            return _saved(study)
        study = queries.standard_study(public_id, by)
    sheet = queries.own_sheet(study, by.person_id)
    if request.method == "GET":
        form = LimitsForm(data=dict(sheet.mine))
    page = render_template(
        "assessments/panel_hofstee.html",
        study=study,
        test=study.test,
        items=queries.paper(study.form, None),
        sheet=sheet,
        form=form,
        tab="to-sign",
    )
    return page, form.status
