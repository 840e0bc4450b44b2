"""Acts on the site's webhooks: other systems that are told that something happened."""

from datetime import datetime
from urllib.parse import urlsplit

from lms import policy
from lms.core import audit, hooks, limits, notices
from lms.core.errors import RuleBroken
from lms.core.i18n import _
from lms.core.notices import Webhook
from lms.policy import Actor, Permission

_TESTS = (10, 10 * 60)
"""Test messages and seconds: a group of people hears them."""


def add_webhook(
    *, url: str, shape: str, secret: str, private_allowed: bool, at: datetime, by: Actor
) -> Webhook:
    """Let another system be told. Raises RuleBroken ``webhook_url``, ``webhook_secret`` or ``webhook_known``."""
    policy.require(by, Permission.WEBHOOK_MANAGE)
    url = url.strip()
    if any(row.hook.url == url for row in hooks.site_webhooks(last=0)):
        raise RuleBroken("webhook_known", _("This address is on the list already."), field="url")
    hook = notices.add_webhook(url, shape=shape, secret=secret, private_allowed=private_allowed, at=at)
    _record("add", hook, at=at, by=by)
    return hook


def switch_webhook(public_id: str, *, is_on: bool, at: datetime, by: Actor) -> None:
    """Switch a webhook off, or on again."""
    policy.require(by, Permission.WEBHOOK_MANAGE)
    hook = hooks.site_webhook(public_id)
    if (hook.disabled_at is None) is not is_on:
        hooks.switch_webhook(hook, is_on=is_on, at=at)
        _record("enable" if is_on else "disable", hook, at=at, by=by)


def remove_webhook(public_id: str, *, at: datetime, by: Actor) -> None:
    """Forget a webhook."""
    policy.require(by, Permission.WEBHOOK_MANAGE)
    hook = hooks.site_webhook(public_id)
    _record("remove", hook, at=at, by=by)
    hooks.remove_webhook(hook)


def try_webhook(public_id: str, *, at: datetime, by: Actor) -> None:
    """Send a test message. Slow: call it outside a writing transaction, and note it afterwards.

    Raises WebhookFailed with the reason, TooManyTries.
    """
    policy.require(by, Permission.WEBHOOK_MANAGE)
    hook = hooks.site_webhook(public_id)
    limits.hit("webhook-test", limit=_TESTS[0], per_s=_TESTS[1], at=at)
    hooks.try_webhook(hook, at=at)


def note_try(public_id: str, *, at: datetime, by: Actor) -> None:
    """Note in the trail that a test message was sent, whether it arrived or not."""
    _record("test", hooks.site_webhook(public_id), at=at, by=by)


def _record(act: str, hook: Webhook, *, at: datetime, by: Actor) -> None:
    audit.record(
        f"core.webhook.{act}",
        scope="site",
        at=at,
        account_id=by.account_id,
        subject=f"webhook:{hook.public_id}",
        host=urlsplit(hook.url).hostname or "",
    )
