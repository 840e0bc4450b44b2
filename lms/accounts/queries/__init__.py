"""Questions about people and accounts."""

import hashlib
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import date, datetime, time, timedelta

from sqlalchemy import ColumnElement, Select, and_, bindparam, func, or_, select
from sqlalchemy.orm import contains_eager, joinedload

from lms import policy
from lms.accounts import rules
from lms.accounts.models import Account, AccountLink, Grant, Passkey, Person, UserSession
from lms.core import clock
from lms.core.audit import AuditEvent
from lms.core.db import db
from lms.core.errors import NeedsConfirmation, NotFound
from lms.core.hooks import HookRow, site_webhooks
from lms.core.i18n import _
from lms.core.notices import Address, Notice
from lms.core.passkeys import PasskeyRefused
from lms.core.ports import ConfirmationState
from lms.policy import Actor, Permission, Role


def digest(token: str) -> str:
    """How a secret token is kept."""
    return hashlib.sha256(token.encode()).hexdigest()


def grants_of(person_id: int, *, on: date) -> frozenset[tuple[Role, str]]:
    """The roles a person holds on a day."""
    rows = db.session.execute(
        select(Grant.role, Grant.scope).where(
            Grant.person_id == person_id,
            Grant.from_on <= on,
            or_(Grant.to_on.is_(None), Grant.to_on >= on),
            Grant.ended_at.is_(None),
        )
    )
    known = set(Role)
    return frozenset((Role(role), scope) for role, scope in rows if role in known)


def actor_of(account: Account, *, at: datetime, session: UserSession | None = None) -> Actor:
    """The actor that an account (with its person loaded) makes today."""
    return Actor(
        account_id=account.id,
        account_public_id=account.public_id,
        person_id=account.person_id,
        name=account.person.name,
        locale=account.locale,
        xinjiang_time=account.xinjiang_time,
        grants=grants_of(account.person_id, on=clock.today(at)),
        session_id=session.id if session else None,
        seen_at=session.seen_at if session else None,
    )


_ACTOR = (
    # Asked by every request of everybody: columns instead of entities, and built once (docs/benchmark.md).
    select(
        Account.id.label("account_id"),
        Account.public_id,
        Account.person_id,
        Account.locale,
        Account.xinjiang_time,
        Person.name_zh,
        Person.name_latin,
        UserSession.id.label("session_id"),
        UserSession.seen_at,
        Grant.role,
        Grant.scope,
    )
    .select_from(UserSession)
    .join(Account, Account.id == UserSession.account_id)
    .join(Person, Person.id == Account.person_id)
    .outerjoin(
        Grant,
        and_(
            Grant.person_id == Account.person_id,
            Grant.from_on <= bindparam("today"),
            or_(Grant.to_on.is_(None), Grant.to_on >= bindparam("today")),
            Grant.ended_at.is_(None),
        ),
    )
    .where(
        UserSession.token_sha256 == bindparam("token_sha256"),
        UserSession.ended_at.is_(None),
        UserSession.started_at > bindparam("since"),
        Account.disabled_at.is_(None),
    )
)


def actor_of_token(token: str, *, at: datetime) -> Actor | None:
    """The actor behind a session cookie; None when the session has ended or the account is disabled. One query."""
    rows = db.session.execute(
        _ACTOR, {"token_sha256": digest(token), "since": at - rules.SESSION_LASTS, "today": clock.today(at)}
    ).all()
    if not rows:
        return None
    row, known = rows[0], set(Role)
    return Actor(
        account_id=row.account_id,
        account_public_id=row.public_id,
        person_id=row.person_id,
        name=row.name_zh or row.name_latin,
        locale=row.locale,
        xinjiang_time=row.xinjiang_time,
        grants=frozenset((Role(one.role), one.scope) for one in rows if one.role in known),
        session_id=row.session_id,
        seen_at=row.seen_at,
    )


def owner_of_session(token: str) -> str:
    """Public id of the account whose session it is or was; empty where nobody knows any more."""
    found = select(Account.public_id).join(UserSession, UserSession.account_id == Account.id)
    return db.session.scalar(found.where(UserSession.token_sha256 == digest(token))) or "" if token else ""


def account_by_login(login: str) -> Account | None:
    """The account with this cleaned e-mail address or phone number, its person loaded."""
    if not login:
        return None
    return db.session.scalar(
        select(Account)
        .options(joinedload(Account.person))
        .where(or_(Account.email == login, Account.phone == login))
    )


def account_for_update(account_id: int) -> Account:
    """An account as it stands now, its person loaded, locked until the transaction ends. Raises NotFound."""
    found = db.session.scalar(
        select(Account)
        .options(joinedload(Account.person))
        .where(Account.id == account_id)
        .with_for_update(of=Account)
        .execution_options(populate_existing=True)
    )
    if found is None:
        raise NotFound
    return found


def own_account(by: Actor) -> Account:
    """The actor's own account, its person loaded."""
    return db.session.scalars(
        select(Account).options(joinedload(Account.person)).where(Account.id == by.account_id)
    ).one()


def session_of(by: Actor) -> UserSession | None:
    """The session that the actor came with."""
    return db.session.get(UserSession, by.session_id) if by.session_id else None


def session_for_update(by: Actor) -> UserSession | None:
    """The session that the actor came with, as it stands now, locked until the transaction ends."""
    return db.session.scalar(
        select(UserSession)
        .where(UserSession.id == (by.session_id or 0))
        .with_for_update()
        .execution_options(populate_existing=True)
    )


def confirmation(by: Actor, *, at: datetime) -> str:
    """How the actor confirmed within the last five minutes: ``pin`` or ``passkey``. Raises NeedsConfirmation."""
    row = session_of(by)
    if row is None or not rules.is_confirmed(row.confirmed_at, at=at):
        raise NeedsConfirmation
    return row.confirmed_by


def confirmation_state(by: Actor, at: datetime) -> ConfirmationState:
    """Whether the actor's confirmation is fresh, until when, and what they could confirm with. One query."""
    row = db.session.execute(
        select(
            UserSession.confirmed_at,
            Account.pin_hash.is_not(None),
            select(func.count()).where(Passkey.account_id == Account.id).scalar_subquery(),
        )
        .select_from(Account)
        .outerjoin(UserSession, (UserSession.id == (by.session_id or 0)) & UserSession.ended_at.is_(None))
        .where(Account.id == by.account_id)
    ).one()
    fresh = rules.is_confirmed(row[0], at=at)
    return ConfirmationState(
        until=row[0] + rules.CONFIRMATION_LASTS if fresh else None, has_pin=bool(row[1]), passkeys=row[2]
    )


def open_sessions(by: Actor, *, at: datetime) -> Sequence[UserSession]:
    """The actor's signed-in browsers, the latest first."""
    return db.session.scalars(
        select(UserSession)
        .where(
            UserSession.account_id == by.account_id,
            UserSession.ended_at.is_(None),
            UserSession.started_at > at - rules.SESSION_LASTS,
        )
        .order_by(UserSession.seen_at.desc())
    ).all()


def passkeys_of(account_id: int) -> Sequence[Passkey]:
    """The passkeys of an account."""
    return db.session.scalars(
        select(Passkey).where(Passkey.account_id == account_id).order_by(Passkey.id)
    ).all()


def own_passkey(credential_id: bytes, by: Actor) -> Passkey:
    """One of the actor's passkeys, locked until the transaction ends. Raises PasskeyRefused for anybody else's."""
    found = db.session.scalar(
        select(Passkey)
        .where(Passkey.credential_id == credential_id, Passkey.account_id == by.account_id)
        .with_for_update()
        .execution_options(populate_existing=True)
    )
    if found is None:
        raise PasskeyRefused(
            "passkey_invalid",
            _("The passkey was not accepted. Please try again, or use your PIN."),
            why="unknown",
        )
    return found


def usable_link(token: str, kind: str, *, at: datetime) -> AccountLink:
    """The invitation or reset link of ``token``. Raises NotFound when it is used, expired or unknown."""
    link = db.session.scalar(
        select(AccountLink)
        .where(
            AccountLink.token_sha256 == digest(token),
            AccountLink.kind == kind,
            AccountLink.used_at.is_(None),
            AccountLink.expires_at > at,
        )
        .with_for_update()
    )
    if link is None:
        raise NotFound
    return link


def account_of_link(token: str, kind: str, *, at: datetime) -> Account:
    """The account that a usable link belongs to, its person loaded. Raises NotFound."""
    account = db.session.scalar(
        select(Account)
        .options(joinedload(Account.person))
        .join(AccountLink, AccountLink.account_id == Account.id)
        .where(
            AccountLink.token_sha256 == digest(token),
            AccountLink.kind == kind,
            AccountLink.used_at.is_(None),
            AccountLink.expires_at > at,
            Account.disabled_at.is_(None),
        )
    )
    if account is None:
        raise NotFound
    return account


def login_of_used_link(token: str, kind: str, *, at: datetime) -> str | None:
    """The login behind a link that was used within the last minutes: its second click may sign in by password."""
    account = db.session.scalar(
        select(Account)
        .join(AccountLink, AccountLink.account_id == Account.id)
        .where(
            AccountLink.token_sha256 == digest(token),
            AccountLink.kind == kind,
            AccountLink.used_at > at - rules.DOUBLE_CLICK,
        )
    )
    return (account.email or account.phone) if account else None


@dataclass(frozen=True)
class PersonRow:
    """A person in the list of people."""

    person: Person
    accounts: Sequence[Account]
    grants: Sequence[Grant]


def people(
    by: Actor, *, on: date, search: str = "", page: int = 1, per_page: int | None = 50
) -> tuple[list[PersonRow], int]:
    """People with their accounts and their roles of a day and later, by name; and how many there are in all.

    ``per_page`` None: all.
    """
    policy.require(by, Permission.ACCOUNT_MANAGE)
    query = select(Person)
    if search.strip():
        query = query.where(or_(*named_like(search)))
    rows = db.session.scalars(
        query.order_by(Person.name_zh, Person.name_latin, Person.id)
        .limit(per_page)
        .offset((page - 1) * per_page if per_page else None)
    ).all()
    total = len(rows)
    if per_page is not None:
        total = db.session.scalar(select(func.count()).select_from(query.order_by(None).subquery())) or 0
    mine: Select[tuple[int]] = select(Person.id)
    if per_page is not None:
        mine = mine.where(Person.id.in_([person.id for person in rows]))
    accounts: dict[int, list[Account]] = {}
    for account in db.session.scalars(
        select(Account).where(Account.person_id.in_(mine)).order_by(Account.id)
    ):
        accounts.setdefault(account.person_id, []).append(account)
    grants: dict[int, list[Grant]] = {}
    for grant in db.session.scalars(
        select(Grant)
        .where(
            Grant.person_id.in_(mine),
            or_(Grant.to_on.is_(None), Grant.to_on >= on),
            Grant.ended_at.is_(None),
        )
        .order_by(Grant.id)
    ):
        grants.setdefault(grant.person_id, []).append(grant)
    return [PersonRow(one, accounts.get(one.id, []), grants.get(one.id, [])) for one in rows], total


def named_like(search: str) -> list[ColumnElement[bool]]:
    """Ways in which a person may be meant by what was typed: a part of a name or of a login."""
    text = search.strip().lower()
    login = rules.clean_login(search) or text
    accounts = select(Account.person_id).where(
        or_(Account.email.contains(text, autoescape=True), Account.phone.contains(login, autoescape=True))
    )
    return [
        func.lower(Person.name_zh).contains(text, autoescape=True),
        func.lower(Person.name_latin).contains(text, autoescape=True),
        Person.name_native.contains(search.strip(), autoescape=True),
        Person.id.in_(accounts),
    ]


@dataclass(frozen=True)
class InvitedRow:
    """Somebody who has not yet accepted their invitation."""

    account: Account
    """Its person loaded."""
    good_until: datetime | None
    """Of the latest link; None where there never was one."""


def invited(scope: str, by: Actor, *, on: date) -> list[InvitedRow]:
    """Open accounts without a password of people who hold a role in a scope on a day or later, by name."""
    policy.require(by, Permission.ACCOUNT_MANAGE)
    holders = select(Grant.person_id).where(
        Grant.scope == scope,
        or_(Grant.to_on.is_(None), Grant.to_on >= on),
        Grant.ended_at.is_(None),
    )
    latest = (
        select(func.max(AccountLink.expires_at))
        .where(
            AccountLink.account_id == Account.id, AccountLink.kind == "invite", AccountLink.used_at.is_(None)
        )
        .scalar_subquery()
    )
    rows = db.session.execute(
        select(Account, latest)
        .join(Account.person)
        .options(contains_eager(Account.person))
        .where(Account.password_hash.is_(None), Account.disabled_at.is_(None), Account.person_id.in_(holders))
        .order_by(Person.name_zh, Person.name_latin, Account.id)
    )
    return [InvitedRow(account, until) for account, until in rows]


def people_by_login(logins: Sequence[str], by: Actor) -> dict[str, Person]:
    """Who signs in already with one of these cleaned logins: login → person."""
    policy.require(by, Permission.ACCOUNT_MANAGE)
    rows = db.session.scalars(
        select(Account)
        .options(joinedload(Account.person))
        .where(or_(Account.email.in_(logins), Account.phone.in_(logins)))
    )
    return {login: row.person for row in rows for login in (row.email, row.phone) if login}


def person_of_form(client_uuid: str, by: Actor) -> Person | None:
    """The person that a form has made already; its button was pressed twice."""
    policy.require(by, Permission.ACCOUNT_MANAGE)
    return db.session.scalar(select(Person).where(Person.client_uuid == client_uuid)) if client_uuid else None


def account_of_person(public_id: str, person_public_id: str, by: Actor) -> Account:
    """One account of a person, locked until the transaction ends. Raises NotFound."""
    found = db.session.scalar(
        select(Account)
        .join(Account.person)
        .options(contains_eager(Account.person))
        .where(Account.public_id == public_id, Person.public_id == person_public_id)
        .with_for_update(of=Account)
        .execution_options(populate_existing=True)
    )
    if found is None:
        raise NotFound
    policy.require(by, Permission.ACCOUNT_MANAGE, found)
    return found


def grant_of_person(public_id: str, person_public_id: str, by: Actor) -> Grant:
    """One role of a person, locked until the transaction ends. Raises NotFound."""
    found = db.session.scalar(
        select(Grant)
        .join(Grant.person)
        .where(Grant.public_id == public_id, Person.public_id == person_public_id)
        .with_for_update(of=Grant)
        .execution_options(populate_existing=True)
    )
    if found is None:
        raise NotFound
    policy.require(by, Permission.GRANT_MANAGE, found)
    return found


def person(public_id: str, by: Actor) -> PersonRow:
    """One person with accounts and all roles ever held. Raises NotFound."""
    found = db.session.scalar(select(Person).where(Person.public_id == public_id))
    if found is None:
        raise NotFound
    policy.require(by, Permission.ACCOUNT_MANAGE, found)
    return PersonRow(
        found,
        db.session.scalars(select(Account).where(Account.person_id == found.id).order_by(Account.id)).all(),
        db.session.scalars(
            select(Grant).where(Grant.person_id == found.id).order_by(Grant.from_on, Grant.id)
        ).all(),
    )


def persons_with_role(role: Role, *scopes: str, on: date) -> Sequence[Person]:
    """Who holds a role in one of the scopes (or site-wide) on a day."""
    return db.session.scalars(
        select(Person)
        .join(Grant, Grant.person_id == Person.id)
        .where(
            Grant.role == role,
            Grant.scope.in_([policy.SITE, *scopes]),
            Grant.from_on <= on,
            or_(Grant.to_on.is_(None), Grant.to_on >= on),
            Grant.ended_at.is_(None),
        )
        .distinct()
        .order_by(Person.id)
    ).all()


_ACCOUNTS = (
    select(Account)
    .where(Account.person_id.in_(bindparam("person_ids", expanding=True)), Account.disabled_at.is_(None))
    .order_by(Account.id)
)


def accounts_of_person(person_id: int) -> Sequence[Account]:
    """A person's accounts that can sign in, the oldest first."""
    return accounts_of_people([person_id])


def accounts_of_people(person_ids: Collection[int]) -> Sequence[Account]:
    """The accounts of many that can sign in, the oldest first."""
    return db.session.scalars(_ACCOUNTS, {"person_ids": list(person_ids)}).all()


def address_of(account_id: int) -> Address | None:
    """Where and in which language an account's person reads notices; None where nobody reads any more."""
    account = db.session.scalar(
        select(Account)
        .options(joinedload(Account.person))
        .where(Account.id == account_id, Account.disabled_at.is_(None))
    )
    if account is None:
        return None
    return Address(email=account.email or "", locale=account.locale, name=account.person.name)


def webhooks(by: Actor) -> list[HookRow]:
    """The site's webhooks with their last deliveries."""
    policy.require(by, Permission.WEBHOOK_MANAGE)
    return site_webhooks()


def notice_url(public_id: str, by: Actor) -> str:
    """Where one of the actor's notices leads; empty where it leads nowhere or is another's."""
    found = select(Notice.url).where(Notice.public_id == public_id, Notice.account_id == by.account_id)
    return db.session.scalar(found) or ""


@dataclass(frozen=True)
class TrailRow:
    """An event of the trail with who did it."""

    event: AuditEvent
    person: Person | None
    """None: the clock or the site itself."""


@dataclass(frozen=True)
class _ProgrammeChain:
    """The shape of a programme's chain that the policy table asks for."""

    programme_id: int


def readable_chains(by: Actor) -> list[str] | None:
    """The chains whose events the actor may read; None: all. An auditor of a programme reads that programme's."""
    if policy.allows(by, Permission.AUDIT_READ):
        return None
    audited = sorted(by.scope_ids("programme", Role.AUDITOR) or ())
    found = [
        f"programme:{number}"
        for number in audited
        if policy.allows(by, Permission.AUDIT_READ, _ProgrammeChain(number))
    ]
    if not found:
        policy.require(by, Permission.AUDIT_READ)
    return found


def trail(
    by: Actor,
    *,
    scope: str = "",
    act: str = "",
    who: str = "",
    day: date | None = None,
    before: int | None = None,
    size: int = 50,
) -> tuple[list[TrailRow], int | None]:
    """Events, the newest first, and where the next page begins. ``who``: public id, or part of a name or login.

    ``act``: a whole act (``logbooks.entry.sign``) or its beginning (``logbooks``). ``day``: a day in Beijing.
    """
    chains = readable_chains(by)
    query = (
        select(AuditEvent, Person)
        .outerjoin(Account, Account.id == AuditEvent.account_id)
        .outerjoin(Person, Person.id == Account.person_id)
        .order_by(AuditEvent.id.desc())
        .limit(size + 1)
    )
    if chains is not None:
        query = query.where(AuditEvent.scope.in_(chains))
    if scope:
        query = query.where(AuditEvent.scope == scope)
    if act:
        query = query.where(or_(AuditEvent.act == act, AuditEvent.act.startswith(f"{act}.", autoescape=True)))
    if who:
        query = query.where(or_(Person.public_id == who, *named_like(who)))
    if day is not None:
        start = datetime.combine(day, time(), tzinfo=clock.BEIJING)
        query = query.where(AuditEvent.at >= start, AuditEvent.at < start + timedelta(days=1))
    if before is not None:
        query = query.where(AuditEvent.id < before)
    rows = [TrailRow(event, person) for event, person in db.session.execute(query)]
    return rows[:size], rows[size - 1].event.id if len(rows) > size else None
