"""Import of questions with a look before it, and export."""

from flask import Response, abort, flash, redirect, render_template, request, url_for
from flask.typing import ResponseReturnValue

from lms.assessments import queries, services
from lms.assessments.forms import ItemFileForm
from lms.assessments.interchange import formats
from lms.assessments.models import ItemImport
from lms.assessments.views.bank import bank_staff
from lms.assessments.views.blueprint import bp
from lms.core import clock
from lms.core.db import transaction
from lms.core.errors import RuleBroken
from lms.core.i18n import _, _n
from lms.policy import Permission
from lms.web.guard import actor, reads_first, takes


@bp.route("/bank/<public_id>/import", methods=["GET", "POST"])
@bank_staff
@takes(formats.LIMIT_BYTES + 1_000_000)
@reads_first
def import_items(public_id: str) -> ResponseReturnValue:
    """Choose a file; it is kept, and the next page shows what it holds."""
    by, at = actor(), clock.now()
    bank = queries.bank(public_id, by, permission=Permission.ITEM_WRITE)
    form = ItemFileForm.of_request()
    if request.method == "POST":
        file = request.files.get("file")
        data = file.stream.read(formats.LIMIT_BYTES + 1) if file else b""
        name = (file.filename or "") if file else ""
        if not name:
            form.refuse(RuleBroken("file_missing", _("Choose a file."), field="file"))
        elif form.run(lambda: services.take_file(bank, data=data, filename=name, by=by, at=at)):
            return redirect(url_for("assessments.item_import", public_id=form.result.public_id), 303)
    page = render_template(
        "assessments/import_items.html", bank=bank, form=form, accept=formats.ACCEPT, tab="bank"
    )
    return page, form.status


@bp.get("/imports/<public_id>")
@bank_staff
def item_import(public_id: str) -> ResponseReturnValue:
    """What a file holds, place by place, and what importing it would do."""
    return _page(queries.item_import(public_id, actor()))


def _page(found: ItemImport, refusal: RuleBroken | None = None) -> ResponseReturnValue:
    form = ItemFileForm()
    if refusal:
        form.refuse(refusal)
    plan = services.plan_items(found)
    page = render_template(
        "assessments/import_preview.html",
        found=found,
        plan=plan,
        form=form,
        excluded=set(request.form.getlist("excluded")),
        stems=[(one, _stem(one.draft.body)) for one in plan.items],
        tab="bank",
    )
    return page, form.status


def _stem(body: object) -> str:
    stem = body.get("stem") if isinstance(body, dict) else None
    found = stem or (body["asks"][0].get("stem") if isinstance(body, dict) and body.get("asks") else {}) or {}
    return found.get("zh") or found.get("en") or ""


@bp.post("/imports/<public_id>/run")
@bank_staff
@reads_first
def run_import(public_id: str) -> ResponseReturnValue:
    """Import what was shown without what was left out; a second press adds nothing."""
    by, at = actor(), clock.now()
    found = queries.item_import(public_id, by)
    bank_id = found.bank.public_id
    if found.state != "open":
        return redirect(url_for("assessments.bank", public_id=bank_id), 303)
    if request.form.get("act") == "discard":
        with transaction():
            services.close_import(queries.item_import(public_id, by), "discarded", by=by, at=at)
        return redirect(url_for("assessments.bank", public_id=bank_id), 303)
    plan = services.plan_items(found)
    excluded = {
        int(number) for number in request.form.getlist("excluded") if number.isdecimal() and len(number) < 7
    }
    try:
        services.require_ready(plan, leaves_out_problems=bool(request.form.get("leave_out")))
    except RuleBroken as refusal:
        return _page(found, refusal)
    items = services.chosen(plan, excluded)
    added = 0
    for start in range(0, len(items), services.AT_ONCE):
        with transaction():
            added += services.import_portion(
                queries.item_import(public_id, by), items[start : start + services.AT_ONCE], by=by, at=at
            )
    with transaction():
        services.close_import(queries.item_import(public_id, by), "imported", by=by, at=at)
    flash(
        _n("%(num)s question was added as a draft.", "%(num)s questions were added as drafts.", added),
        "success",
    )
    return redirect(url_for("assessments.bank", public_id=bank_id, sort="changed"), 303)


@bp.route("/bank/<public_id>/export", methods=["GET", "POST"])
@bank_staff
@reads_first
def export_items(public_id: str) -> ResponseReturnValue:
    """Choose a format and see what it cannot carry; then the file, and a line in the audit trail that it was taken."""
    by = actor()
    bank = queries.bank(public_id, by, permission=Permission.ITEM_WRITE)
    kind = request.values.get("format", "xlsx")
    if kind not in formats.WRITTEN:
        abort(404)
    made = services.file_of(bank, kind, by=by)
    if request.method == "GET":
        return render_template(
            "assessments/export_items.html",
            bank=bank,
            kinds=list(formats.WRITTEN),
            kind=kind,
            left_out=made.left_out,
            tab="bank",
        )
    suffix, mime = formats.WRITTEN[kind]
    with transaction():
        services.export_items(
            queries.bank(public_id, by, permission=Permission.ITEM_WRITE), kind, by=by, at=clock.now()
        )
    response = Response(made.data, mimetype=mime)
    response.headers.set("Content-Disposition", "attachment", filename=f"items-{public_id}{suffix}")
    return response
