"""The command line: the same acts from another door. Exit status 0 done, 1 found wrong, 2 refused."""

import argparse
import os
import sys
from collections.abc import Callable, Sequence
from datetime import date
from pathlib import Path

from lms import __version__
from lms.cli import acts
from lms.core.errors import LmsError, RuleBroken
from lms.settings import UnsafeSettings, read_file

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
        if args.settings is not None and (args.settings.exists() or command is not acts.init):
            os.environ.update(read_file(args.settings))
        return command(args)
    except RuleBroken as refusal:
        print(f"lms: {refusal.message} [{refusal.code}]", file=sys.stderr)
    except (LmsError, UnsafeSettings) as problem:
        print(f"lms: {problem}", file=sys.stderr)
    except OSError as problem:
        print(f"lms: {problem.strerror or problem}: {problem.filename or ''}".rstrip(": "), file=sys.stderr)
    except KeyboardInterrupt:
        return 130
    except Exception as problem:
        known = sys.modules.get("sqlalchemy.exc")  # not read in here: gunicorn's own process needs none of it
        if known is None or not isinstance(problem, (known.OperationalError, known.ProgrammingError)):
            raise
        # Status 1 is for what was looked at and found wrong; here nothing could be looked at.
        print(f"lms: the database does not answer, or has no site in it: {problem.orig}", file=sys.stderr)
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

    demo = _add(commands, "demo", acts.demo, "build the demonstration programme and serve it")
    demo.add_argument("--port", type=int, default=8000)
    demo.add_argument("--data", type=Path, default=Path("instance"), help="everything it writes goes here")
    demo.add_argument("--no-open", action="store_true", help="do not open a browser")
    demo.add_argument("--reset", action="store_true", help="forget the old data and start over")

    serve = _add(commands, "serve", acts.serve, "serve the site (settings from LMS_* variables)")
    serve.add_argument("--bind", default="127.0.0.1:8000")
    serve.add_argument("--processes", type=int, default=1, help="web processes (one for each core)")
    serve.add_argument("--threads", type=int, default=16)
    serve.add_argument(
        "--with-worker", action="store_true", help="do background work in a thread of this process too"
    )

    _add(commands, "worker", acts.worker, "do background work until stopped")
    _add(
        commands,
        "signer",
        acts.signer,
        "sign certificates until stopped, as the only process with keys (LMS_SIGNER=separate)",
    )

    doctor = _add(
        commands, "doctor", acts.doctor, "look at everything that can be wrong, and say how to mend it"
    )
    doctor.add_argument("--json", action="store_true", help="for a program that watches")
    doctor.add_argument("--data", type=Path, help="data folder of a demonstration site")

    backup = _add(
        commands, "backup", acts.backup, "copy the site while it runs; only new files are copied again"
    )
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

    restore = _add(commands, "restore", acts.restore, "put a copy back into an empty place, or --check it")
    restore.add_argument("copy", type=Path, help="a snapshot, or a folder of copies (then its newest)")
    restore.add_argument(
        "--check", action="store_true", help="put nothing back: read every file, try the database"
    )
    restore.add_argument("--passphrase-file", type=Path, help="opens keys and settings")
    restore.add_argument("--data", type=Path, help="data folder of a demonstration site")

    upgrade = _add(
        commands, "upgrade", acts.upgrade, "copy, rehearse on the copy, upgrade; back again if anything fails"
    )
    upgrade.add_argument("--to", type=Path, required=True, help="the folder of copies")
    upgrade.add_argument(
        "--bind",
        default="127.0.0.1:8000",
        help="where the site listens: a page there tells people how far the upgrade is (none: no page)",
    )
    upgrade.add_argument("--passphrase-file", type=Path, help="seals keys and settings in the copy")
    upgrade.add_argument("--data", type=Path, help="data folder of a demonstration site")

    move = _add(commands, "move", acts.move, "carry a site to PostgreSQL, or its files into a bucket")
    what = move.add_mutually_exclusive_group(required=True)
    what.add_argument(
        "--to",
        metavar="URL",
        help="an empty PostgreSQL database: postgresql+psycopg://user:password@host/name",
    )
    what.add_argument(
        "--media", action="store_true", help="the files of LMS_MEDIA_DIR into the bucket of LMS_MEDIA_URL"
    )
    move.add_argument("--data", type=Path, help="data folder of a demonstration site")

    init = _add(commands, "init", acts.init, "make the database and the first administrator")
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
        written = _add(deploy, name, acts.deploy, words)
        written.add_argument("--to", type=Path, help="folder to write into (otherwise they are printed)")
        written.add_argument(
            "--bind",
            nargs="+",
            default=["127.0.0.1:8000"],
            help="where lms serve listens (nginx: on each machine that has one)",
        )
        written.set_defaults(what=name)

    database = commands.add_parser("db", help="the database").add_subparsers(metavar="ACT", required=True)
    _add(database, "upgrade", acts.db_upgrade, "bring the schema up to this version")
    _add(database, "check", acts.db_check, "say whether schema and models agree")

    trail = commands.add_parser("audit", help="the audit trail").add_subparsers(metavar="ACT", required=True)
    verify = _add(
        trail, "verify", acts.audit_verify, "prove every link, name the first broken one of each chain"
    )
    verify.add_argument("--scope", help="one chain only, for example logbook:12")
    verify.add_argument("--data", type=Path, help="data folder of a demonstration site")
    _add(trail, "seal", acts.audit_seal, "seal today's chains into one root (the worker does this daily)")

    check = _add(commands, "verify", acts.verify, "check a certificate's PDF, or a print's QR code, offline")
    check.add_argument("file", type=Path, nargs="?")
    check.add_argument("--root", type=Path, help="the root certificate that you trust")
    check.add_argument("--qr", help="what the QR code of a print says, in quotes; with --issuer")
    check.add_argument("--crl", type=Path, action="append", default=[], help="list of withdrawn certificates")
    check.add_argument(
        "--status", type=Path, action="append", default=[], help="status list that you kept (/status/…)"
    )
    check.add_argument(
        "--issuer", type=Path, help="the site's did.json that you kept: checks whose lists they are"
    )
    check.add_argument("--time-root", type=Path, action="append", default=[], help="of a foreign clock")

    certificates = commands.add_parser("certificates", help="certificates").add_subparsers(
        metavar="ACT", required=True
    )
    export = _add(certificates, "export", acts.certificates_export, "write the issued PDFs and root.crt")
    export.add_argument("--data", type=Path, help="data folder of a demonstration site")
    export.add_argument("--to", type=Path, required=True)
    export.add_argument(
        "--all", action="store_true", help="also those that no longer count, in folders of their own"
    )
    give = _add(certificates, "issue", acts.certificates, "issue to a cohort's trainees who are ready")
    give.add_argument("cohort", help="the cohort's id, as in its address")
    give.add_argument("--only", nargs="*", default=[], metavar="ENROLMENT", help="these trainees only")
    give.add_argument("--kind", choices=("completion", "credit"), default="completion")
    for name, words in (("first", "the cohort's first day"), ("last", "today")):
        give.add_argument(
            f"--{name}", type=date.fromisoformat, metavar="DAY", help=f"{name} day of credits; else {words}"
        )
    for name, words in (
        ("revoke", "take a certificate back, for good"),
        ("suspend", "let a certificate not count for now"),
        ("lift", "end a suspension"),
        ("replace", "issue a corrected or renewed one in its place"),
    ):
        verb = _add(certificates, name, acts.certificates, words)
        verb.add_argument("serial")
        verb.add_argument("--reason", required=True)
        verb.set_defaults(verb=name)
        for one in (verb,) if name != "revoke" else (verb, give):
            one.add_argument("--by", required=True, metavar="LOGIN", help="the account that acts")
            one.add_argument("--data", type=Path, help="data folder of a demonstration site")
    told = _add(certificates, "status", acts.certificates, "count the register, or tell one certificate")
    told.add_argument("serial", nargs="?")
    told.add_argument("--data", type=Path, help="data folder of a demonstration site")
    saved = _add(
        certificates,
        "verifier",
        acts.certificates_verifier,
        "write the page that checks without a connection",
    )
    saved.add_argument("--to", type=Path, required=True)
    saved.add_argument("--lang", choices=("zh_Hans", "en"), default="zh_Hans")
    saved.add_argument("--data", type=Path, help="data folder of a demonstration site")
    public_log = certificates.add_parser("log", help="the public log").add_subparsers(
        metavar="ACT", required=True
    )
    proven = _add(public_log, "verify", acts.certificates, "compute the log anew, compare every signed head")
    proven.add_argument("--head", type=Path, help="a head that you kept (the JSON of /verify/log.json)")
    proven.add_argument("--data", type=Path, help="data folder of a demonstration site")

    logbooks = commands.add_parser("logbooks", help="logbooks").add_subparsers(metavar="ACT", required=True)
    prove = _add(
        logbooks, "verify", acts.logbooks_verify, "check every signature of a logbook, name what is broken"
    )
    prove.add_argument("--enrolment", required=True, help="the enrolment's id, as in the trainee's address")
    prove.add_argument("--data", type=Path, help="data folder of a demonstration site")

    listed = logbooks.add_parser("frameworks", help="competency frameworks").add_subparsers(
        metavar="WHAT", required=True
    )
    for name, words in (
        ("list", "every published version with its id"),
        ("export", "write one version as a file to standard output"),
    ):
        act = _add(listed, name, acts.logbooks_frameworks, words)
        act.add_argument("--data", type=Path, help="data folder of a demonstration site")
        if name == "export":
            act.add_argument("--framework", required=True, help="the version's id, as in its address")

    keys = certificates.add_parser("keys", help="the authority").add_subparsers(metavar="ACT", required=True)
    for name, words in (
        ("init", "make root, issuing authority and signer of a site that has none"),
        ("rotate", "make the next signer and renew the lists (needs issuing.key)"),
        ("revoke", "withdraw a signer, say what must be issued again (needs issuing.key)"),
        ("status", "every certificate of the authority, and the lists; whether the token signs"),
        ("apart", "give the keys to a user who alone reads them (as root), and set LMS_SIGNER=separate"),
    ):
        act = _add(keys, name, acts.keys, words)
        act.set_defaults(act=name)
        act.add_argument("--data", type=Path, help="data folder of a demonstration site")
        if name in {"init", "rotate"}:
            act.add_argument("--kind", choices=("rsa-3072", "p-256"), default="rsa-3072")
        if name == "apart":
            act.add_argument("--user", default="firefly-signer")
            act.add_argument("--to", type=Path, default=Path("/var/lib/firefly-signer/keys"))
            act.add_argument("--passphrase-file", type=Path, default=Path("/etc/firefly/signer.passphrase"))
        if name == "revoke":
            act.add_argument(
                "--fingerprint", default="", help="SHA-256 or its beginning; else the present signer"
            )
            act.add_argument("--why", choices=("compromise", "superseded", "ended"), default="compromise")

    assessments = commands.add_parser("assessments", help="tests").add_subparsers(
        metavar="ACT", required=True
    )
    statistics = _add(
        assessments, "statistics", acts.assessments_statistics, "print the statistics of a test as JSON"
    )
    statistics.add_argument("test", help="the test's id, as in its address")
    statistics.add_argument("--csv", action="store_true", help="as a table for a spreadsheet")
    statistics.add_argument("--data", type=Path, help="data folder of a demonstration site")

    receipt = _add(assessments, "receipt", acts.assessments_receipt, "check the receipt of a sitting")
    receipt.add_argument("file", type=Path)
    receipt.add_argument(
        "--key",
        type=Path,
        help="public key to check by, without the site; else the site's key and its answers",
    )
    receipt.add_argument("--data", type=Path, help="data folder of a demonstration site")

    films = commands.add_parser("video", help="films of lectures").add_subparsers(
        metavar="ACT", required=True
    )
    film = _add(films, "add", acts.video_add, "make a file the next version of a lecture's film")
    film.add_argument("file", type=Path)
    film.add_argument("--lecture", required=True, metavar="ID", help="the last part of the lecture's address")
    film.add_argument("--data", type=Path, help="data folder of a demonstration site")

    _add(commands, "permissions", acts.permissions, "print docs/permissions.md")

    bench = _add(
        commands, "bench", acts.bench, "measure the product on a temporary site, one JSON line per job"
    )
    bench.add_argument("--trainees", type=int, nargs="*", default=[40, 2000])
    bench.add_argument("--rounds", type=int, default=200)

    drills = commands.add_parser("drill", help="rehearsals").add_subparsers(metavar="ACT", required=True)
    day = _add(drills, "site", acts.drill_site, "play a mixed day with everybody at work at once")
    day.add_argument("--users", type=int, default=400, help="trainees; mentors and others come with them")
    day.add_argument("--minutes", type=float, default=2.0)
    _add_place(day)
    exam = _add(
        drills, "exam", acts.drill_exam, "rehearse an exam with lost replies and a server that is killed"
    )
    exam.add_argument("--users", type=int, default=100)
    exam.add_argument("--questions", type=int, default=50)
    exam.add_argument("--minutes", type=float, default=5.0)
    exam.add_argument("--drop", type=float, default=5.0, metavar="PERCENT", help="of the replies are lost")
    exam.add_argument("--kill", type=int, default=3, metavar="K", help="times the server is killed")
    _add_place(exam)
    return parser


def _add_place(drill: argparse.ArgumentParser) -> None:
    """Where a drill takes place."""
    drill.add_argument(
        "--database",
        default="",
        metavar="URL",
        help="a PostgreSQL server on which a database is made and dropped; without: SQLite",
    )
    drill.add_argument(
        "--beside",
        action="store_true",
        help="on the disk and the database server of the site (LMS_* variables), whose data stay untouched",
    )


def _add(
    commands: "argparse._SubParsersAction[argparse.ArgumentParser]", name: str, act: Command, words: str
) -> argparse.ArgumentParser:
    parser = commands.add_parser(name, help=words, description=words)
    parser.set_defaults(command=act)
    return parser
