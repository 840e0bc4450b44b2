"""Fresh confirmation: proof that the person themselves is at the device, by PIN or passkey, for five minutes."""

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from sqlalchemy import select

from lms.accounts import queries, rules
from lms.accounts.models import Passkey
from lms.accounts.services.links import NewSecret, check_own_password, unchanged_account
from lms.core import audit, limits, passkeys
from lms.core.db import db
from lms.core.errors import NeedsConfirmation, NotFound, RuleBroken
from lms.core.i18n import _, lazy
from lms.core.notices import Kind, notify
from lms.core.passwords import check_secret, hash_secret
from lms.policy import Actor

CONFIRMATION_CHANGED = Kind(
    code="accounts.confirmation_changed",
    title=lazy("A PIN or passkey was set for your account"),
    body=lazy(
        "With it signatures are confirmed. If that was not you, ask your coordinator at once to shut your account."
    ),
    must_mail=True,
)


def hash_new_pin(*, password: str, pin: str, at: datetime, by: Actor) -> NewSecret:
    """Check the password and hash the six-digit PIN. Slow on purpose: call it outside a transaction."""
    rules.require_pin(pin)
    account = check_own_password(password, field="password", at=at, by=by)
    return NewSecret(account.password_hash, hash_secret(pin))


def set_pin(new: NewSecret, *, at: datetime, by: Actor) -> None:
    """Set the PIN with which one confirms at the bedside."""
    account = unchanged_account(new.checked_against, field="password", by=by)
    account.pin_hash = new.hashed
    limits.clear(_pin_key(by))
    notify(by.account_id, CONFIRMATION_CHANGED, url="/account", at=at)
    audit.record("accounts.pin.set", scope=rules.scope_of(by.account_id), at=at, account_id=by.account_id)


def _pin_key(by: Actor) -> str:
    return f"pin:{by.account_id}"


def check_pin(pin: str, *, at: datetime, by: Actor) -> None:
    """Refuse a wrong PIN. Slow on purpose: call it outside a writing transaction, then ``note_pin`` inside one.

    Raises TooManyTries; RuleBroken ``pin_unset`` or ``pin_wrong``.
    """
    limit, per_s = rules.PIN_TRIES
    limits.hit(_pin_key(by), limit=limit, per_s=per_s, at=at)
    account = queries.own_account(by)
    if account.pin_hash is None:
        raise RuleBroken("pin_unset", _("You have not set a PIN yet. Set one under My account."), field="pin")
    if not check_secret(account.pin_hash, pin):
        raise RuleBroken("pin_wrong", _("This PIN is not right."), field="pin")
    limits.clear(_pin_key(by))


def note_pin(*, at: datetime, by: Actor) -> None:
    """Note that the PIN was right: a fresh confirmation in this session."""
    _confirmed(by, "pin", at=at)


def confirm_by_pin(pin: str, *, at: datetime, by: Actor) -> None:
    """Prove one's presence by PIN; holds for five minutes in this session."""
    check_pin(pin, at=at, by=by)
    note_pin(at=at, by=by)


def _confirmed(by: Actor, how: str, *, at: datetime) -> None:
    row = queries.session_of(by)
    if row is None or row.ended_at is not None:
        raise NeedsConfirmation
    row.confirmed_at, row.confirmed_by = at, how
    audit.record(
        "accounts.session.confirm",
        scope=rules.scope_of(by.account_id),
        at=at,
        account_id=by.account_id,
        how=how,
    )


# Passkeys: each ceremony is asked with a challenge that is kept in the session's row and taken out before the answer is
# looked at, in a transaction of its own, so that a refused answer uses it up as well.


def ask_passkey_registration(
    site: passkeys.Site, *, checked_against: str | None, at: datetime, by: Actor
) -> dict[str, Any]:
    """Options for the browser to make a passkey; needs the password, for the device may be in another's hand.

    ``checked_against``: hash of the password that ``check_own_password`` has found right.
    """
    account = unchanged_account(checked_against, field="password", by=by)
    asked = passkeys.ask_registration(
        site,
        user_id=account.public_id.encode(),
        user_name=account.email or account.phone or account.public_id,
        display_name=by.name,
        known=[key.credential_id for key in queries.passkeys_of(by.account_id)],
    )
    _keep_challenge(asked.challenge, "register", at=at, by=by)
    return asked.options


def ask_passkey_confirmation(site: passkeys.Site, *, at: datetime, by: Actor) -> dict[str, Any]:
    """Options for the browser to prove presence with one of the actor's passkeys. Raises RuleBroken where there is none."""
    known = queries.passkeys_of(by.account_id)
    if not known:
        raise RuleBroken("passkey_unset", _("You have no passkey yet. Make one under My account."))
    asked = passkeys.ask_authentication(site, allowed=[key.credential_id for key in known])
    _keep_challenge(asked.challenge, "confirm", at=at, by=by)
    return asked.options


def _keep_challenge(challenge: bytes, purpose: str, *, at: datetime, by: Actor) -> None:
    row = queries.session_of(by)
    if row is None:
        raise NeedsConfirmation
    row.challenge, row.challenge_for, row.challenged_at = challenge, purpose, at


def take_challenge(purpose: str, *, at: datetime, by: Actor) -> bytes:
    """The challenge that was asked in this session, used up by taking it. Commit before looking at the answer.

    Raises RuleBroken ``passkey_late`` where none was asked within three minutes.
    """
    row = queries.session_for_update(by)
    kept = row.challenge if row else None
    if row is None or kept is None or row.challenge_for != purpose or row.challenged_at is None:
        raise _late()
    row.challenge = None
    if not row.challenged_at <= at < row.challenged_at + rules.CHALLENGE_LASTS:
        raise _late()
    return kept


def _late() -> RuleBroken:
    return RuleBroken("passkey_late", _("That took too long. Please try again."))


def add_passkey(
    *, credential_id: bytes, public_key: bytes, sign_count: int, label: str, at: datetime, by: Actor
) -> Passkey:
    """Keep a registered passkey of the actor's account. Raises RuleBroken for one that is known already."""
    if db.session.scalar(select(Passkey.id).where(Passkey.credential_id == credential_id)):
        raise RuleBroken("passkey_known", _("This passkey is registered already."))
    row = Passkey(
        account_id=by.account_id,
        credential_id=credential_id,
        public_key=public_key,
        sign_count=sign_count,
        label=rules.clean_name(label)[:60],
        made_at=at,
    )
    db.session.add(row)
    db.session.flush()
    notify(by.account_id, CONFIRMATION_CHANGED, url="/account", at=at)
    audit.record(
        "accounts.passkey.add",
        scope=rules.scope_of(by.account_id),
        at=at,
        account_id=by.account_id,
        subject=f"passkey:{row.public_id}",
    )
    return row


def register_passkey(
    site: passkeys.Site, answer: Mapping[str, Any], *, challenge: bytes, label: str, at: datetime, by: Actor
) -> Passkey:
    """Check a browser's new passkey and keep it. Raises PasskeyRefused."""
    made = passkeys.verify_registration(site, challenge=challenge, answer=answer)
    return add_passkey(
        credential_id=made.credential_id,
        public_key=made.public_key,
        sign_count=made.sign_count,
        label=label,
        at=at,
        by=by,
    )


def remove_passkey(public_id: str, *, at: datetime, by: Actor) -> None:
    """Forget one of the actor's passkeys. Raises NotFound for anybody else's."""
    row = db.session.scalar(
        select(Passkey).where(Passkey.public_id == public_id, Passkey.account_id == by.account_id)
    )
    if row is None:
        raise NotFound
    db.session.delete(row)
    audit.record(
        "accounts.passkey.remove",
        scope=rules.scope_of(by.account_id),
        at=at,
        account_id=by.account_id,
        subject=f"passkey:{public_id}",
    )


def answer_passkey(
    site: passkeys.Site, answer: Mapping[str, Any], *, challenge: bytes, at: datetime, by: Actor
) -> None:
    """Check a passkey's answer and note it as a fresh confirmation. Raises PasskeyRefused, also for another's passkey."""
    key = queries.own_passkey(passkeys.credential_id(answer), by)
    proof = passkeys.verify_authentication(
        site, challenge=challenge, answer=answer, public_key=key.public_key, sign_count=key.sign_count
    )
    confirm_by_passkey(key, sign_count=proof.sign_count, at=at, by=by)


def confirm_by_passkey(passkey: Passkey, *, sign_count: int, at: datetime, by: Actor) -> None:
    """Note a passkey's verified answer as a fresh confirmation."""
    if passkey.account_id != by.account_id:
        raise NotFound
    passkey.sign_count, passkey.used_at = sign_count, at
    _confirmed(by, "passkey", at=at)
