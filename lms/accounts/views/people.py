"""People: the list, one person with accounts and roles, and the way in for new ones."""

from collections.abc import Iterator, Mapping
from datetime import date

from flask import flash, redirect, render_template, request, session
from flask.typing import ResponseReturnValue
from wtforms import SelectChoice

from lms.accounts import queries, services
from lms.accounts.forms import EndGrantForm, GrantForm, LoginForm, NewPersonForm, PersonForm
from lms.accounts.models import Grant, PersonProfile
from lms.accounts.queries import profiles
from lms.accounts.rules.profiles import TITLES
from lms.accounts.rules.words import place_name, place_names, role_name
from lms.accounts.views.blueprint import bp
from lms.core import clock, imports, ports, site
from lms.core.db import transaction
from lms.core.i18n import LOCALES, _
from lms.policy import SITE, Role
from lms.web import files, filters
from lms.web.forms import Form
from lms.web.guard import actor, staff
from lms.web.paging import Page, page_number

administrators = staff(Role.ADMINISTRATOR)

LONGEST_SEARCH = 80


def typed(name: str) -> str:
    """What was typed into a search field or filter, without what no keyboard types."""
    return "".join(letter for letter in request.values.get(name, "") if letter.isprintable())[
        :LONGEST_SEARCH
    ].strip()


def _offer(form: NewPersonForm | GrantForm) -> None:
    """Fill the pickers: roles, places by kind and name, tracks."""
    places = ports.places[0]
    kinds = {
        "site": _("Site"),
        "programme": _("Programmes"),
        "cohort": _("Cohorts"),
        "hospital": _("Hospitals"),
    }
    scopes = [SelectChoice(SITE, _("Whole site"), optgroup=kinds["site"])]
    found = sorted(places.scopes(), key=lambda place: ["cohort", "programme", "hospital"].index(place.kind))
    scopes += [SelectChoice(place.code, place_name(place), optgroup=kinds[place.kind]) for place in found]
    form.offer(
        [SelectChoice(role.value, role_name(role)) for role in Role],
        scopes,
        [SelectChoice(code, name) for code, name in places.tracks()],
    )


@bp.get("/people")
@administrators
def people_page() -> ResponseReturnValue:
    """Everybody, by name; one field searches names and logins."""
    search = typed("q")
    number = page_number()
    rows, total = queries.people(actor(), on=clock.today(), search=search, page=number)
    names = place_names(ports.places[0].scopes())
    return render_template(
        "accounts/people.html", tab="people", page=Page(rows, number, total), search=search, names=names
    )


def _exported(
    row: queries.PersonRow, profile: PersonProfile | None, places: Mapping[str, ports.Scope]
) -> Iterator[list[imports.Cell]]:
    """A line for each account and role of a person, in the columns that the import reads."""
    held: list[Grant | None] = [*row.grants] or [None]
    for account in row.accounts:
        state = _("shut") if account.disabled_at else _("open") if account.password_hash else _("invited")
        for grant in held:
            place = places.get(grant.scope) if grant else None
            yield [
                row.person.name_zh,
                row.person.name_latin,
                row.person.name_native,
                account.email or account.phone or "",
                role_name(grant.role) if grant else "",
                place.short if place else (grant.scope if grant else ""),
                state,
                str(TITLES.get(profile.title, profile.title)) if profile else "",
                profile.specialty if profile else "",
            ]


@bp.get("/people.csv")
@administrators
def people_csv() -> ResponseReturnValue:
    """The whole list as a file that the import takes back; leaving a trace in the trail."""
    by = actor()
    rows, total = queries.people(by, on=clock.today(), search=typed("q"), per_page=None)
    places = {place.code: place for place in ports.places[0].scopes()}
    known = profiles.profiles(by)
    lines = [line for row in rows for line in _exported(row, known.get(row.person.id), places)]
    header = [
        _("Name in Chinese"),
        _("Name in Latin letters"),
        _("Name in its own script"),
        _("Login"),
        _("Role"),
        _("Cohort"),
        _("Account"),
        _("Professional title"),
        _("Specialty"),
    ]
    with transaction():
        services.note_export(count=total, at=clock.now(), by=by)
    return files.table("people.csv", header, lines)


@bp.get("/people/new")
@administrators
def new_person_page() -> ResponseReturnValue:
    """The form for a new person."""
    form = NewPersonForm()
    _offer(form)
    return render_template("accounts/new_person.html", tab="people", form=form)


@bp.post("/people/new")
@administrators
def new_person() -> ResponseReturnValue:
    """Make a person known with account, roles and invitation; a second click leads to the same person."""
    by, at = actor(), clock.now()
    form = NewPersonForm.of_request()
    _offer(form)
    made = queries.person_of_form(form.client_uuid.data or "", by)
    if made is not None:
        return redirect(f"/people/{made.public_id}", 303)
    if not form.run(
        lambda: services.welcome(
            name_zh=form.name_zh.data or "",
            name_latin=form.name_latin.data or "",
            name_native=form.name_native.data or "",
            native_lang=form.native_lang.data or "",
            login=form.login.data or "",
            locale=form.locale.data if form.locale.data in LOCALES else "zh_Hans",
            roles=[Role(role) for role in form.roles.data or []],
            scope=form.scope.data or "",
            track=form.track.data or "",
            client_uuid=form.client_uuid.data,
            at=at,
            by=by,
        )
    ):
        return render_template("accounts/new_person.html", tab="people", form=form), form.status
    newcomer: services.Newcomer = form.result
    _hand_on(newcomer.person.public_id, newcomer.token, mailed=newcomer.mailed)
    return redirect(f"/people/{newcomer.person.public_id}", 303)


def _hand_on(person_public_id: str, token: str, *, mailed: bool) -> None:
    """Show an invitation link once, on the person's page of this browser; it is kept in the cookie only."""
    session["invitation"] = [person_public_id, token, mailed]


def _person_page(public_id: str, *, failed: Form | None = None, ending: str = "") -> ResponseReturnValue:
    """``ending``: the role whose end was refused."""
    row = queries.person(public_id, actor())
    today = clock.today()
    grant_form = failed if isinstance(failed, GrantForm) else GrantForm(from_on=today)
    _offer(grant_form)
    shown: dict[str, Form] = {
        "names": failed if isinstance(failed, PersonForm) else PersonForm(obj=row.person),
        "login": failed if isinstance(failed, LoginForm) else LoginForm(),
        "grant": grant_form,
    }
    link, mailed = "", False
    kept = session.get("invitation")
    if kept and kept[0] == public_id and failed is None:
        session.pop("invitation")
        link, mailed = f"{site.settings().base_url}/invitation/{kept[1]}", bool(kept[2])
    held = [one for one in row.grants if not _is_over(one, today)]
    ends = {one.public_id: EndGrantForm().of_grant(one.public_id) for one in held}
    if isinstance(failed, EndGrantForm):
        ends[ending] = failed
    page = render_template(
        "accounts/person.html",
        tab="people",
        row=row,
        forms=shown,
        failed=failed,
        names=place_names(ports.places[0].scopes()),
        held=held,
        ends=ends,
        past=[one for one in row.grants if one not in held],
        today=today,
        invitation_link=link,
        mailed=mailed,
    )
    return page, failed.status if failed else 200, {"Cache-Control": "no-store"}


def _is_over(grant: Grant, today: date) -> bool:
    return grant.ended_at is not None or (grant.to_on is not None and grant.to_on < today)


@bp.get("/people/<public_id>")
@administrators
def person_page(public_id: str) -> ResponseReturnValue:
    """One person: names, accounts, roles held and held before."""
    return _person_page(public_id)


@bp.post("/people/<public_id>/names")
@administrators
def rename(public_id: str) -> ResponseReturnValue:
    """Put the names right."""
    by, at, form = actor(), clock.now(), PersonForm.of_request()
    row = queries.person(public_id, by)
    if not form.run(
        lambda: services.rename(
            row.person,
            name_zh=form.name_zh.data or "",
            name_latin=form.name_latin.data or "",
            name_native=form.name_native.data or "",
            native_lang=form.native_lang.data or "",
            at=at,
            by=by,
        )
    ):
        return _person_page(public_id, failed=form)
    flash(_("The names are kept. Certificates already issued keep theirs."), "ok")
    return redirect(f"/people/{public_id}", 303)


@bp.post("/people/<public_id>/accounts")
@administrators
def add_account(public_id: str) -> ResponseReturnValue:
    """A further way to sign in for the same person, with an invitation."""
    by, at, form = actor(), clock.now(), LoginForm.of_request()
    row = queries.person(public_id, by)

    def act() -> tuple[str, bool]:
        account = services.add_account(row.person, login=form.login.data or "", at=at, by=by)
        return services.invite(account, at=at, by=by), services.mail_invitation(account, at=at, by=by)

    if not form.run(act):
        return _person_page(public_id, failed=form)
    _hand_on(public_id, form.result[0], mailed=form.result[1])
    return redirect(f"/people/{public_id}", 303)


@bp.post("/people/<public_id>/accounts/<account_id>/invite")
@administrators
def invite(public_id: str, account_id: str) -> ResponseReturnValue:
    """A new invitation; earlier links are void."""
    by, at = actor(), clock.now()
    with transaction():
        account = queries.account_of_person(account_id, public_id, by)
        token = services.invite(account, at=at, by=by)
        mailed = services.mail_invitation(account, at=at, by=by)
    _hand_on(public_id, token, mailed=mailed)
    return redirect(f"/people/{public_id}", 303)


@bp.post("/people/<public_id>/accounts/<account_id>/shut")
@administrators
def shut_account(public_id: str, account_id: str) -> ResponseReturnValue:
    """Shut an account: its sessions end at once, what the person did stays."""
    by = actor()
    with transaction():
        services.disable_account(queries.account_of_person(account_id, public_id, by), at=clock.now(), by=by)
    flash(_("The account is shut and signed out everywhere."), "ok")
    return redirect(f"/people/{public_id}", 303)


@bp.post("/people/<public_id>/accounts/<account_id>/open")
@administrators
def open_account(public_id: str, account_id: str) -> ResponseReturnValue:
    """Open a shut account again."""
    by = actor()
    with transaction():
        services.enable_account(queries.account_of_person(account_id, public_id, by), at=clock.now(), by=by)
    flash(_("The account is open again."), "ok")
    return redirect(f"/people/{public_id}", 303)


@bp.post("/people/<public_id>/roles")
@administrators
def add_role(public_id: str) -> ResponseReturnValue:
    """Give the person a role in a place, from today or a later day, with or without a last day."""
    by, at, form = actor(), clock.now(), GrantForm.of_request()
    _offer(form)
    row = queries.person(public_id, by)
    if not form.run(
        lambda: services.assign(
            row.person,
            Role(form.role.data),
            form.scope.data,
            track=form.track.data or "",
            from_on=form.from_on.data,
            to_on=form.to_on.data,
            at=at,
            by=by,
        )
    ):
        return _person_page(public_id, failed=form)
    begins = form.from_on.data or clock.today(at)
    flash(_("The role is given, from %(day)s.", day=filters.day(begins)), "ok")
    return redirect(f"/people/{public_id}", 303)


@bp.post("/people/<public_id>/roles/<grant_id>/end")
@administrators
def end_role(public_id: str, grant_id: str) -> ResponseReturnValue:
    """Let a role end at once, or with a last day."""
    by, at = actor(), clock.now()
    form = EndGrantForm.of_request().of_grant(grant_id)
    last_day = form.last_day.data

    def act() -> None:
        row = queries.grant_of_person(grant_id, public_id, by)
        services.end_grant(row, at=at, by=by, last_day=last_day)

    if not form.run(act):
        queries.grant_of_person(grant_id, public_id, by)
        return _person_page(public_id, failed=form, ending=grant_id)
    said = (
        _("The role ends after %(day)s.", day=filters.day(last_day)) if last_day else _("The role has ended.")
    )
    flash(said, "ok")
    return redirect(f"/people/{public_id}", 303)
