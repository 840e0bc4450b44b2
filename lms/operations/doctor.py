"""``lms doctor``: everything of a site that can be wrong, in plain words, with the mend."""

import os
import platform
import pwd
import shutil
import statistics
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, dataclass
from datetime import UTC, datetime, timedelta
from functools import partial
from pathlib import Path

from sqlalchemy import func, select, text

from lms.core import audit, clock, jobs, mail, pdf, signer, signing, storage, video
from lms.core.db import db, quick_check, unguarded_tables
from lms.migrations import newest, revision_of
from lms.operations import buckets
from lms.settings import Settings

DISK_WRONG_BYTES, DISK_LOW_BYTES = 1_000_000_000, 10_000_000_000
FSYNC_TOO_FAST_MS, FSYNC_SLOW_MS = 0.02, 30.0
"""A disk that is asked to keep 4 KB for good takes 0.05 ms with a battery behind it and some ms without; what is far below has
promised what it did not do."""
DRIFT = timedelta(seconds=2)
SIGNATURES_HOLD = timedelta(minutes=5)
"""A service refuses signatures that are 15 minutes off, and a signed address opens a file for 10: no more than half of that."""
EXPIRES_SOON = timedelta(days=90)
OLDEST_SQLITE, OLDEST_POSTGRESQL = (3, 35), 15


@dataclass(frozen=True)
class Check:
    """One finding."""

    name: str
    ok: bool
    says: str
    mend: str = ""
    """What to do. Where ``ok`` all the same: worth doing before it goes wrong."""


Finding = Iterator[tuple[bool, str, str]]
"""ok, says, mend: what one look yields, once or several times."""


def examine(settings: Settings, *, at: datetime) -> list[Check]:
    """Look at everything, inside the app's context. A look that fails is itself a finding; nothing is raised."""
    looks: Sequence[tuple[str, Callable[[], Finding]]] = (
        ("settings", partial(_settings, settings)),
        ("database", _database),
        ("migrations", _migrations),
        ("history", _history),
        ("clock", partial(_clock, at)),
        ("queue", partial(_queue, settings, at)),
        ("disk", partial(_disk, settings)),
        ("fsync", partial(_fsync, settings)),
        ("media", partial(_media, settings)),
        ("ffmpeg", partial(_ffmpeg, settings)),
        ("transcriber", partial(_transcriber, settings)),
        ("pdf", _pdf),
        ("signing", partial(_signing, settings, at)),
        ("signer", partial(_signer, settings, at)),
        ("mail", partial(_mail, settings)),
        ("audit", _audit),
    )
    return [check for name, look in looks for check in _looked(name, look)]


def _looked(name: str, look: Callable[[], Finding]) -> list[Check]:
    found: list[Check] = []
    try:
        found.extend(Check(name, ok, says, mend) for ok, says, mend in look())
    except Exception as problem:  # noqa: BLE001 (whatever it is, it is what the doctor was asked for)
        db.session.rollback()
        said = str(problem).strip().partition("\n")[0] or type(problem).__name__
        found.append(
            Check(name, ok=False, says=said[:300], mend=_MENDS.get(name, "Read the log of the site."))
        )
    return found


_MENDS = {
    "database": "Start the database, or correct LMS_DATABASE_URL.",
    "migrations": "Run: lms db upgrade",
    "history": "Start the database, then look again.",
    "clock": "Start the database, then look again.",
    "queue": "Start Redis or correct LMS_QUEUE_URL. Until then the workers find their work in the database, more slowly.",
    "disk": "Make the folders of LMS_DATA_DIR and LMS_MEDIA_DIR, readable for the user that runs lms.",
    "fsync": "Let the user that runs lms write in LMS_DATA_DIR.",
    "media": "Let the user that runs lms write in LMS_MEDIA_DIR (with LMS_MEDIA_URL too: what comes in passes through it).",
    "ffmpeg": "Install ffmpeg (apt install ffmpeg), or name it in LMS_FFMPEG.",
    "transcriber": "Correct LMS_TRANSCRIBER, or install what it names; unset it to have no drafted captions.",
    "pdf": "Install Pango (apt install libpango-1.0-0 libpangoft2-1.0-0 libharfbuzz-subset0).",
    "signing": "Put the keys back from a backup (lms restore) and check LMS_KEYS_DIR and LMS_KEYS_PASSPHRASE.",
    "signer": "Run this as root, and look at: journalctl -u firefly-signer",
    "mail": "Correct LMS_MAIL_URL, or ask who keeps the mail server. Letters wait meanwhile.",
    "audit": "Do nothing to the database. Keep a copy of it and call whoever answers for data protection.",
}


def _settings(settings: Settings) -> Finding:
    # load() has refused what is unsafe; what is left is what a production should decide and this one has not.
    yield True, f"{settings.env}, Python {platform.python_version()}, {settings.base_url}", ""
    if settings.is_production and settings.plain_http:
        yield (
            True,
            "The site is reached without encryption.",
            "Give it a certificate and unset LMS_PLAIN_HTTP.",
        )
    if settings.is_production and settings.base_url.startswith("https://") and settings.trusted_proxies == 0:
        says = "The site is reached over https, but no proxy is trusted: all callers look like one address."
        yield True, says, "Set LMS_TRUSTED_PROXIES=1 behind nginx."


def _database() -> Finding:
    if db.engine.dialect.name == "sqlite":
        version = str(db.session.scalar(text("SELECT sqlite_version()")))
        is_old = tuple(int(part) for part in version.split(".")[:2]) < OLDEST_SQLITE
        yield not is_old, f"SQLite {version}", "Install Python with a newer SQLite." if is_old else ""
    else:
        number = int(str(db.session.scalar(text("SHOW server_version_num"))))
        is_old = number // 10_000 < OLDEST_POSTGRESQL
        yield (
            not is_old,
            f"PostgreSQL {number // 10_000}.{number % 10_000}",
            "Upgrade PostgreSQL." if is_old else "",
        )
        if (
            db.session.scalar(text("SHOW synchronous_commit")) == "off"
            or db.session.scalar(text("SHOW fsync")) == "off"
        ):
            yield (
                False,
                "PostgreSQL answers before it has written.",
                "Set fsync and synchronous_commit to on.",
            )
    if said := quick_check():
        yield (
            False,
            f"The database is damaged: {said[:200]}",
            "Stop the site and restore the newest backup (lms restore).",
        )


def _migrations() -> Finding:
    found, wanted = revision_of(db.session.connection()), newest()
    if found == wanted:
        yield True, f"The schema stands at {wanted}.", ""
    else:
        yield (
            False,
            f"The schema stands at {found or 'nothing'}, this version wants {wanted}.",
            "Run: lms db upgrade",
        )


def _history() -> Finding:
    if unguarded := unguarded_tables():
        mend = (
            "Restore a backup, or have the triggers of these tables made again as the migrations make them."
        )
        yield False, f"History could be rewritten: no trigger on {', '.join(unguarded)}.", mend
    else:
        yield True, "The database refuses to rewrite history.", ""


def _clock(at: datetime) -> Finding:
    if db.engine.dialect.name != "sqlite":
        began = clock.now()
        there = db.session.scalar(select(func.clock_timestamp()))
        assert isinstance(there, datetime)
        drift = abs(there - began - (clock.now() - began) / 2)
        yield (
            drift <= DRIFT,
            f"The database's clock differs by {drift.total_seconds():.1f} s.",
            ("" if drift <= DRIFT else "Let both machines keep time (timedatectl set-ntp true)."),
        )
    newest_at = db.session.scalar(select(func.max(audit.AuditEvent.at)))
    if newest_at is not None and newest_at > at + DRIFT:
        says = f"The clock was set back: something was recorded at {newest_at.astimezone(UTC):%Y-%m-%d %H:%M} UTC."
        yield False, says, "Let the machine keep time (timedatectl set-ntp true)."
    else:
        yield (
            True,
            f"It is {at.astimezone(UTC):%Y-%m-%d %H:%M} UTC, later than everything that was recorded.",
            "",
        )


def _queue(settings: Settings, at: datetime) -> Finding:
    length = jobs.queue().length()
    waiting = {name: count for name, count in jobs.backlog(at).items() if count}
    words = ", ".join(f"{name} {count}" for name, count in sorted(waiting.items())) or "nothing"
    where = "Redis" if settings.queue_url else "A file"
    yield (
        True,
        f"{where} with {length} messages; waiting for a worker: {words}.",
        ("If this does not fall, no worker runs: start lms worker." if waiting else ""),
    )


def _disk(settings: Settings) -> Finding:
    folders = {settings.data_dir, settings.media_dir}
    for device in {folder.stat().st_dev: folder for folder in sorted(folders)}.values():
        free = shutil.disk_usage(device).free
        mend = "" if free >= DISK_LOW_BYTES else f"Make room on the disk of {device}."
        yield free >= DISK_WRONG_BYTES, f"{free / 1e9:.1f} GB are free for {device}.", mend


def _fsync(settings: Settings) -> Finding:
    spent = []
    with tempfile.TemporaryFile(dir=settings.data_dir) as file:
        for _ in range(25):
            file.write(os.urandom(4096))
            began = time.perf_counter()
            file.flush()
            os.fsync(file.fileno())
            spent.append((time.perf_counter() - began) * 1000)
    middle = statistics.median(spent)
    says = f"To keep 4 KB for good takes {middle:.2f} ms."
    if middle < FSYNC_TOO_FAST_MS:
        says += " No disk is so fast."
        yield (
            True,
            says,
            "Ask whether the disk (or its virtual machine) ignores flushes: a power cut would lose answers.",
        )
    elif middle > FSYNC_SLOW_MS:
        yield True, says, "Exams of many candidates need a faster disk (an SSD)."
    else:
        yield True, says, ""


def _media(settings: Settings) -> Finding:
    with storage.storage().temporary("doctor-") as folder:
        (folder / "probe").write_bytes(b"probe")
    place = storage.storage()
    if not isinstance(place, storage.BucketStorage):
        yield True, f"Files can be kept in {settings.media_dir}.", ""
        return
    found = buckets.examine(place)
    if found.trouble:
        yield False, found.trouble, found.mend
        return
    yield True, f"Files can be kept in {settings.media_url} at {settings.bucket_host}.", ""
    drift = abs(found.drift).total_seconds()
    says = f"The bucket's clock differs by {drift:.0f} s."
    # The service tells whole seconds, and the question took its own time.
    is_near = drift <= DRIFT.total_seconds() + 1
    yield drift < SIGNATURES_HOLD.total_seconds(), says, "" if is_near else _KEEP_TIME
    if found.is_public:
        yield False, "Whoever knows the address of a file can read it without asking the site.", _NOT_PUBLIC
    else:
        yield True, "The bucket shows nothing to strangers, and a signed address opens one file.", ""
    left = buckets.left_in_folder(storage.LocalStorage(settings.media_dir), place)
    if left:
        says = f"{left} files lie in {settings.media_dir} and not in the bucket: pages that show them find nothing."
        yield False, says, "Run: lms move --media"


_KEEP_TIME = "Let this machine and the service keep time (timedatectl set-ntp true)."
_NOT_PUBLIC = "Take every public policy and ACL from the bucket (on Amazon: Block Public Access)."


def _ffmpeg(settings: Settings) -> Finding:
    program = video.find_ffmpeg(settings.ffmpeg)
    version, lacks = video.version_and_lacks(program)
    says = f"{version} at {program}" + (f" lacks {', '.join(lacks)}" if lacks else "")
    yield not lacks, says, _MENDS["ffmpeg"] if lacks else ""


def _transcriber(settings: Settings) -> Finding:
    if not settings.transcriber:
        yield True, "Drafted captions are off.", ""
    elif trouble := video.trouble_of(settings.transcriber):
        yield False, f"Captions cannot be drafted: {trouble}", _MENDS["transcriber"]
    else:
        yield True, "Captions are drafted by a recogniser on this machine; it can be run.", ""


def _pdf() -> Finding:
    missing = pdf.missing_glyphs("结业证书 李思远·买买提 Ⅰ–Ⅴ 𠮷 Dhondup")
    says = (
        "The fonts draw Chinese and Latin names." if not missing else f"The fonts lack {' '.join(missing)}."
    )
    yield not missing, says, "Install Firefly anew: its fonts are not whole." if missing else ""
    pdf.ready()
    yield True, "WeasyPrint finds Pango.", ""


def _signing(settings: Settings, at: datetime) -> Finding:
    token = signing.token_of(settings)
    every = signing.valid_until(settings.keys_dir, _passphrase_or_none(settings), in_token=token is not None)
    for name, until in every.items():
        says = f"{name} is in force until {until:%Y-%m-%d}."
        mend = "" if until > at + EXPIRES_SOON else "Fetch issuing.key and run: lms certificates keys rotate"
        yield until > at, says, mend
    for name, until in signing.lists_until(settings.keys_dir).items():
        mend = (
            ""
            if until > at + EXPIRES_SOON
            else "Fetch the authority's keys and run: lms certificates keys rotate"
        )
        yield until > at, f"{name} speaks until {until:%Y-%m-%d}.", mend
    left = [name for name in (signing.ROOT_KEY, signing.ISSUING_KEY) if (settings.keys_dir / name).exists()]
    if left and settings.is_production:
        yield (
            True,
            f"{' and '.join(left)} lie on this machine.",
            "Move them to a medium in a safe; the site does not need them.",
        )


def _passphrase_or_none(settings: Settings) -> str:
    """For who may not read it the certificates beside the keys say enough."""
    try:
        return signing.passphrase_of(settings)
    except signing.KeyAway:
        return ""


def _signer(settings: Settings, at: datetime) -> Finding:
    if not settings.signs_apart:
        yield (
            True,
            "The worker signs" + (", as is right for a demonstration." if settings.is_demo else "."),
            "Give the keys to a process of their own (docs/operations.md, The signer): who breaks into the web server "
            "could read them now."
            if settings.is_production
            else "",
        )
        return
    found, waiting = signer.state(at), jobs.backlog(at)
    count = sum(number for name, number in waiting.items() if jobs.JOBS[name].signs)
    waits = f"{count} wait for it" if count else "nothing waits for it"
    if not found.is_at_work:
        last = f", last at {found.seen_at.astimezone(UTC):%Y-%m-%d %H:%M} UTC" if found.seen_at else ""
        yield not count, f"No signer is at work{last}; {waits}.", "Start it: systemctl start firefly-signer"
    elif found.trouble:
        yield False, f"The signer cannot sign: {found.trouble}; {waits}.", "Mend that; it goes on by itself."
    else:
        yield True, f"The signer is at work; {waits}.", ""
    if readable := readable_by_web(settings):
        says = f"The web server's user can read {', '.join(readable)} in {settings.keys_dir}."
        yield not settings.is_production, says, "As root: lms certificates keys apart"
    else:
        yield True, "The web server's user can read no signing key.", ""


def readable_by_web(settings: Settings) -> list[str]:
    """Names of the private files that the owner of the data folder, as whom the web server runs, can read."""
    user = settings.data_dir.stat()
    try:
        account = pwd.getpwuid(user.st_uid)
        groups = set(os.getgrouplist(account.pw_name, account.pw_gid))
    except KeyError:
        groups = set()
    groups.add(user.st_gid)

    def may(path: Path, bit: int) -> bool:
        about = path.stat()
        if about.st_uid == user.st_uid:
            return bool(about.st_mode & bit << 6)
        return bool(about.st_mode & (bit << 3 if about.st_gid in groups else bit))

    folder = settings.keys_dir.resolve()
    if user.st_uid != 0 and not all(may(one, 0o1) for one in (folder, *folder.parents)):
        return []
    return [path.name for path in signing.private_files(folder) if user.st_uid == 0 or may(path, 0o4)]


def _mail(settings: Settings) -> Finding:
    if settings.mail_url:
        mail.greet(settings)
        yield True, "The mail server takes letters from us.", ""
    else:
        mend = "Set LMS_MAIL_URL, or give people their links by hand." if settings.is_production else ""
        yield True, "Letters are kept as files and leave the machine never.", mend


def _audit() -> Finding:
    verdict = audit.verify()
    if verdict.broken:
        first = verdict.broken[0]
        says = (
            f"{len(verdict.broken)} links are broken, the first is {first.scope} at {first.seq}: {first.why}"
        )
        yield False, says, _MENDS["audit"]
    else:
        yield True, f"{verdict.events} events in {verdict.chains} chains hold.", ""


def as_document(checks: Sequence[Check]) -> dict[str, object]:
    """For ``--json``."""
    return {"checks": [asdict(check) for check in checks]}


def as_text(checks: Sequence[Check]) -> str:
    """A line for each finding, its mend below it."""
    lines = []
    for check in checks:
        sign = "WRONG" if not check.ok else "look" if check.mend else "ok"
        lines.append(f"{sign:<6}{check.name:<12}{check.says}")
        if check.mend:
            lines.append(f"{'':<18}→ {check.mend}")
    wrong = sum(not check.ok for check in checks)
    lines.append("Everything holds." if not wrong else f"{wrong} of {len(checks)} are wrong.")
    return "\n".join(lines)


def of_settings_refused(problem: Exception) -> list[Check]:
    """What can be said of a site whose settings are refused."""
    return [
        Check(
            "settings",
            ok=False,
            says=str(problem),
            mend="Correct the setting (docs/settings.md) and look again.",
        )
    ]
