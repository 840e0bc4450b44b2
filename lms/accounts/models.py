"""Tables of people, accounts and doors."""

from datetime import date, datetime

from sqlalchemy import CheckConstraint, Date, ForeignKey, Index, LargeBinary, String, UniqueConstraint, text
from sqlalchemy.orm import Mapped, mapped_column, relationship

from lms.core.db import Base, WithId, append_only
from lms.core.jobs import Leased


class Person(WithId, Base):
    """A human being, known once however many accounts they have."""

    __tablename__ = "person"

    name_zh: Mapped[str] = mapped_column(String(60), default="")
    """Name in Chinese as on the certificate; one field, never split; may hold U+00B7."""
    name_latin: Mapped[str] = mapped_column(String(120), default="")
    name_native: Mapped[str] = mapped_column(String(120), default="")
    """Optional, in Uyghur, Tibetan or Mongolian script."""
    native_lang: Mapped[str] = mapped_column(String(12), default="")
    """BCP 47 tag of ``name_native``."""
    client_uuid: Mapped[str | None] = mapped_column(String(64), unique=True)
    """Key of the form that made the person: a double click makes one person."""
    created_at: Mapped[datetime]

    accounts: Mapped[list["Account"]] = relationship(back_populates="person", lazy="raise")

    @property
    def name(self) -> str:
        """The name by which the person is shown."""
        return self.name_zh or self.name_latin


class Account(WithId, Base):
    """A way to sign in."""

    __tablename__ = "account"

    person_id: Mapped[int] = mapped_column(ForeignKey("person.id"), index=True)
    email: Mapped[str | None] = mapped_column(String(254), unique=True)
    """Lower case."""
    phone: Mapped[str | None] = mapped_column(String(20), unique=True)
    """Digits with country code where it is not +86."""
    password_hash: Mapped[str | None] = mapped_column(String(200))
    """None until the invitation has been followed."""
    pin_hash: Mapped[str | None] = mapped_column(String(200))
    """For fresh confirmation at the bedside; None until the person has set one."""
    locale: Mapped[str] = mapped_column(String(10), default="zh_Hans")
    xinjiang_time: Mapped[bool] = mapped_column(default=False)
    created_at: Mapped[datetime]
    disabled_at: Mapped[datetime | None]

    person: Mapped[Person] = relationship(back_populates="accounts", lazy="raise")


class UserSession(WithId, Base):
    """One signed-in browser."""

    __tablename__ = "user_session"

    account_id: Mapped[int] = mapped_column(ForeignKey("account.id"), index=True)
    token_sha256: Mapped[str] = mapped_column(String(64), unique=True)
    """Only the digest is kept: who reads the database cannot sign in with it."""
    started_at: Mapped[datetime]
    seen_at: Mapped[datetime]
    """Last seen, at most ten minutes old."""
    ended_at: Mapped[datetime | None]
    confirmed_at: Mapped[datetime | None]
    """When the person last proved their presence by PIN or passkey."""
    confirmed_by: Mapped[str] = mapped_column(String(10), default="")
    """``pin`` or ``passkey``."""
    challenge: Mapped[bytes | None] = mapped_column(LargeBinary)
    """What a passkey has been asked to sign; taken out before the answer is looked at, so that it serves once."""
    challenged_at: Mapped[datetime | None]
    challenge_for: Mapped[str] = mapped_column(String(10), default="")
    """``confirm`` or ``register``."""
    user_agent: Mapped[str] = mapped_column(String(200), default="")
    address: Mapped[str] = mapped_column(String(60), default="")
    """Network address, last part cut off."""


class AccountLink(Base):
    """A link that sets a password: an invitation or a reset; used once."""

    __tablename__ = "account_link"

    id: Mapped[int] = mapped_column(primary_key=True)
    account_id: Mapped[int] = mapped_column(ForeignKey("account.id"), index=True)
    kind: Mapped[str] = mapped_column(String(10))
    """``invite`` or ``reset``."""
    token_sha256: Mapped[str] = mapped_column(String(64), unique=True)
    made_at: Mapped[datetime]
    expires_at: Mapped[datetime]
    used_at: Mapped[datetime | None]


class LinkMail(Leased, Base):
    """A mail that brings a link to set a password.

    The link is made when the mail is sent, so that no table ever holds it. A reset asked for somebody unknown leaves a
    row as well, without an account: the asker cannot tell the difference, not even by time.
    """

    __tablename__ = "link_mail"
    __table_args__ = (CheckConstraint("state IN ('waiting', 'sent', 'nobody', 'failed')", name="state"),)

    id: Mapped[int] = mapped_column(primary_key=True)
    account_id: Mapped[int | None] = mapped_column(ForeignKey("account.id"), index=True)
    kind: Mapped[str] = mapped_column(String(10))
    """``invite`` or ``reset``."""
    state: Mapped[str] = mapped_column(String(10), default="waiting", index=True)
    asked_at: Mapped[datetime]
    asked_by: Mapped[int | None]
    """Account of the administrator; None for the person themselves."""


class Grant(WithId, Base):
    """A role that a person holds in a scope for some time."""

    __tablename__ = "grant_"
    __table_args__ = (
        Index(
            "uq_grant_open",
            "person_id",
            "role",
            "scope",
            unique=True,
            sqlite_where=text("to_on IS NULL"),
            postgresql_where=text("to_on IS NULL"),
        ),
    )

    person_id: Mapped[int] = mapped_column(ForeignKey("person.id"), index=True)
    role: Mapped[str] = mapped_column(String(40))
    scope: Mapped[str] = mapped_column(String(60))
    """``site``, ``programme:<id>``, ``cohort:<id>`` or ``hospital:<id>``."""
    from_on: Mapped[date] = mapped_column(Date)
    to_on: Mapped[date | None] = mapped_column(Date)
    """Last day, inclusive; None while it is open."""
    ended_at: Mapped[datetime | None]
    """When it was ended at once: from then on it counts no more, whatever its days say."""
    granted_by: Mapped[int | None]
    """Account; None for the first administrator."""

    person: Mapped[Person] = relationship(lazy="raise")


class Passkey(WithId, Base):
    """A WebAuthn credential for fresh confirmation."""

    __tablename__ = "passkey"
    __table_args__ = (UniqueConstraint("credential_id"),)

    account_id: Mapped[int] = mapped_column(ForeignKey("account.id"), index=True)
    credential_id: Mapped[bytes] = mapped_column(LargeBinary)
    public_key: Mapped[bytes] = mapped_column(LargeBinary)
    sign_count: Mapped[int] = mapped_column(default=0)
    label: Mapped[str] = mapped_column(String(60), default="")
    made_at: Mapped[datetime]
    used_at: Mapped[datetime | None]


class PersonProfile(Base):
    """What a person is professionally, as somebody entered it; a new row supersedes, the newest counts."""

    __tablename__ = "person_profile"
    __table_args__ = (UniqueConstraint("person_id", "number"),)

    id: Mapped[int] = mapped_column(primary_key=True)
    person_id: Mapped[int] = mapped_column(ForeignKey("person.id"))
    number: Mapped[int]
    """1 for the first, then one more each."""
    at: Mapped[datetime]
    account_id: Mapped[int | None] = mapped_column(ForeignKey("account.id"))
    """Who entered it; None for the site itself (demonstration)."""
    licence_number: Mapped[str] = mapped_column(String(20))
    """Of the licence to practise (执业证书编号); empty where not known, as all below."""
    practice_scope: Mapped[str] = mapped_column(String(20))
    """Code of what the licence is for (rules.profiles.PRACTICE_SCOPES)."""
    title: Mapped[str] = mapped_column(String(20))
    """Code of the professional title (职称; rules.profiles.TITLES)."""
    specialty: Mapped[str] = mapped_column(String(60))
    degree: Mapped[str] = mapped_column(String(20))
    """Code of the highest degree (rules.profiles.DEGREES)."""
    practising_since: Mapped[int | None]
    """Year; the years in practice follow from it and never grow stale."""


class IdentityNumber(Base):
    """A person's identity card number, sealed; one that counts no more keeps who and when, and loses the number itself."""

    __tablename__ = "identity_number"
    __table_args__ = (
        CheckConstraint(
            "(ended_at IS NULL AND sealed IS NOT NULL AND digest IS NOT NULL) "
            "OR (ended_at IS NOT NULL AND sealed IS NULL AND digest IS NULL)",
            name="kept",
        ),
        Index(
            "uq_identity_number_person",
            "person_id",
            unique=True,
            sqlite_where=text("ended_at IS NULL"),
            postgresql_where=text("ended_at IS NULL"),
        ),
        Index(
            "uq_identity_number_digest",
            "digest",
            unique=True,
            sqlite_where=text("ended_at IS NULL"),
            postgresql_where=text("ended_at IS NULL"),
        ),
    )

    id: Mapped[int] = mapped_column(primary_key=True)
    person_id: Mapped[int] = mapped_column(ForeignKey("person.id"), index=True)
    sealed: Mapped[bytes | None] = mapped_column(LargeBinary)
    """``digests.seal_field`` bound to the person."""
    digest: Mapped[str | None] = mapped_column(String(64))
    """``digests.keyed_digest``, by which the same number of another person is found."""
    entered_at: Mapped[datetime]
    entered_by: Mapped[int | None] = mapped_column(ForeignKey("account.id"))
    """None: the site itself (demonstration)."""
    ended_at: Mapped[datetime | None]
    """When it was replaced or removed."""
    ended_by: Mapped[int | None] = mapped_column(ForeignKey("account.id"))


append_only("person_profile")
append_only(
    "identity_number",
    unless=(
        "OLD.ended_at IS NULL AND NEW.ended_at IS NOT NULL AND NEW.sealed IS NULL AND NEW.digest IS NULL "
        "AND NEW.id = OLD.id AND NEW.person_id = OLD.person_id AND NEW.entered_at = OLD.entered_at "
        "AND COALESCE(NEW.entered_by, 0) = COALESCE(OLD.entered_by, 0)"
    ),
)
