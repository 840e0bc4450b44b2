"""Background work: making the signed files of reserved certificates, and renewing the standings of a cohort."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import lru_cache
from pathlib import Path
from typing import Any

from sqlalchemy import ColumnElement, and_, exists, or_, select
from sqlalchemy.orm import joinedload

from lms.accounts import queries as accounts
from lms.certificates import queries, services, summary
from lms.certificates.credential import list_address, signed_badge
from lms.certificates.face import face_from
from lms.certificates.models import Certificate, CertificateDocument, CohortRule, StatusList
from lms.certificates.rendering import render_face
from lms.core import audit, clock, credentials, jobs, notices, pdf, signing, site
from lms.core.db import db, transaction
from lms.core.digests import digest_of, read_ed25519_key, sha256_hex
from lms.core.i18n import lazy
from lms.core.jobs import GiveUp, Job, Lease, NotNow
from lms.core.storage import storage
from lms.policy import SITE, Role
from lms.settings import Settings

LISTS_LAPSE = notices.Kind(
    code="certificates.lists",
    title=lazy("The list of withdrawn keys lapses soon"),
    body=lazy(
        "%(name)s speaks until %(until)s. Put the key of its authority back among the site's keys: the list is signed anew "
        "within a minute, and the key can go back into its safe. Programs that find a lapsed list may refuse every certificate."
    ),
)
LISTS_LEFT = timedelta(days=60)
"""A list of the authority that speaks for less is renewed; where its key is not here, the administrators are told each week."""


GROUP = 25
"""So many certificates a worker takes at once: a few seconds of work."""


@lru_cache(maxsize=4)
def _file_signer(folder: Path, passphrase: str, _changed: tuple[int, ...]) -> "signing.Signer":
    return signing.load_signer(folder, passphrase)


def _signer(settings: Settings) -> "signing.Signer":
    """What signs: kept where it is a file; a token is asked each time, which costs little while its session is open."""
    folder, passphrase = settings.keys_dir, signing.passphrase_of(settings)
    token = signing.token_of(settings)
    if token is not None:
        return signing.load_signer(folder, passphrase, token)
    return _file_signer(folder, passphrase, _changed(folder))


def key_trouble() -> str:
    """Why nothing can be signed now, in words; empty where it can."""
    settings = site.settings()
    try:
        _signer(settings)
        _sealing(settings, settings.signature_level, clock.now())
        _key_of(settings)
    except signing.SigningFailed as problem:
        return str(problem)
    except (OSError, ValueError) as problem:
        return f"the key of the credentials cannot be opened: {problem}"
    return ""


def _key_of(settings: Settings) -> bytes | None:
    return _credential_key(settings.keys_dir, signing.passphrase_of(settings), _changed(settings.keys_dir))


@lru_cache(maxsize=4)
def _credential_key(folder: Path, passphrase: str, _changed: tuple[int, ...]) -> bytes | None:
    """The site's key of credentials; None for an authority from before there was one."""
    path = folder / signing.CREDENTIALS
    return read_ed25519_key(path.read_bytes(), passphrase) if path.exists() else None


def _changed(folder: Path) -> tuple[int, ...]:
    """When the files were last changed that say which key signs; a rotation or revocation counts at once."""
    files = (
        folder / name
        for name in (signing.SIGNER, signing.SIGNER_OPEN, signing.ISSUING_CRL, signing.CREDENTIALS)
    )
    return tuple(file.stat().st_mtime_ns if file.exists() else 0 for file in files)


def _sealing(settings: Settings, level: str, at: datetime) -> "signing.Sealing":
    return signing.load_sealing(
        settings.keys_dir,
        signing.passphrase_of(settings),
        level=level,
        authority_url=settings.timestamp_url,
        at=at,
    )


@dataclass(frozen=True)
class Frozen:
    """A reserved certificate as it waits to be made."""

    serial: str
    facts: Mapping[str, Any]
    facts_sha256: str


@dataclass(frozen=True)
class Signed:
    """A certificate's file, made and signed; nobody knows of it yet."""

    data: bytes
    level: str
    credential: Mapping[str, Any] | None
    signer_sha256: str


def frozen(certificate_ids: Sequence[int]) -> dict[int, Frozen]:
    """What the register has kept for these, read once: nothing is read again that could have changed."""
    rows = db.session.execute(
        select(Certificate.id, Certificate.serial, Certificate.facts, Certificate.facts_sha256).where(
            Certificate.id.in_(certificate_ids)
        )
    ).all()
    db.session.rollback()
    return {row.id: Frozen(row.serial, row.facts, row.facts_sha256) for row in rows}


def make(certificate_id: int, row: Frozen) -> Signed:
    """Frozen facts → PDF → signature."""
    settings = site.settings()
    face = face_from(row.facts)
    if (digest_of(row.facts), face.serial) != (row.facts_sha256, row.serial):
        raise GiveUp("the facts in the register are not those that were frozen")
    level, began = settings.signature_level, clock.now()
    badge, address = None, ""
    try:
        signer, key = _signer(settings), _key_of(settings)
        sealing = _sealing(settings, level, began)
        if key is not None:
            badge = signed_badge(face, number=certificate_id, private_key=key)
            if face.summary:
                address = summary.address_of(face, number=certificate_id, private_key=key)
        drawn = render_face(face, credential=credentials.as_file(badge) if badge else None, address=address)
    except signing.SigningFailed as problem:
        raise _not_signed(problem, settings) from problem
    except (pdf.MissingGlyphs, pdf.TooManyPages) as problem:
        raise GiveUp(str(problem)) from problem
    try:
        signed = signing.sign_pdf(
            drawn,
            signer=signer,
            reason=f"Certificate {face.serial}",
            location=face.sponsor_en or face.sponsor_zh,
            at=began,
            sealing=sealing,
        )
    except signing.KeyAway as problem:
        raise _not_signed(problem, settings) from problem
    return Signed(signed, level, badge, signer.fingerprint)


def keep(lease: Lease, made: Mapping[int, Signed]) -> None:
    """Signature → file, safe on the disk → register: first the files, so that no line of the register is ever without."""
    files = {number: _filed(one) for number, one in made.items()}
    with transaction():
        held = lease.held()
        services.finish({number: files[number] for number in held.row_ids}, at=clock.now())
        held.free()


def _filed(made: Signed) -> services.Filed:
    return services.Filed(
        pdf_key=storage().put("certificates", made.data, suffix=".pdf"),
        pdf_sha256=sha256_hex(made.data),
        size_bytes=len(made.data),
        level=made.level,
        due_at=signing.stamp_due(made.data) if made.level == signing.B_LTA else None,
        credential=made.credential,
        signer_sha256=made.signer_sha256,
    )


def _not_signed(problem: signing.SigningFailed, settings: Settings) -> Exception:
    """A signer that stands apart, and a token, come back by themselves: until then the row waits and loses no attempt."""
    if settings.signs_apart or isinstance(problem, signing.KeyAway):
        return NotNow(f"signing key: {problem}")
    return GiveUp(f"signing key: {problem}")


def extend(certificate_id: int, lease: Lease) -> None:
    """Add the evidence of now and a time stamp over it to a file; nothing that was signed is touched."""
    settings, began = site.settings(), clock.now()
    file = queries.latest_file(certificate_id)
    assert file is not None
    data = storage().read(file.pdf_key)
    db.session.rollback()
    if sha256_hex(data) != file.sha256:
        raise RuntimeError(f"the file {file.pdf_key} is not the one that the register knows")
    sealing = _sealing(settings, signing.B_LTA, began)
    longer = signing.extend_pdf(data, sealing=sealing, at=began)
    filed = services.Filed(
        pdf_key=storage().put("certificates", longer, suffix=".pdf"),
        pdf_sha256=sha256_hex(longer),
        size_bytes=len(longer),
        level=signing.B_LTA,
        due_at=signing.stamp_due(longer),
    )
    with transaction():
        lease.check()
        services.extend(certificate_id, filed, at=clock.now())
        lease.release()


def _extendable() -> ColumnElement[bool]:
    """Good certificates whose time stamp ages, and where the site signs B-LTA, all that are not."""
    good = exists().where(Certificate.id == CertificateDocument.id, Certificate.state == "good")
    due = CertificateDocument.due_at <= clock.now()
    if site.settings().signature_level == signing.B_LTA:
        due = or_(due, CertificateDocument.level != signing.B_LTA)
    return and_(good, due)


LIST_LIFE, LIST_RENEWAL = timedelta(days=7), timedelta(days=6)
"""A status list says how long it may be believed, and is signed anew every day."""


def publish_list(list_id: int, lease: Lease) -> None:
    """Sign a status list as the register stands now."""
    settings = site.settings()
    key = _key_of(settings)
    if key is None:
        raise GiveUp("the key of the credentials is missing")
    did = credentials.did_of(settings.base_url)
    with transaction():
        lease.check()
        row = db.session.get_one(StatusList, list_id)
        at = clock.now()
        listed = queries.listed_on(row.purpose, row.number)
        document = credentials.status_list(
            list_address(settings.base_url, row.purpose, row.number),
            issuer=did,
            purpose=row.purpose,
            indexes=[credentials.status_place(number)[1] for number in listed],
            valid_from=at,
            valid_until=at + LIST_LIFE,
        )
        signed = credentials.sign(document, private_key=key, method=credentials.key_id(did), created=at)
        services.publish_list(row, signed, listed=listed, valid_until=at + LIST_LIFE)
        lease.release()


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


def keep_lists(at: datetime) -> None:
    """Sign the authority's lists of withdrawn certificates anew before they lapse, or tell those who hold the keys."""
    settings = site.settings()
    folder = settings.keys_dir
    ending = {name: until for name, until in signing.lists_until(folder).items() if until - at < LISTS_LEFT}
    if not ending:
        return
    try:
        signing.take_in(settings)
        renewed = signing.renew_lists(folder, at=at, passphrase=signing.passphrase_of(settings))
    except signing.SigningFailed:
        renewed = []
    if renewed:
        audit.record(
            "certificates.keys.lists",
            scope="site",
            at=at,
            account_id=None,
            subject="site",
            lists=", ".join(renewed),
        )
    today = clock.today(at)
    for name, until in ending.items():
        if name in renewed:
            continue
        for person in accounts.persons_with_role(Role.ADMINISTRATOR, SITE, on=today):
            for account in accounts.accounts_of_person(person.id):
                notices.notify(
                    account.id,
                    LISTS_LAPSE,
                    values={"name": name, "until": f"{until:%Y-%m-%d}"},
                    at=at,
                    once=f"{name}:{today.isocalendar().year}-{today.isocalendar().week}",
                )


def register() -> None:
    """Make the jobs of this feature known to the worker."""
    if keep_lists not in jobs.SIGNED:
        jobs.SIGNED.append(keep_lists)
    jobs.register(
        Job(
            name=services.EXTEND,
            model=lambda: CertificateDocument,
            ready=_extendable,
            run=extend,
            gave_up=lambda _row_id, _why: None,
            label=lazy("Renew the evidence of a certificate"),
            max_attempts=1_000_000,
            signs=True,
        )
    )
    jobs.register(
        Job(
            name=services.LISTS,
            model=lambda: StatusList,
            ready=lambda: or_(
                StatusList.valid_until.is_(None),
                StatusList.valid_until < clock.now() + LIST_RENEWAL,
                queries.untrue_list(),
            ),
            run=publish_list,
            gave_up=lambda _row_id, _why: None,
            label=lazy("Publish a status list"),
            max_attempts=1_000_000,
            signs=True,
        )
    )
    jobs.register(
        Job(
            name=services.ISSUE,
            model=lambda: Certificate,
            ready=lambda: (Certificate.state == "reserved") & Certificate.gave_up_at.is_(None),
            run=jobs.Group(GROUP, load=frozen, make=make, keep=keep),
            gave_up=lambda row_id, why: services.give_up(row_id, why, at=clock.now()),
            label=lazy("Make a certificate"),
            failed=lambda: (Certificate.state == "reserved") & Certificate.gave_up_at.is_not(None),
            again={"gave_up_at": None},
            signs=True,
            urgent=True,
        )
    )
    jobs.register(
        Job(
            name=services.RESTAND,
            model=lambda: CohortRule,
            ready=lambda: CohortRule.is_stale.is_(True),
            run=restand,
            gave_up=lambda _row_id, _why: None,
            label=lazy("Count the requirements anew"),
            max_attempts=1_000_000,
        )
    )
