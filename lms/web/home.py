"""The first page: one thing to do next, then the rest; every feature offers its tasks through the port."""

from flask import Blueprint, redirect, render_template
from flask.typing import ResponseReturnValue

from lms.core import clock, ports
from lms.policy import Actor, Role
from lms.web.guard import actor, members

bp = Blueprint("home", __name__)


WAITS = frozenset({"decision", "trouble", "feedback"})
"""Tasks that bring staff to the first page before their own work."""


@bp.get("/")
@members
def home() -> ResponseReturnValue:
    """Today: the next task, this week's tasks, the way to the certificate; staff see what waits for their decision,
    or go to their own work."""
    by, at = actor(), clock.now()
    is_trainee = by.is_any(Role.TRAINEE)
    tasks = sorted(
        (
            task
            for provider in ports.home_tasks
            for task in provider(by, at)
            if is_trainee or task.kind in WAITS
        ),
        key=lambda task: task.urgency,
    )
    if not is_trainee and not tasks:
        return redirect(_desk(by), 303)
    progress = next((found for provider in ports.home_progress if (found := provider(by, at))), None)
    return render_template(
        "home.html",
        tab="home",
        today=clock.today(at),
        hero=tasks[0] if tasks else None,
        tasks=tasks[1:6] if is_trainee else tasks[1:],
        progress=progress,
        desk="" if is_trainee else _desk(by),
    )


def _desk(by: Actor) -> str:
    """Where somebody without a training of their own works."""
    if by.is_any(Role.MENTOR, Role.SECOND_ASSESSOR):
        return "/to-sign"
    if by.is_any(Role.ADMINISTRATOR, Role.COORDINATOR, Role.DIRECTOR, Role.EDUCATION_OFFICE):
        return "/cohorts"
    if by.is_any(Role.EDUCATOR, Role.CLINICAL_REVIEWER):
        return "/learn"
    if by.is_any(Role.EXAMINER, Role.INVIGILATOR):
        return "/tests"
    if by.is_any(Role.MARKER):
        return "/marking"
    if by.is_any(Role.COMMITTEE_MEMBER, Role.COMMITTEE_CHAIR):
        return "/committee"
    if by.is_any(Role.UNIT_LEAD):
        return "/bedside"
    if by.is_any(Role.AUDITOR, Role.DATA_PROTECTION_OFFICER):
        return "/audit"
    return "/account"
