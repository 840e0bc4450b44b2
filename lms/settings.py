"""Settings: read once from ``LMS_*`` variables into one frozen object; an unsafe production is refused."""

import contextlib
import os
import re
import secrets
import shlex
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import urlsplit


class UnsafeSettings(Exception):
    """A production site may not start like this; the text says what to change."""


DEMO_ORGANISATION = "Firefly demonstration hospital"
SEPARATE = "separate"
"""Value of LMS_SIGNER."""
WEAK_SECRETS = frozenset({"", "dev", "secret", "changeme", "change-me", "test", "firefly", "password"})
SECRET_LENGTH = 32


@dataclass(frozen=True)
class Settings:
    """Everything a site decides. Each field is the variable ``LMS_`` + its name; docs/settings.md explains them."""

    env: str
    """``production``, ``demo`` or ``test``."""
    secret_key: str
    data_dir: Path
    database_url: str
    queue_url: str
    """Empty: a SQLite file in the data folder. ``redis://…``: Redis, with workers on many machines."""
    media_dir: Path
    """Where files lie; where they lie in a bucket, this machine's own disk for what is on the way."""
    media_url: str
    """Empty, or ``s3://bucket`` (``s3://bucket/folder``): files lie there."""
    media_endpoint: str
    """Where the service of the bucket answers; empty: Amazon's address of the region."""
    media_region: str
    media_access_key: str
    media_secret_key: str = field(repr=False)
    keys_dir: Path
    keys_passphrase: str
    base_url: str
    """Public address, for links in mail and the QR of certificates; no slash at the end."""
    plain_http: bool
    """Whether a production may be reached without encryption, in a closed internal network."""
    mail_url: str
    """``smtp://user:password@host:587?tls=1``; empty: mails are kept as files in the data folder."""
    mail_from: str
    ffmpeg: str
    transcriber: str
    """Empty, or the command line of a speech recogniser on this machine, which drafts captions (core/video/speech.py)."""
    video_inbox: str
    """Empty, or a folder whose files become videos of lectures (``<lecture's id>/<file>``)."""
    trusted_proxies: int
    x_accel_prefix: str
    """Empty, or the internal nginx location that serves the media folder (``/_media/``)."""
    secure_cookies: bool
    organisation: str
    """Name of the training hospital on signing certificates."""
    metrics_token: str
    """What Prometheus shows to read ``/metrics``; empty: that address does not exist."""
    signature_level: str
    """How far certificates are signed: ``B-B``, ``B-T`` (with a time stamp) or ``B-LTA`` (with all evidence, for decades)."""
    timestamp_url: str
    """A time-stamp authority (RFC 3161 over HTTP); empty: the site's own."""
    signer: str
    """Who signs: ``worker``, or ``separate``: ``lms signer``, a process with a user of its own that alone reads the keys."""
    signer_passphrase_file: str
    """Empty, or the file with the passphrase of the signing keys, so that only its reader opens them."""
    pkcs11_module: str
    """Empty, or the library of a token that holds the key of the signer."""
    pkcs11_token: str
    pkcs11_key: str
    pkcs11_pin_file: str

    @property
    def bucket(self) -> "Bucket | None":
        """Where files lie, if it is not a folder of this machine."""
        return bucket_of(self.media_url, self.media_endpoint, self.media_region) if self.media_url else None

    @property
    def bucket_host(self) -> str:
        """Whom one asks for the bucket, with the port; empty for a folder."""
        return urlsplit(self.bucket.url).netloc if self.bucket else ""

    @property
    def is_production(self) -> bool:
        """Whether real people rely on this site."""
        return self.env == "production"

    @property
    def is_demo(self) -> bool:
        """Whether this is the demonstration programme (its certificates say so)."""
        return self.env == "demo"

    @property
    def signs_apart(self) -> bool:
        """Whether a process of its own signs, and neither web nor workers need a private key of the site."""
        return self.signer == SEPARATE


NAMES = (
    "ENV",
    "SECRET_KEY",
    "DATA_DIR",
    "DATABASE_URL",
    "QUEUE_URL",
    "MEDIA_DIR",
    "MEDIA_URL",
    "MEDIA_ENDPOINT",
    "MEDIA_REGION",
    "MEDIA_ACCESS_KEY",
    "MEDIA_SECRET_KEY",
    "KEYS_DIR",
    "KEYS_PASSPHRASE",
    "BASE_URL",
    "PLAIN_HTTP",
    "MAIL_URL",
    "MAIL_FROM",
    "FFMPEG",
    "TRANSCRIBER",
    "VIDEO_INBOX",
    "TRUSTED_PROXIES",
    "X_ACCEL_PREFIX",
    "SECURE_COOKIES",
    "ORGANISATION",
    "METRICS_TOKEN",
    "SIGNATURE_LEVEL",
    "TIMESTAMP_URL",
    "SIGNER",
    "SIGNER_PASSPHRASE_FILE",
    "PKCS11_MODULE",
    "PKCS11_TOKEN",
    "PKCS11_KEY",
    "PKCS11_PIN_FILE",
)


def _kept_secret(folder: Path, name: str) -> str:
    """A random secret made once and kept beside the data (demo and test only)."""
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / name
    if not path.exists():
        fresh = folder / f".{name}.{secrets.token_hex(4)}"
        fresh.write_text(secrets.token_urlsafe(32))
        fresh.chmod(0o600)
        with contextlib.suppress(FileExistsError):
            os.link(fresh, path)  # never overwrites: two processes starting at once agree on one secret
        fresh.unlink()
    return path.read_text().strip()


def load(environ: Mapping[str, str] | None = None, **overrides: object) -> Settings:
    """Read the settings; ``overrides`` (lower-case names) win over variables.

    Raises UnsafeSettings for an unknown variable value or a production with a weak or default secret.
    """
    env = os.environ if environ is None else environ
    given: dict[str, str] = {name.lower(): env[f"LMS_{name}"] for name in NAMES if f"LMS_{name}" in env}
    given.update({key: str(value) for key, value in overrides.items() if value is not None})
    unknown = set(given) - {name.lower() for name in NAMES}
    if unknown:
        raise UnsafeSettings(f"unknown setting: {', '.join(sorted(unknown))}")

    mode = given.get("env", "production")
    if mode not in {"production", "demo", "test"}:
        raise UnsafeSettings("LMS_ENV must be production, demo or test")
    data_dir = Path(given.get("data_dir", "instance")).resolve()
    secret = given.get("secret_key", "")
    passphrase = given.get("keys_passphrase", "")
    if mode == "production":
        _refuse_weak("LMS_SECRET_KEY", secret)
        _refuse_weak("LMS_KEYS_PASSPHRASE", passphrase, length=16)
        if not given.get("base_url", "").startswith(("https://", "http://")):
            raise UnsafeSettings(
                "LMS_BASE_URL must be the site's public address, for example https://lms.example.org"
            )
        _refuse_plain_http(given["base_url"], allowed=_yes(given.get("plain_http", "0")))
    else:
        secret = secret or _kept_secret(data_dir, "secret_key")
        passphrase = passphrase or _kept_secret(data_dir, "keys_passphrase")
    base_url = given.get("base_url", "http://127.0.0.1:8000").rstrip("/")
    _refuse_half_a_bucket(given, is_production=mode == "production")
    return Settings(
        env=mode,
        secret_key=secret,
        data_dir=data_dir,
        database_url=given.get("database_url") or f"sqlite:///{data_dir / 'firefly.sqlite3'}",
        queue_url=given.get("queue_url", ""),
        media_dir=Path(given.get("media_dir") or data_dir / "media").resolve(),
        media_url=given.get("media_url", "").rstrip("/"),
        media_endpoint=given.get("media_endpoint", "").rstrip("/"),
        media_region=given.get("media_region", ""),
        media_access_key=given.get("media_access_key", ""),
        media_secret_key=given.get("media_secret_key", ""),
        keys_dir=Path(given.get("keys_dir") or data_dir / "keys").resolve(),
        keys_passphrase=passphrase,
        base_url=base_url,
        plain_http=_yes(given.get("plain_http", "0")),
        mail_url=given.get("mail_url", ""),
        mail_from=given.get("mail_from", "firefly@localhost"),
        ffmpeg=given.get("ffmpeg", ""),
        transcriber=_transcriber(given.get("transcriber", "").strip()),
        video_inbox=given.get("video_inbox", ""),
        trusted_proxies=_whole("LMS_TRUSTED_PROXIES", given.get("trusted_proxies", "0")),
        x_accel_prefix=given.get("x_accel_prefix", ""),
        secure_cookies=_yes(given.get("secure_cookies", "1" if base_url.startswith("https://") else "0")),
        organisation=given.get("organisation", DEMO_ORGANISATION),
        metrics_token=given.get("metrics_token", ""),
        signature_level=_level(given.get("signature_level", "B-B")),
        timestamp_url=given.get("timestamp_url", ""),
        signer=_signer(given.get("signer", "worker")),
        signer_passphrase_file=given.get("signer_passphrase_file", ""),
        **_token(given),
    )


def as_lines(settings: Settings) -> str:
    """Every setting as a line that a shell, systemd and ``read_file`` understand alike."""
    lines = []
    for name in NAMES:
        value = getattr(settings, name.lower())
        lines.append(
            f"LMS_{name}={shlex.quote(str(int(value)) if isinstance(value, bool) else str(value))}\n"
        )
    return "".join(lines)


def read_file(path: Path) -> dict[str, str]:
    """The variables of a settings file. Raises UnsafeSettings for a line that is none, or a name that we do not know."""
    try:
        text = path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as problem:
        raise UnsafeSettings(f"the settings file cannot be read: {problem}") from problem
    found: dict[str, str] = {}
    for number, line in enumerate(text.splitlines(), start=1):
        try:
            parts = shlex.split(line, comments=True)
        except ValueError as problem:
            raise UnsafeSettings(f"line {number} of {path}: {problem}") from problem
        if not parts:
            continue
        name, equals, value = parts[0].partition("=")
        if len(parts) != 1 or not equals or name not in {f"LMS_{known}" for known in NAMES}:
            raise UnsafeSettings(f"line {number} of {path} is not NAME='value' with the name of a setting")
        found[name] = value
    return found


def write_file(path: Path, *, base_url: str, data_dir: Path, organisation: str = "") -> None:
    """Write the settings of a new production with fresh secrets, readable by its owner alone; never over an old one.

    Raises UnsafeSettings where the settings would be refused or the file stands already.
    """
    fresh = {
        "LMS_ENV": "production",
        "LMS_SECRET_KEY": secrets.token_urlsafe(48),
        "LMS_KEYS_PASSPHRASE": secrets.token_urlsafe(24),
        "LMS_DATA_DIR": str(data_dir.resolve()),
        "LMS_BASE_URL": base_url,
        "LMS_TRUSTED_PROXIES": "1",
        "LMS_X_ACCEL_PREFIX": "/_media/",
    } | ({"LMS_ORGANISATION": organisation} if organisation else {})
    load(fresh)  # refused here rather than at the first start
    path.parent.mkdir(parents=True, exist_ok=True)
    try:
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    except OSError as problem:
        raise UnsafeSettings(f"the settings file cannot be written: {problem}") from problem
    with os.fdopen(descriptor, "w", encoding="utf-8") as file:
        file.write("# Settings of this site; docs/settings.md explains each. Keep a copy in a safe place.\n")
        file.writelines(f"{name}={shlex.quote(value)}\n" for name, value in fresh.items())


def amend_file(path: Path, values: Mapping[str, str]) -> None:
    """Set variables in a settings file; everything else in it, its mode and its owner stay. It changes whole or not at all.

    Raises UnsafeSettings where it cannot be read or written.
    """
    read_file(path)
    try:
        kept = [
            line
            for line in path.read_text(encoding="utf-8").splitlines()
            if line.partition("=")[0].strip() not in values
        ]
        kept += [f"{name}={shlex.quote(value)}" for name, value in values.items()]
        about, fresh = path.stat(), path.with_name(f".{path.name}.{secrets.token_hex(4)}")
        with os.fdopen(
            os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w", encoding="utf-8"
        ) as file:
            os.fchmod(file.fileno(), about.st_mode & 0o777)
            if os.geteuid() == 0:
                os.fchown(file.fileno(), about.st_uid, about.st_gid)
            file.write("\n".join(kept) + "\n")
            file.flush()
            os.fsync(file.fileno())
        fresh.rename(path)
    except OSError as problem:
        raise UnsafeSettings(f"the settings file cannot be written: {problem}") from problem


HARMLESS = frozenset({"LMS_FFMPEG", "LMS_ORGANISATION", "LMS_TRANSCRIBER"})
"""What a demonstration takes from the shell: nothing that leads to the data of a site which the same shell may serve."""


def for_demonstration(*, data_dir: Path, base_url: str) -> Settings:
    """The settings of a demonstration: everything it writes goes to ``data_dir``, whatever else is set."""
    kept = {name: value for name, value in os.environ.items() if name in HARMLESS}
    return load(kept, env="demo", data_dir=data_dir, base_url=base_url)


def _yes(text: str) -> bool:
    return text.lower() in {"1", "true", "yes"}


HERE = frozenset({"localhost", "127.0.0.1", "::1"})


def _refuse_plain_http(base_url: str, *, allowed: bool) -> None:
    """Passwords and exam answers cross no network in the clear, unless the site says that it knows."""
    if base_url.startswith("https://") or allowed or urlsplit(base_url).hostname in HERE:
        return
    raise UnsafeSettings(
        "LMS_BASE_URL begins with http://: passwords and answers would cross the network unencrypted. Serve the site over "
        "https://, or set LMS_PLAIN_HTTP=1 if it is reached in a closed internal network only."
    )


@dataclass(frozen=True)
class Bucket:
    """A bucket of an S3-compatible service, as its settings name it."""

    name: str
    prefix: str
    """Folder inside the bucket, no slash at either end; may be empty."""
    url: str
    """Where its objects lie: with the bucket's name in the host or in the path, no slash at the end."""
    region: str

    @property
    def is_in_host(self) -> bool:
        """Whether the bucket's name stands in the host (Amazon, Aliyun OSS, Tencent COS) rather than in the path (MinIO, Ceph)."""
        return (urlsplit(self.url).hostname or "").startswith(f"{self.name}.")


_BUCKET = re.compile(r"s3://([a-z0-9][a-z0-9.-]{1,61}[a-z0-9])((?:/[a-z0-9][a-z0-9._-]*)*)/?")
_REGION = re.compile(r"[a-z0-9-]{1,40}")


def bucket_of(media_url: str, endpoint: str, region: str) -> Bucket:
    """The bucket that settings name. Raises UnsafeSettings, saying what to change."""
    found = _BUCKET.fullmatch(media_url)
    if found is None or ".." in media_url:
        raise UnsafeSettings(
            "LMS_MEDIA_URL must be s3://BUCKET or s3://BUCKET/FOLDER, in lower case; leave it empty to keep files in LMS_MEDIA_DIR"
        )
    region = region or "us-east-1"
    if not _REGION.fullmatch(region):
        raise UnsafeSettings("LMS_MEDIA_REGION must be the name of a region, for example eu-central-1")
    name, prefix = found[1], found[2].strip("/")
    if not endpoint:
        host = f"s3.{region}.amazonaws.com" + (".cn" if region.startswith("cn-") else "")
        # A name with dots fits no certificate of Amazon's.
        endpoint = f"https://{host}" if "." in name else f"https://{name}.{host}"
    address = urlsplit(endpoint)
    if (
        address.scheme not in {"http", "https"}
        or not address.hostname
        or address.path.strip("/")
        or address.query
        or address.username
    ):
        raise UnsafeSettings(
            "LMS_MEDIA_ENDPOINT must be the bare address of the service, for example https://minio.example.org:9000"
        )
    base = f"{address.scheme}://{address.netloc}"
    return Bucket(name, prefix, base if address.hostname.startswith(f"{name}.") else f"{base}/{name}", region)


def _refuse_half_a_bucket(given: Mapping[str, str], *, is_production: bool) -> None:
    """Files never go silently to another place than the settings seem to say."""
    rest = ("media_endpoint", "media_region", "media_access_key", "media_secret_key")
    if not given.get("media_url"):
        if stray := [f"LMS_{name.upper()}" for name in rest if given.get(name)]:
            raise UnsafeSettings(
                f"{' and '.join(stray)} {'is' if len(stray) == 1 else 'are'} set, but LMS_MEDIA_URL is empty: files would stay "
                "in the folder. Set LMS_MEDIA_URL=s3://BUCKET, or unset the others."
            )
        return
    bucket = bucket_of(
        given["media_url"].rstrip("/"),
        given.get("media_endpoint", "").rstrip("/"),
        given.get("media_region", ""),
    )
    if missing := [
        f"LMS_{name.upper()}" for name in ("media_access_key", "media_secret_key") if not given.get(name)
    ]:
        raise UnsafeSettings(
            f"LMS_MEDIA_URL names a bucket, but {' and '.join(missing)} {'is' if len(missing) == 1 else 'are'} missing."
        )
    address = urlsplit(bucket.url)
    is_open = address.scheme == "http" and address.hostname not in HERE
    if is_production and is_open and not _yes(given.get("plain_http", "0")):
        raise UnsafeSettings(
            "LMS_MEDIA_ENDPOINT begins with http://: certificates and candidates' files would cross the network unencrypted. "
            "Reach the service over https://, or set LMS_PLAIN_HTTP=1 if it stands in a closed internal network."
        )


def _transcriber(text: str) -> str:
    """A command line that cannot be one is refused at the start, not an hour into the first lecture."""
    try:
        is_one = not text or any("{wav}" in word for word in shlex.split(text)[1:])
    except ValueError:
        is_one = False
    if not is_one:
        raise UnsafeSettings(
            "LMS_TRANSCRIBER must be a command line that names the sound with {wav}, for example "
            "/usr/bin/whisper-cli -m /srv/models/ggml-small.bin -l {lang} -ovtt -of {out} -f {wav}"
        )
    return text


SIGNATURE_LEVELS = ("B-B", "B-T", "B-LTA")


def _level(text: str) -> str:
    if text.upper() not in SIGNATURE_LEVELS:
        raise UnsafeSettings(f"LMS_SIGNATURE_LEVEL must be one of {', '.join(SIGNATURE_LEVELS)}")
    return text.upper()


SIGNERS = ("worker", SEPARATE)


def _signer(text: str) -> str:
    if text not in SIGNERS:
        raise UnsafeSettings(f"LMS_SIGNER must be one of {', '.join(SIGNERS)}")
    return text


def _token(given: Mapping[str, str]) -> dict[str, str]:
    found = {f"pkcs11_{name}": given.get(f"pkcs11_{name}", "") for name in ("module", "token", "pin_file")}
    missing = [f"LMS_{name.upper()}" for name, value in found.items() if not value]
    if 0 < len(missing) < len(found):
        raise UnsafeSettings(f"a key in a token also needs {' and '.join(missing)}")
    return {**found, "pkcs11_key": given.get("pkcs11_key", "") or "firefly-signer"}


def _whole(name: str, text: str) -> int:
    if not (text.isascii() and text.isdigit()):
        raise UnsafeSettings(f"{name} must be a whole number, not {text!r}")
    return int(text)


def _refuse_weak(name: str, secret: str, *, length: int = SECRET_LENGTH) -> None:
    if secret.lower() in WEAK_SECRETS or len(secret) < length or len(set(secret)) < 8:
        raise UnsafeSettings(
            f"{name} is missing or weak: give at least {length} random characters, "
            "for example from: python3 -c 'import secrets; print(secrets.token_urlsafe(48))'"
        )
