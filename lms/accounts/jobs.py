"""Background work of accounts: letters with links, and what is not kept for ever."""

from datetime import datetime

from lms.accounts import queries, services
from lms.accounts.models import LinkMail
from lms.core import clock, jobs, mail, site
from lms.core.db import db, transaction
from lms.core.i18n import _, lazy, speaking
from lms.core.notices import Address


def send_link(row_id: int, lease: jobs.Lease) -> None:
    """Make the link, then send it. A letter that is sent twice brings two links, and either works."""
    with transaction():
        lease.check()
        row = db.session.get_one(LinkMail, row_id, populate_existing=True)
        kind, attempt = row.kind, row.attempts
        address = queries.address_of(row.account_id) if row.account_id else None
        if row.account_id is None or address is None or not address.email:
            row.state = "nobody"
            lease.release()
            return
        account = queries.account_for_update(row.account_id)
        token = services.make_link(account, kind, at=clock.now(), by=None)
    subject, text = _letter(kind, address, token)
    try:
        mail.send(
            address.email,
            subject,
            text,
            settings=site.settings(),
            at=clock.now(),
            message_id=f"link.{row_id}.{attempt}",
        )
    except mail.MailFailed as problem:
        if problem.for_good:
            raise jobs.GiveUp(str(problem)) from problem
        raise
    with transaction():
        lease.release()
        db.session.get_one(LinkMail, row_id, populate_existing=True).state = "sent"


def _letter(kind: str, address: Address, token: str) -> tuple[str, str]:
    """Subject and text in the reader's language."""
    base_url = site.settings().base_url
    path = "invitation" if kind == "invite" else "reset"
    with speaking(address.locale):
        if kind == "invite":
            subject = _("Your invitation to Firefly")
            what = _(
                "An account has been opened for you at Firefly, the pediatric training site. "
                "Follow this link within 14 days and choose a password:"
            )
            end = _("If you do not expect this letter, you need not do anything.")
        else:
            subject = _("Set a new password for Firefly")
            what = _("Follow this link within two hours and choose a new password:")
            end = _("If you did not ask for it, you need not do anything: your password stays as it is.")
        hello = _("Hello %(name)s,", name=address.name)
    return subject, "\n\n".join((hello, what, f"{base_url}/{path}/{token}", end)) + "\n"


def _gave_up(row_id: int, why: str) -> None:
    row = db.session.get_one(LinkMail, row_id, populate_existing=True)
    row.state, row.failure = "failed", why


def tidy(at: datetime) -> None:
    """Drop links and sessions that mean nothing any more."""
    services.forget_old(at=at)


def register() -> None:
    """Make the jobs of this feature known to the worker."""
    jobs.register(
        jobs.Job(
            name=services.MAIL_JOB,
            model=lambda: LinkMail,
            ready=lambda: LinkMail.state == "waiting",
            run=send_link,
            gave_up=_gave_up,
            label=lazy("Send a link to set a password"),
            failed=lambda: LinkMail.state == "failed",
            again={"state": "waiting"},
            max_attempts=24,
        )
    )
    if tidy not in jobs.EVERY:
        jobs.EVERY.append(tidy)
