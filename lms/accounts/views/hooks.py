"""Webhooks of the site: which other systems are told, and whether they heard it."""

from flask import flash, redirect, render_template
from flask.typing import ResponseReturnValue

from lms.accounts import queries, services
from lms.accounts.forms import WebhookForm
from lms.accounts.views.blueprint import bp
from lms.accounts.views.people import administrators
from lms.core import clock, notices
from lms.core.db import transaction
from lms.core.errors import NotFound, TooManyTries
from lms.core.i18n import _
from lms.core.webhooks import WebhookFailed, shown_url
from lms.web.confirm import wait_text
from lms.web.guard import actor, reads_first


def _page(form: WebhookForm) -> ResponseReturnValue:
    page = render_template(
        "accounts/webhooks.html",
        tab="people",
        form=form,
        rows=queries.webhooks(actor()),
        told=notices.told_kinds(),
        kind_name=notices.kind_name,
        shown_url=shown_url,
    )
    return page, form.status


@bp.get("/webhooks")
@administrators
def webhooks_page() -> ResponseReturnValue:
    """The list, what was sent last, and the form for a further one."""
    return _page(WebhookForm())


@bp.post("/webhooks")
@administrators
def add_webhook() -> ResponseReturnValue:
    """Let another system be told."""
    by, at, form = actor(), clock.now(), WebhookForm.of_request()
    if not form.run(
        lambda: services.add_webhook(
            url=form.url.data or "",
            shape=form.shape.data,
            secret=(form.secret.data or "").strip(),
            private_allowed=form.private_allowed.data,
            at=at,
            by=by,
        )
    ):
        return _page(form)
    flash(_("The webhook is added. Send a test message to see whether it works."), "ok")
    return redirect("/webhooks", 303)


@bp.post("/webhooks/<public_id>/<act>")
@administrators
@reads_first
def change_webhook(public_id: str, act: str) -> ResponseReturnValue:
    """Switch a webhook off or on, remove it, or try it."""
    by, at = actor(), clock.now()
    if act == "test":
        return _try(public_id)
    acts = {
        "off": lambda: services.switch_webhook(public_id, is_on=False, at=at, by=by),
        "on": lambda: services.switch_webhook(public_id, is_on=True, at=at, by=by),
        "remove": lambda: services.remove_webhook(public_id, at=at, by=by),
    }
    if act not in acts:
        raise NotFound
    with transaction():
        acts[act]()
    said = {
        "off": _("The webhook is switched off. Nothing is sent by it."),
        "on": _("The webhook is switched on."),
        "remove": _("The webhook is removed."),
    }
    flash(said[act], "ok")
    return redirect("/webhooks", 303)


def _try(public_id: str) -> ResponseReturnValue:
    by, at = actor(), clock.now()
    try:
        services.try_webhook(public_id, at=at, by=by)
    except TooManyTries as refusal:
        flash(wait_text(refusal), "bad")
        return redirect("/webhooks", 303)
    except WebhookFailed as problem:
        flash(_("The test message did not arrive: %(why)s", why=str(problem)), "bad")
    else:
        flash(_("The other system has taken the test message."), "ok")
    with transaction():
        services.note_try(public_id, at=at, by=by)
    return redirect("/webhooks", 303)
