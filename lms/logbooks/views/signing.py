"""The mentor's inbox: read, sign or return, one entry at a time."""

from flask import flash, redirect, render_template, request
from flask.typing import ResponseReturnValue

from lms.core import clock
from lms.core.db import transaction
from lms.core.errors import RuleBroken
from lms.core.i18n import _, _n
from lms.logbooks import queries, rules, services
from lms.logbooks.forms import ReturnForm, SeveralForm, SignForm
from lms.logbooks.models import Entry, EntryReturn, Signature
from lms.logbooks.queries import workplace
from lms.logbooks.views.blueprint import bp
from lms.policy import Actor
from lms.web.confirm import confirmation, confirmed
from lms.web.forms import request_value, request_values
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
        seconds=queries.to_second(by),
        to_assess=workplace.to_assess_count(by),
        routine=any(rules.is_routine(card.entry.facts, critical=card.entry.item.critical) for card in cards),
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
    if not _waits(found, by):
        return redirect(f"/logbook/{public_id}", 303)
    page = _card_page(found, None, None)
    if found.opened_at is None and request.method == "GET":
        with transaction():
            services.note_opened([found.id], at=at, by=by)
    return page


def _waits(entry: Entry, by: Actor) -> bool:
    """Whether the entry waits for the actor: for the signature, or for the second one."""
    if entry.signer_person_id == by.person_id:
        return entry.state == rules.SUBMITTED
    return entry.state == rules.SIGNED and rules.needs_second(
        critical=entry.item.critical, complication=entry.facts.complication
    )


def _card_page(
    entry: Entry, sign_form: SignForm | None, return_form: ReturnForm | None
) -> ResponseReturnValue:
    """One card with both of its forms, with what was typed."""
    form = sign_form or return_form
    page = render_template(
        "logbooks/sign.html",
        tab="to-sign",
        card=queries.waiting(entry),
        second=entry.state == rules.SIGNED,
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
    if _waits(found, actor()):
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


@bp.post("/to-sign/<public_id>/countersign")
@members
@reads_first
def countersign(public_id: str) -> ResponseReturnValue:
    """The second signature on a critical item or a major complication."""
    by, at = actor(), clock.now()
    queries.entry_to_decide(public_id, by)
    form = SignForm.of_request()

    def act() -> Signature:
        return services.countersign(
            queries.entry_to_decide(public_id, by, for_update=True),
            revision_no=form.revision.data or 0,
            level=form.level.data or 0,
            words=form.words.data or "",
            at=at,
            by=by,
        )

    if confirmed(form, at=at) and form.run(act):
        flash(_("Signed as the second."), "ok")
        return redirect("/to-sign", 303)
    return _refused(public_id, sign_form=form)


@bp.post("/to-sign/<public_id>/withdraw")
@members
def withdraw(public_id: str) -> ResponseReturnValue:
    """Undo: take one's own signature back while nobody has seen or counted it."""
    by, at = actor(), clock.now()
    try:
        with transaction():
            services.withdraw(queries.entry_to_decide(public_id, by, for_update=True), at=at, by=by)
    except RuleBroken as refusal:
        flash(refusal.message, "warn")
        return redirect(f"/logbook/{public_id}", 303)
    flash(_("Your signature is withdrawn. The entry waits for you again."), "ok")
    return redirect(f"/to-sign/{public_id}", 303)


@bp.get("/to-sign/several")
@members
def several() -> ResponseReturnValue:
    """Up to ten routine entries, each shown in full with levels of its own."""
    return _several_page(SeveralForm())


def _several_page(form: SeveralForm) -> ResponseReturnValue:
    by, at = actor(), clock.now()
    cards = queries.routine_to_sign(by)
    page = render_template(
        "logbooks/several.html", tab="to-sign", cards=cards, form=form, confirmation=confirmation(at)
    )
    unopened = [card.entry.id for card in cards if card.entry.opened_at is None]
    if unopened and request.method == "GET":
        with transaction():
            services.note_opened(unopened, at=at, by=by)
    return page, form.status


@bp.post("/to-sign/several")
@members
@reads_first
def sign_several() -> ResponseReturnValue:
    """One signature for each entry that was given a level."""
    by, at, form = actor(), clock.now(), SeveralForm.of_request()
    levels = {
        name.removeprefix("level-"): int(value)
        for name, value in request_values().items()
        if name.startswith("level-") and value in {"1", "2", "3", "4", "5"}
    }

    def act() -> list[Signature]:
        chosen = []
        for public_id, level in list(levels.items())[: rules.BULK_MAX + 1]:
            revision = request_value(f"revision-{public_id}")
            entry = queries.entry_to_decide(public_id, by, for_update=True)
            chosen.append((entry, int(revision) if revision.isdecimal() else 0, level))
        return services.sign_several(chosen, at=at, by=by)

    if confirmed(form, at=at) and form.run(act):
        number = len(form.result)
        flash(_n("%(num)s entry signed.", "%(num)s entries signed.", number), "ok")
        return redirect("/to-sign", 303)
    return _several_page(form)


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
