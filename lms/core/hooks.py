"""The site's webhooks as an administrator sees them: which there are, what was sent, whether one works."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import delete, func, select
from sqlalchemy.orm import joinedload

from lms.core import site, webhooks
from lms.core.db import db
from lms.core.errors import NotFound
from lms.core.i18n import _
from lms.core.notices import NoticeDelivery, Webhook


def site_webhook(public_id: str) -> Webhook:
    """A webhook of the site; the caller has asked the policy. Raises NotFound."""
    found = db.session.scalar(
        select(Webhook)
        .where(Webhook.public_id == public_id, Webhook.account_id.is_(None))
        .execution_options(populate_existing=True)
    )
    if found is None:
        raise NotFound
    return found


@dataclass(frozen=True)
class HookRow:
    """A webhook of the site with what was sent by it last, the newest first."""

    hook: Webhook
    deliveries: Sequence[NoticeDelivery]


def site_webhooks(*, last: int = 5) -> list[HookRow]:
    """The site's webhooks, each with its last deliveries (their notices loaded); the caller has asked the policy."""
    hooks = db.session.scalars(select(Webhook).where(Webhook.account_id.is_(None)).order_by(Webhook.id)).all()
    newest = (
        select(
            NoticeDelivery.id,
            func.row_number()
            .over(partition_by=NoticeDelivery.webhook_id, order_by=NoticeDelivery.id.desc())
            .label("place"),
        )
        .where(NoticeDelivery.webhook_id.in_([hook.id for hook in hooks]))
        .subquery()
    )
    sent = db.session.scalars(
        select(NoticeDelivery)
        .join(newest, newest.c.id == NoticeDelivery.id)
        .options(joinedload(NoticeDelivery.notice))
        .where(newest.c.place <= last)
        .order_by(NoticeDelivery.id.desc())
    ).all()
    return [HookRow(hook, [one for one in sent if one.webhook_id == hook.id]) for hook in hooks]


def switch_webhook(hook: Webhook, *, is_on: bool, at: datetime) -> None:
    """Let a webhook rest, or begin again as if it had never failed; the caller has asked the policy."""
    hook.disabled_at = None if is_on else hook.disabled_at or at
    hook.failures, hook.rests_until = 0, None


def remove_webhook(hook: Webhook) -> None:
    """Forget a webhook and what was sent by it; the caller has asked the policy."""
    db.session.execute(delete(NoticeDelivery).where(NoticeDelivery.webhook_id == hook.id))
    db.session.delete(hook)
    db.session.flush()


def try_webhook(hook: Webhook, *, at: datetime) -> None:
    """Send a test message in one try, slowly: call it outside a writing transaction. Raises WebhookFailed."""
    base_url = site.settings().base_url
    webhooks.post(
        webhooks.Message(
            id=f"test.{int(at.timestamp())}",
            kind="test",
            made_at=at,
            title=_("Test message of Firefly: this webhook works."),
            body="",
            url=base_url,
            values={},
        ),
        url=hook.url,
        secret=hook.secret,
        shape=hook.shape,
        private_allowed=hook.private_allowed,
        at=at,
    )
