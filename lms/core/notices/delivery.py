"""How notices leave: letters and webhooks, each a row that the worker delivers.

A failure that is known is tried again with growing pauses. A letter whose fate is not known (the machine died
between sending and writing it down) is not sent twice; a webhook is, since it carries the delivery's id by which the
receiver can tell. A dead webhook rests, and never holds up a letter.
"""

from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import or_, select, update

from lms.core import clock, jobs, mail, site, webhooks
from lms.core.db import db, transaction
from lms.core.i18n import _, lazy, speaking
from lms.core.notices import DELIVER, KINDS, Address, Notice, NoticeDelivery, Webhook, address_of, kind_name

MAX_ATTEMPTS = 24
"""With pauses of at most five minutes: an outage of a mail server of about an hour and a half is bridged."""

STALE_AFTER = timedelta(days=3)
"""What could not be delivered by then stays on the page only."""


def _ready() -> Any:
    """Deliveries that are due, but for those whose webhook rests or is switched off."""
    resting = (
        select(Webhook.id)
        .where(
            Webhook.id == NoticeDelivery.webhook_id,
            or_(Webhook.rests_until > clock.now(), Webhook.disabled_at.is_not(None)),
        )
        .exists()
    )
    return (NoticeDelivery.state == "due") & ~resting


def _gave_up(delivery_id: int, why: str) -> None:
    db.session.execute(
        update(NoticeDelivery)
        .where(NoticeDelivery.id == delivery_id, NoticeDelivery.state == "due")
        .values(state="failed", done_at=clock.now(), failure=why[:400])
        .execution_options(synchronize_session=False)
    )


@dataclass
class _Parcel:
    """What leaves, read once and kept outside any transaction."""

    title: str
    body: str
    url: str
    address: Address
    kind: str
    made_at: datetime
    notice_id: str
    hook: Webhook | None = None
    already_left: bool = False
    fields: dict[str, Any] = field(default_factory=dict)


def deliver(delivery_id: int, lease: jobs.Lease) -> None:
    """Send one delivery; the job ``notices.deliver``."""
    parcel = _packed(delivery_id)
    if parcel is None:
        _finish(lease, state="skipped")
        return
    if parcel.already_left and parcel.hook is None:
        _finish(lease, state="unknown")
        return
    if parcel.made_at < clock.now() - STALE_AFTER:
        raise jobs.GiveUp("too old to be told now")
    with transaction():
        lease.check()
        _set(delivery_id, sending_at=clock.now())
    try:
        if parcel.hook is not None:
            _post(parcel, delivery_id)
        else:
            _write(parcel, delivery_id)
    except mail.MailFailed as problem:
        if problem.may_have_left:
            _finish(lease, state="unknown")
            return
        _know_failed(delivery_id, lease, parcel)
        if problem.for_good:
            raise jobs.GiveUp(str(problem)) from problem
        raise
    except webhooks.WebhookFailed as problem:
        _know_failed(delivery_id, lease, parcel)
        if problem.for_good:
            raise jobs.GiveUp(str(problem)) from problem
        raise
    _finish(lease, state="sent", hook=parcel.hook)


def _packed(delivery_id: int) -> _Parcel | None:
    """The parcel in its reader's language; None when nobody is there to read it."""
    delivery = db.session.get_one(NoticeDelivery, delivery_id, populate_existing=True)
    notice = db.session.get_one(Notice, delivery.notice_id)
    hook = (
        db.session.get(Webhook, delivery.webhook_id, populate_existing=True) if delivery.webhook_id else None
    )
    address = address_of(notice.account_id)
    if address is None or (hook is None and not address.email):
        db.session.rollback()
        return None
    base_url = site.settings().base_url
    is_for_all = hook is not None and hook.account_id is None
    """A webhook of the site tells others than the reader: what happened and where, but no values and no names."""
    with speaking(address.locale):
        parcel = _Parcel(
            title=kind_name(notice.kind) if is_for_all else notice.title,
            body="" if is_for_all else notice.body,
            url=f"{base_url}{notice.url}" if notice.url else base_url,
            address=address,
            kind=notice.kind,
            made_at=notice.made_at,
            notice_id=notice.public_id,
            hook=hook,
            already_left=delivery.sending_at is not None,
            fields={} if is_for_all else dict(notice.values),
        )
    if hook is not None:
        db.session.expunge(hook)
    db.session.rollback()
    return parcel


def _write(parcel: _Parcel, delivery_id: int) -> None:
    with speaking(parcel.address.locale):
        footer = _("You receive this letter because of your notification settings on this site.")
        greeting = _("Hello %(name)s,", name=parcel.address.name) if parcel.address.name else ""
        more = _("What follows within the hour comes without a letter: you find it all on the site.")
    gathers = parcel.kind in KINDS and KINDS[parcel.kind].gathers
    parts = (greeting, parcel.body or parcel.title, parcel.url, more if gathers else "", "-- \n" + footer)
    text = "\n\n".join(part for part in parts if part)
    mail.send(
        parcel.address.email,
        " ".join(parcel.title.split()),
        text + "\n",
        settings=site.settings(),
        at=clock.now(),
        message_id=f"notice.{parcel.notice_id}.{delivery_id}",
    )


def _post(parcel: _Parcel, delivery_id: int) -> None:
    hook = parcel.hook
    assert hook is not None
    webhooks.post(
        webhooks.Message(
            id=f"{parcel.notice_id}.{delivery_id}",
            kind=parcel.kind,
            made_at=parcel.made_at,
            title=parcel.title,
            body=parcel.body,
            url=parcel.url,
            values=parcel.fields,
        ),
        url=hook.url,
        secret=hook.secret,
        shape=hook.shape,
        private_allowed=hook.private_allowed,
        at=clock.now(),
    )


def _set(delivery_id: int, **values: object) -> None:
    db.session.execute(
        update(NoticeDelivery)
        .where(NoticeDelivery.id == delivery_id)
        .values(**values)
        .execution_options(synchronize_session=False)
    )


def _finish(lease: jobs.Lease, *, state: str, hook: Webhook | None = None) -> None:
    with transaction():
        lease.release()
        _set(lease.row_id, state=state, done_at=clock.now())
        if hook is not None:
            db.session.execute(
                update(Webhook)
                .where(Webhook.id == hook.id, Webhook.failures > 0)
                .values(failures=0, rests_until=None)
                .execution_options(synchronize_session=False)
            )


def _know_failed(delivery_id: int, lease: jobs.Lease, parcel: _Parcel) -> None:
    """The parcel is known not to have arrived: it may be sent again; a webhook that fails again and again rests."""
    with transaction():
        lease.check()
        _set(delivery_id, sending_at=None)
        if parcel.hook is not None:
            failures = parcel.hook.failures + 1
            rest_s = min(2 ** min(failures, 12), 3600)
            db.session.execute(
                update(Webhook)
                .where(Webhook.id == parcel.hook.id)
                .values(failures=Webhook.failures + 1, rests_until=clock.now() + timedelta(seconds=rest_s))
                .execution_options(synchronize_session=False)
            )


def register_jobs() -> None:
    """Make the delivery known to the worker; called from ``app.py``."""
    jobs.register(
        jobs.Job(
            name=DELIVER,
            model=lambda: NoticeDelivery,
            ready=_ready,
            run=deliver,
            gave_up=_gave_up,
            label=lazy("Deliver a notice"),
            failed=lambda: NoticeDelivery.state == "failed",
            again={"state": "due", "done_at": None, "sending_at": None},
            max_attempts=MAX_ATTEMPTS,
        )
    )
