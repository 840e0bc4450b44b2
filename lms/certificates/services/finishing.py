"""The end of issuing: files that were made and signed are noted in the register, many at once."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from itertools import groupby

from sqlalchemy import case, select, update

from lms.accounts import queries as accounts
from lms.certificates import rules
from lms.certificates.models import Certificate
from lms.certificates.services import crediting, documents, log, register, standing
from lms.core import audit, notices
from lms.core.db import db
from lms.core.i18n import lazy

READY = notices.Kind(
    code="certificates.ready",
    title=lazy("Your certificate is ready"),
    body=lazy("Certificate %(serial)s has been issued. You can download it and show it to anyone."),
    by_webhook=True,
)


def finish(files: Mapping[int, documents.Filed], *, at: datetime) -> None:
    """Note signed files in the register, certificate by certificate: from now on they are good, and the holders are told.

    The caller holds the leases.
    """
    rows = register.all_locked(list(files))
    (state,) = {rules.move(row.state, "finish") for row in rows}
    before = _superseded(rows, at=at)
    _fill_in({row.id: files[row.id] for row in rows}, state, at=at)
    log.append_issued(rows, at=at)
    for (programme_id, account_id), some in groupby(rows, lambda row: (row.programme_id, row.requested_by)):
        audit.record_all(
            "certificates.certificate.issue",
            [(f"certificate:{row.serial}", {"pdf": row.pdf_sha256}) for row in some],
            scope=f"programme:{programme_id}",
            at=at,
            account_id=account_id,
        )
    documents.first_files({row.id: files[row.id] for row in rows}, at=at)
    _doubt(rows, before, at=at)
    _tell(rows, at=at)


def _fill_in(files: Mapping[int, documents.Filed], state: str, *, at: datetime) -> None:
    """Write the files into the rows, in one statement for all; what is loaded of them says the same."""
    number = Certificate.id
    query = (
        update(Certificate)
        .where(number.in_(list(files)))
        .values(
            state=state,
            finished_at=at,
            pdf_key=case({one: file.pdf_key for one, file in files.items()}, value=number),
            pdf_sha256=case({one: file.pdf_sha256 for one, file in files.items()}, value=number),
            pdf_bytes=case({one: file.size_bytes for one, file in files.items()}, value=number),
        )
        .returning(Certificate)
    )
    db.session.scalars(
        query, execution_options={"synchronize_session": False, "populate_existing": True}
    ).all()


def _superseded(rows: Sequence[Certificate], *, at: datetime) -> dict[str, Certificate]:
    """The certificates that ``rows`` replace, closed: never do two count, not even for a moment."""
    serials = {row.supersedes: row for row in rows if row.supersedes}
    if not serials:
        return {}
    numbers = db.session.scalars(select(Certificate.id).where(Certificate.serial.in_(list(serials)))).all()
    before = {one.serial: one for one in register.all_locked(numbers)}
    for serial, one in before.items():
        if one.state in {"good", "suspended"}:
            row = serials[serial]
            register.act(one, "supersede", reason=row.cause, at=at, account_id=row.requested_by)
    return before


def _doubt(rows: Sequence[Certificate], before: Mapping[str, Certificate], *, at: datetime) -> None:
    """What happened while the files were being made: the one before was revoked, or what one stands on is gone."""
    standing_on: dict[str, list[int]] = {rules.COMPLETION: [], rules.CREDIT: []}
    for row in rows:
        replaced = before.get(row.supersedes or "")
        if replaced is not None and replaced.state == "revoked":
            register.act(row, "revoke", reason=replaced.reason, at=at, account_id=row.requested_by)
        else:
            standing_on[row.kind].append(row.enrolment_id)
    if standing_on[rules.COMPLETION]:
        standing.weigh_again(standing_on[rules.COMPLETION], at=at)
    if standing_on[rules.CREDIT]:
        crediting.weigh(standing_on[rules.CREDIT], at=at)


def _tell(rows: Sequence[Certificate], *, at: datetime) -> None:
    """Tell the holders."""
    theirs: dict[int, list[Certificate]] = {}
    for row in rows:
        theirs.setdefault(row.person_id, []).append(row)
    told = [
        notices.Message(account.id, {"serial": row.serial}, f"/certificates/{row.serial}")
        for account in accounts.accounts_of_people(theirs)
        for row in theirs[account.person_id]
    ]
    notices.notify_all(READY, told, at=at)


def give_up(certificate_id: int, why: str, *, at: datetime) -> None:
    """No further attempt until somebody asks for one; the reason is kept for the page."""
    db.session.execute(
        update(Certificate)
        .where(Certificate.id == certificate_id, Certificate.state == "reserved")
        .values(gave_up_at=at, failure=why[:400])
    )
