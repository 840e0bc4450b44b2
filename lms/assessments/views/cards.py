"""Pages of cards: those due today, how each went, undo; and which exam questions have no equivalent for practice."""

from flask import flash, redirect, render_template, request, url_for
from flask.typing import ResponseReturnValue

from lms.assessments import queries, services
from lms.assessments.views.bank import bank_staff
from lms.assessments.views.blueprint import bp
from lms.assessments.views.practice import pose
from lms.core import clock
from lms.core.db import transaction
from lms.core.errors import NotFound
from lms.core.i18n import _
from lms.policy import Permission, allows
from lms.web.forms import Form, request_value
from lms.web.guard import actor, members, reads_first


@bp.route("/practice/cards", methods=["GET", "POST"])
@members
@reads_first
def cards() -> ResponseReturnValue:
    """The card that is due longest; where none is, when the next one comes and what was done."""
    by, at = actor(), clock.now()
    queries.own_place(by)
    deck = queries.deck(by, at)
    card = deck.first
    if request.method == "POST":
        asked = request_value("question")
        card = queries.own_card(by, int(asked)) if asked.isascii() and asked.isdigit() else None
        if card is None:
            raise NotFound
    if card is None:
        return render_template("assessments/cards.html", deck=deck, tab="tests")
    found = card
    return pose(
        card.question_id,
        lambda posed, client_uuid, _certainty: services.answer_card(
            found, posed, request.form.getlist, client_uuid=client_uuid, by=by, at=at
        ),
        deck=deck,
        tab="tests",
    )


@bp.post("/practice/answers/<public_id>/rating")
@members
def rate_card(public_id: str) -> ResponseReturnValue:
    """How an answer to a card went; then the next card."""
    by, at = actor(), clock.now()
    found = queries.own_answer(public_id, by)
    given = request_value("rating")
    with transaction():
        services.rate_card(found, int(given) if given in {"1", "2", "3", "4"} else 0, by=by, at=at)
    return redirect(url_for("assessments.cards"), 303)


@bp.post("/practice/cards/undo")
@members
def undo_review() -> ResponseReturnValue:
    """Put the card of the last review back to where it was."""
    by, at = actor(), clock.now()
    with transaction():
        services.undo_review(by=by, at=at)
    flash(_("The last review is undone; its card is back."), "success")
    return redirect(url_for("assessments.cards"), 303)


@bp.route("/bank/<public_id>/equivalents", methods=["GET", "POST"])
@bank_staff
def equivalents(public_id: str) -> ResponseReturnValue:
    """Which question of a practice bank teaches what each question of an exam bank asks, and which have none."""
    by, at = actor(), clock.now()
    found = queries.bank(public_id, by)
    if found.purpose != "exam":
        raise NotFound
    form = Form.of_request()
    if request.method == "POST" and form.run(
        lambda: services.set_equivalent(
            found, request_value("code")[:40], request_value("teaches")[:40], by=by, at=at
        )
    ):
        flash(_("Saved."), "success")
        return redirect(url_for("assessments.equivalents", public_id=public_id), 303)
    if form.failed:
        found = queries.bank(public_id, by)
    rows = queries.equivalent_rows(found, clock.today(at))
    return render_template(
        "assessments/equivalents.html",
        bank=found,
        rows=rows,
        lacking=sum(not row.teaches for row in rows),
        may_write=allows(by, Permission.ITEM_WRITE, found),
        form=form,
        code=request_value("code"),
        teaches=request_value("teaches"),
        tab="bank",
    ), form.status
