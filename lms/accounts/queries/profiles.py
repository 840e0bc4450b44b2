"""Questions about what people are professionally, and about their identity numbers, which stay sealed here."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime

from sqlalchemy import exists, func, or_, select
from sqlalchemy.orm import aliased

from lms import policy
from lms.accounts.models import Account, Grant, IdentityNumber, Person, PersonProfile
from lms.accounts.queries import named_like
from lms.accounts.rules import profiles as rules
from lms.accounts.rules.profiles import ProfileFacts
from lms.core import ports, site
from lms.core.db import db
from lms.core.digests import NotOpened, keyed_digest, seal_field, subkey, unseal_field
from lms.core.errors import NotFound, RuleBroken
from lms.core.i18n import _
from lms.policy import SITE, Actor, Permission, Role

READERS = (Role.ADMINISTRATOR, Role.COORDINATOR, Role.DIRECTOR, Role.DATA_PROTECTION_OFFICER)


def _key(purpose: str) -> bytes:
    return subkey(site.settings().keys_passphrase, f"identity-number/{purpose}")


def sealed(number: str, person_id: int) -> bytes:
    """A clean identity number as it is kept, bound to its person: in another's row nobody opens it."""
    return seal_field(number.encode(), key=_key("row"), bound_to=f"person:{person_id}")


def digest_of(number: str) -> str:
    """By what the same clean number is found again."""
    return keyed_digest(number.encode(), key=_key("digest"))


def carried(text: str, account_id: int) -> str:
    """What somebody sent as an identity number, sealed to travel through a page of theirs and back."""
    return _CARRIED + seal_field(text.encode(), key=_key("page"), bound_to=f"account:{account_id}").hex()


def taken_back(text: str, account_id: int) -> str:
    """What ``carried`` sealed for the same account; anything else as it is."""
    if not text.startswith(_CARRIED):
        return text
    try:
        return unseal_field(
            bytes.fromhex(text.removeprefix(_CARRIED)), key=_key("page"), bound_to=f"account:{account_id}"
        ).decode()
    except (NotOpened, ValueError):
        return text


_CARRIED = "sealed:"


@dataclass(frozen=True)
class ProfileScope:
    """A person in the shape that the policy table asks for: themselves, and the places where they hold a role."""

    person_id: int
    scope_codes: tuple[str, ...]


def scope_of(person_id: int, *, on: date) -> ProfileScope:
    """Where a person holds a role on a day or later, with the programmes in which their cohorts lie."""
    held = set(
        db.session.scalars(
            select(Grant.scope).where(
                Grant.person_id == person_id,
                or_(Grant.to_on.is_(None), Grant.to_on >= on),
                Grant.ended_at.is_(None),
            )
        )
    ) - {SITE}
    around = {place.inside for place in ports.places[0].scopes() if place.code in held and place.inside}
    return ProfileScope(person_id, tuple(sorted(held | around)))


def person_with_profile(public_id: str, by: Actor, *, on: date) -> tuple[Person, ProfileScope]:
    """A person whose professional details the actor may read. Raises NotFound."""
    found = db.session.scalar(select(Person).where(Person.public_id == public_id))
    if found is None:
        raise NotFound
    scope = scope_of(found.id, on=on)
    policy.require(by, Permission.PROFILE_READ, scope)
    return found, scope


def own_person(by: Actor) -> Person:
    """The actor themselves."""
    return db.session.get_one(Person, by.person_id)


@dataclass(frozen=True)
class Said:
    """A version of what a person is professionally, and who entered it."""

    profile: PersonProfile
    name: str
    """Of who entered it; empty for the site itself."""
    is_own: bool
    """Whether the person entered it themselves."""


def history(person_id: int) -> list[Said]:
    """Everything that was ever entered, the newest first."""
    rows = db.session.execute(
        select(PersonProfile, Person)
        .outerjoin(Account, Account.id == PersonProfile.account_id)
        .outerjoin(Person, Person.id == Account.person_id)
        .where(PersonProfile.person_id == person_id)
        .order_by(PersonProfile.number.desc())
    )
    return [
        Said(profile, who.name if who else "", is_own=who is not None and who.id == person_id)
        for profile, who in rows
    ]


def facts_of(profile: PersonProfile | None) -> ProfileFacts:
    """What a version says; nothing for none."""
    if profile is None:
        return ProfileFacts()
    return ProfileFacts(
        profile.licence_number,
        profile.practice_scope,
        profile.title,
        profile.specialty,
        profile.degree,
        profile.practising_since,
    )


def newest(person_id: int) -> PersonProfile | None:
    """What counts of a person's professional details; None where nothing was entered."""
    return db.session.scalar(
        select(PersonProfile)
        .where(PersonProfile.person_id == person_id)
        .order_by(PersonProfile.number.desc())
        .limit(1)
    )


def profiles(by: Actor, person_ids: Sequence[int] | None = None) -> dict[int, PersonProfile]:
    """What counts of everybody (or of some people): person → their newest row. One query."""
    policy.require(by, Permission.ACCOUNT_MANAGE)
    last = select(PersonProfile.person_id, func.max(PersonProfile.number).label("number")).group_by(
        PersonProfile.person_id
    )
    if person_ids is not None:
        last = last.where(PersonProfile.person_id.in_(person_ids))
    newest_of = last.subquery()
    rows = db.session.scalars(
        select(PersonProfile).join(
            newest_of,
            (PersonProfile.person_id == newest_of.c.person_id) & (PersonProfile.number == newest_of.c.number),
        )
    )
    return {row.person_id: row for row in rows}


# ---------------------------------------------------------------- identity numbers


def identity_row(person_id: int) -> IdentityNumber | None:
    """The identity number that is kept of a person, sealed."""
    return db.session.scalar(
        select(IdentityNumber).where(IdentityNumber.person_id == person_id, IdentityNumber.ended_at.is_(None))
    )


@dataclass(frozen=True)
class Kept:
    """What is shown of an identity number, and its history without the numbers."""

    masked: str
    """``110101********1234``; empty where none is kept; stars alone where the site's keys do not open it."""
    entered_at: datetime | None
    events: tuple["IdentityEvent", ...]


@dataclass(frozen=True)
class IdentityEvent:
    """An identity number of a person that was entered and perhaps ended; never the number."""

    entered_at: datetime
    entered_by: str
    ended_at: datetime | None
    ended_by: str


def identity(person_id: int) -> Kept:
    """What is shown of a person's identity number: the masked form, and who entered and ended one when."""
    entering, entered_as, ending, ended_as = (
        aliased(Account),
        aliased(Person),
        aliased(Account),
        aliased(Person),
    )
    rows = db.session.execute(
        select(IdentityNumber, entered_as, ended_as)
        .outerjoin(entering, entering.id == IdentityNumber.entered_by)
        .outerjoin(entered_as, entered_as.id == entering.person_id)
        .outerjoin(ending, ending.id == IdentityNumber.ended_by)
        .outerjoin(ended_as, ended_as.id == ending.person_id)
        .where(IdentityNumber.person_id == person_id)
        .order_by(IdentityNumber.id.desc())
    ).all()
    current = next((row for row, _entered, _ended in rows if row.ended_at is None), None)
    return Kept(
        masked=_mask(current) if current else "",
        entered_at=current.entered_at if current else None,
        events=tuple(
            IdentityEvent(
                row.entered_at,
                entered.name if entered else "",
                row.ended_at,
                ended.name if ended else "",
            )
            for row, entered, ended in rows
        ),
    )


def _mask(row: IdentityNumber) -> str:
    try:
        return rules.masked(opened(row))
    except RuleBroken:
        return "*" * 18


def opened(row: IdentityNumber) -> str:
    """The whole number, for the service that shows it once. Raises RuleBroken ``identity_sealed`` under other keys."""
    try:
        return unseal_field(row.sealed or b"", key=_key("row"), bound_to=f"person:{row.person_id}").decode()
    except NotOpened as problem:
        raise RuleBroken(
            "identity_sealed",
            _("The site’s keys do not open this number: it was sealed under another passphrase."),
        ) from problem


def holder_of(number: str, by: Actor) -> Person | None:
    """Whose identity number it is, for administrators alone."""
    policy.require(by, Permission.ACCOUNT_MANAGE)
    return db.session.scalar(
        select(Person)
        .join(IdentityNumber, IdentityNumber.person_id == Person.id)
        .where(IdentityNumber.digest == digest_of(number), IdentityNumber.ended_at.is_(None))
    )


def identity_holders(digests: Sequence[str], by: Actor) -> Mapping[str, tuple[int, str]]:
    """Who has one of these numbers: digest → person and name; for administrators alone. One query."""
    policy.require(by, Permission.ACCOUNT_MANAGE)
    rows = db.session.execute(
        select(IdentityNumber.digest, Person)
        .join(Person, Person.id == IdentityNumber.person_id)
        .where(IdentityNumber.digest.in_(digests), IdentityNumber.ended_at.is_(None))
    )
    return {digest or "": (person.id, person.name) for digest, person in rows}


def identity_digests(person_ids: Sequence[int], by: Actor) -> Mapping[int, str]:
    """Digests of the numbers that are kept of some people; for administrators alone. One query."""
    policy.require(by, Permission.ACCOUNT_MANAGE)
    rows = db.session.execute(
        select(IdentityNumber.person_id, IdentityNumber.digest).where(
            IdentityNumber.person_id.in_(person_ids), IdentityNumber.ended_at.is_(None)
        )
    )
    return {person_id: digest or "" for person_id, digest in rows}


# ---------------------------------------------------------------- the list


@dataclass(frozen=True)
class RollRow:
    """A person in the list of professional details."""

    person: Person
    profile: PersonProfile | None
    has_identity: bool


LACKING = ("title", "licence", "identity")
"""What the list can be narrowed to: people of whom it is not known."""


def roll(
    by: Actor, *, on: date, search: str = "", lack: str = "", page: int = 1, per_page: int | None = 50
) -> tuple[list[RollRow], int]:
    """Everybody whose professional details the actor may read, by name; and how many there are in all.

    ``lack``: one of LACKING. ``per_page`` None: all.
    """
    last = (
        select(PersonProfile.person_id, func.max(PersonProfile.number).label("number"))
        .group_by(PersonProfile.person_id)
        .subquery()
    )
    has_identity = exists().where(IdentityNumber.person_id == Person.id, IdentityNumber.ended_at.is_(None))
    query = (
        select(Person, PersonProfile, has_identity)
        .outerjoin(last, last.c.person_id == Person.id)
        .outerjoin(
            PersonProfile,
            (PersonProfile.person_id == last.c.person_id) & (PersonProfile.number == last.c.number),
        )
    )
    scopes = _readable_scopes(by)
    if scopes is not None:
        query = query.where(
            Person.id.in_(
                select(Grant.person_id).where(
                    Grant.scope.in_(scopes),
                    or_(Grant.to_on.is_(None), Grant.to_on >= on),
                    Grant.ended_at.is_(None),
                )
            )
        )
    if search.strip():
        query = query.where(or_(*named_like(search)))
    if lack == "title":
        query = query.where(func.coalesce(PersonProfile.title, "") == "")
    elif lack == "licence":
        query = query.where(func.coalesce(PersonProfile.licence_number, "") == "")
    elif lack == "identity":
        query = query.where(~has_identity)
    rows = db.session.execute(
        query.order_by(Person.name_zh, Person.name_latin, Person.id)
        .limit(per_page)
        .offset((page - 1) * per_page if per_page else None)
    ).all()
    total = len(rows)
    if per_page is not None:
        counted = query.with_only_columns(Person.id).order_by(None).subquery()
        total = db.session.scalar(select(func.count()).select_from(counted)) or 0
    return [RollRow(person, profile, bool(known)) for person, profile, known in rows], total


def _readable_scopes(by: Actor) -> set[str] | None:
    """Codes of the places whose people the actor may read; None: everybody's. Raises NotAllowed for nobody's."""
    if policy.allows(by, Permission.PROFILE_READ):
        return None
    held = {scope for role, scope in by.grants if role in READERS}
    if not held:
        policy.require(by, Permission.PROFILE_READ)
    return held | {place.code for place in ports.places[0].scopes() if place.inside in held}
