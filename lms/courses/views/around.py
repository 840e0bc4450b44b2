"""Pages around lectures: one's own calendar and its feed, announcements, the discussion under a lecture."""

from collections.abc import Callable

from flask import Response, flash, redirect, render_template, request, url_for
from flask.typing import ResponseReturnValue

from lms.core import calendars, clock, i18n, site
from lms.core.db import transaction
from lms.core.errors import NotFound
from lms.core.i18n import _
from lms.courses import queries, services
from lms.courses.forms import AnnounceForm, HideForm, PostForm
from lms.courses.models import Lecture, Post
from lms.courses.queries import around
from lms.courses.views.blueprint import bp
from lms.courses.views.things import why_closed
from lms.policy import Actor, Permission, allows
from lms.web.forms import request_value
from lms.web.guard import actor, lean, members, public


def _calendar(secret: str = "") -> ResponseReturnValue:
    by, at = actor(), clock.now()
    entries = around.dates(by.person_id)
    today = clock.today(at).isoformat()
    answer = Response(
        render_template(
            "courses/calendar.html",
            tab="learn",
            coming=[one for one in entries if one.ends.isoformat() >= today],
            past=[one for one in entries if one.ends.isoformat() < today],
            feed=around.feed_of(by),
            address=f"{site.settings().base_url}/calendar/{secret}.ics" if secret else "",
        )
    )
    answer.headers["Cache-Control"] = "no-store"
    return answer


@bp.get("/calendar")
@members
def calendar() -> ResponseReturnValue:
    """One's own dates."""
    return _calendar()


@bp.post("/calendar/feed")
@members
def make_feed() -> ResponseReturnValue:
    """A new secret address of one's calendar, or none; the address is shown this once."""
    by, secret = actor(), ""
    with transaction():
        if request_value("act") == "revoke":
            services.revoke_feed(at=clock.now(), by=by)
        else:
            secret = services.make_feed(at=clock.now(), by=by)
    return _calendar(secret) if secret else redirect(url_for(".calendar"), 303)


@bp.get("/calendar/<secret>.ics")
@public
@lean
def calendar_feed(secret: str) -> ResponseReturnValue:
    """The dates of whoever made this secret address, for their phone's calendar."""
    account = around.reader_of(secret)
    base = site.settings().base_url
    with i18n.speaking(account.locale):
        entries = [
            calendars.Entry(
                f"{one.uid}@firefly", one.title, one.begins, one.ends, base + one.url if one.url else ""
            )
            for one in around.dates(account.person_id)
        ]
        data = calendars.feed(entries, name=_("Firefly training"), at=clock.now())
    answer = Response(data, content_type="text/calendar; charset=utf-8")
    answer.headers["Cache-Control"] = "private, no-cache"
    answer.headers["Referrer-Policy"] = "no-referrer"
    return answer


# Announcements


@bp.route("/announcements", methods=["GET", "POST"])
@members
def announcements() -> ResponseReturnValue:
    """What was announced to one's cohorts; teachers write here."""
    by = actor()
    cohorts = {cohort.public_id: cohort for cohort in around.announced_cohorts(by)}
    form = AnnounceForm.of_request()
    form.offer(cohorts.values())
    if request.method == "POST":
        if not cohorts:
            raise NotFound
        if form.run(
            lambda: services.announce(
                cohorts[form.cohort.data],
                title=form.title.data,
                text=form.text.data,
                client_uuid=form.client_uuid.data,
                at=clock.now(),
                by=by,
            )
        ):
            flash(_("Announced. Everybody in the cohort has a notice."), "success")
            return redirect(url_for(".announcements"), 303)
        form.offer(around.announced_cohorts(by))
    return render_template(
        "courses/announcements.html",
        tab="learn",
        announcements=around.announcements(by),
        form=form,
        may_announce=bool(cohorts),
    ), form.status


# Discussion


def _open_lecture(lecture_id: str, by: Actor) -> Lecture:
    found = queries.lecture(lecture_id, by)
    if why_closed(found, found.module.course, by):
        raise NotFound
    return found


def _discussion(
    lecture_id: str, form: PostForm | None = None, *, parent: str = "", hide: HideForm | None = None
) -> ResponseReturnValue:
    by = actor()
    found = _open_lecture(lecture_id, by)
    wanted = request.args.get("t", type=int)
    form = form or PostForm(
        moment=f"{wanted // 60}:{wanted % 60:02d}" if wanted is not None and 0 <= wanted < 86_400 else ""
    )
    refused = form if form.failed else hide
    return render_template(
        "courses/discussion.html",
        tab="learn",
        lecture=found,
        course=found.module.course,
        threads=around.threads(found),
        form=form,
        refused=refused,
        parent=parent,
        may_write=allows(by, Permission.POST_WRITE, found),
        may_moderate=allows(by, Permission.POST_MODERATE, found),
        me=by.person_id,
    ), refused.status if refused else 200


@bp.route("/lectures/<lecture_id>/discussion", methods=["GET", "POST"])
@members
def discussion(lecture_id: str) -> ResponseReturnValue:
    """Questions and answers under a lecture."""
    if request.method == "GET":
        return _discussion(lecture_id)
    by = actor()
    found = _open_lecture(lecture_id, by)
    form = PostForm.of_request()
    if form.run(
        lambda: services.ask(
            found,
            text=form.text.data,
            at_s=around.asked_at(form.moment.data or ""),
            client_uuid=form.client_uuid.data,
            at=clock.now(),
            by=by,
        )
    ):
        return redirect(url_for(".discussion", lecture_id=lecture_id) + f"#{form.result.public_id}", 303)
    return _discussion(lecture_id, form)


@bp.post("/posts/<post_id>/answers")
@members
def answer_post(post_id: str) -> ResponseReturnValue:
    """Answer a question."""
    by = actor()
    row = around.post(post_id)
    lecture_id = around.lecture_id_of(row)
    found = _open_lecture(lecture_id, by)
    form = PostForm.of_request()
    if form.run(
        lambda: services.answer(
            found, row, text=form.text.data, client_uuid=form.client_uuid.data, at=clock.now(), by=by
        )
    ):
        return redirect(url_for(".discussion", lecture_id=lecture_id) + f"#{post_id}", 303)
    return _discussion(lecture_id, form, parent=post_id)


def _moderate(post_id: str, act: Callable[[Lecture, Post, HideForm, Actor], None]) -> ResponseReturnValue:
    by = actor()
    row = around.post(post_id)
    lecture_id = around.lecture_id_of(row)
    found = queries.lecture(lecture_id, by)
    form = HideForm.of_request()
    if form.run(lambda: act(found, row, form, by)):
        return redirect(url_for(".discussion", lecture_id=lecture_id) + f"#{post_id}", 303)
    return _discussion(lecture_id, hide=form)


@bp.post("/posts/<post_id>/mark")
@members
def mark_post(post_id: str) -> ResponseReturnValue:
    """A teacher marks an answer as right, or takes that back."""
    return _moderate(
        post_id,
        lambda found, row, _form, by: services.mark_answer(
            found, row, marked=request_value("marked") != "no", at=clock.now(), by=by
        ),
    )


@bp.post("/posts/<post_id>/hide")
@members
def hide_post(post_id: str) -> ResponseReturnValue:
    """A teacher hides a post with the reason, or shows it again."""

    def act(found: Lecture, row: Post, form: HideForm, by: Actor) -> None:
        if request_value("act") == "show":
            services.show_post(found, row, at=clock.now(), by=by)
        else:
            services.hide_post(found, row, why=form.why.data or "", at=clock.now(), by=by)

    return _moderate(post_id, act)
