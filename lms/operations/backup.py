"""Copies of a site: made while it runs, verified after writing, kept by a rule, and put back into an empty place.

A folder of copies holds ``objects/`` (files of the site, out of its folder or bucket, under their SHA-256, each once, however many copies name it)
and ``snapshots/<instant>/`` with the database, the sealed keys, and ``manifest.json``, which names everything with its digest and
carries its own. The database is copied first: every file that its rows name was on the disk before. A snapshot appears by one
rename, whole or not at all.
"""

import contextlib
import dataclasses
import fcntl
import hashlib
import io
import json
import os
import re
import shutil
import tarfile
import tempfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from lms import __version__
from lms.core import audit, copies, storage
from lms.core.copies import CopyFailed
from lms.core.digests import NotOpened, digest_of, seal, sha256_hex, unseal
from lms.core.errors import RuleBroken
from lms.core.storage import Storage, Stored
from lms.migrations import is_known, newest
from lms.settings import Settings, as_lines

MANIFEST, KEYS = "manifest.json", "keys.sealed"
PASSPHRASE_LENGTH = 12
_NAME = re.compile(r"\d{8}T\d{6}Z")
_SHA256 = re.compile(r"[0-9a-f]{64}")
_BESIDE = ("secret_key", "keys_passphrase", "receipts.key", "log.key")
"""Keys in the data folder: a demonstration’s own secrets, and those that sign receipts of exams and the certificates' log."""
SETTINGS = "settings.env"
SIGNER_WORD = "signer.passphrase"
"""What opens the keys of a signer that stands apart; without it they would be lost with the machine."""

Says = Callable[[str], None]
"""Hears a line about what is being done."""


@dataclass(frozen=True)
class Snapshot:
    """One copy of a site."""

    folder: Path
    body: Mapping[str, Any]
    """What the manifest says."""

    @property
    def name(self) -> str:
        """The instant at which it was begun."""
        return self.folder.name

    @property
    def at(self) -> datetime:
        """The same as an instant."""
        return datetime.strptime(self.name, "%Y%m%dT%H%M%SZ").replace(tzinfo=UTC)

    @property
    def objects(self) -> Path:
        """The folder of the files that copies share."""
        return self.folder.parent.parent / "objects"

    @property
    def database(self) -> Path:
        """The copied database."""
        return self.folder / str(self.body["database"]["file"])


@dataclass(frozen=True)
class Keep:
    """How many copies stay: the newest of each of the last days, weeks and months that have one."""

    daily: int
    weekly: int
    monthly: int


# ---------------------------------------------------------------- making


def make(
    settings: Settings, to: Path, *, revision: str, passphrase: str, at: datetime, says: Says
) -> Snapshot:
    """Copy the site into the folder ``to``; the site goes on meanwhile. ``passphrase``: seals the keys; empty leaves them out.

    ``revision``: where the schema stands. Raises RuleBroken and CopyFailed; then nothing of this copy is left.
    """
    if passphrase and len(passphrase) < PASSPHRASE_LENGTH:
        raise RuleBroken("short_passphrase", f"The passphrase needs at least {PASSPHRASE_LENGTH} characters.")
    (to / "snapshots").mkdir(parents=True, exist_ok=True)
    (to / "objects").mkdir(exist_ok=True)
    to.chmod(0o700)
    with _alone(to):
        name = at.astimezone(UTC).strftime("%Y%m%dT%H%M%SZ")
        target = to / "snapshots" / name
        if target.exists():
            raise RuleBroken("exists", f"There is a copy of this second already: {target}")
        for left in (to / "snapshots").glob(".*"):  # of a copy that was cut off
            shutil.rmtree(left, ignore_errors=True)
        before = snapshots(to)
        fresh = to / "snapshots" / f".{name}"
        fresh.mkdir(mode=0o700)
        try:
            body = _fill(
                fresh,
                settings,
                to / "objects",
                before,
                revision=revision,
                passphrase=passphrase,
                at=at,
                says=says,
            )
            _write(fresh / MANIFEST, json.dumps({"body": body, "sha256": digest_of(body)}, indent=1).encode())
            _sync(fresh)
            fresh.rename(target)
            _sync(target.parent)
        except BaseException:
            shutil.rmtree(fresh, ignore_errors=True)
            raise
    return Snapshot(target, body)


def _fill(
    fresh: Path,
    settings: Settings,
    objects: Path,
    before: Sequence[Snapshot],
    *,
    revision: str,
    passphrase: str,
    at: datetime,
    says: Says,
) -> dict[str, Any]:
    says("Copying the database …")
    database = fresh / ("database.sqlite3" if copies.is_sqlite(settings.database_url) else "database.dump")
    rows = copies.copy(settings.database_url, database)
    files = _copied_files(storage.place_of(settings), objects, before[-1] if before else None, says=says)
    body: dict[str, Any] = {
        "version": 1,
        "product": __version__,
        "at": at.astimezone(UTC).isoformat(timespec="seconds"),
        "revision": revision,
        "database": {
            "file": database.name,
            "sha256": _digest(database),
            "bytes": database.stat().st_size,
            "rows": rows,
        },
        "files": files,
        "keys": None,
    }
    if passphrase:
        sealed = seal(_packed_keys(settings), passphrase)
        _write(fresh / KEYS, sealed)
        body["keys"] = {"file": KEYS, "sha256": sha256_hex(sealed)}
    return body


def _copied_files(
    media: Storage, objects: Path, before: Snapshot | None, *, says: Says
) -> dict[str, dict[str, Any]]:
    """Name → digest, size and time of every file of the site; those that no copy holds yet are copied."""
    known = dict(before.body["files"]) if before else {}
    found: dict[str, dict[str, Any]] = {}
    new = 0
    for stored in media.everything():
        name = stored.name
        facts = {"size": stored.size_bytes, "mtime_ns": str(stored.changed_ns)}
        old = known.get(name)
        if old and {**facts, "sha256": old["sha256"]} == old and _object(objects, old["sha256"]).exists():
            found[name] = old
            continue
        with contextlib.suppress(
            FileNotFoundError
        ):  # replaced this moment: no row of the copied database names it
            digest, is_new = _kept(name, media.contents(name), objects)
            new += is_new
            if is_new and new % 100 == 0:
                says(f"Copied {new} new files …")
            found[name] = {**facts, "sha256": digest}
    says(f"{len(found)} files, {new} of them new.")
    return found


def _object(objects: Path, digest: str) -> Path:
    if not _SHA256.fullmatch(digest):
        raise CopyFailed("the manifest names no digest where one belongs")
    return objects / digest[:2] / digest


def _kept(name: str, chunks: Iterator[bytes], objects: Path) -> tuple[str, bool]:
    """Copy a file under its digest unless it is there; what was written is read again. (digest, whether it was new)"""
    with tempfile.TemporaryDirectory(dir=objects, prefix=".") as folder:
        fresh, digest = Path(folder) / "copy", hashlib.sha256()
        with fresh.open("wb") as copy:
            for chunk in chunks:
                digest.update(chunk)
                copy.write(chunk)
            copy.flush()
            os.fsync(copy.fileno())
        target = _object(objects, digest.hexdigest())
        if target.exists():
            return digest.hexdigest(), False
        if _digest(fresh) != digest.hexdigest():
            raise CopyFailed(
                f"what was written of {name} is not what was read: the disk of the copies is failing"
            )
        target.parent.mkdir(exist_ok=True)
        fresh.rename(target)
        _sync(target.parent)
    return digest.hexdigest(), True


def _packed_keys(settings: Settings) -> bytes:
    """The keys, a demonstration's own secrets, the signer's passphrase, and every setting as a file for the shell, as one archive.

    Raises RuleBroken where they are not for this user to read.
    """
    try:
        return _packed(settings)
    except PermissionError as problem:
        raise RuleBroken(
            "keys",
            f"{problem.filename} is not for this user to read: copies are made by the signer's user, as the unit "
            "firefly-backup does, or without the keys.",
        ) from problem


def _packed(settings: Settings) -> bytes:
    with io.BytesIO() as packed:
        with tarfile.open(fileobj=packed, mode="w:gz") as archive:
            for path in sorted(settings.keys_dir.glob("*")) if settings.keys_dir.is_dir() else ():
                archive.add(path, f"keys/{path.name}")
            for name in _BESIDE:
                if (settings.data_dir / name).is_file():
                    archive.add(settings.data_dir / name, f"data/{name}")
            if settings.signer_passphrase_file:
                archive.add(settings.signer_passphrase_file, f"data/{SIGNER_WORD}")
            content = as_lines(settings).encode()
            entry = tarfile.TarInfo(f"data/{SETTINGS}")
            entry.size, entry.mode = len(content), 0o600
            archive.addfile(entry, io.BytesIO(content))
        return packed.getvalue()


# ---------------------------------------------------------------- finding and forgetting


def snapshots(to: Path) -> list[Snapshot]:
    """The copies of a folder, the oldest first. Raises CopyFailed where a manifest does not hold."""
    folder = to / "snapshots"
    names = sorted(path for path in folder.iterdir() if _NAME.fullmatch(path.name)) if folder.is_dir() else []
    return [opened(path) for path in names]


def opened(folder: Path) -> Snapshot:
    """One copy by its folder, or the newest of a folder of copies. Raises RuleBroken and CopyFailed."""
    if (folder / "snapshots").is_dir():
        found = snapshots(folder)
        if not found:
            raise RuleBroken("none", f"There is no copy in {folder}.")
        return found[-1]
    if not _NAME.fullmatch(folder.name) or not (folder / MANIFEST).is_file():
        raise RuleBroken("none", f"{folder} is no copy of a site.")
    try:
        document = json.loads((folder / MANIFEST).read_bytes())
        body = document["body"]
        holds = digest_of(body) == document["sha256"] and body["version"] == 1
    except (ValueError, KeyError, TypeError) as problem:
        raise CopyFailed(f"the manifest of {folder.name} cannot be read: {problem}") from problem
    if not holds:
        raise CopyFailed(f"the manifest of {folder.name} was changed since it was written")
    return Snapshot(folder, body)


def prune(to: Path, keep: Keep) -> list[str]:
    """Forget the copies that the rule does not keep, then the files that none names. The newest always stays. Returns their names."""
    with _alone(to):
        found = snapshots(to)
        kept = {found[-1].name} if found else set()
        for number, period in ((keep.daily, "%Y-%m-%d"), (keep.weekly, "%G-%V"), (keep.monthly, "%Y-%m")):
            newest_of = {
                snapshot.at.strftime(period): snapshot.name for snapshot in found
            }  # the last one wins
            kept |= {newest_of[key] for key in sorted(newest_of)[-number:]} if number else set()
        gone = [snapshot for snapshot in found if snapshot.name not in kept]
        for snapshot in gone:
            away = snapshot.folder.with_name(f".{snapshot.name}")
            snapshot.folder.rename(away)
            shutil.rmtree(away)
        named = {
            one["sha256"]
            for snapshot in found
            if snapshot.name in kept
            for one in snapshot.body["files"].values()
        }
        for path in (to / "objects").glob("??/*"):
            if path.name not in named:
                path.unlink()
    return [snapshot.name for snapshot in gone]


# ---------------------------------------------------------------- checking and putting back


def check(snapshot: Snapshot, settings: Settings, *, passphrase: str = "", says: Says) -> list[str]:
    """What is wrong with a copy, in words: every file is read, the database is put back for a trial and its trail proved."""
    says("Reading every file …")
    found = _damage(snapshot)
    if passphrase and snapshot.body["keys"] and not found:
        try:
            unseal((snapshot.folder / KEYS).read_bytes(), passphrase)
        except NotOpened as problem:
            found.append(f"The keys cannot be opened: {problem}.")
    if not is_known(str(snapshot.body["revision"])):
        found.append(
            f"A newer version of Firefly made it (schema {snapshot.body['revision']}, here {newest()})."
        )
    if not found:
        says("Putting the database back for a trial …")
        try:
            found += _tried(snapshot, settings)
        except CopyFailed as problem:
            found.append(f"The database cannot be put back: {problem}.")
    return found


def _damage(snapshot: Snapshot) -> list[str]:
    wanted = [(snapshot.database, str(snapshot.body["database"]["sha256"]), snapshot.database.name)]
    if snapshot.body["keys"]:
        wanted.append((snapshot.folder / KEYS, str(snapshot.body["keys"]["sha256"]), KEYS))
    wanted += [
        (_object(snapshot.objects, one["sha256"]), one["sha256"], name)
        for name, one in snapshot.body["files"].items()
    ]
    read: dict[Path, str] = {}
    found = []
    for path, digest, name in wanted:
        if not path.is_file():
            found.append(f"{name} is missing.")
            continue
        if path not in read:
            read[path] = _digest(path)
        if read[path] != digest:
            found.append(f"{name} was changed since it was copied.")
    return found


def _tried(snapshot: Snapshot, settings: Settings) -> list[str]:
    from lms.app import create_app
    from lms.core.db import db

    if copies.is_sqlite(settings.database_url) != (snapshot.database.suffix == ".sqlite3"):
        return []  # of another kind of database than this site's: only the digests can be checked here
    with tempfile.TemporaryDirectory() as name, copies.scratch(settings.database_url, Path(name)) as url:
        copies.put_back(snapshot.database, url)
        if copies.counts(url) != snapshot.body["database"]["rows"]:
            return ["Rows are missing from the database."]
        trial = dataclasses.replace(
            settings,
            database_url=url,
            queue_url="",
            data_dir=Path(name),
            media_dir=Path(name) / "media",
            media_url="",
        )
        with create_app(trial).app_context():
            verdict = audit.verify()
            db.session.remove()
            db.engine.dispose()
    return [
        f"The audit trail is broken: {link.scope} at {link.seq} ({link.why})." for link in verdict.broken[:3]
    ]


def restore(snapshot: Snapshot, settings: Settings, *, passphrase: str = "", says: Says) -> None:
    """Put a site back into an empty place: files, keys (where ``passphrase`` opens them), and the database last.

    Raises RuleBroken where something stands there already, the passphrase does not fit or a newer version made the copy, and
    CopyFailed where the copy is damaged; nothing that was there is ever overwritten.
    """
    if not is_known(str(snapshot.body["revision"])):
        raise RuleBroken(
            "newer",
            f"A newer version of Firefly made this copy (schema {snapshot.body['revision']}): install that one first.",
        )
    if copies.is_sqlite(settings.database_url) != (snapshot.database.suffix == ".sqlite3"):
        raise RuleBroken("other_kind", "The copy is of another kind of database than LMS_DATABASE_URL names.")
    _require_empty(settings, with_keys=bool(passphrase))
    keys = _opened_keys(snapshot, passphrase)
    says("Reading every file …")
    if damage := _damage(snapshot):
        raise CopyFailed(f"the copy is damaged: {' '.join(damage[:5])}")
    says(f"Putting {len(snapshot.body['files'])} files back …")
    media = storage.place_of(settings)
    for name, one in snapshot.body["files"].items():
        try:
            media.put_back(
                _object(snapshot.objects, one["sha256"]),
                Stored(name, int(one["size"]), int(one["mtime_ns"])),
            )
        except ValueError:
            raise CopyFailed(f"the manifest names a file outside: {name}") from None
    if keys is not None:
        _put_keys_back(keys, settings)
    says("Putting the database back …")
    copies.put_back(snapshot.database, settings.database_url)
    if copies.counts(settings.database_url) != snapshot.body["database"]["rows"]:
        raise CopyFailed("rows are missing from the database that was put back")


def _require_empty(settings: Settings, *, with_keys: bool) -> None:
    held: list[Path | str] = []
    if next(storage.place_of(settings).everything(), None) is not None:
        held.append(settings.media_url or settings.media_dir)
    if with_keys and any(_inside(settings.keys_dir)):
        held.append(settings.keys_dir)
    if held:
        raise RuleBroken(
            "not_empty",
            f"There is something in {' and '.join(map(str, held))}: a site is put back into an empty place only.",
        )
    if not copies.is_empty(settings.database_url):
        raise RuleBroken(
            "not_empty", "The database holds something: a site is put back into an empty place only."
        )


def _inside(folder: Path) -> Iterator[Path]:
    return folder.iterdir() if folder.is_dir() else iter(())


def _opened_keys(snapshot: Snapshot, passphrase: str) -> bytes | None:
    if not passphrase or not snapshot.body["keys"]:
        return None
    try:
        return unseal((snapshot.folder / KEYS).read_bytes(), passphrase)
    except NotOpened as problem:
        raise RuleBroken("passphrase", f"The keys cannot be opened: {problem}.") from problem


def _put_keys_back(packed: bytes, settings: Settings) -> None:
    """What was sealed is ours and unchanged; all the same only plain names leave it, at most one folder deep (``retired/``)."""
    places = {"keys": settings.keys_dir, "data": settings.data_dir}
    with tarfile.open(fileobj=io.BytesIO(packed), mode="r:gz") as archive:
        for entry in archive:
            where, _slash, name = entry.name.partition("/")
            content = archive.extractfile(entry) if entry.isfile() else None
            if where not in places or not re.fullmatch(r"(?:[\w-]+/)?[\w-][\w.-]*", name) or content is None:
                continue
            for folder in (places[where], (places[where] / name).parent):
                folder.mkdir(parents=True, exist_ok=True, mode=0o700)
            (places[where] / name).unlink(missing_ok=True)
            _write(places[where] / name, content.read(), mode=entry.mode & 0o700)


# ---------------------------------------------------------------- small change


@contextlib.contextmanager
def _alone(to: Path) -> Iterator[None]:
    """One at a time works in a folder of copies. Raises RuleBroken."""
    with (to / ".lock").open("w") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as problem:
            raise RuleBroken("busy", f"Another copy into {to} is being made just now.") from problem
        yield


def _digest(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _write(path: Path, data: bytes, *, mode: int = 0o600) -> None:
    with os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, mode), "wb") as file:
        file.write(data)
        file.flush()
        os.fsync(file.fileno())


def _sync(folder: Path) -> None:
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
