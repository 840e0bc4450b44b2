"""Certificates from the command line."""

import argparse
import json
import os
import pwd
import secrets
import shutil
import sys
from collections.abc import Callable, Sequence
from datetime import date
from pathlib import Path
from typing import Any

from lms.accounts import queries as accounts
from lms.certificates import checking, queries, rules, services, summary
from lms.certificates.credential import status_places
from lms.core import audit, clock, credentials, ids, signing
from lms.core.db import transaction
from lms.core.errors import NotAllowed, NotFound, RuleBroken
from lms.core.storage import LocalStorage, storage
from lms.policy import Actor, Permission
from lms.programmes import queries as programmes
from lms.settings import Settings, amend_file

WORDS = {
    checking.GENUINE: "valid: signed by the named authority, and nothing in the file has changed since",
    checking.OVERLAID: "not valid: something was laid over the page after it was signed",
    checking.APPENDED: "not valid: something was added to the file after it was signed",
    checking.CHANGED: "not valid: the file was changed after it was signed",
    checking.STRIPPED: "not valid: the file carries no signature, though it names a certificate",
    checking.LOOKALIKE: "not valid: signed like a certificate, but not by an authority of this root",
    checking.REVOKED_SIGNER: "not valid: the signer's certificate has been revoked",
    checking.FOREIGN: "not valid: this is not a certificate",
    checking.UNREADABLE: "not valid: this is no readable PDF",
}


def verify(
    file: Path,
    *,
    root: Path,
    crls: Sequence[Path] = (),
    time_roots: Sequence[Path] = (),
    statuses: Sequence[Path] = (),
    issuer: Path | None = None,
) -> int:
    """Check a PDF offline, and whether a status list that was kept withdraws it; 0 valid, 1 not, 2 if a file is not there.

    ``issuer``: the site's ``/.well-known/did.json``, against whose key the status lists are checked.
    """
    try:
        data, trusted = file.read_bytes(), root.read_bytes()
        said = [path.read_bytes() for path in statuses]
        published = issuer.read_bytes() if issuer else None
        lists = [path.read_bytes() for path in crls]
        clocks = [path.read_bytes() for path in time_roots]
    except OSError as problem:
        print(f"lms: {problem.strerror}: {problem.filename}")
        return 2
    try:
        finding = checking.inspect(data, signing.Trust(trusted, lists, clocks))
    except ValueError:
        print(f"lms: {root} is not a certificate, or one of the lists is none")
        return 2
    check = finding.check
    kind = KIND_WORDS.get(checking.kind_in(data) or "", "") if finding.serial else ""
    about = ", ".join(filter(None, (finding.serial, kind)))
    print(f"{file.name}: {WORDS[finding.code]}{f' ({about})' if about else ''}")
    if check.is_valid and check.revoked_at:
        print(
            f"The signer was withdrawn on {check.revoked_at:%Y-%m-%d}; time stamps prove that it signed before."
        )
    if not finding.is_good or not statuses:
        return 0 if finding.is_good else 1
    return _asked(lambda lists, key: checking.listed(data, lists, key=key), said, published, issuer)


def verify_paper(typed: str, *, issuer: Path, statuses: Sequence[Path] = ()) -> int:
    """Check what the QR code of a print says, offline; 0 signed by this site and not withdrawn, 1 not, 2 if a file is not there.

    ``issuer``: the site's ``/.well-known/did.json``, which holds the key; ``statuses`` as for ``verify``.
    """
    try:
        published, said = issuer.read_bytes(), [path.read_bytes() for path in statuses]
        key = credentials.key_in(json.loads(published))
    except OSError as problem:
        print(f"lms: {problem.strerror}: {problem.filename}")
        return 2
    except ValueError:
        print(f"lms: {issuer} is no published did.json of a site")
        return 2
    reading = summary.read(typed, public_key=key)
    print(f"{reading.serial or 'QR code'}: {PAPER_WORDS[reading.code]}")
    paper = reading.paper
    if paper is None:
        return 1
    amount = "credits/hours" if paper.kind == rules.CREDIT else "hours"
    for term, fact in (
        ("kind", KIND_WORDS[paper.kind] + (", a sample that proves no training" if paper.is_sample else "")),
        ("name", paper.name),
        ("programme", paper.programme),
        ("issued", paper.issued_on),
        ("from, to", f"{paper.from_on}, {paper.to_on}"),
        (amount, paper.amount),
        ("site", paper.site),
    ):
        if fact:
            print(f"  {term}: {fact}")
    if not statuses:
        return 0
    places = status_places(paper.site, paper.number)
    return _asked(lambda lists, key: checking.listed_at(places, lists, key=key), said, published, issuer)


def _asked(
    listed: Callable[[list[Any], bytes | None], checking.Listed],
    said: Sequence[bytes],
    published: bytes | None,
    issuer: Path | None,
) -> int:
    """Say what the kept status lists say; 0 where none withdraws it."""
    try:
        key = credentials.key_in(json.loads(published)) if published is not None else None
    except ValueError:
        print(f"lms: {issuer} is no published did.json of a site")
        return 2
    try:
        found = listed([json.loads(one) for one in said], key)
    except ValueError:
        print("lms: one of the status files is no published status list")
        return 2
    until = f" (the lists speak until {found.valid_until[:10]})" if found.valid_until else ""
    print(f"{STATUS_WORDS[found.code]}{until}")
    if found.valid_until and found.valid_until < clock.now().strftime("%Y-%m-%dT%H:%M:%SZ"):
        print("The lists have lapsed: fetch newer ones before you rely on this.")
    if key is None:
        print("Whose lists these are was not asked: --issuer did.json checks it (/.well-known/did.json).")
    return 0 if found.code == "free" else 1


PAPER_WORDS = {
    summary.HOLDS: "signed by this site; the paper must say what follows, and whatever differs was changed",
    summary.BROKEN: "not valid: not signed by this site, or not as it was signed",
    summary.BARE: "not known: no signed summary of a certificate is in it (type all that the code says, in quotes)",
}

KIND_WORDS = {"completion": "certificate of completion", "credit": "certificate of credits"}

STATUS_WORDS = {
    "free": "none of the given lists withdraws it",
    "closed": "not valid: a list names it as revoked or replaced",
    "suspended": "not valid at present: a list names it as suspended",
    "forged": "not known: a list is not signed by this issuer",
    "unknown": "not known: the lists that speak for this certificate are not all among the given ones",
}


def export(to: Path, *, settings: Settings, everything: bool = False) -> int:
    """Write the PDFs that count as ``<serial>.pdf``, the root certificate, and ``register.json`` with the state of each.

    ``everything``: also those that do not count, in a folder that is called after their state.
    """
    certificates = queries.issued()
    to.mkdir(parents=True, exist_ok=True)
    root = (settings.keys_dir / "root.crt").read_bytes()  # without it nobody can check what was written
    (to / "root.crt").write_bytes(root)
    written, lines = 0, []
    for certificate in certificates:
        newest = queries.latest_file(certificate.id)
        key = newest.pdf_key if newest else certificate.pdf_key
        assert key is not None
        lines.append(
            {
                "serial": certificate.serial,
                "kind": certificate.kind,
                "state": certificate.state,
                "pdf_sha256": newest.sha256 if newest else certificate.pdf_sha256,
                "supersedes": certificate.supersedes,
            }
        )
        folder = to if certificate.state == "good" else to / certificate.state
        if folder != to and not everything:
            (to / f"{certificate.serial}.pdf").unlink(
                missing_ok=True
            )  # an earlier export held it as one that counts
            continue
        folder.mkdir(exist_ok=True)
        (folder / f"{certificate.serial}.pdf").write_bytes(storage().read(key))
        written += 1
    (to / "register.json").write_text(json.dumps(lines, ensure_ascii=False, indent=1) + "\n")
    for name in signing.PUBLIC:
        if (settings.keys_dir / name).exists():
            (to / name).write_bytes((settings.keys_dir / name).read_bytes())
    print(json.dumps({"written": written, "to": str(to), "root": str(to / "root.crt")}))
    return 0


def run(args: argparse.Namespace) -> int:
    """One command of ``lms certificates``, as it was typed."""
    if hasattr(args, "verb"):
        return act(args.verb, args.serial, reason=args.reason, login=args.by)
    if hasattr(args, "only"):
        period = (args.first, args.last) if args.kind == rules.CREDIT else None
        return issue(args.cohort, login=args.by, only=args.only, period=period)
    return log_verify(args.head) if hasattr(args, "head") else status(args.serial)


def status(serial: str | None) -> int:
    """Print how many certificates are in which state, or one certificate with its history."""
    if serial is None:
        print(json.dumps(queries.register_counts()))
        return 0
    found = queries.public_certificate(serial, key="")
    if found is None:
        print(f"lms: no certificate has the number {serial}", file=sys.stderr)
        return 2
    acts = [{"n": one.n, "act": one.act, "at": one.at.isoformat()} for one in found.history]
    print(json.dumps({"serial": found.serial, "kind": found.kind, "state": found.state, "history": acts}))
    return 0


def act(verb: str, serial: str, *, reason: str, login: str) -> int:
    """Revoke, suspend, lift or replace, as the account ``login`` might do on the page; 0 done, 1 refused, 2 unknown."""
    acts = {
        "revoke": services.revoke,
        "suspend": services.suspend,
        "lift": services.lift,
        "replace": services.replace,
    }
    return _as(
        login,
        lambda by: acts[verb](
            queries.certificate(serial, by, permission=Permission.CERTIFICATE_REVOKE),
            reason=reason,
            at=clock.now(),
            by=by,
        ),
    )


def issue(
    cohort_id: str,
    *,
    login: str,
    only: list[str],
    period: tuple[date | None, date | None] | None = None,
) -> int:
    """Issue to all of a cohort who are ready, or to the named enrolments; the worker makes the files.

    ``period``: certificates of credits from its first day (None: the cohort's) to its last (None: today, at most the
    cohort's last) instead of certificates of completion.
    """

    def run(by: Actor) -> None:
        cohort = programmes.cohort(cohort_id, by, permission=Permission.CERTIFICATE_ISSUE)
        at = clock.now()
        if period is None:
            chosen = queries.chosen(cohort, only or queries.ready_ids(cohort.id))
            batch = services.issue(cohort, chosen, client_uuid=ids.public_id(), at=at, by=by)
        else:
            first = period[0] or cohort.start_on
            batch = services.issue_credits(
                cohort,
                queries.chosen(cohort, only or queries.uncertified_ids(cohort)),
                first=first,
                last=period[1] or max(first, min(cohort.end_on, clock.today(at))),
                client_uuid=ids.public_id(),
                at=at,
                by=by,
            )
        items = queries.batch(batch.public_id, by).items
        refused = [
            {"person": item.enrolment.person.name, "why": queries.refusal_words(item.refusal, item.detail)}
            for item in items
            if item.refusal
        ]
        print(
            json.dumps(
                {
                    "batch": batch.public_id,
                    "reserved": [item.certificate.serial for item in items if item.certificate],
                    "refused": refused,
                },
                ensure_ascii=False,
            )
        )

    return _as(login, run)


def _as(login: str, run: Callable[[Actor], object]) -> int:
    account = accounts.account_by_login(login)
    if account is None:
        print(f"lms: no account signs in as {login}", file=sys.stderr)
        return 2
    by = accounts.actor_of(account, at=clock.now())
    try:
        with transaction():
            run(by)
    except NotFound:
        print("lms: there is no such thing, or it is not for this account", file=sys.stderr)
        return 2
    except NotAllowed:
        print("lms: this account may not do that", file=sys.stderr)
        return 1
    except RuleBroken as refusal:
        print(f"lms: {refusal.message}", file=sys.stderr)
        return 1
    return 0


def log_verify(kept: Path | None) -> int:
    """Compute the whole public log anew and compare it with its signed heads, and with a head that was kept as JSON."""
    head = None
    if kept is not None:
        try:
            document = json.loads(kept.read_text())
            found = document.get("head") or document
            head = (int(found["size"]), str(found["root"]))
        except (OSError, ValueError, KeyError, TypeError, AttributeError):
            print(f"lms: {kept} is not a head of a log", file=sys.stderr)
            return 2
    verdict = queries.check_log(head)
    for line in verdict.broken:
        print(f"broken: {line}")
    print(
        json.dumps(
            {
                "leaves": verdict.size,
                "root": verdict.root,
                "heads": verdict.heads,
                "broken": len(verdict.broken),
            }
        )
    )
    return 1 if verdict.broken else 0


def make_keys(*, settings: Settings, kind: str) -> int:
    """Make the authority of a site that has none."""
    try:
        signing.create_authority(
            settings.keys_dir,
            organisation=settings.organisation,
            at=clock.now(),
            passphrase=signing.passphrase_of(settings),
            address=settings.base_url,
            kind=kind,
            token=signing.token_of(settings),
        )
    except (FileExistsError, ValueError, signing.SigningFailed) as problem:
        print(f"lms: {problem}")
        return 2
    print(f"Keys are in {settings.keys_dir}. Move root.key and issuing.key into a safe; publish root.crt.")
    return 0


def rotate_keys(*, settings: Settings, kind: str) -> int:
    """Make the next signer; the key of the last one is destroyed and its files stay valid."""
    at, token = clock.now(), signing.token_of(settings)
    try:
        signing.take_in(settings)
        signing.rotate(
            settings.keys_dir,
            at=at,
            passphrase=signing.passphrase_of(settings),
            address=settings.base_url,
            kind=kind,
            token=token,
        )
        fingerprint = signing.load_signer(
            settings.keys_dir, signing.passphrase_of(settings), token
        ).fingerprint
    except signing.SigningFailed as problem:
        print(f"lms: {problem}")
        return 2
    with transaction():
        audit.record(
            "certificates.keys.rotate", scope="site", at=at, account_id=None, subject=f"key:{fingerprint}"
        )
    print(f"The signer is now {fingerprint}. Put issuing.key back into its safe.")
    return 0


def revoke_key(fingerprint: str, *, settings: Settings, why: str) -> int:
    """Withdraw a signer and say which certificates must be issued again."""
    at = clock.now()
    try:
        signing.take_in(settings)
        found = signing.revoke(
            settings.keys_dir,
            at=at,
            passphrase=signing.passphrase_of(settings),
            fingerprint=fingerprint,
            why=why,
        )
    except signing.SigningFailed as problem:
        print(f"lms: {problem}")
        return 2
    with transaction():
        audit.record(
            "certificates.keys.revoke", scope="site", at=at, account_id=None, subject=f"key:{found}", why=why
        )
    again = queries.lost_with(found)
    print(f"{found} is on the list at {settings.base_url}/pki/{signing.ISSUING_CRL}.")
    print("Make the next signer: lms certificates keys rotate")
    print(f"{len(again)} certificates no longer prove themselves and must be issued again:")
    for serial in again:
        print(serial)
    return 0


def keys_status(*, settings: Settings) -> int:
    """Every certificate of the authority and until when the lists speak, as JSON lines."""
    try:
        every = signing.status(settings.keys_dir, signing.passphrase_of(settings), at=clock.now())
    except signing.SigningFailed as problem:
        print(f"lms: {problem}")
        return 2
    for one in every:
        line = {"file": one.file, "name": one.name, "state": one.state, "until": f"{one.until:%Y-%m-%d}"}
        print(json.dumps({**line, "sha256": one.fingerprint}, ensure_ascii=False))
    for name, until in signing.lists_until(settings.keys_dir).items():
        print(json.dumps({"file": name, "until": f"{until:%Y-%m-%d}"}))
    token = signing.token_of(settings)
    if token is None:
        return 0
    try:
        signing.load_signer(settings.keys_dir, signing.passphrase_of(settings), token)
    except signing.SigningFailed as problem:
        print(json.dumps({"token": token.label, "key": token.key, "trouble": str(problem)}))
        return 1
    print(json.dumps({"token": token.label, "key": token.key, "state": "signs"}))
    return 0


def set_keys_apart(
    *, settings: Settings, user: str, to: Path, passphrase_file: Path, settings_file: Path | None
) -> int:
    """Give the keys to a user of their own, who alone reads them, and the data folder to both; as root, as often as one likes."""
    try:
        owner, site_owner = pwd.getpwnam(user), settings.data_dir.stat()
    except KeyError:
        print(f"lms: there is no user {user}: useradd --system --home {to.parent} {user}", file=sys.stderr)
        return 2
    group = site_owner.st_gid
    if os.geteuid() != 0:
        print("lms: this gives files to another user and needs root", file=sys.stderr)
        return 2
    if owner.pw_uid == site_owner.st_uid:
        print(f"lms: {user} runs the web server too; the signer needs a user of its own", file=sys.stderr)
        return 2
    if settings.signs_apart:
        signing.own(settings.keys_dir, (owner.pw_uid, owner.pw_gid))
        if settings.signer_passphrase_file:
            os.chown(settings.signer_passphrase_file, owner.pw_uid, owner.pw_gid)
    else:
        try:
            _move_keys(settings, to, passphrase_file, (owner.pw_uid, owner.pw_gid), settings_file)
        except (OSError, signing.SigningFailed) as problem:
            print(f"lms: {problem}", file=sys.stderr)
            return 2
    _share(settings, group)
    print(f"The keys belong to {user}; web and worker read what is public in {to}.")
    print(
        "Next: lms deploy systemd, systemctl daemon-reload, start firefly-signer, restart the others, lms doctor."
    )
    return 0


def _move_keys(
    settings: Settings, to: Path, passphrase_file: Path, owner: tuple[int, int], settings_file: Path | None
) -> None:
    """Copy and lock anew, then say so in the settings, and only then take the old ones away."""
    passphrase = secrets.token_urlsafe(24)
    with os.fdopen(os.open(passphrase_file, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o400), "w") as file:
        file.write(passphrase + "\n")
        os.fchown(file.fileno(), *owner)
        file.flush()
        os.fsync(file.fileno())
    log_key = settings.data_dir / signing.LOG_KEY
    try:
        if log_key.exists() and not (settings.keys_dir / signing.LOG_KEY).exists():
            shutil.copy(log_key, settings.keys_dir / signing.LOG_KEY)
        signing.set_apart(
            settings.keys_dir,
            to,
            before=signing.passphrase_of(settings),
            after=passphrase,
            owner=owner,
        )
    except BaseException:
        passphrase_file.unlink()
        raise
    values = {
        "LMS_SIGNER": "separate",
        "LMS_KEYS_DIR": str(to),
        "LMS_SIGNER_PASSPHRASE_FILE": str(passphrase_file),
    }
    if settings_file is None:
        print("Set these, then remove the old keys:")
        print("\n".join(f"{name}={value}" for name, value in values.items()))
        return
    amend_file(settings_file, values)
    shutil.rmtree(settings.keys_dir)
    log_key.unlink(missing_ok=True)


def _share(settings: Settings, group: int) -> None:
    """Let the signer, who is of the site's group, write the database and keep files in the media folder."""
    fresh = not settings.media_dir.exists()
    LocalStorage(
        settings.media_dir
    )  # with the folder of files that are being written, or whoever is first would own it
    if fresh:
        for made in (settings.media_dir, *settings.media_dir.iterdir()):
            os.chown(made, settings.data_dir.stat().st_uid, group)
    for top in {settings.data_dir, settings.media_dir}:
        for path in (top, *top.rglob("*")):
            if path.is_symlink() or settings.keys_dir in (path, *path.parents):
                continue
            os.chown(path, -1, group)
            mode = path.stat().st_mode & 0o7777
            path.chmod(mode | 0o2770 if path.is_dir() else mode | 0o660)
