"""What people are professionally, and their identity numbers: for the office, and for people themselves."""

from flask import flash, redirect, render_template
from flask.typing import ResponseReturnValue

from lms import policy
from lms.accounts import services
from lms.accounts.forms import IdentityForm, ProfileForm, RevealForm
from lms.accounts.models import Person
from lms.accounts.queries import profiles as queries
from lms.accounts.queries.profiles import ProfileScope
from lms.accounts.rules import profiles as rules
from lms.accounts.views.blueprint import bp
from lms.accounts.views.people import typed
from lms.core import clock, imports
from lms.core.db import transaction
from lms.core.errors import RuleBroken, TooManyTries
from lms.core.i18n import _
from lms.policy import Actor, Permission, Role
from lms.web import files
from lms.web.confirm import confirmation, confirmed, wait_text
from lms.web.guard import actor, members, reads_first, staff
from lms.web.paging import Page, page_number

readers = staff(*queries.READERS)
_UNSEEN = {"Cache-Control": "no-store"}


def _found(public_id: str) -> tuple[Person, ProfileScope]:
    return queries.person_with_profile(public_id, actor(), on=clock.today())


def _own() -> tuple[Person, ProfileScope]:
    by = actor()
    return queries.own_person(by), queries.scope_of(by.person_id, on=clock.today())


def _page(
    person: Person,
    scope: ProfileScope,
    *,
    is_own: bool,
    form: ProfileForm | None = None,
    identity_form: IdentityForm | None = None,
) -> ResponseReturnValue:
    """The page with both forms; one that failed keeps what was typed, but for the identity number."""
    by, said = actor(), queries.history(person.id)
    current = said[0].profile if said else None
    number = current.number if current else 0
    failed = form or identity_form
    overtaken = form is not None and form.seen.data != str(number)
    if form is None:
        form = ProfileForm.of(queries.facts_of(current), number)
    elif overtaken:
        form.seen.data = str(number)  # saved again, it is a change of what stands now
    taken_by = None
    refusal = identity_form.refusal if identity_form else None
    if identity_form and refusal and refusal.code == "identity_taken":
        given, today = identity_form.identity_number.data or "", clock.today()
        if policy.allows(by, Permission.ACCOUNT_MANAGE):
            taken_by = queries.holder_of(rules.clean_identity_number(given, today=today), by)
    page = render_template(
        "accounts/profile.html",
        tab="" if is_own else _tab(by),
        person=person,
        is_own=is_own,
        here="/account" if is_own else f"/people/{person.public_id}",
        form=form,
        identity_form=identity_form or IdentityForm(),
        failed=failed,
        overtaken=overtaken,
        said=said,
        kept=queries.identity(person.id),
        taken_by=taken_by,
        years=rules.years_in_practice(current.practising_since if current else None, today=clock.today()),
        words={"title": rules.TITLES, "scope": rules.PRACTICE_SCOPES, "degree": rules.DEGREES},
        may={
            "write": policy.allows(by, Permission.PROFILE_WRITE, scope),
            "enter": policy.allows(by, Permission.IDENTITY_ENTER, scope),
            "remove": policy.allows(by, Permission.IDENTITY_REMOVE, scope),
            "reveal": policy.allows(by, Permission.IDENTITY_REVEAL, scope),
            "manage": policy.allows(by, Permission.ACCOUNT_MANAGE, scope),
        },
    )
    return page, failed.status if failed else 200, _UNSEEN


def _enter_profile(person: Person, scope: ProfileScope, *, is_own: bool) -> ResponseReturnValue:
    by, at, form = actor(), clock.now(), ProfileForm.of_request()
    policy.require(by, Permission.PROFILE_WRITE, scope, see=Permission.PROFILE_READ)
    before = form.seen.data or ""
    seen = int(before) if before.isascii() and before.isdigit() and len(before) < 8 else 0
    if not form.run(lambda: services.enter_profile(person, form.facts(), seen=seen, at=at, by=by)):
        return _page(person, scope, is_own=is_own, form=form)
    flash(_("The professional details are kept."), "ok")
    return redirect("/account/profile" if is_own else f"/people/{person.public_id}/profile", 303)


def _enter_identity(person: Person, scope: ProfileScope, *, is_own: bool) -> ResponseReturnValue:
    by, at, form = actor(), clock.now(), IdentityForm.of_request()
    policy.require(by, Permission.IDENTITY_ENTER, scope, see=Permission.PROFILE_READ)
    if not form.validate():
        return _page(person, scope, is_own=is_own, identity_form=form)
    try:
        services.count_identity_try(at=at, by=by)
    except TooManyTries as refusal:
        form.refuse(RuleBroken("too_many_tries", wait_text(refusal), field="identity_number"))
        return _page(person, scope, is_own=is_own, identity_form=form)
    text = form.identity_number.data or ""
    if not form.run(lambda: services.enter_identity(person, text, at=at, by=by)):
        return _page(person, scope, is_own=is_own, identity_form=form)
    flash(_("The identity number is kept, encrypted."), "ok")
    return redirect("/account/profile" if is_own else f"/people/{person.public_id}/profile", 303)


# ---------------------------------------------------------------- for the office


def _asked() -> tuple[str, str]:
    lack = typed("lack")
    return typed("q"), lack if lack in queries.LACKING else ""


@bp.get("/people/profiles")
@readers
def profiles_page() -> ResponseReturnValue:
    """Everybody's professional details, and of whom what is missing."""
    by, number, (search, lack) = actor(), page_number(), _asked()
    rows, total = queries.roll(by, on=clock.today(), search=search, lack=lack, page=number)
    return render_template(
        "accounts/profiles.html",
        tab=_tab(by),
        page=Page(rows, number, total),
        search=search,
        lack=lack,
        titles=rules.TITLES,
        manages=policy.allows(by, Permission.ACCOUNT_MANAGE),
    )


def _tab(by: Actor) -> str:
    """Where the page is at home for whoever reads it."""
    if policy.allows(by, Permission.ACCOUNT_MANAGE):
        return "people"
    return "cohorts" if by.is_any(Role.COORDINATOR, Role.DIRECTOR) else "audit"


@bp.get("/people/profiles.csv")
@readers
def profiles_csv() -> ResponseReturnValue:
    """The list as a file, never with an identity number; leaving a trace in the trail."""
    by, at, (search, lack) = actor(), clock.now(), _asked()
    today = clock.today(at)
    rows, total = queries.roll(by, on=today, search=search, lack=lack, per_page=None)
    header = [
        _("Name in Chinese"),
        _("Name in Latin letters"),
        _("Professional title"),
        _("Specialty"),
        _("Number of the licence to practise"),
        _("Scope of the licence"),
        _("Highest degree"),
        _("In practice since (year)"),
        _("Identity card number is kept"),
    ]
    lines = [_line(row) for row in rows]
    with transaction():
        services.note_profiles_export(count=total, at=at, by=by)
    return files.table("professional-details.csv", header, lines)


def _line(row: queries.RollRow) -> list[imports.Cell]:
    facts = queries.facts_of(row.profile)
    return [
        row.person.name_zh,
        row.person.name_latin,
        str(rules.TITLES.get(facts.title, "")),
        facts.specialty,
        facts.licence_number,
        str(rules.PRACTICE_SCOPES.get(facts.practice_scope, "")),
        str(rules.DEGREES.get(facts.degree, "")),
        facts.practising_since,
        _("yes") if row.has_identity else _("no"),
    ]


@bp.get("/people/<public_id>/profile")
@readers
def profile_page(public_id: str) -> ResponseReturnValue:
    """What a person is professionally, with all that was ever entered."""
    return _page(*_found(public_id), is_own=False)


@bp.post("/people/<public_id>/profile")
@readers
def enter_profile(public_id: str) -> ResponseReturnValue:
    """Write down what a person is professionally; the same again changes nothing."""
    return _enter_profile(*_found(public_id), is_own=False)


@bp.post("/people/<public_id>/identity")
@readers
@reads_first
def enter_identity(public_id: str) -> ResponseReturnValue:
    """Keep or replace a person's identity number."""
    return _enter_identity(*_found(public_id), is_own=False)


@bp.get("/people/<public_id>/identity/remove")
@readers
def removal_page(public_id: str) -> ResponseReturnValue:
    """Ask before an identity number is taken out for good."""
    person, scope = _found(public_id)
    policy.require(actor(), Permission.IDENTITY_REMOVE, scope, see=Permission.PROFILE_READ)
    return render_template("accounts/identity_remove.html", tab=_tab(actor()), person=person)


@bp.post("/people/<public_id>/identity/remove")
@readers
def remove_identity(public_id: str) -> ResponseReturnValue:
    """Take an identity number out for good."""
    person, _scope = _found(public_id)
    with transaction():
        services.remove_identity(person, at=clock.now(), by=actor())
    flash(
        _("The identity number is removed. That it was here stays in the trail, the number does not."), "ok"
    )
    return redirect(f"/people/{public_id}/profile", 303)


@bp.get("/people/<public_id>/identity/reveal")
@readers
def reveal_page(public_id: str) -> ResponseReturnValue:
    """Ask for a reason and a confirmation before a whole identity number is shown."""
    return _reveal_page(*_found(public_id), RevealForm())


def _reveal_page(person: Person, scope: ProfileScope, form: RevealForm) -> ResponseReturnValue:
    policy.require(actor(), Permission.IDENTITY_REVEAL, scope, see=Permission.PROFILE_READ)
    page = render_template(
        "accounts/identity_reveal.html",
        tab=_tab(actor()),
        person=person,
        form=form,
        kept=queries.identity(person.id),
        confirmation=confirmation(clock.now()),
    )
    return page, form.status, _UNSEEN


@bp.post("/people/<public_id>/identity/reveal")
@readers
@reads_first
def reveal_identity(public_id: str) -> ResponseReturnValue:
    """Show a whole identity number, once, on a page that nobody keeps."""
    person, scope = _found(public_id)
    by, at, form = actor(), clock.now(), RevealForm.of_request()
    policy.require(by, Permission.IDENTITY_REVEAL, scope, see=Permission.PROFILE_READ)
    reason = form.reason.data or ""
    if not (
        confirmed(form, at=at)
        and form.run(lambda: services.reveal_identity(person, reason=reason, at=at, by=by))
    ):
        return _reveal_page(person, scope, form)
    page = render_template("accounts/identity_shown.html", tab=_tab(by), person=person, number=form.result)
    return page, 200, _UNSEEN


# ---------------------------------------------------------------- for people themselves


@bp.get("/account/profile")
@members
def own_profile_page() -> ResponseReturnValue:
    """One's own professional details."""
    return _page(*_own(), is_own=True)


@bp.post("/account/profile")
@members
def enter_own_profile() -> ResponseReturnValue:
    """Write down what one is professionally oneself."""
    return _enter_profile(*_own(), is_own=True)


@bp.post("/account/identity")
@members
@reads_first
def enter_own_identity() -> ResponseReturnValue:
    """Enter one's own identity number, once."""
    return _enter_identity(*_own(), is_own=True)
