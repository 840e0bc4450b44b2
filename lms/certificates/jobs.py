"""Background work: making the signed file of a reserved certificate, and renewing the standings of a cohort."""

from functools import lru_cache
from pathlib import Path

from sqlalchemy import select
from sqlalchemy.orm import joinedload

from lms.accounts import queries as accounts
from lms.certificates import services
from lms.certificates.face import CertificateFace
from lms.certificates.models import Certificate, CohortRule
from lms.certificates.rendering import render_face
from lms.core import clock, jobs, notices, pdf, signing, site
from lms.core.db import db, transaction
from lms.core.digests import sha256_hex
from lms.core.i18n import lazy
from lms.core.jobs import GiveUp, Job, Lease
from lms.core.storage import storage

READY = notices.Kind(
    code="certificates.ready",
    title=lazy("Your certificate is ready"),
    body=lazy("Certificate %(serial)s has been issued. You can download it and show it to anyone."),
    by_webhook=True,
)


@lru_cache(maxsize=4)
def _signer(folder: Path, passphrase: str) -> signing.Signer:
    return signing.load_signer(folder, passphrase)


def issue(certificate_id: int, lease: Lease) -> None:
    """Frozen facts → PDF → signature → file → register. Nothing is read again that could have changed."""
    settings = site.settings()
    facts = db.session.scalars(select(Certificate.facts).where(Certificate.id == certificate_id)).one()
    db.session.rollback()
    face = CertificateFace.from_facts(facts)
    try:
        signer = _signer(settings.keys_dir, settings.keys_passphrase)
        drawn = render_face(face)
    except signing.SigningFailed as problem:
        raise GiveUp(f"signing key: {problem}") from problem
    except (pdf.MissingGlyphs, pdf.TooManyPages) as problem:
        raise GiveUp(str(problem)) from problem
    signed = signing.sign_pdf(
        drawn,
        signer=signer,
        reason=f"Certificate {face.serial}",
        location=face.sponsor_en or face.sponsor_zh,
        at=clock.now(),
    )
    key = storage().put("certificates", signed, suffix=".pdf")
    with transaction():
        at = clock.now()
        lease.check()
        services.finish(
            certificate_id, pdf_key=key, pdf_sha256=sha256_hex(signed), size_bytes=len(signed), at=at
        )
        lease.release()
        person_id = db.session.scalars(
            select(Certificate.person_id).where(Certificate.id == certificate_id)
        ).one()
        for account in accounts.accounts_of_person(person_id):
            notices.notify(
                account.id, READY, values={"serial": face.serial}, url=f"/certificates/{face.serial}", at=at
            )


def restand(cohort_rule_id: int, lease: Lease) -> None:
    """Evaluate a whole cohort anew."""
    with transaction():
        lease.check()
        pinned = db.session.scalars(
            select(CohortRule).options(joinedload(CohortRule.rule)).where(CohortRule.id == cohort_rule_id)
        ).one()
        services.restand(pinned, at=clock.now())
        pinned.is_stale = False
        pinned.attempts = 0
        db.session.flush()
        lease.release()


def register() -> None:
    """Make the jobs of this feature known to the worker."""
    jobs.register(
        Job(
            name=services.ISSUE,
            model=lambda: Certificate,
            ready=lambda: (Certificate.state == "reserved") & Certificate.gave_up_at.is_(None),
            run=issue,
            gave_up=lambda row_id, why: services.give_up(row_id, why, at=clock.now()),
            label=lazy("Make a certificate"),
            failed=lambda: (Certificate.state == "reserved") & Certificate.gave_up_at.is_not(None),
            again={"gave_up_at": None},
        )
    )
    jobs.register(
        Job(
            name=services.RESTAND,
            model=lambda: CohortRule,
            ready=lambda: CohortRule.is_stale.is_(True),
            run=restand,
            gave_up=lambda _row_id, _why: None,
            max_attempts=1_000_000,
        )
    )
