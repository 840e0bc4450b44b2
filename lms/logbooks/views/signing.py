"""The mentor's inbox: read, sign or return, one entry at a time."""

from flask import flash, redirect, render_template, request
from flask.typing import ResponseReturnValue

from lms.core import clock
from lms.core.db import transaction
from lms.logbooks import queries, rules, services
from lms.logbooks.forms import ReturnForm, SignForm
from lms.logbooks.models import Entry, EntryReturn, Signature
from lms.logbooks.views.blueprint import bp
from lms.web.confirm import confirmation, confirmed
from lms.web.guard import actor, members, reads_first
from lms.web.paging import Page, page_number

CARDS_PER_PAGE = 20


@bp.get("/to-sign")
@members
def to_sign() -> ResponseReturnValue:
    """Every entry that waits for the actor, the oldest first; what is shown counts as opened."""
    by, at, number = actor(), clock.now(), page_number()
    cards, total = queries.to_sign(by, page=number, per_page=CARDS_PER_PAGE)
    page = render_template(
        "logbooks/to_sign.html",
        tab="to-sign",
        page=Page(cards, number, total, CARDS_PER_PAGE),
        done=queries.decided(request.args.get("done", ""), by),
        confirmation=confirmation(at),
    )
    unopened = [card.entry.id for card in cards if card.entry.opened_at is None]
    if unopened and request.method == "GET":
        with transaction():
            services.note_opened(unopened, at=at, by=by)
    return page


@bp.get("/to-sign/<public_id>")
@members
def one_to_sign(public_id: str) -> ResponseReturnValue:
    """Exactly one entry, as a notice links to it; decided ones show their record."""
    by, at = actor(), clock.now()
    found = queries.entry_to_decide(public_id, by)
    if found.state != rules.SUBMITTED:
        return redirect(f"/logbook/{public_id}", 303)
    page = _card_page(found, None, None)
    if found.opened_at is None and request.method == "GET":
        with transaction():
            services.note_opened([found.id], at=at, by=by)
    return page


def _card_page(
    entry: Entry, sign_form: SignForm | None, return_form: ReturnForm | None
) -> ResponseReturnValue:
    """One card with both of its forms, with what was typed."""
    form = sign_form or return_form
    page = render_template(
        "logbooks/sign.html",
        tab="to-sign",
        card=queries.waiting(entry),
        sign_form=sign_form,
        return_form=return_form,
        form=form,
        confirmation=confirmation(clock.now()),
    )
    return page, form.status if form else 200


def _refused(
    public_id: str, sign_form: SignForm | None = None, return_form: ReturnForm | None = None
) -> ResponseReturnValue:
    """The card again after a refusal, asked for anew; its record, where somebody has decided it meanwhile."""
    found = queries.entry_to_decide(public_id, actor())
    if found.state == rules.SUBMITTED:
        return _card_page(found, sign_form, return_form)
    form = sign_form or return_form
    for text in form.problems if form else ():
        flash(text, "warn")
    return redirect(f"/logbook/{public_id}", 303)


@bp.post("/to-sign/<public_id>/sign")
@members
@reads_first
def sign(public_id: str) -> ResponseReturnValue:
    """Tapping a level is the signature, after a fresh confirmation; a second tap finds the first one's."""
    by, at = actor(), clock.now()
    queries.entry_to_decide(public_id, by)
    form = SignForm.of_request()

    def act() -> Signature:
        return services.sign(
            queries.entry_to_decide(public_id, by, for_update=True),
            revision_no=form.revision.data or 0,
            level=form.level.data or 0,
            words=form.words.data or "",
            at=at,
            by=by,
        )

    if confirmed(form, at=at) and form.run(act):
        return redirect(f"/to-sign?done={public_id}", 303)
    return _refused(public_id, sign_form=form)


@bp.post("/to-sign/<public_id>/return")
@members
def give_back(public_id: str) -> ResponseReturnValue:
    """Return an entry with a reason, or say that one was not there."""
    by, at = actor(), clock.now()
    queries.entry_to_decide(public_id, by)
    form = ReturnForm.of_request()

    def act() -> EntryReturn:
        return services.give_back(
            queries.entry_to_decide(public_id, by, for_update=True),
            revision_no=form.revision.data or 0,
            reason=form.reason.data or "",
            words=form.words.data or "",
            at=at,
            by=by,
        )

    if form.run(act):
        return redirect(f"/to-sign?done={public_id}", 303)
    return _refused(public_id, return_form=form)
