"""Acts on what people are professionally, and on their identity numbers."""

from dataclasses import asdict
from datetime import datetime
from typing import Any

from sqlalchemy import select
from sqlalchemy.exc import IntegrityError

from lms import policy
from lms.accounts import queries as accounts
from lms.accounts.models import IdentityNumber, Person, PersonProfile
from lms.accounts.queries import profiles as queries
from lms.accounts.rules import profiles as rules
from lms.accounts.rules.profiles import ProfileFacts
from lms.core import audit, clock, limits
from lms.core.db import db
from lms.core.errors import RuleBroken
from lms.core.i18n import _, lazy
from lms.core.notices import Kind, notify
from lms.policy import Actor, Permission

IDENTITY_REVEALED = Kind(
    code="accounts.identity_revealed",
    title=lazy("%(name)s looked at your whole identity number"),
    body=lazy(
        "The reason given was written down with the act. If you do not know of one, ask your data-protection officer."
    ),
    label=lazy("Somebody looked at your identity number"),
)


def _record(act: str, person: Person, *, at: datetime, by: Actor | None, **detail: Any) -> None:
    audit.record(
        act,
        scope="site",
        at=at,
        account_id=by.account_id if by else None,
        subject=f"person:{person.public_id}",
        **detail,
    )


def _lock(person: Person) -> None:
    """One after the other: who writes of the same person meanwhile waits."""
    db.session.execute(select(Person.id).where(Person.id == person.id).with_for_update())


def enter_profile(
    person: Person, facts: ProfileFacts, *, seen: int | None, at: datetime, by: Actor | None
) -> PersonProfile | None:
    """Write down what a person is professionally, as a new row; the same facts again make none.

    ``seen``: number of the row that whoever enters it had before them, 0 for none; None where nobody looked (an import).
    ``by`` None: the demonstration. Raises RuleBroken ``changed_meanwhile``, or what ``rules.profiles.settled`` raises.
    """
    if by is not None:
        scope = queries.scope_of(person.id, on=clock.today(at))
        policy.require(by, Permission.PROFILE_WRITE, scope, see=Permission.PROFILE_READ)
    return keep_profile(person, facts, seen=seen, at=at, by=by)


def keep_profile(
    person: Person, facts: ProfileFacts, *, seen: int | None, at: datetime, by: Actor | None
) -> PersonProfile | None:
    """The rest of ``enter_profile``, for an act that has asked the policy once for many people."""
    wanted = rules.settled(facts, today=clock.today(at))
    _lock(person)
    current = queries.newest(person.id)
    if wanted == queries.facts_of(current):
        return current
    number = current.number if current else 0
    if seen is not None and seen != number:
        raise RuleBroken(
            "changed_meanwhile",
            _(
                "Somebody else changed these details meanwhile. Compare with what stands now, then save again."
            ),
        )
    row = PersonProfile(
        person_id=person.id,
        number=number + 1,
        at=at,
        account_id=by.account_id if by else None,
        **asdict(wanted),
    )
    db.session.add(row)
    db.session.flush()
    changed = sorted(
        name for name, value in asdict(wanted).items() if value != asdict(queries.facts_of(current))[name]
    )
    _record("accounts.profile.enter", person, at=at, by=by, version=row.number, changed=changed)
    return row


def count_identity_try(*, at: datetime, by: Actor) -> None:
    """Count one identity number that somebody sends. Call it before the transaction. Raises TooManyTries."""
    limit, per_s = rules.IDENTITY_TRIES
    limits.hit(f"identity:{by.account_id}", limit=limit, per_s=per_s, at=at)


def enter_identity(person: Person, text: str, *, at: datetime, by: Actor | None) -> IdentityNumber:
    """Keep a person's identity number, sealed; the same number again changes nothing.

    A person enters their own once; only an administrator replaces one. Raises RuleBroken ``identity_known`` for that,
    ``identity_taken`` where another person has it, or what ``rules.profiles.clean_identity_number`` raises.
    """
    may_replace = by is None
    if by is not None:
        scope = queries.scope_of(person.id, on=clock.today(at))
        policy.require(by, Permission.IDENTITY_ENTER, scope, see=Permission.PROFILE_READ)
        may_replace = policy.allows(by, Permission.IDENTITY_REMOVE, scope)
    return keep_identity(person, text, may_replace=may_replace, at=at, by=by)


def keep_identity(
    person: Person, text: str, *, may_replace: bool, at: datetime, by: Actor | None
) -> IdentityNumber:
    """The rest of ``enter_identity``, for an act that has asked the policy once for many people."""
    number = rules.clean_identity_number(text, today=clock.today(at))
    digest = queries.digest_of(number)
    _lock(person)
    current = queries.identity_row(person.id)
    if current is not None and current.digest == digest:
        return current
    if current is not None and not may_replace:
        raise RuleBroken(
            "identity_known",
            _(
                "Another identity number is kept already. If it is wrong, an administrator puts it right on the person’s page."
            ),
            field="identity_number",
        )
    row = IdentityNumber(
        person_id=person.id,
        sealed=queries.sealed(number, person.id),
        digest=digest,
        entered_at=at,
        entered_by=by.account_id if by else None,
    )
    try:
        with db.session.begin_nested():
            if current is not None:
                _end(current, at=at, by=by)
                db.session.flush()
            db.session.add(row)
            db.session.flush()
    except IntegrityError as problem:
        raise RuleBroken(
            "identity_taken",
            _("This identity number is known here already, for another person. Compare it with the card."),
            field="identity_number",
        ) from problem
    _record("accounts.identity.replace" if current else "accounts.identity.enter", person, at=at, by=by)
    return row


def _end(row: IdentityNumber, *, at: datetime, by: Actor | None) -> None:
    """Let a number count no more: who and when stay, the number itself is gone."""
    row.ended_at, row.ended_by = at, by.account_id if by else None
    row.sealed = row.digest = None


def remove_identity(person: Person, *, at: datetime, by: Actor) -> None:
    """Take a person's identity number out of the database for good; twice is once."""
    scope = queries.scope_of(person.id, on=clock.today(at))
    policy.require(by, Permission.IDENTITY_REMOVE, scope, see=Permission.PROFILE_READ)
    _lock(person)
    current = queries.identity_row(person.id)
    if current is not None:
        _end(current, at=at, by=by)
        db.session.flush()
        _record("accounts.identity.remove", person, at=at, by=by)


def reveal_identity(person: Person, *, reason: str, at: datetime, by: Actor) -> str:
    """The whole identity number, to be shown once; the person is told, and the trail keeps who, when and why.

    Raises NeedsConfirmation; RuleBroken ``reason``, ``identity_none`` or ``identity_sealed``.
    """
    scope = queries.scope_of(person.id, on=clock.today(at))
    policy.require(by, Permission.IDENTITY_REVEAL, scope, see=Permission.PROFILE_READ)
    how = accounts.confirmation(by, at=at)
    if reason not in rules.REVEAL_REASONS:
        raise RuleBroken("reason", _("Choose why you need the whole number."), field="reason")
    current = queries.identity_row(person.id)
    if current is None:
        raise RuleBroken("identity_none", _("No identity number is kept of this person."))
    number = queries.opened(current)
    for account in accounts.accounts_of_person(person.id):
        notify(account.id, IDENTITY_REVEALED, values={"name": by.name}, url="/account/profile", at=at)
    _record("accounts.identity.reveal", person, at=at, by=by, reason=reason, confirmed=how)
    return number


def note_profiles_export(*, count: int, at: datetime, by: Actor) -> None:
    """Note in the trail that professional details left the site. Who may read them all asked ``queries.profiles.roll``."""
    audit.record("accounts.profiles.export", scope="site", at=at, account_id=by.account_id, count=count)
