"""Pages of a framework under work: overview, its parts, what changed, review."""

from collections.abc import Callable
from typing import Any

from flask import flash, redirect, render_template, request
from flask.typing import ResponseReturnValue

from lms.core import approvals, clock
from lms.core.errors import NotFound
from lms.core.i18n import _
from lms.logbooks.forms.frameworks import (
    DomainForm,
    FacetForm,
    HeadForm,
    ItemForm,
    ReviewForm,
    SubmitForm,
)
from lms.logbooks.models.frameworks import FrameworkDraft
from lms.logbooks.queries import frameworks as queries
from lms.logbooks.rules import framework_documents as documents
from lms.logbooks.rules import frameworks as grammar
from lms.logbooks.services import editions as services
from lms.logbooks.views.blueprint import bp
from lms.logbooks.views.frameworks import framework_tab, json_file
from lms.policy import Permission, allows, require
from lms.web.forms import Form, request_value
from lms.web.guard import actor, members

Changes = list[tuple[str, str, str]]


def _writable(public_id: str) -> FrameworkDraft:
    """A draft for whoever may change it. Raises NotFound or NotAllowed."""
    by = actor()
    found = queries.draft(public_id, by)
    require(by, Permission.FRAMEWORK_EDIT, found, see=Permission.FRAMEWORK_READ)
    return found


def _held(public_id: str) -> FrameworkDraft:
    return queries.draft(public_id, actor(), for_update=True)


def _run(form: Form, act: Callable[[], Any], changes: Changes) -> bool:
    """Run an act; what somebody else changed meanwhile goes to ``changes``."""

    def noted() -> Any:
        try:
            return act()
        except services.Overtaken as problem:
            changes.extend(problem.changes)
            raise

    return form.run(noted)


# ---------------------------------------------------------------- overview and review


def _overview(public_id: str, *, submitting: Form, reviewing: Form) -> ResponseReturnValue:
    by = actor()
    draft = queries.draft(public_id, by)
    history = queries.reviews(draft)
    waiting = next((one for one in history if one.state == approvals.OPEN), None)
    found = services.problems_of(draft)
    page = render_template(
        "logbooks/frameworks/draft.html",
        tab=framework_tab(),
        draft=draft,
        document=draft.document,
        problems=found,
        stopped=any(one.stops for one in found),
        history=history,
        waiting=waiting,
        submitting=submitting,
        reviewing=reviewing,
        may_edit=allows(by, Permission.FRAMEWORK_EDIT) and draft.state == "open",
        may_submit=allows(by, Permission.FRAMEWORK_PUBLISH),
        may_review=waiting is not None
        and approvals.may_decide(waiting, by)
        and allows(by, Permission.FRAMEWORK_REVIEW, draft),
        mine=waiting is not None and waiting.proposed_by_person_id == by.person_id,
    )
    return page, max(submitting.status, reviewing.status)


@bp.get("/frameworks/drafts/<public_id>")
@members
def framework_draft(public_id: str) -> ResponseReturnValue:
    """A draft with everything that has to be looked at."""
    return _overview(public_id, submitting=SubmitForm(), reviewing=ReviewForm())


@bp.get("/frameworks/drafts/<public_id>/changes")
@members
def framework_changes(public_id: str) -> ResponseReturnValue:
    """What is different from the version that the draft began with."""
    draft = queries.draft(public_id, actor())
    return render_template(
        "logbooks/frameworks/changes.html",
        tab=framework_tab(),
        draft=draft,
        changes=documents.changes(queries.origin_document(draft), draft.document),
    )


@bp.get("/frameworks/drafts/<public_id>/framework.json")
@members
def framework_draft_file(public_id: str) -> ResponseReturnValue:
    """A draft as a file."""
    draft = queries.draft(public_id, actor())
    return json_file(documents.written(draft.document), f"{draft.code}-draft.framework.json")


@bp.post("/frameworks/drafts/<public_id>/submit")
@members
def submit_framework(public_id: str) -> ResponseReturnValue:
    """Put a draft before a clinical reviewer."""
    by, at, form = actor(), clock.now(), SubmitForm.of_request()
    if form.run(lambda: services.submit(_held(public_id), words=form.words.data, at=at, by=by)):
        flash(_("It waits for a clinical reviewer now, and stays as it is until then."), "ok")
        return redirect(f"/frameworks/drafts/{public_id}", 303)
    return _overview(public_id, submitting=form, reviewing=ReviewForm())


@bp.post("/frameworks/drafts/<public_id>/take-back")
@members
def take_framework_back(public_id: str) -> ResponseReturnValue:
    """Take a draft back from review."""
    by, at, form = actor(), clock.now(), SubmitForm.of_request()
    if form.run(lambda: services.take_back(_held(public_id), at=at, by=by)):
        return redirect(f"/frameworks/drafts/{public_id}", 303)
    return _overview(public_id, submitting=form, reviewing=ReviewForm())


@bp.post("/frameworks/drafts/<public_id>/drop")
@members
def drop_framework(public_id: str) -> ResponseReturnValue:
    """Drop a draft."""
    by, at, form = actor(), clock.now(), SubmitForm.of_request()
    if form.run(lambda: services.drop(_held(public_id), at=at, by=by)):
        flash(_("The draft is dropped."), "ok")
        return redirect("/frameworks", 303)
    return _overview(public_id, submitting=form, reviewing=ReviewForm())


@bp.post("/frameworks/drafts/<public_id>/review")
@members
def review_framework(public_id: str) -> ResponseReturnValue:
    """Approve a draft, or return it with words."""
    by, at, form = actor(), clock.now(), ReviewForm.of_request()
    require(by, Permission.FRAMEWORK_REVIEW, queries.draft(public_id, by), see=Permission.FRAMEWORK_READ)

    def act() -> str:
        made = services.review(
            _held(public_id),
            outcome=form.outcome.data,
            seen_sha256=form.seen_sha256.data or "",
            words=form.words.data,
            at=at,
            by=by,
        )
        return made.public_id if made else ""

    if form.run(act):
        if form.result:
            flash(_("Published. New cohorts can be given this version; running ones keep theirs."), "ok")
            return redirect(f"/frameworks/{form.result}", 303)
        flash(_("Returned with your words."), "ok")
        return redirect(f"/frameworks/drafts/{public_id}", 303)
    return _overview(public_id, submitting=SubmitForm(), reviewing=form)


# ---------------------------------------------------------------- parts


def _part_page(
    template: str, form: Any, draft: FrameworkDraft, part: dict[str, Any], changes: Changes, **more: Any
) -> ResponseReturnValue:
    """A part's form. It carries how the part stands now, so that saving again is a choice."""
    form.seen.data = services.seen_of(part) if part else ""
    page = render_template(
        template,
        tab=framework_tab(),
        form=form,
        draft=draft,
        part=part,
        changes=changes,
        **more,
    )
    return page, form.status


@bp.route("/frameworks/drafts/<public_id>/head", methods=["GET", "POST"])
@members
def framework_head(public_id: str) -> ResponseReturnValue:
    """Names of a framework and words on the version."""
    by, at, changes = actor(), clock.now(), Changes()
    form = HeadForm.of_request(data=services.head_of(_writable(public_id).document))

    def act() -> None:
        services.save_head(_held(public_id), form.values(), seen=form.seen.data, at=at, by=by)

    if request.method == "POST" and _run(form, act, changes):
        return redirect(f"/frameworks/drafts/{public_id}", 303)
    draft = _writable(public_id)
    return _part_page("logbooks/frameworks/head.html", form, draft, services.head_of(draft.document), changes)


def _row(draft: FrameworkDraft, part: str, key: str) -> dict[str, Any]:
    return {} if key == "new" else services.row_of(draft.document, part, key)


@bp.route("/frameworks/drafts/<public_id>/domains/<key>", methods=["GET", "POST"])
@members
def framework_domain(public_id: str, key: str) -> ResponseReturnValue:
    """One domain, or a new one."""
    by, at, changes = actor(), clock.now(), Changes()
    form = DomainForm.of_request(data=_row(_writable(public_id), "domain", key))

    def act() -> None:
        services.save_row(
            _held(public_id),
            "domain",
            "" if key == "new" else key,
            form.values(),
            seen=form.seen.data,
            at=at,
            by=by,
        )

    if request.method == "POST" and _run(form, act, changes):
        return redirect(f"/frameworks/drafts/{public_id}#domains", 303)
    draft = _writable(public_id)
    return _part_page("logbooks/frameworks/domain.html", form, draft, _row(draft, "domain", key), changes)


@bp.route("/frameworks/drafts/<public_id>/items/<key>", methods=["GET", "POST"])
@members
def framework_item(public_id: str, key: str) -> ResponseReturnValue:
    """One item, or a new one."""
    by, at, changes = actor(), clock.now(), Changes()
    before = _row(_writable(public_id), "item", key)
    form = ItemForm.of(before or None)

    def act() -> str:
        held = _held(public_id)
        now = _row(held, "item", key)
        return services.save_row(
            held,
            "item",
            "" if key == "new" else key,
            form.values(now or None),
            seen=form.seen.data,
            at=at,
            by=by,
        )

    if request.method == "POST" and _run(form, act, changes):
        flash(_("Saved."), "ok")
        return redirect(f"/frameworks/drafts/{public_id}/items/{form.result}", 303)
    draft = _writable(public_id)
    part = _row(draft, "item", key)
    form.offer(draft.document["domains"])
    problems = [one for one in services.problems_of(draft) if part and one.key == key and one.part == "item"]
    return _part_page(
        "logbooks/frameworks/item.html",
        form,
        draft,
        part,
        changes,
        problems=problems,
        named=services.name_of,
        facets_of=services.facets_of,
    )


def _require_part(part: str) -> None:
    if part not in {"domain", "item"}:
        raise NotFound


@bp.post("/frameworks/drafts/<public_id>/<part>/<key>/move")
@members
def move_framework_row(public_id: str, part: str, key: str) -> ResponseReturnValue:
    """Move a domain or item by one place."""
    _require_part(part)
    by, at, form = actor(), clock.now(), SubmitForm.of_request()
    step = -1 if request_value("to") == "up" else 1
    if form.run(lambda: services.move_row(_held(public_id), part, key, step, at=at, by=by)):
        return redirect(f"/frameworks/drafts/{public_id}#{part}-{key}", 303)
    return _overview(public_id, submitting=form, reviewing=ReviewForm())


@bp.post("/frameworks/drafts/<public_id>/<part>/<key>/remove")
@members
def remove_framework_row(public_id: str, part: str, key: str) -> ResponseReturnValue:
    """Take a domain or item out of the draft."""
    _require_part(part)
    by, at, form = actor(), clock.now(), SubmitForm.of_request()
    seen = request_value("seen")
    if form.run(lambda: services.remove_row(_held(public_id), part, key, seen=seen, at=at, by=by)):
        flash(_("Taken out of the draft."), "ok")
        return redirect(f"/frameworks/drafts/{public_id}#{part}s", 303)
    return _overview(public_id, submitting=form, reviewing=ReviewForm())


# ---------------------------------------------------------------- facets


def _track(given: str) -> str:
    """The track that an address names; empty: every track."""
    if given and given not in grammar.TRACKS:
        raise NotFound
    return given


@bp.route("/frameworks/drafts/<public_id>/items/<key>/facet", methods=["GET", "POST"])
@members
def framework_facet(public_id: str, key: str) -> ResponseReturnValue:
    """One facet of an item: a new one of a dimension (``dim``), or one that stands (``old``); of every track, or of one (``track``)."""
    by, at, changes = actor(), clock.now(), Changes()
    old, track = request.args.get("old", ""), _track(request.args.get("track", ""))
    item = services.row_of(_writable(public_id).document, "item", key)
    standing = next(
        (one for one in services.facets_of(item, track) if old and services.name_of(one) == old), None
    )
    dim = str(standing["dim"]) if standing else request.args.get("dim", "")
    if dim not in grammar.DIMS:
        raise NotFound
    form = FacetForm.of_request(data=FacetForm.shown(standing) if standing else {})
    form.offer(dim)

    def act() -> None:
        facet = form.facet(dim)
        for text in grammar.facet_problems(facet, most=500):
            form.problems.append(text)
        if not form.problems:
            services.save_facet(_held(public_id), key, old, facet, track=track, at=at, by=by)

    if request.method == "POST" and _run(form, act, changes) and not form.failed:
        return redirect(f"/frameworks/drafts/{public_id}/items/{key}#facets", 303)
    draft = _writable(public_id)
    page = render_template(
        "logbooks/frameworks/facet.html",
        tab=framework_tab(),
        form=form,
        draft=draft,
        part=services.row_of(draft.document, "item", key),
        dim=dim,
        old=old,
        track=track,
        changes=changes,
    )
    return page, form.status


@bp.post("/frameworks/drafts/<public_id>/items/<key>/facet/remove")
@members
def remove_framework_facet(public_id: str, key: str) -> ResponseReturnValue:
    """Take a facet out of an item."""
    by, at, form = actor(), clock.now(), SubmitForm.of_request()
    old, track = request_value("old"), _track(request_value("track"))
    if form.run(lambda: services.remove_facet(_held(public_id), key, old, track=track, at=at, by=by)):
        return redirect(f"/frameworks/drafts/{public_id}/items/{key}#facets", 303)
    return _overview(public_id, submitting=form, reviewing=ReviewForm())
