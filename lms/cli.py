"""The command line: the same acts from another door. Exit status 0 done, 1 found wrong, 2 refused."""

import argparse
import json
import os
import sys
from collections.abc import Callable, Sequence
from pathlib import Path

from sqlalchemy.exc import OperationalError, ProgrammingError

from lms import __version__
from lms.core.errors import LmsError, RuleBroken
from lms.settings import (
    DEMO_ORGANISATION,
    Settings,
    UnsafeSettings,
    for_demonstration,
    load,
    read_file,
)

Command = Callable[[argparse.Namespace], int]


def main(argv: Sequence[str] | None = None) -> int:
    """Run one command; returns its exit status."""
    parser = _parser()
    args = parser.parse_args(argv)
    command: Command | None = getattr(args, "command", None)
    if command is None:
        parser.print_help()
        return 2
    try:
        if args.settings is not None and (args.settings.exists() or command is not _init):
            os.environ.update(read_file(args.settings))
        return command(args)
    except RuleBroken as refusal:
        print(f"lms: {refusal.message} [{refusal.code}]", file=sys.stderr)
    except (LmsError, UnsafeSettings) as problem:
        print(f"lms: {problem}", file=sys.stderr)
    except (OperationalError, ProgrammingError) as problem:
        # Status 1 is for what was looked at and found wrong; here nothing could be looked at.
        print(f"lms: the database does not answer, or has no site in it: {problem.orig}", file=sys.stderr)
    except OSError as problem:
        print(f"lms: {problem.strerror or problem}: {problem.filename or ''}".rstrip(": "), file=sys.stderr)
    except KeyboardInterrupt:
        return 130
    return 2


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="lms", description="Firefly, a learning management system for advanced pediatric training."
    )
    parser.add_argument("--version", action="version", version=f"firefly-lms {__version__}")
    parser.add_argument(
        "--settings",
        type=Path,
        metavar="FILE",
        help="read LMS_* variables from this file (lms init writes it)",
    )
    commands = parser.add_subparsers(metavar="COMMAND")

    demo = _add(commands, "demo", _demo, "build the demonstration programme and serve it")
    demo.add_argument("--port", type=int, default=8000)
    demo.add_argument("--data", type=Path, default=Path("instance"), help="everything it writes goes here")
    demo.add_argument("--no-open", action="store_true", help="do not open a browser")
    demo.add_argument("--reset", action="store_true", help="forget the old data and start over")

    serve = _add(commands, "serve", _serve, "serve the site (settings from LMS_* variables)")
    serve.add_argument("--bind", default="127.0.0.1:8000")
    serve.add_argument("--processes", type=int, default=1, help="web processes (one with SQLite)")
    serve.add_argument("--threads", type=int, default=16)
    serve.add_argument(
        "--with-worker", action="store_true", help="do background work in a thread of this process too"
    )

    _add(commands, "worker", _worker, "do background work until stopped")

    doctor = _add(commands, "doctor", _doctor, "look at everything that can be wrong, and say how to mend it")
    doctor.add_argument("--json", action="store_true", help="for a program that watches")
    doctor.add_argument("--data", type=Path, help="data folder of a demonstration site")

    backup = _add(commands, "backup", _backup, "copy the site while it runs; only new files are copied again")
    backup.add_argument(
        "--to", type=Path, required=True, help="the folder of copies, best on another machine's disk"
    )
    backup.add_argument(
        "--passphrase-file", type=Path, help="seals keys and settings; without it they are left out"
    )
    backup.add_argument(
        "--keep",
        type=int,
        nargs=3,
        metavar=("DAYS", "WEEKS", "MONTHS"),
        help="then forget all copies but the newest of so many days, weeks and months",
    )
    backup.add_argument("--data", type=Path, help="data folder of a demonstration site")

    restore = _add(commands, "restore", _restore, "put a copy back into an empty place, or --check it")
    restore.add_argument("copy", type=Path, help="a snapshot, or a folder of copies (then its newest)")
    restore.add_argument(
        "--check", action="store_true", help="put nothing back: read every file, try the database"
    )
    restore.add_argument("--passphrase-file", type=Path, help="opens keys and settings")
    restore.add_argument("--data", type=Path, help="data folder of a demonstration site")

    upgrade = _add(
        commands, "upgrade", _upgrade, "copy, rehearse on the copy, upgrade; back again if anything fails"
    )
    upgrade.add_argument("--to", type=Path, required=True, help="the folder of copies")
    upgrade.add_argument("--passphrase-file", type=Path, help="seals keys and settings in the copy")
    upgrade.add_argument("--data", type=Path, help="data folder of a demonstration site")

    move = _add(commands, "move", _move, "carry a SQLite site into an empty PostgreSQL database")
    move.add_argument(
        "--to", required=True, metavar="URL", help="postgresql+psycopg://user:password@host/name"
    )
    move.add_argument("--data", type=Path, help="data folder of a demonstration site")

    init = _add(commands, "init", _init, "make the database and the first administrator")
    init.add_argument("--name", required=True, help="the administrator's name")
    init.add_argument("--login", required=True, help="their e-mail address or phone number")
    init.add_argument(
        "--base-url", help="public address, where --settings names a file that is to be written"
    )
    init.add_argument("--data-dir", type=Path, default=Path("/var/lib/firefly"), help="for that file")
    init.add_argument(
        "--organisation",
        default="",
        help="name of the training hospital, in that file and in the signing keys",
    )

    deploy = commands.add_parser("deploy", help="files that start the site").add_subparsers(
        metavar="ACT", required=True
    )
    for name, words in (
        ("nginx", "write the web server's configuration for these settings"),
        ("systemd", "write the units that start web, worker and nightly copies"),
    ):
        written = _add(deploy, name, _deploy, words)
        written.add_argument("--to", type=Path, help="folder to write into (otherwise they are printed)")
        written.add_argument("--bind", default="127.0.0.1:8000", help="where lms serve listens")
        written.set_defaults(what=name)

    database = commands.add_parser("db", help="the database").add_subparsers(metavar="ACT", required=True)
    _add(database, "upgrade", _db_upgrade, "bring the schema up to this version")
    _add(database, "check", _db_check, "say whether schema and models agree")

    trail = commands.add_parser("audit", help="the audit trail").add_subparsers(metavar="ACT", required=True)
    verify = _add(trail, "verify", _audit_verify, "prove every link, name the first broken one of each chain")
    verify.add_argument("--scope", help="one chain only, for example logbook:12")
    verify.add_argument("--data", type=Path, help="data folder of a demonstration site")
    _add(trail, "seal", _audit_seal, "seal today's chains into one root (the worker does this daily)")

    check = _add(commands, "verify", _verify, "check a certificate's PDF offline")
    check.add_argument("file", type=Path)
    check.add_argument("--root", type=Path, required=True, help="the root certificate that you trust")
    check.add_argument("--crl", type=Path, action="append", default=[], help="list of withdrawn certificates")
    check.add_argument("--time-root", type=Path, action="append", default=[], help="of a foreign clock")

    certificates = commands.add_parser("certificates", help="certificates").add_subparsers(
        metavar="ACT", required=True
    )
    export = _add(certificates, "export", _certificates_export, "write the issued PDFs and root.crt")
    export.add_argument("--data", type=Path, help="data folder of a demonstration site")
    export.add_argument("--to", type=Path, required=True)

    keys = certificates.add_parser("keys", help="the authority").add_subparsers(metavar="ACT", required=True)
    for name, words in (
        ("init", "make root, issuing authority and signer of a site that has none"),
        ("rotate", "make the next signer and renew the lists (needs issuing.key)"),
        ("revoke", "withdraw a signer, say what must be issued again (needs issuing.key)"),
        ("status", "every certificate of the authority, and the lists"),
    ):
        act = _add(keys, name, _keys, words)
        act.set_defaults(act=name)
        act.add_argument("--data", type=Path, help="data folder of a demonstration site")
        if name in {"init", "rotate"}:
            act.add_argument("--kind", choices=("rsa-3072", "p-256"), default="rsa-3072")
        if name == "revoke":
            act.add_argument(
                "--fingerprint", default="", help="SHA-256 or its beginning; else the present signer"
            )
            act.add_argument("--why", choices=("compromise", "superseded", "ended"), default="compromise")

    assessments = commands.add_parser("assessments", help="tests").add_subparsers(
        metavar="ACT", required=True
    )
    statistics = _add(
        assessments, "statistics", _assessments_statistics, "print the statistics of a test as JSON"
    )
    statistics.add_argument("test", help="the test's id, as in its address")
    statistics.add_argument("--csv", action="store_true", help="as a table for a spreadsheet")
    statistics.add_argument("--data", type=Path, help="data folder of a demonstration site")

    receipt = _add(assessments, "receipt", _assessments_receipt, "check the receipt of a sitting")
    receipt.add_argument("file", type=Path)
    receipt.add_argument(
        "--key",
        type=Path,
        help="public key to check by, without the site; else the site's key and its answers",
    )
    receipt.add_argument("--data", type=Path, help="data folder of a demonstration site")

    _add(commands, "permissions", _permissions, "print docs/permissions.md")

    bench = _add(commands, "bench", _bench, "measure the product on a temporary site, one JSON line per job")
    bench.add_argument("--trainees", type=int, nargs="*", default=[40, 2000])
    bench.add_argument("--rounds", type=int, default=200)

    drills = commands.add_parser("drill", help="rehearsals").add_subparsers(metavar="ACT", required=True)
    exam = _add(drills, "exam", _drill_exam, "rehearse an exam with lost replies and a server that is killed")
    exam.add_argument("--users", type=int, default=100)
    exam.add_argument("--questions", type=int, default=50)
    exam.add_argument("--minutes", type=float, default=5.0)
    exam.add_argument("--drop", type=float, default=5.0, metavar="PERCENT", help="of the replies are lost")
    exam.add_argument("--kill", type=int, default=3, metavar="K", help="times the server is killed")
    exam.add_argument(
        "--database",
        default="",
        metavar="URL",
        help="a PostgreSQL server on which a database is made and dropped; without: SQLite",
    )
    exam.add_argument(
        "--beside",
        action="store_true",
        help="on the disk and the database server of the site (LMS_* variables), whose data stay untouched",
    )
    return parser


def _add(
    commands: "argparse._SubParsersAction[argparse.ArgumentParser]", name: str, act: Command, words: str
) -> argparse.ArgumentParser:
    parser = commands.add_parser(name, help=words, description=words)
    parser.set_defaults(command=act)
    return parser


def _settings(data: Path | None = None, *, stands: bool = True) -> Settings:
    """The site's settings; with ``--data``, those of the demonstration in that folder, whatever the shell is set to.

    Raises UnsafeSettings for a folder without a site, if one must stand there; nothing is made in it.
    """
    if data is None:
        return load()
    if stands and not (data / "firefly.sqlite3").exists():
        raise UnsafeSettings(f"{data} holds no demonstration")
    return for_demonstration(data_dir=data, base_url="http://127.0.0.1:8000")


def _demo(args: argparse.Namespace) -> int:
    from lms import demo

    return demo.main(port=args.port, data=args.data, open_browser=not args.no_open, reset=args.reset)


def _serve(args: argparse.Namespace) -> int:
    from lms.serving import Server

    settings = load()
    processes = args.processes
    if processes > 1 and settings.database_url.startswith("sqlite"):
        print("lms: SQLite has one writer: serving with one process (PostgreSQL lifts this)", file=sys.stderr)
        processes = 1
    Server(
        settings, bind=args.bind, processes=processes, threads=args.threads, with_worker=args.with_worker
    ).run()
    return 0


def _worker(_args: argparse.Namespace) -> int:
    import signal

    from lms.app import create_app
    from lms.core import logs
    from lms.core.jobs import Worker

    logs.configure(verbose=True)
    worker = Worker(create_app(load()))
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: worker.stop())
    worker.run()
    return 0


def _doctor(args: argparse.Namespace) -> int:
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


def _backup(args: argparse.Namespace) -> int:
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


def _restore(args: argparse.Namespace) -> int:
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
    print("The site is back. Next: lms db upgrade, lms doctor, then lms serve.")
    return 0


def _deploy(args: argparse.Namespace) -> int:
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


def _upgrade(args: argparse.Namespace) -> int:
    from lms.core import clock
    from lms.operations import upgrade

    settings, passphrase = _settings(args.data), _passphrase(args.passphrase_file)
    try:
        done = upgrade.upgrade(settings, args.to, passphrase=passphrase, at=clock.now(), says=_note)
    except upgrade.NotUpgraded as problem:
        print(f"lms: {problem}", file=sys.stderr)
        return 1
    print(
        f"The schema went from {done.before} to {done.after}. The copy from before: {done.copy}. Start the site."
    )
    return 0


def _move(args: argparse.Namespace) -> int:
    import lms.app  # noqa: F401 (loads every table of every feature)
    from lms.operations import move

    moved = move.move(_settings(args.data).database_url, args.to, says=_note)
    for one in moved:
        print(f"{one.rows:>9}  {one.sha256[:16]}  {one.table}")
    print(f"All {sum(one.rows for one in moved)} rows of {len(moved)} tables are the same on both sides.")
    print(
        "Next: set LMS_DATABASE_URL to the new address, lms doctor, start the site; keep the SQLite file until you are sure."
    )
    return 0


def _init(args: argparse.Namespace) -> int:
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
            passphrase=settings.keys_passphrase,
            address=settings.base_url,
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


def _db_upgrade(_args: argparse.Namespace) -> int:
    from lms.migrations import build_schema

    settings = load()
    settings.data_dir.mkdir(parents=True, exist_ok=True)
    build_schema(settings.database_url)
    return 0


def _db_check(_args: argparse.Namespace) -> int:
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


def _audit_verify(args: argparse.Namespace) -> int:
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


def _audit_seal(_args: argparse.Namespace) -> int:
    from lms.app import create_app
    from lms.core import audit, clock
    from lms.core.db import transaction

    with create_app(load()).app_context(), transaction():
        root = audit.seal(clock.today(), at=clock.now())
    print(root.root if root else "sealed already")
    return 0


def _verify(args: argparse.Namespace) -> int:
    from lms.certificates import cli

    return cli.verify(args.file, root=args.root, crls=args.crl, time_roots=args.time_root)


def _certificates_export(args: argparse.Namespace) -> int:
    from lms.app import create_app
    from lms.certificates import cli

    settings = _settings(args.data)
    with create_app(settings).app_context():
        return cli.export(args.to, settings=settings)


def _keys(args: argparse.Namespace) -> int:
    from lms.app import create_app
    from lms.certificates import cli

    settings = _settings(args.data)
    if args.act == "init":
        return cli.make_keys(settings=settings, kind=args.kind)
    if args.act == "status":
        return cli.keys_status(settings=settings)
    with create_app(settings).app_context():
        if args.act == "revoke":
            return cli.revoke_key(args.fingerprint, settings=settings, why=args.why)
        return cli.rotate_keys(settings=settings, kind=args.kind)


def _assessments_statistics(args: argparse.Namespace) -> int:
    from lms.app import create_app
    from lms.assessments import cli

    with create_app(_settings(args.data)).app_context():
        return cli.statistics(args.test, as_csv=args.csv)


def _assessments_receipt(args: argparse.Namespace) -> int:
    from lms.app import create_app
    from lms.assessments import cli

    if args.key is not None and args.data is None:
        return cli.receipt(args.file, key=args.key)
    with create_app(_settings(args.data)).app_context():
        return cli.receipt(args.file, key=args.key, with_site=True)


def _permissions(_args: argparse.Namespace) -> int:
    from lms.policy import permissions_markdown

    print(permissions_markdown(), end="")
    return 0


def _bench(args: argparse.Namespace) -> int:
    from lms import bench

    return bench.main(trainees=args.trainees, rounds=args.rounds)


def _drill_exam(args: argparse.Namespace) -> int:
    from lms import drill

    plan = drill.Plan(args.users, args.questions, args.minutes, args.drop, args.kill)
    if not args.beside:
        return drill.main(plan, database_url=args.database)
    site = load()
    return drill.main(plan, database_url=args.database or site.database_url, beside=site.data_dir)


if __name__ == "__main__":
    sys.exit(main())
