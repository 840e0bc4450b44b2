"""Notices: what a person is told, on their page always, by mail and by signed webhook as they prefer.

A feature declares its kinds (``Kind``) and calls ``notify`` inside the transaction of the act. The page shows the notice
at once; letters and webhooks are rows of their own that the worker delivers. Words are kept as kind and values, and
spoken in the reader's language when they are read.

How they leave stands in ``delivery``.
"""

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from functools import cache
from typing import Any, cast

from sqlalchemy import (
    Boolean,
    CheckConstraint,
    ForeignKey,
    Index,
    String,
    Table,
    UniqueConstraint,
    and_,
    bindparam,
    func,
    or_,
    select,
    update,
)
from sqlalchemy.orm import Mapped, mapped_column, relationship

from lms.core import ids, jobs, webhooks
from lms.core.db import Base, WithId, db, insert_all, upsert
from lms.core.errors import RuleBroken
from lms.core.i18n import DEFAULT_LOCALE, _

DELIVER = "notices.deliver"
GATHERS_FOR = timedelta(hours=1)
"""So long one unread letter speaks for all of its kind that follow."""

# ---------------------------------------------------------------- kinds


@dataclass(frozen=True)
class Kind:
    """A kind of notice, declared once by the feature that sends it; making one makes it known."""

    code: str
    """``feature.what``, for example ``logbooks.entry_returned``."""
    title: str
    """Lazy template with named values: ``lazy("Entry returned: %(procedure)s")``."""
    body: str = ""
    label: str = ""
    """What it is called where people choose their preferences; the title without values where empty."""
    by_mail: bool = True
    """Whether a letter is sent unless the person says otherwise."""
    by_webhook: bool = False
    """Whether the site's webhooks are told that it happened: by the label, never by values or names."""
    must_mail: bool = False
    """A letter whatever the person prefers: their account's safety depends on it."""
    for_staff: bool = False
    """Never sent to a trainee, who is not asked about it."""
    gathers: bool = False
    """Comes in heaps: a letter that nobody has read yet speaks for those that follow within ``GATHERS_FOR``."""

    def __post_init__(self) -> None:
        """Join the registry; one code means one kind."""
        if self.code in KINDS:
            raise ValueError(f"two kinds of notice called {self.code}")
        KINDS[self.code] = self


KINDS: dict[str, Kind] = {}


@dataclass(frozen=True)
class Address:
    """Where and how a person reads."""

    email: str
    """Empty: no letters."""
    locale: str = DEFAULT_LOCALE
    name: str = ""


address_book: Callable[[int], Address | None] | None = None
"""Account → address; None for an account that is closed. Provided by accounts, joined in ``app.py``."""


def join_address_book(book: Callable[[int], Address | None]) -> None:
    """Join the provider of addresses; called from ``app.py`` only."""
    global address_book
    address_book = book


def address_of(account_id: int) -> Address | None:
    """Where an account is reached; None for one that is closed."""
    return address_book(account_id) if address_book else None


# ---------------------------------------------------------------- tables


class Notice(WithId, Base):
    """Something a person is told."""

    __tablename__ = "notice"
    __table_args__ = (
        UniqueConstraint("account_id", "once"),
        Index("ix_notice_account_unread", "account_id", "read_at"),
        Index("ix_notice_account_newest", "account_id", "id"),
    )

    account_id: Mapped[int] = mapped_column(ForeignKey("account.id"))
    kind: Mapped[str] = mapped_column(String(60))
    values: Mapped[dict[str, Any]] = mapped_column(default=dict)
    """Named values of the templates; text and numbers only."""
    url: Mapped[str] = mapped_column(String(300), default="")
    """Path on this site where the matter is dealt with."""
    once: Mapped[str | None] = mapped_column(String(120))
    """Key of the fact: the same fact is told once, however often the act is repeated."""
    made_at: Mapped[datetime]
    read_at: Mapped[datetime | None]

    @property
    def title(self) -> str:
        """The title in the reader's language."""
        return _spoken(self.kind, "title", self.values)

    @property
    def body(self) -> str:
        """The body in the reader's language."""
        return _spoken(self.kind, "body", self.values)


class NoticeDelivery(jobs.Leased, Base):
    """A notice on its way by one channel; the truth behind the job ``notices.deliver``."""

    __tablename__ = "notice_delivery"
    __table_args__ = (
        UniqueConstraint("notice_id", "target"),
        CheckConstraint("state IN ('due', 'sent', 'failed', 'unknown', 'skipped')", name="state"),
        Index("ix_notice_delivery_due", "state", "id"),
    )

    id: Mapped[int] = mapped_column(primary_key=True)
    notice_id: Mapped[int] = mapped_column(ForeignKey("notice.id"))
    target: Mapped[str] = mapped_column(String(40))
    """``mail`` or ``webhook:<id>``."""
    webhook_id: Mapped[int | None] = mapped_column(ForeignKey("webhook.id"))
    state: Mapped[str] = mapped_column(String(10), default="due")
    """``due``; then ``sent``, ``failed`` (given up), ``unknown`` (a letter that may have left), ``skipped`` (nobody there)."""
    sending_at: Mapped[datetime | None]
    """Set just before it leaves and cleared when it is known to have failed."""
    done_at: Mapped[datetime | None]

    notice: Mapped[Notice] = relationship(lazy="raise")


class NoticePreference(Base):
    """What a person chose for one kind of notice; no row: the kind's own defaults."""

    __tablename__ = "notice_preference"

    account_id: Mapped[int] = mapped_column(ForeignKey("account.id"), primary_key=True)
    kind: Mapped[str] = mapped_column(String(60), primary_key=True)
    by_mail: Mapped[bool]
    by_webhook: Mapped[bool]


class Webhook(WithId, Base):
    """An address on another system that is told; set by administrators only."""

    __tablename__ = "webhook"
    __table_args__ = (CheckConstraint("shape IN ('firefly', 'wecom', 'dingtalk')", name="shape"),)

    account_id: Mapped[int | None] = mapped_column(ForeignKey("account.id"), index=True)
    """Whose notices; None: everybody's (of the kinds that go by webhook)."""
    url: Mapped[str] = mapped_column(String(500))
    secret: Mapped[str] = mapped_column(String(200), default="")
    """Signs what is sent; DingTalk issues its own (``SEC…``), WeCom has none."""
    shape: Mapped[str] = mapped_column(String(10), default="firefly")
    """``firefly``: our own JSON, signed; ``wecom`` and ``dingtalk``: a text message of their group robots."""
    private_allowed: Mapped[bool] = mapped_column(default=False)
    """Whether it may lead into the hospital's own network; link-local addresses are refused even then."""
    made_at: Mapped[datetime]
    disabled_at: Mapped[datetime | None]
    failures: Mapped[int] = mapped_column(default=0)
    """In a row."""
    rests_until: Mapped[datetime | None]
    """After failures nothing is tried before."""


# ---------------------------------------------------------------- acts


def notify(
    account_id: int,
    kind: Kind,
    *,
    values: Mapping[str, object] | None = None,
    url: str = "",
    at: datetime,
    once: str | None = None,
) -> str | None:
    """Tell one account, inside the current transaction; the public id of the notice. None when ``once`` was told before.

    ``values``: text and numbers for the kind's templates. ``url``: a path on this site.
    """
    return notify_all(kind, [Message(account_id, values or {}, url, once)], at=at)[0]


@dataclass(frozen=True)
class Message:
    """What one account is told of a kind."""

    account_id: int
    values: Mapping[str, object] = field(default_factory=dict)
    """Text and numbers for the kind's templates."""
    url: str = ""
    """A path on this site."""
    once: str | None = None
    """Key of the fact: the same fact is told once."""


def notify_all(kind: Kind, messages: Sequence[Message], *, at: datetime) -> list[str | None]:
    """Tell many accounts at once, inside the current transaction; the public ids of their notices, as ``notify`` does."""
    for one in messages:
        _check(kind, one)
    told: list[dict[str, Any]] = [
        {
            "public_id": ids.public_id(),
            "account_id": one.account_id,
            "kind": kind.code,
            "values": dict(one.values),
            "url": one.url,
            "once": one.once,
            "made_at": at,
        }
        for one in messages
    ]
    if not told:
        return []
    made = dict(map(tuple, _ask(_addition(db.session.get_bind().dialect.name), told)))
    fresh = [one for one in told if one["public_id"] in made]
    if fresh:
        _send(kind, {made[one["public_id"]]: one["account_id"] for one in fresh}, at=at)
    return [one["public_id"] if one["public_id"] in made else None for one in told]


def _check(kind: Kind, message: Message) -> None:
    for name, value in message.values.items():
        if not isinstance(value, str | int | float):
            raise TypeError(f"value {name} of a notice must be text or a number")
    if message.url and (not message.url.startswith("/") or message.url.startswith("//")):
        raise ValueError("a notice leads to a path on this site")
    _fill(str(kind.title), message.values)  # a missing value is found here, not on a phone at night
    _fill(str(kind.body), message.values)


def _send(kind: Kind, told: Mapping[int, int], *, at: datetime) -> None:
    """Let notices leave by the channels of their accounts. ``told``: notice → account."""
    mails, hooks = _channels(set(told.values()), kind)
    deliveries: list[dict[str, Any]] = []
    if kind.gathers and mails:
        about = {"account_ids": sorted(mails), "code": kind.code, "since": at - GATHERS_FOR}
        mails -= {row.account_id for row in _ask(_SPOKEN_FOR, about)}
    for notice, account in told.items():
        if account in mails:
            deliveries.append({"notice_id": notice, "target": "mail", "webhook_id": None})
            if kind.gathers:
                mails.discard(account)
        deliveries += [
            {"notice_id": notice, "target": f"webhook:{hook.id}", "webhook_id": hook.id}
            for hook in hooks
            if hook.account_id in (None, account)
        ]
    jobs.enqueue_all(DELIVER, insert_all(NoticeDelivery, deliveries))


_notice, _delivery = cast("Table", Notice.__table__), cast("Table", NoticeDelivery.__table__)
_choice, _hook = cast("Table", NoticePreference.__table__), cast("Table", Webhook.__table__)

# Built once and asked beside the unit of work: acts that tell people come in heaps.
_SPOKEN_FOR = (
    select(_notice.c.account_id)
    .join(_delivery, _delivery.c.notice_id == _notice.c.id)
    .where(
        _notice.c.account_id.in_(bindparam("account_ids", expanding=True)),
        _notice.c.read_at.is_(None),
        _notice.c.kind == bindparam("code"),
        _notice.c.made_at > bindparam("since"),
        _delivery.c.target == "mail",
        _delivery.c.state.in_(("due", "sent")),
    )
)
_CHOSEN = select(_choice.c.account_id, _choice.c.by_mail, _choice.c.by_webhook).where(
    _choice.c.account_id.in_(bindparam("account_ids", expanding=True)), _choice.c.kind == bindparam("code")
)
_HOOKS = (
    select(_hook.c.id, _hook.c.account_id)
    .where(
        or_(
            _hook.c.account_id.in_(bindparam("account_ids", expanding=True)),
            and_(bindparam("site", type_=Boolean), _hook.c.account_id.is_(None)),
        ),
        _hook.c.disabled_at.is_(None),
    )
    .order_by(_hook.c.id)
)


@cache
def _addition(dialect: str) -> Any:
    """Notices, unless their fact has been told before, also by somebody at this very moment."""
    add = upsert(_notice, dialect=dialect).on_conflict_do_nothing(index_elements=["account_id", "once"])
    return add.returning(_notice.c.public_id, _notice.c.id)


def _ask(query: Any, values: Mapping[str, object] | Sequence[Mapping[str, object]]) -> Sequence[Any]:
    """The rows that the database answers; what the session still holds back is written before."""
    db.session.flush()
    return db.session.connection().execute(query, values).all()


def _channels(accounts: Collection[int], kind: Kind) -> tuple[set[int], Sequence[Any]]:
    """Who of these is told by mail, and the webhooks by which any of them is."""
    chosen = {
        row.account_id: row for row in _ask(_CHOSEN, {"account_ids": sorted(accounts), "code": kind.code})
    }
    mails = {
        one for one in accounts if kind.must_mail or (chosen[one].by_mail if one in chosen else kind.by_mail)
    }
    own = [one for one in accounts if (chosen[one].by_webhook if one in chosen else kind.by_webhook)]
    hooks: Sequence[Any] = ()
    if own or kind.by_webhook:
        # A person's own webhook follows the person's choice, the site's follows the kind.
        hooks = _ask(_HOOKS, {"account_ids": sorted(own), "site": kind.by_webhook})
    return mails, hooks


def mark_read(account_id: int, *, public_ids: Sequence[str] | None = None, at: datetime) -> int:
    """Mark notices of the account as read (None: all); returns how many were unread."""
    query = update(Notice).where(Notice.account_id == account_id, Notice.read_at.is_(None))
    if public_ids is not None:
        query = query.where(Notice.public_id.in_(public_ids))
    done = db.session.execute(query.values(read_at=at).execution_options(synchronize_session=False))
    return int(done.rowcount)  # type: ignore[attr-defined]


def prefer(account_id: int, kind: Kind, *, by_mail: bool, by_webhook: bool) -> None:
    """Keep a person's choice for one kind."""
    chosen = db.session.get(NoticePreference, (account_id, kind.code))
    if chosen is None:
        chosen = NoticePreference(account_id=account_id, kind=kind.code)
        db.session.add(chosen)
    chosen.by_mail, chosen.by_webhook = by_mail, by_webhook
    db.session.flush()


def add_webhook(
    url: str,
    *,
    at: datetime,
    account_id: int | None = None,
    secret: str = "",
    shape: str = "firefly",
    private_allowed: bool = False,
) -> Webhook:
    """Add a webhook; the caller has asked the policy (administrators only).

    Raises RuleBroken("webhook_url") or ("webhook_secret").
    """
    if shape not in webhooks.SHAPES:
        raise ValueError("unknown shape of webhook")
    webhooks.check_url(url)
    if shape == "firefly" and len(secret) < 16:
        raise RuleBroken(
            "webhook_secret", _("Give the webhook a secret of at least 16 characters."), field="secret"
        )
    hook = Webhook(account_id=account_id, url=url, secret=secret, shape=shape, private_allowed=private_allowed, made_at=at)  # fmt: skip
    db.session.add(hook)
    db.session.flush()
    return hook


# ---------------------------------------------------------------- questions


def told_kinds() -> list[str]:
    """What the site's webhooks are told, in the reader's language."""
    return [_without_values(kind) for _code, kind in sorted(KINDS.items()) if kind.by_webhook]


def kind_name(code: str) -> str:
    """What a kind is called; an unknown one by its code."""
    return _without_values(KINDS[code]) if code in KINDS else code


def _without_values(kind: Kind) -> str:
    """A kind in words that name nobody."""
    words = str(kind.label or kind.title)
    return kind.code if "%(" in words else words


_UNREAD = (
    select(func.count())
    .select_from(Notice)
    .where(Notice.account_id == bindparam("account_id"), Notice.read_at.is_(None))
)
"""Built once: the shell of every page asks it."""


def unread_count(account_id: int) -> int:
    """How many notices the account has not read."""
    return int(db.session.scalar(_UNREAD, {"account_id": account_id}) or 0)


@dataclass(frozen=True)
class Page:
    """One page of notices, newest first."""

    notices: Sequence[Notice]
    older: int | None
    """Pass as ``before`` for the next page; None on the last."""


def page_of(account_id: int, *, before: int | None = None, size: int = 20, unread_only: bool = False) -> Page:
    """Notices of the account, newest first."""
    query = select(Notice).where(Notice.account_id == account_id).order_by(Notice.id.desc()).limit(size + 1)
    query = query if before is None else query.where(Notice.id < before)
    query = query.where(Notice.read_at.is_(None)) if unread_only else query
    found = db.session.scalars(query).all()
    return Page(found[:size], found[size - 1].id if len(found) > size else None)


@dataclass(frozen=True)
class Preference:
    """A kind with the channels that count for a person."""

    kind: Kind
    by_mail: bool
    by_webhook: bool


def preferences_of(account_id: int, *, is_staff: bool) -> list[Preference]:
    """Every kind that may reach the person, with what they chose or the kind's defaults."""
    rows = db.session.scalars(select(NoticePreference).where(NoticePreference.account_id == account_id))
    chosen = {row.kind: row for row in rows}
    return [
        Preference(
            kind,
            kind.must_mail or (chosen[code].by_mail if code in chosen else kind.by_mail),
            chosen[code].by_webhook if code in chosen else kind.by_webhook,
        )
        for code, kind in sorted(KINDS.items())
        if is_staff or not kind.for_staff
    ]


def _spoken(code: str, part: str, values: Mapping[str, Any]) -> str:
    kind = KINDS.get(code)
    if kind is None:  # of a feature that this site no longer has
        return code if part == "title" else ""
    return _fill(str(getattr(kind, part)), values)


def _fill(template: str, values: Mapping[str, Any]) -> str:
    return template % values if template else ""
