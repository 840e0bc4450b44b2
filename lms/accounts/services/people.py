"""Acts on people, their accounts and roles."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime

from sqlalchemy import or_, select, update

from lms import policy
from lms.accounts import queries, rules
from lms.accounts.models import Account, Grant, Person, UserSession
from lms.accounts.services import links
from lms.core import audit, clock, ports
from lms.core.db import db
from lms.core.errors import RuleBroken
from lms.core.i18n import _
from lms.policy import SITE, Actor, Permission, Role


def add_person(
    *,
    name_zh: str,
    name_latin: str,
    at: datetime,
    by: Actor | None,
    name_native: str = "",
    native_lang: str = "",
    client_uuid: str | None = None,
) -> Person:
    """Make a person known. ``by`` None: the site itself (first administrator, demonstration).

    ``client_uuid``: key of the form that asks; the unique column lets it make one person only.
    """
    if by is not None:
        policy.require(by, Permission.ACCOUNT_MANAGE)
    person = Person(created_at=at, client_uuid=client_uuid or None)
    _name(person, name_zh, name_latin, name_native, native_lang)
    db.session.add(person)
    db.session.flush()
    audit.record(
        "accounts.person.add",
        scope="site",
        at=at,
        account_id=by.account_id if by else None,
        subject=f"person:{person.public_id}",
    )
    return person


def _name(person: Person, name_zh: str, name_latin: str, name_native: str, native_lang: str) -> None:
    names = [rules.clean_name(name) for name in (name_zh, name_latin, name_native)]
    if not names[0] and not names[1]:
        raise RuleBroken("name_missing", _("Give the name in Chinese or in Latin letters."), field="name_zh")
    rules.require_script(names[2], native_lang)
    person.name_zh, person.name_latin, person.name_native = names
    person.native_lang = native_lang if names[2] else ""


def rename(
    person: Person,
    *,
    name_zh: str,
    name_latin: str,
    name_native: str,
    native_lang: str,
    at: datetime,
    by: Actor,
) -> None:
    """Put a person's names right; certificates already issued keep the name they were issued under."""
    policy.require(by, Permission.ACCOUNT_MANAGE, person)
    _name(person, name_zh, name_latin, name_native, native_lang)
    db.session.flush()
    audit.record(
        "accounts.person.rename",
        scope="site",
        at=at,
        account_id=by.account_id,
        subject=f"person:{person.public_id}",
    )


def add_account(
    person: Person, *, login: str, at: datetime, by: Actor | None, locale: str = "zh_Hans"
) -> Account:
    """Give a person a way to sign in, by e-mail address or phone number."""
    if by is not None:
        policy.require(by, Permission.ACCOUNT_MANAGE)
    login = rules.clean_login(login)
    if not (rules.is_email(login) or rules.is_phone(login)):
        raise RuleBroken("login_shape", _("Give an e-mail address or a mobile phone number."), field="login")
    if queries.account_by_login(login) is not None:
        raise RuleBroken(
            "login_taken",
            _("Another account already has this e-mail address or phone number."),
            field="login",
        )
    account = Account(
        person_id=person.id,
        email=login if "@" in login else None,
        phone=None if "@" in login else login,
        locale=locale,
        created_at=at,
    )
    account.person = person
    db.session.add(account)
    db.session.flush()
    audit.record(
        "accounts.account.add",
        scope=rules.scope_of(account.id),
        at=at,
        account_id=by.account_id if by else None,
        subject=f"account:{account.public_id}",
    )
    return account


def disable_account(account: Account, *, at: datetime, by: Actor) -> None:
    """Shut an account and end its sessions; what the person did stays."""
    policy.require(by, Permission.ACCOUNT_MANAGE, account)
    if account.id == by.account_id:
        raise RuleBroken("own_account", _("You cannot shut your own account. Ask another administrator."))
    if account.disabled_at is None:
        account.disabled_at = at
        db.session.execute(
            update(UserSession)
            .where(UserSession.account_id == account.id, UserSession.ended_at.is_(None))
            .values(ended_at=at)
        )
        audit.record(
            "accounts.account.disable",
            scope=rules.scope_of(account.id),
            at=at,
            account_id=by.account_id,
            subject=f"account:{account.public_id}",
        )


def enable_account(account: Account, *, at: datetime, by: Actor) -> None:
    """Open a shut account again."""
    policy.require(by, Permission.ACCOUNT_MANAGE, account)
    if account.disabled_at is not None:
        account.disabled_at = None
        audit.record(
            "accounts.account.enable",
            scope=rules.scope_of(account.id),
            at=at,
            account_id=by.account_id,
            subject=f"account:{account.public_id}",
        )


def grant(
    person: Person,
    role: Role,
    scope: str,
    *,
    at: datetime,
    by: Actor | None,
    from_on: date | None = None,
    to_on: date | None = None,
) -> Grant:
    """Let a person hold a role in a scope, from today where no first day is given, without end where no last; twice is once.

    Raises RuleBroken ``days`` or ``role_held``.
    """
    if by is not None:
        policy.require(by, Permission.GRANT_MANAGE)
        rules.require_scope(role, scope)
    today = clock.today(at)
    begins = from_on or today
    rules.require_days(begins, to_on, today=today)
    ends_later = or_(Grant.to_on.is_(None), Grant.to_on >= begins)
    held = db.session.scalars(
        select(Grant)
        .where(
            Grant.person_id == person.id,
            Grant.role == role,
            Grant.scope == scope,
            Grant.ended_at.is_(None),
            ends_later if to_on is None else ends_later & (Grant.from_on <= to_on),
        )
        .order_by(Grant.from_on)
    ).first()
    if held is not None:
        same = held.from_on == begins or (from_on is None and held.from_on < begins)
        if same and held.to_on == to_on:
            return held
        raise RuleBroken(
            "role_held", _("This person holds this role there already in these days."), field="from_on"
        )
    row = Grant(
        person_id=person.id,
        role=role,
        scope=scope,
        from_on=begins,
        to_on=to_on,
        granted_by=by.account_id if by else None,
    )
    db.session.add(row)
    db.session.flush()
    audit.record(
        "accounts.grant.add",
        scope="site",
        at=at,
        account_id=by.account_id if by else None,
        subject=f"person:{person.public_id}",
        role=role,
        where=scope,
        **({"from_on": begins.isoformat()} if from_on else {}),
        **({"to_on": to_on.isoformat()} if to_on else {}),
    )
    return row


def end_grant(row: Grant, *, at: datetime, by: Actor, last_day: date | None = None) -> None:
    """Let a role end now, or with a last day. What has ended stays as it is. Raises RuleBroken ``days``."""
    policy.require(by, Permission.GRANT_MANAGE, row)
    today = clock.today(at)
    if row.ended_at is not None or (row.to_on is not None and row.to_on < today):
        return
    if row.person_id == by.person_id and row.role == Role.ADMINISTRATOR:
        raise RuleBroken(
            "own_role", _("You cannot end your own administrator role. Ask another administrator.")
        )
    if last_day is None:
        row.ended_at, row.to_on = at, max(today, row.from_on)
    else:
        rules.require_last_day(last_day, not_before=max(today, row.from_on), field="last_day")
        row.to_on = last_day
    audit.record(
        "accounts.grant.end",
        scope="site",
        at=at,
        account_id=by.account_id,
        subject=f"grant:{row.public_id}",
        role=row.role,
        where=row.scope,
        to_on=row.to_on.isoformat(),
    )


@dataclass(frozen=True)
class Newcomer:
    """A person who has just been made known."""

    person: Person
    account: Account
    token: str
    """Of the invitation link, to hand on; it is kept nowhere."""
    mailed: bool


def welcome(
    *,
    name_zh: str,
    name_latin: str,
    login: str,
    roles: Sequence[Role],
    scope: str,
    track: str,
    at: datetime,
    by: Actor,
    name_native: str = "",
    native_lang: str = "",
    locale: str = "zh_Hans",
    client_uuid: str | None = None,
) -> Newcomer:
    """Make a person known with an account, their first roles in one place, and an invitation."""
    policy.require(by, Permission.ACCOUNT_MANAGE)
    if roles and not scope:
        raise RuleBroken("scope_missing", _("Choose where the roles are held."), field="scope")
    person = add_person(
        name_zh=name_zh,
        name_latin=name_latin,
        name_native=name_native,
        native_lang=native_lang,
        client_uuid=client_uuid,
        at=at,
        by=by,
    )
    account = add_account(person, login=login, at=at, by=by, locale=locale)
    for role in roles:
        assign(person, role, scope, track=track, at=at, by=by)
    token = links.invite(account, at=at, by=by)
    return Newcomer(person, account, token, links.mail_invitation(account, at=at, by=by))


def assign(
    person: Person,
    role: Role,
    scope: str,
    *,
    track: str,
    at: datetime,
    by: Actor,
    from_on: date | None = None,
    to_on: date | None = None,
) -> None:
    """Give a person a role in a place that exists; a trainee is enrolled in the cohort, which brings the role."""
    policy.require(by, Permission.GRANT_MANAGE)
    rules.require_scope(role, scope)
    places = ports.places[0]
    if scope != SITE and scope not in {place.code for place in places.scopes()}:
        raise RuleBroken("scope", _("This role cannot be held there. Choose another place."), field="scope")
    if role == Role.TRAINEE:
        if to_on is not None or (from_on or clock.today(at)) != clock.today(at):
            raise RuleBroken(
                "trainee_days",
                _("A trainee’s role begins with the enrolment. Leave the days as they were."),
                field="from_on",
            )
        if track not in dict(places.tracks()):
            raise RuleBroken("track", _("Choose a track."), field="track")
        places.enrol(person, scope, track, by, at)
    else:
        grant(person, role, scope, at=at, by=by, from_on=from_on, to_on=to_on)


def note_export(*, count: int, at: datetime, by: Actor) -> None:
    """Note in the trail that the list of people left the site."""
    policy.require(by, Permission.ACCOUNT_MANAGE)
    audit.record("accounts.people.export", scope="site", at=at, account_id=by.account_id, count=count)
