"""Pages on which a test is made: terms, blueprint, papers, seal."""

from hashlib import sha256

from flask import flash, redirect, render_template, request, url_for
from flask.typing import ResponseReturnValue

from lms.assessments import queries, rules, services
from lms.assessments.forms import BlueprintForm, PressForm, StartForm, TestForm
from lms.assessments.models import ExamForm, Test, TestPlan
from lms.assessments.queries.shown import PREVIEW_SEED
from lms.assessments.rules.blueprint import Cell
from lms.assessments.rules.papers import equivalents, read_cells
from lms.assessments.views.blueprint import bp
from lms.core import approvals, clock
from lms.core.db import transaction
from lms.core.errors import NotFound, RuleBroken
from lms.core.i18n import _
from lms.policy import Permission
from lms.web.forms import Form
from lms.web.guard import actor, reads_first, staff

makers = staff(*queries.MAKERS)
MOST_SHOWN = 20
"""Equivalents that the exchange page offers."""


def _test(public_id: str) -> Test:
    return queries.test(public_id, actor(), permission=Permission.TEST_MANAGE)


def _drawn(public_id: str) -> tuple[Test, TestPlan]:
    """A draft whose papers are drawn. NotFound for any other test."""
    found = _test(public_id)
    plan = queries.plan_of(found.id)
    if plan is None or found.state != rules.TestState.DRAFT:
        raise NotFound
    return found, plan


def _back(public_id: str) -> ResponseReturnValue:
    return redirect(url_for("assessments.manage", public_id=public_id), 303)


# ---------------------------------------------------------------- terms


@bp.route("/tests/new", methods=["GET", "POST"])
@makers
def new_test() -> ResponseReturnValue:
    """The terms of a new test."""
    by, at = actor(), clock.now()
    cohorts, banks = queries.makers_cohorts(by), queries.makers_banks(by)
    form = TestForm.of_request()
    form.offer(banks, cohorts)
    if request.method == "POST" and form.run(
        lambda: services.draft_test(
            next(one for one in cohorts if one.public_id == form.cohort.data),
            next(one for one in banks if one.public_id == form.bank.data),
            form.terms(),
            client_uuid=form.client_uuid.data,
            by=by,
            at=at,
        )
    ):
        return redirect(url_for("assessments.blueprint", public_id=form.result.public_id), 303)
    page = render_template(
        "assessments/terms.html", form=form, test=None, may_make=bool(cohorts and banks), tab="tests"
    )
    return page, form.status


@bp.route("/tests/<public_id>/edit", methods=["GET", "POST"])
@makers
def edit_test(public_id: str) -> ResponseReturnValue:
    """Change the terms of a draft."""
    by, at = actor(), clock.now()
    found, plan = _drawn(public_id)
    banks = [one for one in queries.makers_banks(by) if one.purpose == found.purpose]
    form = TestForm.of_request() if request.method == "POST" else TestForm.showing(found, plan)
    form.offer([one for one in banks if one.programme_id == found.programme_id], [])
    form.settle(plan, is_sealed=bool(queries.forms_of(found.id)))
    if request.method == "POST" and form.run(
        lambda: services.edit_terms(
            found,
            form.terms(),
            bank=next(one for one in banks if one.public_id == form.bank.data) if form.bank else plan.bank,
            by=by,
            at=at,
        )
    ):
        return _back(public_id)
    if form.failed:
        found = _test(public_id)
    return render_template(
        "assessments/terms.html", form=form, test=found, may_make=True, tab="tests"
    ), form.status


@bp.post("/tests/<public_id>/copy")
@makers
def copy_test(public_id: str) -> ResponseReturnValue:
    """A new draft with the terms of this test."""
    by, at = actor(), clock.now()
    found = _test(public_id)
    form = StartForm.of_request()
    if not form.run(lambda: services.copy_test(found, client_uuid=form.client_uuid.data, by=by, at=at)):
        raise RuleBroken("copy", _("This test cannot be copied."))
    flash(_("This is the copy. Check the window, then draw its papers."), "success")
    return redirect(url_for("assessments.edit_test", public_id=form.result.public_id), 303)


@bp.route("/tests/<public_id>/delete", methods=["GET", "POST"])
@makers
def delete_test(public_id: str) -> ResponseReturnValue:
    """Throw a draft away, after a question."""
    by, at = actor(), clock.now()
    found, _plan = _drawn(public_id)
    if request.method == "POST":
        with transaction():
            services.delete_draft(found, by=by, at=at)
        flash(_("The draft is deleted."), "success")
        return redirect(url_for("assessments.tests"), 303)
    return render_template("assessments/delete_test.html", test=found, tab="tests")


# ---------------------------------------------------------------- blueprint


@bp.route("/tests/<public_id>/blueprint", methods=["GET", "POST"])
@makers
def blueprint(public_id: str) -> ResponseReturnValue:
    """The lines of the blueprint, beside each what the bank has for it."""
    by, at = actor(), clock.now()
    found, plan = _drawn(public_id)
    form = BlueprintForm.of_request()
    cells: list[Cell]
    if request.method == "POST":
        cells = form.read()
        if request.form.get("act") == "save" and form.run(
            lambda: services.set_blueprint(found, cells, by=by, at=at)
        ):
            return _back(public_id)
        found, plan = _drawn(public_id)
    else:
        cells = list(read_cells(plan.blueprint))
        form.show(cells)
    offered = queries.offered(plan.bank, at=at, today=clock.today(at))
    items = [one.item for one in offered.values()]
    known = queries.stock(form.cells.values(), items, plan.limits.max_exposure)
    page = render_template(
        "assessments/blueprint.html",
        test=found,
        plan=plan,
        form=form,
        stock=dict(zip(form.cells, known, strict=True)),
        topics=sorted({item.topic for item in items if item.topic}),
        kinds=[code for code in rules.TYPES if any(item.type == code for item in items)],
        levels=rules.COGNITIVE,
        offered=len(items),
        is_sealed=bool(queries.forms_of(found.id)),
        tab="tests",
    )
    return page, form.status


# ---------------------------------------------------------------- desk


def desk_page(found: Test, plan: TestPlan, failed: Form | None = None) -> ResponseReturnValue:
    """A draft step by step: terms, blueprint, papers, seal, opening."""
    at = clock.now()
    sealed = queries.forms_of(found.id)
    page = render_template(
        "assessments/desk.html",
        test=found,
        plan=plan,
        sealed=sealed,
        drafts=None if sealed else queries.drafts(plan, at=at, today=clock.today(at)),
        cells=read_cells(plan.blueprint),
        is_approved=queries.is_cut_approved(found),
        is_proposed=approvals.open_for(services.CUT, f"test:{found.public_id}") is not None,
        failed=failed or Form(),
        tab="tests",
    )
    return page, failed.status if failed else 200


@bp.post("/tests/<public_id>/draw")
@makers
@reads_first
def draw_papers(public_id: str) -> ResponseReturnValue:
    """Draw the papers by another seed; the search itself holds no lock."""
    by, at = actor(), clock.now()
    today = clock.today(at)
    found, plan = _drawn(public_id)
    form = StartForm.of_request()
    drawing = None
    if form.validate():
        try:
            drawing = services.draw(found, client_uuid=form.client_uuid.data, by=by, at=at, today=today)
        except RuleBroken as refusal:
            form.refuse(refusal)
    if drawing is not None and drawing.lacks:
        form.problems.extend(drawing.lacks)
    elif drawing is not None:
        kept = drawing
        if form.run(lambda: services.keep(found, kept, by=by, at=at, today=today)):
            flash(_("The papers are drawn. Look at each of them before you seal them."), "success")
            return _back(public_id)
        found, plan = _drawn(public_id)
    return desk_page(found, plan, form)


@bp.post("/tests/<public_id>/seal")
@makers
def seal_papers(public_id: str) -> ResponseReturnValue:
    """Seal the papers that were seen."""
    by, at = actor(), clock.now()
    found, plan = _drawn(public_id)
    form = PressForm.of_request()
    if not form.run(
        lambda: services.seal(found, seen_sha256=form.seen.data or "", by=by, at=at, today=clock.today(at))
    ):
        found, plan = _drawn(public_id)
        return desk_page(found, plan, form)
    flash(_("The papers are sealed."), "success")
    return _back(public_id)


# ---------------------------------------------------------------- one paper


def _paper(plan: TestPlan, n: int) -> tuple[queries.Drafts, queries.DraftPaper]:
    at = clock.now()
    drafts = queries.drafts(plan, at=at, today=clock.today(at))
    found = next((paper for paper in drafts.papers if paper.n == n), None)
    if found is None:
        raise NotFound
    return drafts, found


@bp.route("/tests/<public_id>/papers/<int:n>", methods=["GET", "POST"])
@makers
def draft_paper(public_id: str, n: int) -> ResponseReturnValue:
    """The questions of a drawn paper in their order, each with its place; the order is changed here."""
    by, at = actor(), clock.now()
    found, plan = _drawn(public_id)
    drafts, paper = _paper(plan, n)
    form = Form.of_request()
    if request.method == "POST":
        numbers = {row.question.public_id: row.question.id for row in paper.rows}
        wished = {
            numbers[name.removeprefix("place-")]: int(value)
            for name, value in request.form.items()
            if name.removeprefix("place-") in numbers
            and value.isascii()
            and value.isdigit()
            and len(value) < 5
        }
        if form.run(lambda: services.reorder(found, n, wished, by=by, at=at)):
            flash(_("The order is saved."), "success")
            return redirect(url_for("assessments.draft_paper", public_id=public_id, n=n), 303)
        found, plan = _drawn(public_id)
        drafts, paper = _paper(plan, n)
    page = render_template(
        "assessments/paper.html", test=found, plan=plan, drafts=drafts, paper=paper, form=form, tab="tests"
    )
    return page, form.status


@bp.get("/tests/<public_id>/papers/<int:n>/preview")
@makers
def preview(public_id: str, n: int) -> ResponseReturnValue:
    """A paper, drawn or sealed, exactly as one of its candidates sees it."""
    found = _test(public_id)
    plan = queries.plan_of(found.id)
    paper: ExamForm | queries.DraftPaper | None = next(
        (form for form in queries.forms_of(found.id) if form.n == n), None
    )
    if paper is None and plan is not None:
        paper = _paper(plan, n)[1]
    if paper is None:
        raise NotFound
    given = request.args.get("candidate", "1")
    candidate = int(given) if given.isascii() and given.isdigit() and len(given) < 4 else 1
    seed = sha256(PREVIEW_SEED + b"|%d" % candidate).hexdigest()
    return render_template(
        "assessments/preview.html",
        test=found,
        n=n,
        paper=paper,
        items=queries.paper(paper, seed),
        choices=rules.choices_of(paper.slots).values(),
        parts=len(rules.parts_of(paper.slots)),
        candidate=candidate,
        tab="tests",
    )


@bp.route("/tests/<public_id>/papers/<int:n>/exchange/<question_id>", methods=["GET", "POST"])
@makers
def exchange(public_id: str, n: int, question_id: str) -> ResponseReturnValue:
    """Put an equivalent question in the place of one."""
    by, at = actor(), clock.now()
    today = clock.today(at)
    found, plan = _drawn(public_id)
    old = queries.question(question_id, by)
    form = PressForm.of_request()
    back = url_for("assessments.draft_paper", public_id=public_id, n=n)
    if request.method == "POST":
        new = queries.question(form.seen.data or "", by)
        if form.run(lambda: services.exchange(found, n, old, new, by=by, at=at, today=today)):
            flash(_("%(new)s stands in the place of %(old)s now.", new=new.code, old=old.code), "success")
            return redirect(back, 303)
        found, plan = _drawn(public_id)
    drafts, paper = _paper(plan, n)
    row = next((one for one in paper.rows if one.question.public_id == question_id), None)
    if row is None:
        raise NotFound
    offered = queries.offered(plan.bank, at=at, today=today)
    fitting = equivalents(
        drafts.blueprint,
        [one.picks for one in drafts.papers],
        drafts.papers.index(paper),
        row.question.id,
        drafts.pool,
        plan.limits,
    )
    page = render_template(
        "assessments/exchange.html",
        test=found,
        paper=paper,
        row=row,
        shown=queries.as_written(row.version.type, row.version.body, source=row.version.source),
        offered=[offered[item.id] for item in fitting[:MOST_SHOWN]],
        total=len(fitting),
        form=form,
        tab="tests",
    )
    return page, form.status
