"""The trainee's own logbook: write, send, put right, take back."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime
from functools import partial
from typing import TypedDict

from flask import abort, flash, jsonify, redirect, render_template, request
from flask.typing import ResponseReturnValue
from werkzeug.datastructures import MultiDict

from lms.core import clock
from lms.core.db import transaction
from lms.core.errors import NotFound
from lms.core.i18n import _, pick
from lms.logbooks import queries, rules, services
from lms.logbooks.forms import AmendForm, EntryForm
from lms.logbooks.models import Entry, Framework, Item
from lms.logbooks.rules import Content
from lms.logbooks.views.blueprint import PER_PAGE, bp
from lms.policy import Actor
from lms.programmes import queries as programmes
from lms.programmes.models import Enrolment
from lms.web.errors import problem
from lms.web.guard import actor, members, takes, wants_json
from lms.web.paging import Page, page_number

QUEUE_MOST = 20
"""Entries in one delivery of an outbox."""
QUEUE_LIMIT_BYTES = 512 * 1024


def _own_enrolment(by: Actor) -> Enrolment:
    found = programmes.own_enrolment(by)
    if found is None:
        raise NotFound
    return found


@bp.get("/logbook")
@members
def logbook() -> ResponseReturnValue:
    """The trainee's own entries, what came back first, with counts by state and by item."""
    enrolment = _own_enrolment(actor())
    state, item, number = request.args.get("state", ""), request.args.get("item", ""), page_number()
    overview = queries.overview(enrolment, own=True)
    rows = queries.entries(enrolment, own=True, state=state, item=item, page=number, per_page=PER_PAGE)
    total = overview.total(state=state, item=item)
    page = render_template(
        "logbooks/logbook.html",
        tab="logbook",
        enrolment=enrolment,
        page=Page(rows, number, total, PER_PAGE),
        returns=queries.returns_of(rows),
        overview=overview,
        state=state,
        item=item,
    )
    note_seen(rows)
    return page


def note_seen(rows: Sequence[Entry]) -> None:
    """Whoever reads a list of entries has seen the signatures in it."""
    unseen = [row.id for row in rows if row.state == rules.SIGNED and row.seen_at is None]
    if unseen and request.method == "GET":
        by, at = actor(), clock.now()
        with transaction():
            services.note_seen(unseen, at=at, by=by)


# ---------------------------------------------------------------- the form


class _Given(TypedDict):
    item: Item
    performed_on: date
    content: Content
    signer_person_id: int | None


def given(form: EntryForm) -> _Given:
    """What a valid form says. Raises RuleBroken where item or signer cannot be made out."""
    performed_on = form.performed_on.data
    assert performed_on is not None
    return {
        "item": form.chosen_item(),
        "performed_on": performed_on,
        "content": form.content(),
        "signer_person_id": form.signer_person_id(),
    }


@dataclass(frozen=True)
class _Group:
    """Items of one framework that are not on top already."""

    framework: Framework
    items: Sequence[Item]


def offer(form: EntryForm, enrolment: Enrolment, *, today: date, tapped: str = "") -> None:
    """Give a form its items and the people who supervised lately; ``tapped``: the code of the one item it is about."""
    first = min(today - rules.REFUSED_AFTER, form.performed_on.data or today)
    items = queries.items(enrolment.cohort_id, code=tapped)
    form.offer(items, queries.signers_between(enrolment.id, first, today))


def _form_page(form: EntryForm, entry_id: str | None = None) -> ResponseReturnValue:
    """The form as a page. Everything it shows is asked for anew: a refusal has rolled the session back."""
    by = actor()
    entry = queries.own_entry(entry_id, by) if entry_id else None
    return page_of(form, _own_enrolment(by), entry)


def page_of(form: EntryForm, enrolment: Enrolment, entry: Entry | None) -> ResponseReturnValue:
    """The form of a new entry, of one in the author's hand, or of a correction."""
    today = clock.today(clock.now())
    offer(form, enrolment, today=today)
    placement = programmes.placement_on(enrolment.id, today)
    unit = placement.unit if placement else ""
    matching = [item for item in form.items if item.code in form.found]
    on_top = matching or queries.frequent_items(enrolment.id, form.items, unit=unit)
    chosen = next((item for item in form.items if item.code == form.item.data), None)
    if chosen is not None and chosen not in on_top:
        on_top = [chosen, *on_top]
    rest: dict[str, list[Item]] = {}
    for item in form.items:
        if item not in on_top:
            rest.setdefault(item.framework.code, []).append(item)
    groups = [_Group(items[0].framework, items) for items in rest.values()]
    page = render_template(
        "logbooks/entry_form.html",
        tab="logbook",
        form=form,
        entry=entry,
        returned=queries.returns_of([entry]).get(entry.id) if entry else None,
        on_top=on_top,
        matching=bool(matching),
        groups=sorted(groups, key=lambda group: group.framework.code != unit),
        placed=placement is not None,
        today=today,
        earliest=min(today - rules.REFUSED_AFTER, entry.performed_on if entry else today),
        amending=isinstance(form, AmendForm),
        details_open=any(form[name].data or form[name].errors for name in form.DETAILS),
    )
    return page, form.status


@bp.get("/logbook/new")
@members
def new_entry() -> ResponseReturnValue:
    """The form of four taps: date and mentor are filled in, clinical facts never."""
    form = EntryForm()
    form.performed_on.data = clock.today(clock.now())
    form.item.data = request.args.get("item", "")
    return _form_page(form)


@bp.post("/logbook/new")
@members
def create() -> ResponseReturnValue:
    """Write an entry and send it, from the page or from an outbox: the same client id makes it once."""
    by, at = actor(), clock.now()
    _refuse_other_account(by)
    enrolment = _own_enrolment(by)
    # The outbox names each delivery in a header. The page's own key may be older: its form can be sent again.
    client_uuid = request.headers.get("X-Client-Id") or _posted("client_uuid")
    known = queries.entry_of_client(by.person_id, client_uuid)
    if known is not None:
        return _written(known, new=False)
    form, as_draft = EntryForm.of_request(), _posted("act") == "draft"
    if as_draft:
        form.allow_gaps()
    tapped = "" if (form.other.data or "").strip() else form.item.data or ""
    offer(form, enrolment, today=clock.today(at), tapped=tapped)
    act = partial(_log, form, enrolment, client_uuid=client_uuid, as_draft=as_draft, days=None, at=at, by=by)
    if form.run(act):
        entry, new = form.result
        return _written(entry, new=new)
    if wants_json():
        return _refused(form)
    return _form_page(form)


@bp.post("/logbook/queue")
@members
@takes(QUEUE_LIMIT_BYTES)
def create_several() -> ResponseReturnValue:
    """Entries that waited on a phone, in one delivery: JSON ``{entries: [{client_uuid, fields: [[name, value], …]}, …]}``, at most
    ``QUEUE_MOST``, so that nobody waits long for the database.

    Each counts for itself, by its client id: what is refused keeps no other from being written, and what was written by an
    earlier delivery is found again. Answers one ``{client_uuid, status, …}`` for each, as ``create`` would have.
    """
    by, at = actor(), clock.now()
    _refuse_other_account(by)
    enrolment = _own_enrolment(by)
    given_entries = _queued()
    if not given_entries:
        return problem(422, "queue", _("The device sent something that is no list of entries."))
    items, today, days = queries.items(enrolment.cohort_id), clock.today(at), services.Days(enrolment.id)
    forms = [EntryForm(fields) for _id, fields in given_entries]
    first = min([today - rules.REFUSED_AFTER, *(form.performed_on.data or today for form in forms)])
    signers = queries.signers_between(enrolment.id, first, today)
    answers: list[dict[str, object]] = []
    with transaction():
        known = queries.entries_of_clients(by.person_id, [key for key, _fields in given_entries])
        for (client_uuid, fields), form in zip(given_entries, forms, strict=True):
            as_draft = fields.get("act") == "draft"
            if as_draft:
                form.allow_gaps()
            form.offer(items, signers)
            act = partial(
                _log, form, enrolment, client_uuid=client_uuid, as_draft=as_draft, days=days, at=at, by=by
            )
            if client_uuid in known:
                form.result = known[client_uuid], False
            elif not form.run(act):
                answers.append(
                    {"client_uuid": client_uuid, "status": 422, "code": "form", "detail": _sentences(form)}
                )
                continue
            entry, new = form.result
            known[client_uuid] = entry
            answers.append(
                {"client_uuid": client_uuid, "status": 201 if new else 200, **_told(entry, new=new)}
            )
    return jsonify(answers=answers)


def _log(
    form: EntryForm,
    enrolment: Enrolment,
    *,
    client_uuid: str,
    as_draft: bool,
    days: services.Days | None,
    at: datetime,
    by: Actor,
) -> tuple[Entry, bool]:
    return services.log(
        enrolment, **given(form), client_uuid=client_uuid, as_draft=as_draft, days=days, at=at, by=by
    )


def _queued() -> list[tuple[str, MultiDict[str, str]]]:
    """Client ids and fields of a delivery; empty when it is none."""
    body = request.get_json(silent=True)
    found = body.get("entries") if isinstance(body, dict) else None
    if not isinstance(found, list) or len(found) > QUEUE_MOST:
        return []
    try:
        given_entries = [
            (one["client_uuid"], MultiDict((str(name), str(value)) for name, value in one["fields"]))
            for one in found
        ]
    except (KeyError, TypeError, ValueError):
        return []
    # An id that could not be kept would make an entry anew at each repetition.
    known = (isinstance(one, str) and services.CLIENT_ID.fullmatch(one) for one, _fields in given_entries)
    return given_entries if all(known) else []


def _posted(name: str) -> str:
    """A value of the form or of the JSON body."""
    if request.is_json:
        body = request.get_json(silent=True)
        value = body.get(name, "") if isinstance(body, dict) else ""
        return value if isinstance(value, str) else ""
    return request.form.get(name, "")


def _refuse_other_account(by: Actor) -> None:
    """What one person kept on a shared device is never sent in the name of another."""
    if request.headers.get("X-Account", by.account_public_id) != by.account_public_id:
        abort(401)


def _written(entry: Entry, *, new: bool) -> ResponseReturnValue:
    if wants_json():
        return jsonify(_told(entry, new=new)), 201 if new else 200
    _say(entry)
    return redirect("/logbook", 303)


def _told(entry: Entry, *, new: bool) -> dict[str, object]:
    return {
        "id": entry.public_id,
        "state": entry.state,
        "url": f"/logbook/{entry.public_id}",
        "duplicate": not new,
    }


def _say(entry: Entry) -> None:
    """Flash what happened to an entry that was just written."""
    name = pick(entry.item.title_zh, entry.item.title_en)
    if entry.state == rules.SUBMITTED and entry.signer is not None:
        flash(_("Sent to %(mentor)s: %(item)s.", mentor=entry.signer.name, item=name), "ok")
    elif entry.state == rules.DRAFT:
        flash(_("Kept as a draft: %(item)s.", item=name), "ok")


def _refused(form: EntryForm) -> ResponseReturnValue:
    """A refusal for the outbox, which shows its sentence beside the entry."""
    return problem(422, "form", _sentences(form), errors=_errors(form))


def _errors(form: EntryForm) -> dict[str, list[str]]:
    return {name: [str(text) for text in texts] for name, texts in form.errors.items()}


def _sentences(form: EntryForm) -> str:
    return " ".join([*form.problems, *(text for texts in _errors(form).values() for text in texts)])


# ---------------------------------------------------------------- one entry


@bp.get("/logbook/<public_id>")
@members
def entry(public_id: str) -> ResponseReturnValue:
    """One entry with its history; each signature is checked anew as it is shown."""
    by, at = actor(), clock.now()
    found = queries.entry(public_id, by)
    is_author, is_signer = found.author_person_id == by.person_id, found.signer_person_id == by.person_id
    page = render_template(
        "logbooks/entry.html",
        tab="logbook" if is_author else "to-sign" if is_signer else "trainees",
        entry=found,
        facts=found.facts,
        history=queries.history(found),
        reflection=queries.reflection_of(found, by),
        replaced_by=queries.replaced_by(found),
        replaces=queries.replaces(found),
        is_author=is_author,
        acts=_acts(found, by),
    )
    if request.method != "GET":
        return page
    if is_signer and found.state == rules.SUBMITTED and found.opened_at is None:
        with transaction():
            services.note_opened([found.id], at=at, by=by)
    note_seen([found])
    return page


def _acts(entry: Entry, by: Actor) -> list[str]:
    """What the actor may do with an entry now."""
    return rules.acts(
        entry.state,
        hands=queries.hands_of(entry, by),
        opened=entry.opened_at is not None,
        waited_long=entry.escalated >= rules.RECALL_STAGE,
        submitted_before=entry.revision_no > 0,
        seen=entry.seen_at is not None,
        needs_second=rules.needs_second(critical=entry.item.critical, complication=entry.facts.complication),
    )


@bp.get("/logbook/<public_id>/edit")
@members
def edit(public_id: str) -> ResponseReturnValue:
    """The same form with what the entry holds."""
    found = queries.own_entry(public_id, actor())
    if found.state not in rules.IN_HAND:
        return redirect(f"/logbook/{public_id}", 303)
    form = EntryForm()
    form.fill(found)
    return _form_page(form, public_id)


@bp.post("/logbook/<public_id>/edit")
@members
def save(public_id: str) -> ResponseReturnValue:
    """Keep the changes, or send them as a new revision."""
    by, at = actor(), clock.now()
    queries.own_entry(public_id, by)
    form, as_draft = EntryForm.of_request(), _posted("act") == "draft"
    if as_draft:
        form.allow_gaps()
    offer(form, _own_enrolment(by), today=clock.today(at))

    def act() -> Entry:
        found = queries.own_entry(public_id, by, for_update=True)
        services.change(found, **given(form), at=at, by=by)
        if not as_draft:
            services.submit(found, at=at, by=by)
        return found

    if not form.run(act):
        return _form_page(form, public_id)
    _say(form.result)
    return redirect("/logbook", 303)


@bp.post("/logbook/<public_id>/recall")
@members
def recall(public_id: str) -> ResponseReturnValue:
    """Take a submitted entry back into the author's hand."""
    by, at = actor(), clock.now()
    with transaction():
        services.recall(queries.own_entry(public_id, by, for_update=True), at=at, by=by)
    flash(_("The entry is yours again. Change it, then send it."), "ok")
    return redirect(f"/logbook/{public_id}/edit", 303)


@bp.post("/logbook/<public_id>/discard")
@members
def discard(public_id: str) -> ResponseReturnValue:
    """Throw a draft away."""
    by, at = actor(), clock.now()
    with transaction():
        services.discard(queries.own_entry(public_id, by, for_update=True), at=at, by=by)
    flash(_("The draft is gone."), "ok")
    return redirect("/logbook", 303)
