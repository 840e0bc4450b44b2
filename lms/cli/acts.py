"""What each command does."""

import argparse
import json
import os
import sys
from pathlib import Path
from typing import Any

from lms.core.errors import RuleBroken
from lms.settings import (
    DEMO_ORGANISATION,
    Settings,
    UnsafeSettings,
    for_demonstration,
    load,
    read_file,
)


def _settings(data: Path | None = None, *, stands: bool = True) -> Settings:
    """The site's settings; with ``--data``, those of the demonstration in that folder, whatever the shell is set to.

    Raises UnsafeSettings for a folder without a site, if one must stand there; nothing is made in it.
    """
    if data is None:
        return load()
    if stands and not (data / "firefly.sqlite3").exists():
        raise UnsafeSettings(f"{data} holds no demonstration")
    return for_demonstration(data_dir=data, base_url="http://127.0.0.1:8000")


def demo(args: argparse.Namespace) -> int:
    """Build the demonstration and serve it."""
    from lms.cli import demo

    return demo.main(port=args.port, data=args.data, open_browser=not args.no_open, reset=args.reset)


def serve(args: argparse.Namespace) -> int:
    """Serve the site until it is told to stop."""
    from lms.serving import Server

    Server(
        load(),
        bind=args.bind,
        processes=args.processes,
        threads=args.threads,
        with_worker=args.with_worker,
    ).run()
    return 0


def worker(_args: argparse.Namespace) -> int:
    """Do the background work until it is told to stop."""
    import signal

    from lms.app import create_app
    from lms.core import logs, memory
    from lms.core.jobs import Worker

    memory.be_frugal()
    logs.configure(verbose=True)
    worker = Worker(create_app(load()))
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: worker.stop())
    worker.run()
    return 0


def signer(_args: argparse.Namespace) -> int:
    """Sign what waits in the register until told to stop; the only process of the site that needs its private keys."""
    import signal

    from lms.app import create_app
    from lms.certificates.jobs import key_trouble
    from lms.core import logs, memory
    from lms.core.signer import Signer

    settings = load()
    if not settings.signs_apart:
        raise UnsafeSettings("the worker signs on this site; LMS_SIGNER=separate leaves it to lms signer")
    memory.be_frugal()
    logs.configure(verbose=True)
    signer = Signer(create_app(settings), trouble=key_trouble)
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: signer.stop())
    signer.run()
    return 0


def doctor(args: argparse.Namespace) -> int:
    """Look at everything that can be wrong; 1 where something is."""
    from lms.app import create_app
    from lms.core import clock
    from lms.operations import doctor

    try:
        settings = _settings(args.data)
    except UnsafeSettings as problem:
        checks = doctor.of_settings_refused(problem)
    else:
        with create_app(settings).app_context():
            checks = doctor.examine(settings, at=clock.now())
    print(json.dumps(doctor.as_document(checks), ensure_ascii=False) if args.json else doctor.as_text(checks))
    return 0 if all(check.ok for check in checks) else 1


def _passphrase(file: Path | None) -> str:
    if file is None:
        return ""
    try:
        found = file.read_text(encoding="utf-8").strip()
    except (OSError, UnicodeDecodeError) as problem:
        raise RuleBroken("passphrase", f"The passphrase cannot be read: {problem}") from problem
    if not found:
        raise RuleBroken("passphrase", f"There is no passphrase in {file}.")
    return found


def _note(line: str) -> None:
    print(line, file=sys.stderr)


def backup(args: argparse.Namespace) -> int:
    """Copy the site while it runs, then forget copies past their time."""
    from lms.app import create_app
    from lms.core import clock
    from lms.core.db import db
    from lms.migrations import revision_of
    from lms.operations import backup

    settings, passphrase = _settings(args.data), _passphrase(args.passphrase_file)
    with create_app(settings).app_context():
        revision = revision_of(db.session.connection())
        db.session.remove()
        db.engine.dispose()
    made = backup.make(
        settings, args.to, revision=revision, passphrase=passphrase, at=clock.now(), says=_note
    )
    if not passphrase:
        _note(
            "Keys and settings are NOT in this copy: give --passphrase-file, and keep the passphrase elsewhere."
        )
    for name in backup.prune(args.to, backup.Keep(*args.keep)) if args.keep else ():
        _note(f"Forgot {name}.")
    print(made.folder)
    return 0


def restore(args: argparse.Namespace) -> int:
    """Put a copy back, or only try whether it could be."""
    from lms.operations import backup

    settings, passphrase = _settings(args.data, stands=False), _passphrase(args.passphrase_file)
    snapshot = backup.opened(args.copy)
    if args.check:
        problems = backup.check(snapshot, settings, passphrase=passphrase, says=_note)
        print("\n".join(problems) or f"{snapshot.folder} is whole and can be put back.")
        return 1 if problems else 0
    backup.restore(snapshot, settings, passphrase=passphrase, says=_note)
    if not passphrase:
        _note("No keys were put back: the site signs nothing until they are in LMS_KEYS_DIR.")
    elif snapshot.body["keys"]:
        _note(f"The settings of the copied site are in {settings.data_dir / backup.SETTINGS}.")
        if (settings.data_dir / backup.SIGNER_WORD).exists():
            _note(
                f"{backup.SIGNER_WORD} beside it opens the signing keys: move it to where "
                "LMS_SIGNER_PASSPHRASE_FILE says, then run lms certificates keys apart."
            )
    print("The site is back. Next: lms db upgrade, lms doctor, then lms serve.")
    return 0


def deploy(args: argparse.Namespace) -> int:
    """Write the files that start the site."""
    from lms.operations import deploy

    files = deploy.written(args.what, load(), bind=args.bind, settings_file=args.settings)
    for name, content in files.items():
        if args.to is None:
            print(f"# ---- {name}\n{content}")
            continue
        args.to.mkdir(parents=True, exist_ok=True)
        (args.to / name).write_text(content, encoding="utf-8")
        print(args.to / name)
    return 0


def upgrade(args: argparse.Namespace) -> int:
    """Bring the site to this version, rehearsed on a copy first."""
    from contextlib import ExitStack

    from lms.app import create_app
    from lms.core import clock
    from lms.operations import upgrade
    from lms.operations.notice import Notice

    settings, passphrase = _settings(args.data), _passphrase(args.passphrase_file)
    try:
        with ExitStack() as open_:
            shown = {}
            if args.bind != "none":
                page = open_.enter_context(Notice(create_app(settings), args.bind, steps=upgrade.STEPS))
                shown["tells"] = page.tell
            done = upgrade.upgrade(
                settings, args.to, passphrase=passphrase, at=clock.now(), says=_note, **shown
            )
    except upgrade.NotUpgraded as problem:
        print(f"lms: {problem}", file=sys.stderr)
        return 1
    print(
        f"The schema went from {done.before} to {done.after}. The copy from before: {done.copy}. Start the site."
    )
    return 0


def move(args: argparse.Namespace) -> int:
    """Carry a SQLite site to PostgreSQL, or the files of a folder into a bucket."""
    import lms.app  # noqa: F401 (loads every table of every feature)
    from lms.operations import move

    if args.media:
        return _move_media(_settings(args.data))

    moved = move.move(_settings(args.data).database_url, args.to, says=_note)
    for one in moved:
        print(f"{one.rows:>9}  {one.sha256[:16]}  {one.table}")
    print(f"All {sum(one.rows for one in moved)} rows of {len(moved)} tables are the same on both sides.")
    print(
        "Next: set LMS_DATABASE_URL to the new address, lms doctor, start the site; keep the SQLite file until you are sure."
    )
    return 0


def _move_media(settings: Settings) -> int:
    from lms.core.storage import BucketStorage, LocalStorage
    from lms.operations import buckets

    if not settings.media_url:
        raise RuleBroken(
            "no_bucket",
            "Set LMS_MEDIA_URL and its keys first (docs/settings.md): they say where the files go.",
        )
    done = buckets.carry(LocalStorage(settings.media_dir), BucketStorage(settings), says=_note)
    print(
        f"All {done.files} files ({done.size_bytes / 1e9:.2f} GB, {done.new} of them new) are the same on both sides."
    )
    print(
        "Next: lms deploy nginx (its configuration names the bucket), lms doctor, start the site; keep the folder until you are sure."
    )
    return 0


def init(args: argparse.Namespace) -> int:
    """Make a new site with its first administrator."""
    from lms.accounts import services
    from lms.app import create_app
    from lms.core import clock, signing
    from lms.core.db import transaction
    from lms.logbooks.services import add_sample_frameworks
    from lms.migrations import build_schema
    from lms.policy import SITE, Role
    from lms.settings import write_file

    if args.settings is not None and not args.settings.exists():
        if not (args.base_url and args.organisation):
            raise UnsafeSettings(
                f"{args.settings} is not there; to write it, give --base-url https://… and --organisation NAME"
            )
        write_file(
            args.settings, base_url=args.base_url, data_dir=args.data_dir, organisation=args.organisation
        )
        os.environ.update(read_file(args.settings))
        print(
            f"Settings with fresh secrets are in {args.settings}: data in {args.data_dir}, SQLite, nginx in front."
        )
    settings = load()
    settings.data_dir.mkdir(parents=True, exist_ok=True)
    build_schema(settings.database_url)
    at = clock.now()
    if not (settings.keys_dir / "root.crt").exists():
        if settings.is_production and settings.organisation == DEMO_ORGANISATION:
            raise UnsafeSettings(
                "LMS_ORGANISATION is missing: give the training hospital's name; it stands in the signing keys for 20 years"
            )
        signing.create_authority(
            settings.keys_dir,
            organisation=settings.organisation,
            at=at,
            passphrase=signing.passphrase_of(settings),
            address=settings.base_url,
            token=signing.token_of(settings),
        )
        print(
            f"Signing keys are in {settings.keys_dir}: move root.key and issuing.key off this machine, publish root.crt."
        )
    app = create_app(settings)
    with app.app_context(), transaction():
        latin = args.name if args.name.isascii() else ""
        person = services.add_person(name_zh="" if latin else args.name, name_latin=latin, at=at, by=None)
        account = services.add_account(person, login=args.login, at=at, by=None)
        services.grant(person, Role.ADMINISTRATOR, SITE, at=at, by=None)
        token = services.make_link(account, "invite", at=at, by=None)
        add_sample_frameworks(at)
    print("The logbook has the NICU and PICU sample frameworks; its pages call them samples, not ratified.")
    print(f"Set the password within 14 days: {settings.base_url}/invitation/{token}")
    return 0


def db_upgrade(_args: argparse.Namespace) -> int:
    """Bring the database to this version."""
    from lms.migrations import build_schema

    settings = load()
    settings.data_dir.mkdir(parents=True, exist_ok=True)
    build_schema(settings.database_url)
    return 0


def db_check(_args: argparse.Namespace) -> int:
    """Build a scratch database from the migrations and compare it with the models."""
    import tempfile

    from alembic import command
    from alembic.util.exc import AutogenerateDiffsDetected

    from lms.migrations import build_schema, config

    with tempfile.TemporaryDirectory() as folder:
        url = f"sqlite:///{folder}/check.sqlite3"
        build_schema(url)
        try:
            command.check(config(url))
        except AutogenerateDiffsDetected as differences:
            print(f"lms: schema and models differ: {differences}", file=sys.stderr)
            return 1
    return 0


def audit_verify(args: argparse.Namespace) -> int:
    """Prove the audit trail; 1 names the first broken link."""
    from lms.app import create_app
    from lms.core import audit

    with create_app(_settings(args.data)).app_context():
        verdict = audit.verify(scope=args.scope)
    if args.scope and verdict.is_empty:
        print(f"lms: the audit trail has no chain called {args.scope!r}", file=sys.stderr)
        return 2
    for link in verdict.broken:
        print(f"broken: {link.scope} at link {link.seq}: {link.why}")
    print(
        json.dumps(
            {
                "events": verdict.events,
                "chains": verdict.chains,
                "roots": verdict.roots,
                "broken": len(verdict.broken),
            }
        )
    )
    return 1 if verdict.broken else 0


def audit_seal(_args: argparse.Namespace) -> int:
    """Seal the chains of the days before this one."""
    from lms.app import create_app
    from lms.core import audit, clock
    from lms.core.db import transaction

    with create_app(load()).app_context(), transaction():
        root = audit.seal(clock.today(), at=clock.now())
    print(root.root if root else "sealed already")
    return 0


def verify(args: argparse.Namespace) -> int:
    """Check a certificate from its file alone, or a print from its QR code."""
    from lms.certificates import cli

    if (args.file is None) == (args.qr is None) or (args.root if args.file else args.issuer) is None:
        print("lms: a FILE with --root, or --qr TEXT with --issuer", file=sys.stderr)
        return 2
    if args.qr is not None:
        return cli.verify_paper(args.qr, issuer=args.issuer, statuses=args.status)
    return cli.verify(
        args.file,
        root=args.root,
        crls=args.crl,
        time_roots=args.time_root,
        statuses=args.status,
        issuer=args.issuer,
    )


def certificates_export(args: argparse.Namespace) -> int:
    """Write the files of the register into a folder."""
    from lms.app import create_app
    from lms.certificates import cli

    settings = _settings(args.data)
    with create_app(settings).app_context():
        return cli.export(args.to, settings=settings, everything=args.all)


def certificates(args: argparse.Namespace) -> int:
    """An act on certificates, or what the register says."""
    from lms.app import create_app
    from lms.certificates import cli

    with create_app(_settings(args.data)).app_context():
        return cli.run(args)


def certificates_verifier(args: argparse.Namespace) -> int:
    """Write the page that checks certificates without a connection, as the site would give it to be saved."""
    from lms.app import create_app

    client = create_app(_settings(args.data)).test_client()
    client.set_cookie("lang", args.lang)
    answer = client.get("/verify/offline.html")
    if answer.status_code != 200:
        print("lms: the site has no signing keys yet: lms certificates keys init", file=sys.stderr)
        return 2
    args.to.write_bytes(answer.get_data())
    print(f"{args.to}: give it to who checks certificates, and make it anew when its lists lapse.")
    return 0


def logbooks_verify(args: argparse.Namespace) -> int:
    """Check every signature of a logbook again; 1 names what is broken."""
    from lms.app import create_app
    from lms.logbooks import cli

    with create_app(_settings(args.data)).app_context():
        return cli.verify(args.enrolment)


def logbooks_frameworks(args: argparse.Namespace) -> int:
    """List the published competency frameworks, or write one as a file."""
    from lms.app import create_app
    from lms.logbooks import cli

    with create_app(_settings(args.data)).app_context():
        return cli.frameworks(getattr(args, "framework", ""))


def keys(args: argparse.Namespace) -> int:
    """Make, renew, withdraw or list the signing keys."""
    from lms.app import create_app
    from lms.certificates import cli

    settings = _settings(args.data)
    if args.act == "init":
        return cli.make_keys(settings=settings, kind=args.kind)
    if args.act == "status":
        return cli.keys_status(settings=settings)
    if args.act == "apart":
        return cli.set_keys_apart(
            settings=settings,
            user=args.user,
            to=args.to,
            passphrase_file=args.passphrase_file,
            settings_file=args.settings,
        )
    with create_app(settings).app_context():
        if args.act == "revoke":
            return cli.revoke_key(args.fingerprint, settings=settings, why=args.why)
        return cli.rotate_keys(settings=settings, kind=args.kind)


def assessments_statistics(args: argparse.Namespace) -> int:
    """Print the statistics of a test as JSON."""
    from lms.app import create_app
    from lms.assessments import cli

    with create_app(_settings(args.data)).app_context():
        return cli.statistics(args.test, as_csv=args.csv)


def assessments_receipt(args: argparse.Namespace) -> int:
    """Check a receipt; 1 where it is not genuine."""
    from lms.app import create_app
    from lms.assessments import cli

    if args.key is not None and args.data is None:
        return cli.receipt(args.file, key=args.key)
    with create_app(_settings(args.data)).app_context():
        return cli.receipt(args.file, key=args.key, with_site=True)


def video_add(args: argparse.Namespace) -> int:
    """Add a film from this machine to a lecture."""
    from lms.app import create_app
    from lms.courses import cli

    with create_app(_settings(args.data)).app_context():
        print(cli.add(args.file, args.lecture))
    return 0


def permissions(_args: argparse.Namespace) -> int:
    """Print the table of permissions."""
    from lms.policy import permissions_markdown

    print(permissions_markdown(), end="")
    return 0


def bench(args: argparse.Namespace) -> int:
    """Measure the product."""
    from lms import bench

    return bench.main(trainees=args.trainees, rounds=args.rounds)


def drill_exam(args: argparse.Namespace) -> int:
    """Rehearse an exam."""
    from lms import drill

    plan = drill.Plan(args.users, args.questions, args.minutes, args.drop, args.kill)
    return drill.main(plan, **_place_of(args))


def drill_site(args: argparse.Namespace) -> int:
    """Play a day with everybody at work."""
    from lms.drill import day

    return day.main(day.Plan(args.users, args.minutes), **_place_of(args))


def _place_of(args: argparse.Namespace) -> dict[str, Any]:
    if not args.beside:
        return {"database_url": args.database}
    site = load()
    return {"database_url": args.database or site.database_url, "beside": site.data_dir}
