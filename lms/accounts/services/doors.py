"""Sign-in, sessions, one's own preferences."""

from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import delete, or_, select, update

from lms.accounts import queries, rules
from lms.accounts.models import Account, AccountLink, LinkMail, UserSession
from lms.core import audit, ids, limits
from lms.core.db import db
from lms.core.errors import NotFound, RuleBroken
from lms.core.i18n import _
from lms.core.passwords import check_secret, hash_secret, is_stale
from lms.policy import Actor


def sign_in(account: Account, *, at: datetime, user_agent: str, address: str) -> str:
    """Open a session for an account whose password has been checked; returns the cookie's token."""
    token = ids.token()
    db.session.add(
        UserSession(
            account_id=account.id,
            token_sha256=queries.digest(token),
            started_at=at,
            seen_at=at,
            user_agent=user_agent.replace("\x00", "")[:200],
            address=rules.cut_address(address),
        )
    )
    audit.record("accounts.session.start", scope=rules.scope_of(account.id), at=at, account_id=account.id)
    db.session.flush()
    return token


def password_fits(account: Account | None, password: str) -> bool:
    """Check a password; takes the same time when there is no such account. Slow on purpose: call it outside a transaction."""
    fits = check_secret(account.password_hash if account else None, password)
    return fits and account is not None and account.disabled_at is None


@dataclass(frozen=True)
class Checked:
    """An account whose password has been found right, until its session is opened."""

    account_id: int
    password_hash: str | None
    """The hash that the password was checked against."""
    fresh_hash: str | None
    """The same password hashed anew, where it was kept with older parameters."""


def check_sign_in(login: str, password: str, *, at: datetime, address: str) -> Checked:
    """Find the account that login and password open. Slow on purpose: call it outside a transaction.

    Tries are counted by what was typed and by network address, before anything is looked up, so that neither the answer
    nor its time tells whether an account exists. Raises TooManyTries, or RuleBroken ``sign_in``.
    """
    login = rules.clean_login(login)
    by_login, by_address = f"sign-in:login:{login}", f"sign-in:address:{rules.address_key(address)}"
    limits.hit(by_address, limit=rules.SIGN_IN_PER_ADDRESS[0], per_s=rules.SIGN_IN_PER_ADDRESS[1], at=at)
    limits.hit(by_login, limit=rules.SIGN_IN_PER_ACCOUNT[0], per_s=rules.SIGN_IN_PER_ACCOUNT[1], at=at)
    account = queries.account_by_login(login)
    if not password_fits(account, password) or account is None:
        raise _no_entry()
    limits.clear(by_login)
    # Two hundred people who sign in behind one hospital address before an exam are no attack.
    limits.give_back(by_address, limit=rules.SIGN_IN_PER_ADDRESS[0], per_s=rules.SIGN_IN_PER_ADDRESS[1])
    stale = account.password_hash is not None and is_stale(account.password_hash)
    return Checked(account.id, account.password_hash, hash_secret(password) if stale else None)


def sign_in_checked(checked: Checked, *, at: datetime, user_agent: str, address: str) -> str:
    """Open the session of a checked account, unless it was shut or its password changed meanwhile; returns the token."""
    account = queries.account_for_update(checked.account_id)
    if account.disabled_at is not None or account.password_hash != checked.password_hash:
        raise _no_entry()
    if checked.fresh_hash:
        account.password_hash = checked.fresh_hash
    return sign_in(account, at=at, user_agent=user_agent, address=address)


def _no_entry() -> RuleBroken:
    return RuleBroken(
        "sign_in", _("This e-mail address or phone number and this password do not fit together.")
    )


def seen(by: Actor, *, at: datetime) -> None:
    """Note that the session is in use, at most every ten minutes."""
    db.session.execute(
        update(UserSession)
        .where(UserSession.id == by.session_id, UserSession.seen_at < at - rules.SEEN_EVERY)
        .values(seen_at=at)
    )


def end_session(session_public_id: str, *, at: datetime, by: Actor) -> None:
    """Sign one of the actor's own browsers out. Raises NotFound for anybody else's."""
    row = db.session.scalar(
        select(UserSession).where(
            UserSession.public_id == session_public_id, UserSession.account_id == by.account_id
        )
    )
    if row is None:
        raise NotFound
    if row.ended_at is None:
        row.ended_at = at
        audit.record(
            "accounts.session.end", scope=rules.scope_of(by.account_id), at=at, account_id=by.account_id
        )


def sign_out(*, at: datetime, by: Actor) -> None:
    """End the session the actor came with."""
    row = queries.session_of(by)
    if row is not None and row.ended_at is None:
        row.ended_at = at
        audit.record(
            "accounts.session.end", scope=rules.scope_of(by.account_id), at=at, account_id=by.account_id
        )


def sign_out_everywhere(*, at: datetime, by: Actor) -> None:
    """End every session of the actor's account, this one too."""
    db.session.execute(
        update(UserSession)
        .where(UserSession.account_id == by.account_id, UserSession.ended_at.is_(None))
        .values(ended_at=at)
    )
    audit.record(
        "accounts.session.end_all", scope=rules.scope_of(by.account_id), at=at, account_id=by.account_id
    )


def set_preferences(*, locale: str, xinjiang_time: bool, by: Actor) -> None:
    """Keep one's language and time display."""
    account = queries.own_account(by)
    account.locale = locale
    account.xinjiang_time = xinjiang_time


def forget_old(*, at: datetime) -> None:
    """Delete links a month after they expired, letters likewise, and sessions half a year after their end."""
    old_links = at - rules.LINKS_KEPT
    db.session.execute(delete(AccountLink).where(AccountLink.expires_at < old_links))
    db.session.execute(delete(LinkMail).where(LinkMail.asked_at < old_links, LinkMail.state != "waiting"))
    old_sessions = at - rules.SESSIONS_KEPT
    db.session.execute(
        delete(UserSession).where(
            or_(
                UserSession.ended_at < old_sessions,
                UserSession.started_at < old_sessions - rules.SESSION_LASTS,
            )
        )
    )
