"""Pages of hospitals: the list, one hospital with its history, and what is changed there."""

from flask import Blueprint, flash, redirect, render_template, request
from flask.typing import ResponseReturnValue

from lms import policy
from lms.core import clock
from lms.core.db import transaction
from lms.core.i18n import _
from lms.policy import Permission
from lms.programmes import queries
from lms.programmes.forms.places import GRADES, REGIONS, RELATIONS, TIERS, HospitalForm
from lms.programmes.models import Hospital
from lms.programmes.queries import places
from lms.programmes.services import places as services
from lms.web import files
from lms.web.guard import actor, staff
from lms.web.paging import Page, page_number

bp = Blueprint("places", __name__)

PER_PAGE = 50


def words() -> dict[str, dict[str, str]]:
    """The words for what the list holds as codes."""
    choices = {"tier": TIERS, "grade": GRADES, "region": REGIONS, "relation": RELATIONS}
    return {
        name: {choice.value: str(choice.label) if choice.value else "" for choice in found}
        for name, found in choices.items()
    }


def _asked() -> tuple[str, str]:
    sort = request.args.get("sort", "name")
    return request.args.get("q", "")[:80], sort if sort in places.SORTS else "name"


@bp.get("/hospitals")
@staff(*queries.MANAGERS)
def hospitals() -> ResponseReturnValue:
    """The hospitals that train or send people."""
    (search, sort), number = _asked(), page_number()
    rows, total = places.hospitals_page(actor(), search=search, sort=sort, page=number, per_page=PER_PAGE)
    return render_template(
        "programmes/hospitals.html",
        tab="cohorts",
        page=Page(rows, number, total, PER_PAGE),
        search=search,
        sort=sort,
        words=words(),
    )


@bp.get("/hospitals.csv")
@staff(*queries.MANAGERS)
def hospitals_csv() -> ResponseReturnValue:
    """The hospitals that fit, for a spreadsheet."""
    search, sort = _asked()
    known = words()
    head = [
        _("Code"),
        _("Chinese name of the hospital"),
        _("English name of the hospital"),
        _("Tier"),
        _("Grade"),
        _("County code"),
        _("Region"),
        _("What it does here"),
        _("Closed on"),
    ]
    rows = (
        [
            row.code,
            row.name_zh,
            row.name_en,
            row.tier,
            row.grade,
            row.county_code,
            known["region"].get(row.region, row.region),
            known["relation"].get(row.relation, row.relation),
            row.closed_on,
        ]
        for row in places.every_hospital(actor(), search=search, sort=sort)
    )
    return files.table("hospitals.csv", head, rows)


@bp.get("/hospitals/new")
@staff(*queries.MANAGERS)
def new_hospital() -> ResponseReturnValue:
    """The form of a new hospital."""
    return _form_page(HospitalForm())


def _form_page(form: HospitalForm) -> ResponseReturnValue:
    policy.require(actor(), Permission.COHORT_MANAGE)
    return render_template("programmes/hospital_form.html", tab="cohorts", form=form), form.status


@bp.post("/hospitals")
@staff(*queries.MANAGERS)
def add_hospital() -> ResponseReturnValue:
    """Make a hospital known; the same hospital twice is once."""
    form = HospitalForm.of_request()
    if not form.run(lambda: services.enter_hospital(form.facts(), at=clock.now(), by=actor())):
        return _form_page(form)
    flash(_("The hospital is in the list."), "ok")
    return redirect(f"/hospitals/{form.result.public_id}", 303)


@bp.get("/hospitals/<public_id>")
@staff(*queries.MANAGERS)
def hospital(public_id: str) -> ResponseReturnValue:
    """One hospital: what is true of it, and what was."""
    return _hospital_page(places.hospital_page(public_id, actor()), None)


def _hospital_page(found: Hospital, form: HospitalForm | None) -> ResponseReturnValue:
    said = places.history(found)
    number = said[0].version.number if said else 0
    overtaken = False
    if form is None:
        form = HospitalForm.of(found, number)
    elif form.seen.data != str(number):
        overtaken, form.seen.data = True, str(number)  # saved again, it is a change of what stands now
    page = render_template(
        "programmes/hospital.html",
        tab="cohorts",
        hospital=found,
        form=form,
        said=said,
        overtaken=overtaken,
        sent=places.sent(found),
        words=words(),
    )
    return page, form.status


@bp.post("/hospitals/<public_id>")
@staff(*queries.MANAGERS)
def change_hospital(public_id: str) -> ResponseReturnValue:
    """Write down what is now true of a hospital; the same facts again change nothing."""
    found = places.hospital_page(public_id, actor())
    form = HospitalForm.of_request()
    seen = form.seen.data or ""
    number = int(seen) if seen.isascii() and seen.isdigit() and len(seen) < 8 else 0

    def act() -> Hospital:
        facts = form.facts(code=found.code)
        return services.change_hospital(found, facts, seen=number, at=clock.now(), by=actor())

    if not form.run(act):
        return _hospital_page(places.hospital_page(public_id, actor()), form)
    flash(_("Saved."), "ok")
    return redirect(f"/hospitals/{public_id}", 303)


@bp.post("/hospitals/<public_id>/close")
@staff(*queries.MANAGERS)
def close_hospital(public_id: str) -> ResponseReturnValue:
    """Offer a hospital no more."""
    with transaction():
        services.close_hospital(places.hospital_page(public_id, actor()), at=clock.now(), by=actor())
    flash(_("The hospital is closed: it is offered no more, and what was stays."), "ok")
    return redirect(f"/hospitals/{public_id}", 303)


@bp.post("/hospitals/<public_id>/reopen")
@staff(*queries.MANAGERS)
def reopen_hospital(public_id: str) -> ResponseReturnValue:
    """Offer a closed hospital again."""
    with transaction():
        services.reopen_hospital(places.hospital_page(public_id, actor()), at=clock.now(), by=actor())
    flash(_("The hospital is open again."), "ok")
    return redirect(f"/hospitals/{public_id}", 303)
