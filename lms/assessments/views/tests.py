"""Tests of a trainee, the sitting, the result, and the examiner's desk."""

import json
from collections.abc import Container, Mapping, Sequence
from datetime import datetime

from flask import flash, make_response, redirect, render_template, request
from flask.typing import ResponseReturnValue

from lms.assessments import api, queries, rules, services
from lms.assessments.forms import StartForm
from lms.assessments.models import Sitting, Test
from lms.assessments.queries import markers, overview
from lms.assessments.views.blueprint import bp
from lms.assessments.views.making import desk_page
from lms.assessments.writer import Ack, Overloaded
from lms.core import clock
from lms.core.db import transaction
from lms.core.errors import NotFound, RuleBroken
from lms.core.i18n import _, _n
from lms.policy import Actor, Permission, Role, allows
from lms.web import files, filters
from lms.web.forms import Form
from lms.web.guard import actor, members, reads_first, staff
from lms.web.paging import PER_PAGE, Page, page_number

# ---------------------------------------------------------------- tests


@bp.get("/tests")
@members
def tests() -> ResponseReturnValue:
    """A trainee's tests with their state in words; for staff, the tests of their cohorts."""
    by, at = actor(), clock.now()
    found = queries.tests(by)
    own = [test for test in found if by.has(Role.TRAINEE, f"cohort:{test.cohort_id}")]
    others = [test for test in found if test not in own]
    return render_template(
        "assessments/tests.html",
        own=queries.own_tests(own, by, at),
        others=others,
        managed={test.id for test in others if allows(by, Permission.TEST_MANAGE, test)},
        makes=by.is_any(*queries.MAKERS),
        practises=by.is_any(Role.TRAINEE),
        tab="tests",
    )


@bp.get("/tests/<public_id>")
@members
def test(public_id: str) -> ResponseReturnValue:
    """What to expect of a test, and the button that starts it."""
    by, at = actor(), clock.now()
    found = queries.test(public_id, by)
    return _test_page(found, by, at, StartForm())


def _test_page(test: Test, by: Actor, at: datetime, form: StartForm) -> ResponseReturnValue:
    own = queries.own_tests([test], by, at)[0]
    return (
        render_template(
            "assessments/test.html",
            own=own,
            test=test,
            form=form,
            is_candidate=allows(by, Permission.SITTING_START, test),
            is_barred=api.is_barred(test),
            manages=allows(by, Permission.TEST_MANAGE, test),
            supervises=allows(by, Permission.SITTING_SUPERVISE, test)
            and test.state == rules.TestState.PUBLISHED,
            reads_statistics=allows(by, Permission.STATISTICS_READ, test),
            decides=allows(by, Permission.APPROVE, test),
            drills=allows(by, Permission.DRILL_RUN, test),
            marks=allows(by, Permission.MARKING_MANAGE, test) and overview.has_human_slots(test),
            tab="tests",
        ),
        form.status,
    )


@bp.post("/tests/<public_id>/start")
@members
def start(public_id: str) -> ResponseReturnValue:
    """Begin an attempt (or come back to the one that runs); this browser may write in it."""
    by, at = actor(), clock.now()
    found = queries.test(public_id, by)
    if api.is_barred(found):
        return _needs_seb(found)
    form = StartForm.of_request()
    if not form.run(lambda: services.start(found, client_uuid=form.client_uuid.data, by=by, at=at)):
        return _test_page(queries.test(public_id, by), by, at, form)
    sitting: Sitting = form.result
    response = make_response(redirect(f"/sittings/{sitting.public_id}", 303))
    if sitting.client_uuid == form.client_uuid.data and sitting.writer_epoch == 1:
        api.give_pass(response, sitting, found, epoch=1, at=at)
    return response


def _needs_seb(test: Test) -> ResponseReturnValue:
    """For whoever comes to a paper without the Safe Exam Browser that it asks for."""
    return render_template("assessments/seb_needed.html", test=test, tab="tests"), 403


def _own_sitting(public_id: str, by: Actor) -> Sitting:
    return queries.sitting(public_id, by, permission=Permission.SITTING_ANSWER)


# ---------------------------------------------------------------- sitting


@bp.get("/sittings/<public_id>")
@members
def sitting(public_id: str) -> ResponseReturnValue:
    """The whole paper on one page, as it stands; a sitting that is over leads to its result."""
    by, at = actor(), clock.now()
    found = _own_sitting(public_id, by)
    if api.is_barred(found.test):
        return _needs_seb(found.test)
    reckoning = queries.reckoning(found, at)
    ends_at = reckoning.ends_at
    if rules.state_at(found.state, ends_at, at) != rules.SittingState.IN_PROGRESS:
        return redirect(f"/sittings/{public_id}/result", 303)
    if reckoning.paused_since is not None:
        return redirect(f"/sittings/{public_id}/paused", 303)
    return _paper_page(found, at, {})


def _paper_page(
    found: Sitting,
    at: datetime,
    refused: Mapping[int, rules.Refused],
    *,
    chosen: Mapping[int, Sequence[int]] | None = None,
    asks_sure: str = "",
) -> ResponseReturnValue:
    """The paper with what stands; ``refused``: answers of a plain page that could not be read, shown as they were given.

    ``chosen``: the same of cases; ``asks_sure``: the act that a plain page is asked about once more.
    """
    reckoning = queries.reckoning(found, at)
    messages = queries.notes(found.test_id, found, kind="message")
    stands = queries.standing(found.id)
    slots = found.form.slots
    numbers = queries.numbers(found.form, found.seed, stands.locked)
    part = rules.current_part(slots, stands.locked)
    parts = rules.parts_of(slots)
    page = render_template(
        "assessments/sitting.html",
        sitting=found,
        reckoning=reckoning,
        messages=messages,
        news=(messages[0].id if messages else 0) + reckoning.events,
        items=queries.paper(found.form, found.seed, locked=stands.locked),
        numbers=numbers,
        total=len(numbers),
        part=part,
        parts=parts,
        finish=rules.part_number(part) if part in parts[:-1] else None,
        warnings=rules.unconfirmed(slots, stands.locked),
        unopened=rules.unopened(slots, stands.locked),
        asks_sure=asks_sure,
        chosen=stands.chosen if chosen is None else {**stands.chosen, **chosen},
        stands=stands,
        answers={**stands.answers, **{slot: one.given for slot, one in refused.items()}},
        refused={slot: one.why for slot, one in refused.items()},
        remaining_ms=rules.remaining_ms(reckoning.ends_at, at),
        writable=api.is_writer(found, at),
        tab="tests",
    )
    return page, 422 if refused or asks_sure else 200


@bp.get("/sittings/<public_id>/paused")
@members
def paused(public_id: str) -> ResponseReturnValue:
    """What covers the paper while the clock stands; leads back to the paper once it runs. Scripts ask for the changing part."""
    by, at = actor(), clock.now()
    found = _own_sitting(public_id, by)
    if api.is_barred(found.test):
        return _needs_seb(found.test)
    reckoning = queries.reckoning(found, at)
    if reckoning.paused_since is None or found.state != rules.SittingState.IN_PROGRESS:
        return redirect(f"/sittings/{public_id}", 303)
    is_piece = request.headers.get("X-Requested-With") == "lms"
    return render_template(
        "assessments/_messages.html" if is_piece else "assessments/paused.html",
        sitting=found,
        reckoning=reckoning,
        remaining_ms=rules.remaining_ms(reckoning.ends_at, at),
        messages=queries.notes(found.test_id, found, kind="message"),
        tab="tests",
    )


@bp.get("/sittings/<public_id>/slots/<int:slot>")
@members
def next_ask(public_id: str, slot: int) -> ResponseReturnValue:
    """A later ask of a serial case, once the one before is locked: a piece of the page. Until then it does not exist."""
    by, at = actor(), clock.now()
    found = _own_sitting(public_id, by)
    if api.is_barred(found.test):
        return _needs_seb(found.test)
    stands = queries.standing(found.id)
    item = next(
        (one for one in queries.paper(found.form, found.seed, locked=stands.locked) if one.slot == slot), None
    )
    state = rules.state_at(found.state, queries.ends_at(found, at), at)
    if item is None or state != rules.SittingState.IN_PROGRESS:
        raise NotFound
    numbers = queries.numbers(found.form, found.seed, stands.locked)
    response = make_response(
        render_template(
            "assessments/ask.html",
            item=item,
            number=numbers[slot],
            total=len(numbers),
            stands=stands,
        )
    )
    response.headers["Cache-Control"] = "no-store"
    return response


@bp.post("/sittings/<public_id>/answers")
@members
@reads_first
def answers(public_id: str) -> ResponseReturnValue:
    """Save what the plain page holds, or save it and hand in."""
    return _keep(public_id, hands_in=request.form.get("act") in {"submit", "sure"})


@bp.post("/sittings/<public_id>/submit")
@members
@reads_first
def submit(public_id: str) -> ResponseReturnValue:
    """Hand in, with what the page holds; twice is once."""
    return _keep(public_id, hands_in=True)


def _keep(public_id: str, *, hands_in: bool) -> ResponseReturnValue:
    by, at = actor(), clock.now()
    found = _own_sitting(public_id, by)
    if api.is_barred(found.test):
        return _needs_seb(found.test)
    paper = rules.paper_of(
        found.form.slots, {key: (row.type, row.body) for key, row in queries.form_items(found.form).items()}
    )
    given, refused = rules.read_fields(paper.asks, request.form.getlist)
    locked = queries.standing(found.id).locked if paper.lockable else frozenset()
    chosen = {slot: cases for slot, cases in _read_choices(paper).items() if not paper.closed(slot, locked)}
    act, _dot, sure = request.form.get("act", "").partition(".")
    locks = next((slot for slot in paper.lockable if act == f"lock-{slot}" and not refused), None)
    for slot, cases in chosen.items():
        take, firsts = paper.choices[slot]
        if len(cases) > take:
            refused[slot] = rules.Refused({}, rules.too_many(take, len(firsts)))
        elif slot == locks and len(cases) < take:
            refused[slot] = rules.Refused({}, rules.too_few(len(cases), take))
    over = {slot: cases for slot, cases in chosen.items() if slot in refused}
    kept = {slot: cases for slot, cases in chosen.items() if len(cases) <= paper.choices[slot][0]}
    if locks in refused:
        locks = None
    asks_sure = _asks_sure(found, act, sure, locks, locked=locked, hands_in=hands_in)
    if asks_sure:
        locks = None
    ack = None
    if given or kept or locks is not None:
        try:
            ack = api.save_form(found, given, chosen=kept, locks=locks, at=at)
        except Overloaded:
            flash(
                _("The server is busy. Nothing was changed; please press the button again in a few seconds."),
                "warning",
            )
            return redirect(f"/sittings/{public_id}", 303)
    if (refused or asks_sure) and not (ack and _is_elsewhere(ack)):
        found = _own_sitting(public_id, by)
        reckoning = queries.reckoning(found, at)
        is_open = rules.state_at(found.state, reckoning.ends_at, at) == rules.SittingState.IN_PROGRESS
        if is_open and reckoning.paused_since is None:
            return _paper_page(found, at, refused, chosen=over, asks_sure="" if refused else asks_sure)
    if hands_in and not (ack and _is_elsewhere(ack)):
        found = _own_sitting(public_id, by)
        with transaction():
            services.submit(found, by=by, at=at)
        return redirect(f"/sittings/{public_id}/result", 303)
    if ack:
        _say_saved(ack, sum(map(rules.is_answered, given.values())), at)
    return redirect(f"/sittings/{public_id}", 303)


def _asks_sure(
    found: Sitting, act: str, sure: str, locks: int | None, *, locked: Container[int], hands_in: bool
) -> str:
    """The act to ask about once more: handing in, or finishing a part, while something in it is not chosen or not open.

    Empty: nothing is. Scripts have asked before; what they send is sure.
    """
    is_part = locks is not None and locks in map(rules.part_number, rules.parts_of(found.form.slots))
    if sure or act == "sure" or not (hands_in or is_part):
        return ""
    slots = found.form.slots
    is_whole = not rules.unconfirmed(slots, locked) and (is_part or not rules.unopened(slots, locked))
    return "" if is_whole else act if is_part else "submit"


def _read_choices(paper: rules.Paper) -> dict[int, list[int]]:
    """The cases that are ticked on the plain page, of each choice that it shows."""
    found = {}
    for slot, choice in paper.choices.items():
        if f"choose-{slot}-here" in request.form:
            ticked = [
                int(one) for one in request.form.getlist(f"choose-{slot}") if one.isascii() and one.isdigit()
            ]
            found[slot] = rules.read_choice(ticked, choice) or []
    return found


def _is_elsewhere(ack: Ack) -> bool:
    return any(reason == "stale_epoch" for _device, _seq, reason in ack.rejected)


def _say_saved(ack: Ack, count: int, at: datetime) -> None:
    if _is_elsewhere(ack):
        flash(
            _("Not saved: this exam is open on another device. Press “Continue here” to write on this one."),
            "warning",
        )
    elif not ack.rejected:
        flash(
            _n(
                "%(num)s answer is on the server, %(time)s.",
                "%(num)s answers are on the server, %(time)s.",
                count,
                time=filters.hour(at),
            ),
            "success",
        )


@bp.post("/sittings/<public_id>/take-over")
@members
def take_over(public_id: str) -> ResponseReturnValue:
    """Write on this device from now on; the other one can then only read."""
    by, at = actor(), clock.now()
    found = _own_sitting(public_id, by)
    if api.is_barred(found.test):
        return _needs_seb(found.test)
    with transaction():
        found = services.take_over(found, by=by, at=at)
    response = make_response(redirect(f"/sittings/{public_id}", 303))
    api.give_pass(response, found, found.test, epoch=found.writer_epoch, at=at)
    return response


@bp.get("/sittings/<public_id>/result")
@members
def result(public_id: str) -> ResponseReturnValue:
    """The verdict first, then what next, then each question as far as it may be shown; always the receipt."""
    by, at = actor(), clock.now()
    found = queries.sitting(public_id, by)
    is_own = found.trainee_person_id == by.person_id
    if found.state == rules.SittingState.IN_PROGRESS and not rules.is_expired(
        found.state, queries.ends_at(found, at), at
    ):
        return redirect(f"/sittings/{public_id}" if is_own else f"/tests/{found.test.public_id}", 303)
    if found.marked_at is None and found.gave_up_at is None and found.marking_since is None and is_own:
        # The clock handed it in and the sweep has not come by yet: write down what is already so.
        with transaction():
            services.close_if_expired(found.id, at=at)
        found = queries.sitting(public_id, by)
    slots = found.form.slots
    own_slots = rules.administered(
        slots, queries.standing(found.id).locked if rules.choices_of(slots) else frozenset()
    )
    receipt = queries.receipt(found.id)
    if receipt is None and is_own:
        with transaction():
            receipt = services.give_receipt_late(found.id, at=at)
        found = queries.sitting(public_id, by)
    outcome = queries.result(found, at, for_staff=allows(by, Permission.TEST_MANAGE, found.test))
    until = queries.appeals_until(found)
    return render_template(
        "assessments/result.html",
        appeals=queries.appeals_of(found.id) if outcome else {},
        may_appeal=is_own and until is not None and at < until,
        sitting=found,
        test=found.test,
        is_own=is_own,
        receipt=json.loads(receipt) if receipt else None,
        total=len(own_slots),
        answered=outcome.answered if outcome else queries.standing(found.id).answered,
        own=queries.own_tests([found.test], by, at)[0] if is_own else None,
        marks=allows(by, Permission.MARKING_MANAGE, found.test),
        result=outcome,
        tab="tests",
    )


# ---------------------------------------------------------------- the examiner's desk


@bp.get("/tests/<public_id>/manage")
@staff(*queries.MAKERS)
def manage(public_id: str) -> ResponseReturnValue:
    """A draft step by step; an open test with its papers and keys, and the sittings with their states and scores."""
    by, at = actor(), clock.now()
    found = queries.test(public_id, by, permission=Permission.TEST_MANAGE)
    plan = queries.plan_of(found.id) if found.state == rules.TestState.DRAFT else None
    if plan is not None:
        return desk_page(found, plan)
    number = page_number()
    total, given_up = queries.sittings_count(found)
    papers, marked_by = queries.papers_and_keys(found.id)
    shown = next((paper for paper in papers if str(paper.n) == request.args.get("paper")), papers[0])
    items = queries.staff_items(shown)
    marks = any(markers.human_slots(paper) for paper in papers)
    return render_template(
        "assessments/manage.html",
        test=found,
        papers=papers,
        paper=shown,
        items=items,
        asks=rules.ask_counts(shown.slots),
        choices=rules.choices_of(shown.slots).values(),
        sittings=queries.staff_sittings(found, at, limit=PER_PAGE, offset=(number - 1) * PER_PAGE),
        page=Page((), number, total),
        bands=queries.score_bands(found),
        unmarked=queries.unmarked(found) if given_up else (),
        newer_keys=queries.newer_keys(items, marked_by),
        marks=marks,
        wait=overview.waiting_count(found.id) if marks else 0,
        regrades=allows(by, Permission.APPROVE, found),
        supervises=allows(by, Permission.SITTING_SUPERVISE, found),
        tab="tests",
    )


@bp.post("/tests/<public_id>/publish")
@staff(*queries.MAKERS)
def publish(public_id: str) -> ResponseReturnValue:
    """Open a draft for its cohort."""
    by, at = actor(), clock.now()
    found = queries.test(public_id, by, permission=Permission.TEST_MANAGE)
    form = Form.of_request()
    if not form.run(lambda: services.publish(found, at=at, by=by)):
        found = queries.test(public_id, by, permission=Permission.TEST_MANAGE)
        plan = queries.plan_of(found.id)
        if plan is None or found.state != rules.TestState.DRAFT:
            raise RuleBroken("wrong_state", form.problems[0])
        return desk_page(found, plan, form)
    flash(_("The test is open for its cohort."), "success")
    return redirect(f"/tests/{public_id}/manage", 303)


@bp.post("/tests/<public_id>/release")
@staff(*queries.MAKERS)
def release(public_id: str) -> ResponseReturnValue:
    """Let the candidates see held results."""
    by, at = actor(), clock.now()
    found = queries.test(public_id, by, permission=Permission.TEST_MANAGE)
    with transaction():
        services.release(found, at=at, by=by)
    flash(_("The candidates can see their results now."), "success")
    return redirect(f"/tests/{public_id}/manage", 303)


@bp.post("/sittings/<public_id>/mark-again")
@staff(Role.EXAMINER)
def mark_again(public_id: str) -> ResponseReturnValue:
    """Try the marking of a sitting again that was given up."""
    by, at = actor(), clock.now()
    found = queries.sitting(public_id, by)
    with transaction():
        services.mark_again(found, by=by, at=at)
    flash(_("The sitting is being marked again. Look again in a minute."), "success")
    return redirect(f"/tests/{found.test.public_id}/manage", 303)


@bp.get("/tests/<public_id>/scores.csv")
@staff(*queries.MAKERS)
def scores(public_id: str) -> ResponseReturnValue:
    """All sittings with their scores, for a spreadsheet."""
    by, at = actor(), clock.now()
    found = queries.test(public_id, by, permission=Permission.TEST_MANAGE)
    head = [
        "name_zh",
        "name_latin",
        "attempt",
        "state",
        "started",
        "submitted",
        "answered",
        "score",
        "maximum",
        "percent",
        "decision",
    ]
    lines = (
        [
            row.name,
            row.name_latin,
            row.attempt,
            row.state.value,
            _stamp(row.started_at),
            _stamp(row.submitted_at),
            row.answered,
            "" if row.score is None else rules.shown(row.score),
            "" if row.maximum is None else rules.shown(row.maximum),
            row.percent,
            row.decision or "",
        ]
        for row in reversed(queries.staff_sittings(found, at))
    )
    return files.table(f"scores-{found.public_id}.csv", head, lines)


def _stamp(value: datetime | None) -> str:
    return value.astimezone(clock.BEIJING).isoformat(timespec="seconds") if value else ""
