"""Acts on certificates that have been issued: suspend, lift, revoke. Each is a line of the history and of the public log."""

from collections.abc import Collection, Sequence
from datetime import datetime

from sqlalchemy import select

from lms import policy
from lms.accounts import queries as accounts
from lms.certificates import queries, rules
from lms.certificates.models import Certificate
from lms.certificates.services import documents, log
from lms.core import audit, jobs, notices
from lms.core.db import db
from lms.core.errors import RuleBroken
from lms.core.i18n import _, lazy
from lms.policy import Actor, Permission

REVOKED = notices.Kind(
    code="certificates.revoked",
    title=lazy("Your certificate has been revoked"),
    body=lazy("Certificate %(serial)s no longer counts. Reason: %(reason)s"),
    by_webhook=True,
)
SUSPENDED = notices.Kind(
    code="certificates.suspended",
    title=lazy("Your certificate is suspended"),
    body=lazy("Certificate %(serial)s does not count until this has been cleared up. Reason: %(reason)s"),
    by_webhook=True,
)
LIFTED = notices.Kind(
    code="certificates.lifted",
    title=lazy("Your certificate counts again"),
    body=lazy("Certificate %(serial)s is no longer suspended."),
    by_webhook=True,
)


def act(
    certificate: Certificate, verb: str, *, reason: str, at: datetime, account_id: int | None
) -> Certificate:
    """Move the certificate by ``verb``, note it in history, log and trail; gives back the row, locked as it is now."""
    held = locked(certificate.id)
    held.state = rules.move(held.state, verb)
    if verb in {"revoke", "supersede"}:
        held.closed_at, held.reason = at, reason[:300]
    if verb != "suspend":
        held.suspended_for = None
    db.session.flush()
    log.append(held, verb, at=at, account_id=account_id, reason=reason)
    audit.record(
        f"certificates.certificate.{verb}",
        scope=f"programme:{held.programme_id}",
        at=at,
        account_id=account_id,
        subject=f"certificate:{held.serial}",
    )
    for number in queries.status_list_ids(held.id):
        jobs.enqueue(documents.LISTS, number)
    return held


def locked(certificate_id: int) -> Certificate:
    """The row as it is now, locked until the transaction ends."""
    (row,) = all_locked([certificate_id])
    return row


def all_locked(certificate_ids: Collection[int]) -> Sequence[Certificate]:
    """The same for many, in the order of their numbers: who locks some of them at the same time waits, and goes on."""
    query = select(Certificate).where(Certificate.id.in_(certificate_ids)).order_by(Certificate.id)
    return db.session.scalars(query.with_for_update().execution_options(populate_existing=True)).all()


def said(reason: str) -> str:
    """The reason that was given. Raises RuleBroken("reason_missing")."""
    if not reason.strip():
        raise RuleBroken(
            "reason_missing", _("Say why; the reason is kept with the certificate."), field="reason"
        )
    return reason.strip()[:300]


def tell(certificate: Certificate, kind: notices.Kind, *, at: datetime, **values: str) -> None:
    """Tell the holder."""
    for account in accounts.accounts_of_person(certificate.person_id):
        notices.notify(
            account.id,
            kind,
            values={"serial": certificate.serial, **values},
            url=f"/certificates/{certificate.serial}",
            at=at,
        )


def revoke(certificate: Certificate, *, reason: str, at: datetime, by: Actor) -> None:
    """Take a certificate back, for good; the verification page says so at once and the holder is told."""
    policy.require(by, Permission.CERTIFICATE_REVOKE, certificate, see=Permission.CERTIFICATE_READ)
    if locked(certificate.id).state == "revoked":
        return
    why = said(reason)
    tell(act(certificate, "revoke", reason=why, at=at, account_id=by.account_id), REVOKED, at=at, reason=why)


def suspend(certificate: Certificate, *, reason: str, at: datetime, by: Actor) -> None:
    """Let a certificate not count until it is lifted; the holder is told. Twice is once."""
    policy.require(by, Permission.CERTIFICATE_REVOKE, certificate, see=Permission.CERTIFICATE_READ)
    held = locked(certificate.id)
    why = said(reason)
    if held.state == "suspended":
        held.suspended_for = "person"  # a fact that comes back lifts it no longer
        db.session.flush()
        return
    held = act(certificate, "suspend", reason=why, at=at, account_id=by.account_id)
    held.suspended_for = "person"
    tell(held, SUSPENDED, at=at, reason=why)
    db.session.flush()


def suspend_for_facts(certificate: Certificate, *, why: str, at: datetime) -> None:
    """What it was issued for is no longer there."""
    held = act(certificate, "suspend", reason=why, at=at, account_id=None)
    held.suspended_for = "facts"
    tell(held, SUSPENDED, at=at, reason=why)
    db.session.flush()


def lift(certificate: Certificate, *, reason: str, at: datetime, by: Actor) -> None:
    """Let a suspended certificate count again; one whose requirement is gone waits for that, or for a waiver."""
    policy.require(by, Permission.CERTIFICATE_REVOKE, certificate, see=Permission.CERTIFICATE_READ)
    held = locked(certificate.id)
    if held.state == "good":
        return
    if held.suspended_for == "facts" and held.kind == rules.CREDIT:
        raise RuleBroken(
            "facts_gone",
            _(
                "The ledger has less than it states. Once it has as much again, the certificate counts by itself; else replace it."
            ),
        )
    if held.suspended_for == "facts":
        raise RuleBroken(
            "facts_gone",
            _(
                "A requirement is no longer met. Once it is, or is waived by two people, the certificate counts again by itself."
            ),
        )
    lift_now(held, reason=said(reason), at=at, account_id=by.account_id)


def lift_now(certificate: Certificate, *, reason: str, at: datetime, account_id: int | None) -> None:
    """The suspension ends."""
    tell(act(certificate, "lift", reason=reason, at=at, account_id=account_id), LIFTED, at=at)
