"""``lms deploy``: the files of nginx and systemd, filled in from the settings (their patterns stand in ``deploy/``)."""

import re
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from urllib.parse import urlsplit

from lms.core.copies import is_sqlite
from lms.serving import fitting_processes
from lms.settings import Settings

_BLANK = re.compile(r"\$\{(FIREFLY_\w+)\}")
SIGNER_USER = "firefly-signer"
SETTINGS_FILE = Path("/etc/firefly/settings.env")


def patterns() -> Path:
    """The root's ``deploy/`` in a checkout; the same folder inside the installed package."""
    package = Path(__file__).resolve().parents[1]
    inside = package / "deploy"
    return inside if inside.is_dir() else package.parent / "deploy"


def filled(pattern: str, values: Mapping[str, str]) -> str:
    """A pattern with its ``${FIREFLY_…}`` filled in; nginx's own ``$variables`` stay. Raises KeyError for one without a value."""
    return _BLANK.sub(lambda blank: values[blank[1]], pattern)


_AUTHORITIES = (
    "/etc/ssl/certs/ca-certificates.crt",
    "/etc/pki/tls/certs/ca-bundle.crt",
    "/etc/ssl/cert.pem",
)
_RESOLV = Path("/etc/resolv.conf")


def _media(settings: Settings) -> str:
    """How nginx comes to a file: in the folder, or from the bucket with the address that the application has signed."""
    bucket = settings.bucket
    if bucket is None:
        return f"alias {settings.media_dir}/;\n        sendfile on;\n        tcp_nopush on;"
    address = urlsplit(bucket.url)
    below = f"{address.path}/{bucket.prefix}".rstrip("/")
    lines = [f"rewrite ^/_media/(.*)$ {below}/$1 break;"]
    if names := _asks_for_names(address.hostname or ""):
        # By a variable: else nginx would ask for the service's number once, and keep it for as long as it runs.
        lines += [
            f"resolver {' '.join(names)} valid=30s;",
            f'set $firefly_bucket "{address.netloc}";',
            f"proxy_pass {address.scheme}://$firefly_bucket;",
        ]
    else:
        lines += [f"proxy_pass {address.scheme}://{address.netloc};"]
    if address.scheme == "https":
        trusted = next((path for path in _AUTHORITIES if Path(path).is_file()), _AUTHORITIES[0])
        lines += [
            "proxy_ssl_server_name on;",
            f"proxy_ssl_name {address.hostname};",
            "proxy_ssl_verify on;",
            "proxy_ssl_verify_depth 4;",
            f"proxy_ssl_trusted_certificate {trusted};",
        ]
    lines += [
        "proxy_http_version 1.1;",
        "proxy_pass_request_headers off;  # cookies stay here",
        f"proxy_set_header Host {address.netloc};",
        'proxy_set_header Connection "";',
        "proxy_set_header Range $http_range;",
        "proxy_set_header If-Range $http_if_range;",
        "proxy_max_temp_file_size 0;  # a film goes through, and lies here never",
        "proxy_hide_header Set-Cookie;",
        "proxy_hide_header Content-Disposition;",
        *(f"proxy_hide_header {name};" for name in _OF_THE_SERVICE),
        "proxy_intercept_errors on;  # what the service says of itself concerns nobody",
        "error_page 404 = @no_file;",
        "error_page 400 401 403 429 500 502 503 504 = @files_away;",
    ]
    return "\n        ".join(lines)


_OF_THE_SERVICE = (
    "Server",
    "Cache-Control",
    "Expires",
    "x-amz-request-id",
    "x-amz-id-2",
    "x-amz-version-id",
    "x-amz-server-side-encryption",
    "x-amz-meta-mtime",
    "x-amz-replication-status",
    "x-amz-storage-class",
)


def _asks_for_names(host: str) -> list[str]:
    """Whom nginx asks for the number of a host; nobody for one that is a number already, or this machine."""
    if host == "localhost" or re.fullmatch(r"[\d.]+|[\da-f:]*:[\da-f:]*", host):
        return []
    try:
        words = [line.split() for line in _RESOLV.read_text(encoding="utf-8").splitlines()]
    except OSError:
        return []
    found = [line[1].partition("%")[0] for line in words if len(line) > 1 and line[0] == "nameserver"]
    return [f"[{one}]" if ":" in one else one for one in found]


def written(
    what: str, settings: Settings, *, bind: Sequence[str], settings_file: Path | None = None
) -> dict[str, str]:
    """File name → content. ``what``: ``nginx`` or ``systemd``; ``bind``: where ``lms serve`` listens, on this machine first."""
    address = urlsplit(settings.base_url)
    port = address.port or (443 if address.scheme == "https" else 80)
    values = {
        "FIREFLY_APP": bind[0],
        "FIREFLY_SERVERS": " ".join(f"server {one};" for one in bind),
        "FIREFLY_LISTEN": f"{port} ssl" if address.scheme == "https" else str(port),
        "FIREFLY_NAME": address.hostname or "localhost",
        "FIREFLY_MEDIA": _media(settings),
        "FIREFLY_PATIENCE": "600s" if settings.media_url else "75s",
        "FIREFLY_LMS": f"{sys.executable} -P -m lms.cli",
        "FIREFLY_SETTINGS": str((settings_file or SETTINGS_FILE).absolute()),
        "FIREFLY_DATA": str(settings.data_dir),
        "FIREFLY_WRITES": " ".join(sorted({str(settings.data_dir), str(settings.media_dir)})),
        "FIREFLY_PROCESSES": str(fitting_processes(settings)),
        "FIREFLY_UMASK": "0007" if settings.signs_apart else "0027",
        "FIREFLY_COPIER": SIGNER_USER if settings.signs_apart else "firefly",
        "FIREFLY_SIGNER": SIGNER_USER,
        "FIREFLY_KEYS": str(settings.keys_dir),
        "FIREFLY_NEEDS": "" if is_sqlite(settings.database_url) else " postgresql.service",
    }
    folder = patterns() / what
    return {
        path.name.removesuffix(".template"): filled(path.read_text(encoding="utf-8"), values)
        for path in sorted(folder.glob("*.template"))
        if settings.signs_apart or not path.name.startswith("firefly-signer")
    }
