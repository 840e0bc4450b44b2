"""The exam drill before a test, and its readiness sheet."""

from typing import Any

from flask import jsonify, redirect, render_template, request, url_for
from flask.typing import ResponseReturnValue

from lms.assessments import queries, services
from lms.assessments.forms import DrillForm
from lms.assessments.models import Test
from lms.assessments.rules import readiness
from lms.assessments.rules.readiness import Check, Found
from lms.assessments.views.blueprint import bp
from lms.core import clock
from lms.core.errors import NotFound
from lms.core.i18n import _, lazy
from lms.policy import Permission, Role
from lms.web.guard import actor, staff, wants_json

drillers = staff(Role.DIRECTOR, Role.ADMINISTRATOR)

STEPS = {
    "making": lazy("A temporary site is being made."),
    "sign-in": lazy("The candidates sign in."),
    "start": lazy("The candidates start."),
    "answers": lazy("The candidates answer."),
    "hand-in": lazy("The candidates hand in."),
    "comparing": lazy("Every acknowledged answer is looked up."),
}


def _test(public_id: str) -> Test:
    return queries.test(public_id, actor(), permission=Permission.DRILL_RUN)


@bp.route("/tests/<public_id>/drill", methods=["GET", "POST"])
@drillers
def drills(public_id: str) -> ResponseReturnValue:
    """Start a drill; what earlier ones found; how far the one under way is."""
    by, at = actor(), clock.now()
    found = _test(public_id)
    form = DrillForm.of_request()
    if request.method == "POST" and form.run(
        lambda: services.request_drill(
            found,
            users=form.users.data or 0,
            minutes=form.minutes.data or 0,
            drop_percent=form.drop_percent.data or 0,
            kills=form.kills.data or 0,
            client_uuid=form.client_uuid.data,
            by=by,
            at=at,
        )
    ):
        return redirect(url_for("assessments.drills", public_id=public_id), 303)
    if form.failed:
        found = _test(public_id)
    rows = queries.drills(found)
    waiting = next((row.drill for row in rows if row.drill.state == "waiting"), None)
    step = readiness.STEPS[waiting.step] if waiting else ""
    text = STEPS[step] if step else _("The drill is through.")
    done = waiting.step if waiting else len(readiness.STEPS)
    if request.method == "GET" and wants_json():
        return jsonify(done=done, total=len(readiness.STEPS), text=str(text))
    candidates, questions = queries.expected(found)
    if request.method == "GET":
        form.users.data = min(max(1, candidates), readiness.MOST_USERS)
    return render_template(
        "assessments/drill.html",
        test=found,
        form=form,
        rows=rows,
        waiting=waiting,
        text=text,
        done=done,
        steps=len(readiness.STEPS),
        candidates=candidates,
        questions=questions,
        tab="tests",
    ), form.status


@bp.get("/tests/<public_id>/drill/<drill_id>")
@drillers
def readiness_sheet(public_id: str, drill_id: str) -> ResponseReturnValue:
    """One page to print: ready or not, and why."""
    found = _test(public_id)
    seen = queries.drill(found, drill_id)
    if seen.result is None:
        raise NotFound
    return render_template(
        "assessments/readiness.html",
        test=found,
        seen=seen,
        figures=seen.result.figures,
        lines=[(line, *_words(line, seen.drill.kills)) for line in seen.lines],
        tab="tests",
    )


def _words(line: Found, kills: int) -> tuple[str, str, str]:
    """What was looked at, what was found, and what it should be."""
    what: dict[Check, tuple[Any, Any]] = {
        Check.LOST: (_("Acknowledged answers that were lost"), _("none")),
        Check.DUPLICATED: (_("Answers or sittings that stand there twice"), _("none")),
        Check.ERRORS: (_("Errors that a candidate would have seen"), _("none")),
        Check.KILLS: (_("Times the server was killed and came back"), str(kills)),
        Check.SAVE: (
            _("An answer is saved within (99 of 100)"),
            _("under %(ms)s ms", ms=readiness.SAVE_P99_MS),
        ),
        Check.START: (
            _("The paper is there within (95 of 100)"),
            _("under %(ms)s ms", ms=readiness.START_P95_MS),
        ),
        Check.FSYNC: (
            _("The disk makes something durable within"),
            _("under %(ms)s ms", ms=readiness.FSYNC_MS),
        ),
        Check.DISK: (_("Free space on the disk"), _("%(gb)s GB or more", gb=readiness.LEAST_FREE_GB)),
        Check.CLOCK: (_("The clock is kept by a time server"), _("yes")),
    }
    title, target = what[line.check]
    return title, _value(line), target


def _value(line: Found) -> str:
    if line.value is None:
        return _("not known")
    if line.check is Check.CLOCK:
        return _("yes") if line.value else _("no")
    if line.check in {Check.SAVE, Check.START, Check.FSYNC}:
        return f"{line.value} ms"
    return f"{line.value} GB" if line.check is Check.DISK else str(line.value)
