"""Questions about the files of certificates, their credentials and the lists that withdraw them."""

from collections.abc import Mapping, Sequence
from typing import Any, cast

from sqlalchemy import ColumnElement, and_, func, or_, select

from lms.certificates.models import Certificate, CertificateDocument, CertificateFile, StatusList
from lms.core import credentials
from lms.core.db import db
from lms.core.errors import NotFound


def latest_file(certificate_id: int) -> CertificateFile | None:
    """The newest state of a certificate's file; None while it is being made."""
    return db.session.scalar(
        select(CertificateFile)
        .where(CertificateFile.certificate_id == certificate_id)
        .order_by(CertificateFile.number.desc())
        .limit(1)
    )


def files_of(certificate_id: int) -> Sequence[CertificateFile]:
    """Every state that a certificate's file has had, the first first."""
    return db.session.scalars(
        select(CertificateFile)
        .where(CertificateFile.certificate_id == certificate_id)
        .order_by(CertificateFile.number)
    ).all()


def lost_with(signer_sha256: str) -> Sequence[str]:
    """Serials of good certificates that no longer prove themselves once this signer is withdrawn: all but B-LTA."""
    return db.session.scalars(
        select(Certificate.serial)
        .join(CertificateDocument, CertificateDocument.id == Certificate.id)
        .join(CertificateFile, CertificateFile.certificate_id == Certificate.id)
        .where(
            Certificate.state == "good",
            CertificateDocument.level != "B-LTA",
            CertificateFile.number == 1,
            or_(CertificateFile.signer_sha256 == signer_sha256, CertificateFile.signer_sha256.is_(None)),
        )
        .order_by(Certificate.serial)
    ).all()


def certificate_of_file(sha256: str) -> Certificate | None:
    """Whose file has this digest, in whatever state it was handed out."""
    return db.session.scalar(
        select(Certificate)
        .join(CertificateFile, CertificateFile.certificate_id == Certificate.id)
        .where(CertificateFile.sha256 == sha256)
    )


def credential_of(certificate: Certificate) -> Mapping[str, Any]:
    """The credential inside a certificate. Raises NotFound where there is none."""
    found = db.session.scalar(
        select(CertificateDocument.credential).where(CertificateDocument.id == certificate.id)
    )
    if found is None:
        raise NotFound
    return cast("Mapping[str, Any]", found)


def has_credential(certificate: Certificate) -> bool:
    """Whether a credential lies inside the certificate."""
    found = select(CertificateDocument.credential).where(CertificateDocument.id == certificate.id)
    return db.session.scalar(found) is not None


LISTED_STATES = {"revocation": ("revoked", "superseded"), "suspension": ("suspended",)}
"""Which states of the register stand on which status list."""


def listed_on(purpose: str, number: int) -> Sequence[int]:
    """Numbers of the certificates that a status list must name."""
    first = (number - 1) * credentials.LIST_BITS
    return db.session.scalars(
        select(Certificate.id)
        .where(
            Certificate.id.between(first, first + credentials.LIST_BITS - 1),
            Certificate.state.in_(LISTED_STATES[purpose]),
        )
        .order_by(Certificate.id)
    ).all()


def untrue_list() -> ColumnElement[bool]:
    """Which status lists say something else than the register."""
    first = (StatusList.number - 1) * credentials.LIST_BITS
    state = or_(
        *(
            and_(StatusList.purpose == purpose, Certificate.state.in_(states))
            for purpose, states in LISTED_STATES.items()
        )
    )
    where = and_(Certificate.id >= first, Certificate.id < first + credentials.LIST_BITS, state)
    count = select(func.count()).select_from(Certificate).where(where).scalar_subquery()
    total = select(func.coalesce(func.sum(Certificate.id), 0)).where(where).scalar_subquery()
    return or_(StatusList.listed != count, StatusList.listed_sum != total)


def status_list(purpose: str, number: int) -> Mapping[str, Any]:
    """A published status list. Raises NotFound."""
    found = db.session.scalar(
        select(StatusList.document).where(StatusList.purpose == purpose, StatusList.number == number)
    )
    if found is None:
        raise NotFound
    return cast("Mapping[str, Any]", found)


def published_lists() -> Sequence[StatusList]:
    """Every status list that has been published."""
    return db.session.scalars(
        select(StatusList).where(StatusList.valid_until.is_not(None)).order_by(StatusList.id)
    ).all()


def status_list_ids(certificate_id: int) -> Sequence[int]:
    """The status lists on which a certificate's credential has its place."""
    number, _index = credentials.status_place(certificate_id)
    return db.session.scalars(select(StatusList.id).where(StatusList.number == number)).all()
