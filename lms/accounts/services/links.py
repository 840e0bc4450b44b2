"""Links that set a password: invitation and reset."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import update

from lms import policy
from lms.accounts import queries, rules
from lms.accounts.models import Account, AccountLink, LinkMail, UserSession
from lms.core import audit, ids, jobs, limits
from lms.core.db import db
from lms.core.errors import NotFound, RuleBroken, TooManyTries
from lms.core.i18n import _, lazy
from lms.core.notices import Kind, notify
from lms.core.passwords import check_secret, hash_secret
from lms.policy import Actor, Permission

MAIL_JOB = "accounts.link-mail"

PASSWORD_CHANGED = Kind(
    code="accounts.password_changed",
    title=lazy("Your password was changed"),
    body=lazy("If that was not you, ask your coordinator at once to shut your account."),
    must_mail=True,
)


def make_link(account: Account, kind: str, *, at: datetime, by: Actor | None) -> str:
    """Make an invitation or reset link; returns the token that its address carries.

    Earlier links stay good until one of them is used: whoever asks twice may follow either mail.
    """
    token = ids.token()
    lasts = rules.INVITATION_LASTS if kind == "invite" else rules.RESET_LASTS
    db.session.add(
        AccountLink(
            account_id=account.id,
            kind=kind,
            token_sha256=queries.digest(token),
            made_at=at,
            expires_at=at + lasts,
        )
    )
    db.session.flush()
    audit.record(
        f"accounts.link.{kind}",
        scope=rules.scope_of(account.id),
        at=at,
        account_id=by.account_id if by else None,
        subject=f"account:{account.public_id}",
    )
    return token


def invite(account: Account, *, at: datetime, by: Actor) -> str:
    """An invitation link for an account; the administrator hands it on. Earlier links are void: they may have gone astray."""
    policy.require(by, Permission.ACCOUNT_MANAGE, account)
    if account.disabled_at is not None:
        raise RuleBroken("account_shut", _("This account is shut. Open it first."))
    _void_links(account.id, at=at)
    return make_link(account, "invite", at=at, by=by)


def mail_invitation(account: Account, *, at: datetime, by: Actor) -> bool:
    """Send an invitation by mail as well; False where the account has no e-mail address."""
    policy.require(by, Permission.ACCOUNT_MANAGE, account)
    if account.email is None:
        return False
    _ask_mail(account.id, "invite", at=at, asked_by=by.account_id)
    return True


@dataclass(frozen=True)
class Invited:
    """An account with its new invitation."""

    account: Account
    token: str
    """Of the link, to hand on; it is kept nowhere."""
    mailed: bool


def invite_anew(accounts: Sequence[Account], *, letters: bool, at: datetime, by: Actor) -> list[Invited]:
    """New links for accounts whose invitation was not accepted yet; those accepted meanwhile are left out.

    ``letters``: also send one to each that has an e-mail address.
    """
    done = []
    for account in accounts:
        now = queries.account_for_update(account.id)
        if now.password_hash is not None or now.disabled_at is not None:
            continue
        token = invite(now, at=at, by=by)
        done.append(Invited(now, token, letters and mail_invitation(now, at=at, by=by)))
    return done


def ask_reset(login: str, *, at: datetime, address: str) -> None:
    """Ask for a mail with a link that sets a new password.

    Does the same work whether or not the account exists; the mail itself is a job. Raises TooManyTries.
    """
    login = rules.clean_login(login)
    limit, per_s = rules.RESETS_PER_ADDRESS
    limits.hit(f"reset:address:{rules.address_key(address)}", limit=limit, per_s=per_s, at=at)
    limit, per_s = rules.RESETS_PER_LOGIN
    try:
        limits.hit(f"reset:login:{login}", limit=limit, per_s=per_s, at=at)
    except TooManyTries:
        return  # the mailbox is not to be flooded, and the asker sees the same answer as before
    account = queries.account_by_login(login)
    _ask_mail(account.id if account else None, "reset", at=at, asked_by=None)


def _ask_mail(account_id: int | None, kind: str, *, at: datetime, asked_by: int | None) -> None:
    row = LinkMail(account_id=account_id, kind=kind, asked_at=at, asked_by=asked_by)
    db.session.add(row)
    db.session.flush()
    jobs.enqueue(MAIL_JOB, row.id)


@dataclass(frozen=True)
class NewSecret:
    """A password or PIN that may be kept: hashed, and what it was allowed by found right. Kept in a transaction later."""

    checked_against: str | None
    """Hash of the password that the account had then; a change meanwhile takes the permission away."""
    hashed: str


def hash_password_by_link(token: str, kind: str, password: str, *, at: datetime) -> NewSecret:
    """Hash the password that a link may set. Slow on purpose: call it outside a transaction.

    Raises NotFound for a link that is used, expired or unknown; RuleBroken for a weak password.
    """
    return _hashed(queries.account_of_link(token, kind, at=at), password)


def set_password_by_link(token: str, kind: str, new: NewSecret, *, at: datetime) -> Account:
    """Follow an invitation or reset link: set the password, use up all links of the account, end all sessions.

    Raises NotFound for a link that is used, expired or unknown.
    """
    link = queries.usable_link(token, kind, at=at)
    account = queries.account_for_update(link.account_id)
    if account.disabled_at is not None:
        raise NotFound
    account.password_hash = new.hashed
    link.used_at = at
    _void_links(account.id, at=at)
    _end_other_sessions(account.id, None, at=at)
    if kind == "reset":
        notify(account.id, PASSWORD_CHANGED, url="/account", at=at)
    audit.record(f"accounts.password.{kind}", scope=rules.scope_of(account.id), at=at, account_id=account.id)
    return account


def _void_links(account_id: int, *, at: datetime) -> None:
    db.session.execute(
        update(AccountLink)
        .where(
            AccountLink.account_id == account_id, AccountLink.used_at.is_(None), AccountLink.expires_at > at
        )
        .values(expires_at=at)
        .execution_options(synchronize_session=False)
    )


def _hashed(account: Account, password: str) -> NewSecret:
    """A password of an account. Raises RuleBroken for a weak one."""
    about = (account.email or "", account.phone or "", account.person.name_latin, account.person.name_zh)
    rules.require_strong(password, about=about)
    return NewSecret(account.password_hash, hash_secret(password))


def check_own_password(password: str, *, field: str, at: datetime, by: Actor) -> Account:
    """The actor's own account once they have given its present password. Slow on purpose: call it outside a transaction.

    Raises TooManyTries, RuleBroken ``password_wrong``.
    """
    limit, per_s = rules.PASSWORD_TRIES
    limits.hit(f"password:{by.account_id}", limit=limit, per_s=per_s, at=at)
    account = queries.own_account(by)
    if not check_secret(account.password_hash, password):
        raise _wrong_password(field)
    limits.clear(f"password:{by.account_id}")
    return account


def unchanged_account(checked_against: str | None, *, field: str, by: Actor) -> Account:
    """The actor's own account, locked, unless its password changed since it was checked. Raises RuleBroken ``password_wrong``."""
    account = queries.account_for_update(by.account_id)
    if account.password_hash != checked_against:
        raise _wrong_password(field)
    return account


def _wrong_password(field: str) -> RuleBroken:
    return RuleBroken("password_wrong", _("This is not your present password."), field=field)


def hash_new_password(*, old: str, new: str, at: datetime, by: Actor) -> NewSecret:
    """Check the present password and hash the new one. Slow on purpose: call it outside a transaction."""
    return _hashed(check_own_password(old, field="old", at=at, by=by), new)


def change_password(new: NewSecret, *, at: datetime, by: Actor) -> None:
    """Change one's own password; other browsers are signed out and open links are void."""
    account = unchanged_account(new.checked_against, field="old", by=by)
    account.password_hash = new.hashed
    _end_other_sessions(by.account_id, by.session_id, at=at)
    _void_links(by.account_id, at=at)
    notify(by.account_id, PASSWORD_CHANGED, url="/account", at=at)
    audit.record(
        "accounts.password.change", scope=rules.scope_of(by.account_id), at=at, account_id=by.account_id
    )


def _end_other_sessions(account_id: int, this: int | None, *, at: datetime) -> None:
    """End the sessions of an account, all but ``this`` one."""
    db.session.execute(
        update(UserSession)
        .where(
            UserSession.account_id == account_id,
            UserSession.id != (this or 0),
            UserSession.ended_at.is_(None),
        )
        .values(ended_at=at)
    )
