"""Pages of pass marks: the proposal and its decision, the judges' study, and the page of one judge."""

from flask import flash, redirect, render_template, request, url_for
from flask.typing import ResponseReturnValue

from lms.assessments import queries, services
from lms.assessments.forms import CutForm, DecideForm, RatingForm, StudyForm
from lms.assessments.models import Test
from lms.assessments.views.blueprint import bp
from lms.core import approvals, clock
from lms.core.db import transaction
from lms.core.errors import NotFound
from lms.core.i18n import _
from lms.policy import Actor, Permission, allows
from lms.web.forms import Form
from lms.web.guard import actor, members, staff

deciders = staff(*queries.MAKERS, *queries.DECIDERS)


def read_test(public_id: str, by: Actor) -> Test:
    """A test for whoever proposes its pass mark or decides on it. NotFound for all others."""
    found = queries.test(public_id, by)
    if not (allows(by, Permission.TEST_MANAGE, found) or allows(by, Permission.APPROVE, found)):
        raise NotFound
    return found


def _back(public_id: str) -> ResponseReturnValue:
    return redirect(url_for("assessments.cut", public_id=public_id), 303)


@bp.get("/tests/<public_id>/cut")
@deciders
def cut(public_id: str) -> ResponseReturnValue:
    """The pass mark of a test: what holds, what is proposed, what judges found."""
    by = actor()
    found = read_test(public_id, by)
    return _page(found, by)


def _page(found: Test, by: Actor, failed: Form | None = None) -> ResponseReturnValue:
    waiting = approvals.open_for(services.CUT, f"test:{found.public_id}")
    manages = allows(by, Permission.TEST_MANAGE, found)
    papers = queries.forms_of(found.id)
    today = clock.today(clock.now())
    study = failed if isinstance(failed, StudyForm) else StudyForm()
    views = queries.study_views(queries.studies(found.id))
    running = any(view.study.state != "closed" for view in views)
    may_ask = manages and found.state == "draft" and bool(papers) and not running
    study.offer(papers, queries.possible_judges(found.programme_id, on=today) if may_ask else [])
    page = render_template(
        "assessments/cut.html",
        test=found,
        scores=queries.cut_scores(found.id),
        is_approved=queries.is_cut_approved(found),
        waiting=waiting,
        is_proposer=waiting is not None and waiting.proposed_by_person_id == by.person_id,
        may_decide=waiting is not None
        and approvals.may_decide(waiting, by)
        and allows(by, Permission.APPROVE, found),
        manages=manages,
        form=failed if isinstance(failed, CutForm) else CutForm(data={"percent": found.cut_percent}),
        study_form=study,
        failed=failed or Form(),
        studies=views,
        may_ask=may_ask,
        has_papers=bool(papers),
        tab="tests",
    )
    return page, failed.status if failed else 200


@bp.post("/tests/<public_id>/cut/propose")
@deciders
def propose_cut(public_id: str) -> ResponseReturnValue:
    """Propose the pass mark; another person decides."""
    by, at = actor(), clock.now()
    found = read_test(public_id, by)
    form = CutForm.of_request()

    def act() -> object:
        study = None
        if form.study.data:
            study = next((one for one in queries.studies(found.id) if one.public_id == form.study.data), None)
            if study is None:
                raise NotFound
        return services.propose_cut(
            found, percent=form.percent.data, reason=form.reason.data or "", study=study, by=by, at=at
        )

    if not form.run(act):
        return _page(read_test(public_id, by), by, form)
    flash(_("Another person decides on the pass mark."), "success")
    return _back(public_id)


@bp.post("/tests/<public_id>/cut/decide")
@deciders
def decide_cut(public_id: str) -> ResponseReturnValue:
    """Agree to the proposed pass mark, or send it back."""
    by, at = actor(), clock.now()
    found = read_test(public_id, by)
    form = DecideForm.of_request()
    if not form.run(
        lambda: services.decide_cut(
            found,
            outcome=form.outcome.data,
            seen_sha256=form.seen.data or "",
            words=form.words.data or "",
            by=by,
            at=at,
        )
    ):
        return _page(read_test(public_id, by), by, form)
    flash(
        _("Approved.") if form.outcome.data == approvals.APPROVED else _("Sent back with your reason."),
        "success",
    )
    return _back(public_id)


@bp.post("/tests/<public_id>/cut/withdraw")
@deciders
def withdraw_cut(public_id: str) -> ResponseReturnValue:
    """Take one's own proposal back."""
    by, at = actor(), clock.now()
    found = read_test(public_id, by)
    with transaction():
        services.withdraw_cut(found, by=by, at=at)
    return _back(public_id)


# ---------------------------------------------------------------- judges


@bp.post("/tests/<public_id>/cut/judges")
@deciders
def ask_judges(public_id: str) -> ResponseReturnValue:
    """Ask judges to rate the questions of a sealed paper."""
    by, at = actor(), clock.now()
    found = read_test(public_id, by)
    papers = queries.forms_of(found.id)
    people = queries.possible_judges(found.programme_id, on=clock.today(at))
    form = StudyForm.of_request()
    form.offer(papers, people)
    if not form.run(
        lambda: services.start_study(
            found,
            next(paper for paper in papers if str(paper.n) == form.paper.data),
            [person for person in people if person.public_id in (form.judges.data or [])],
            by=by,
            at=at,
        )
    ):
        return _page(read_test(public_id, by), by, form)
    flash(_("The judges are told."), "success")
    return _back(public_id)


@bp.post("/tests/<public_id>/cut/judges/<study_id>/<act>")
@deciders
def move_study(public_id: str, study_id: str, act: str) -> ResponseReturnValue:
    """Begin the second round, or end the study."""
    by, at = actor(), clock.now()
    found = read_test(public_id, by)
    study = next((one for one in queries.studies(found.id) if one.public_id == study_id), None)
    if study is None or act not in {"next_round", "close"}:
        raise NotFound
    form = Form.of_request()
    if not form.run(lambda: services.move_study(study, act, by=by, at=at)):
        return _page(read_test(public_id, by), by, form)
    return _back(public_id)


@bp.route("/judging/<public_id>", methods=["GET", "POST"])
@members
def judging(public_id: str) -> ResponseReturnValue:
    """The questions of a paper for one of its judges, each with a field for the borderline candidate."""
    by, at = actor(), clock.now()
    study = queries.study(public_id, by)
    form = RatingForm.of_request()
    if request.method == "POST":
        given = form.read(slot["slot"] for slot in study.form.slots)
        if form.run(lambda: services.rate(study, form.round.data, given, by=by, at=at)):
            flash(_("Your ratings are saved."), "success")
            return redirect(url_for("assessments.judging", public_id=public_id), 303)
        study = queries.study(public_id, by)
    seen = queries.seen_by(study, by.person_id)
    kept = queries.ratings([study.id]).get((study.id, study.round), {}).get(by.person_id, {})
    page = render_template(
        "assessments/judging.html",
        study=study,
        test=study.test,
        items=queries.paper(study.form, None),
        seen=seen,
        rated=len(kept),
        may_rate=study.state != "closed"
        and (study.round == 1 or all(one.before is not None for one in seen.values())),
        form=form,
        tab="to-sign",
    )
    return page, form.status
