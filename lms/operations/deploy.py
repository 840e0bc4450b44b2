"""``lms deploy``: the files of nginx and systemd, filled in from the settings (their patterns stand in ``deploy/``)."""

import os
import re
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from urllib.parse import urlsplit

from lms.core.copies import is_sqlite
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
        "FIREFLY_MEDIA": str(settings.media_dir),
        "FIREFLY_LMS": f"{sys.executable} -P -m lms.cli",
        "FIREFLY_SETTINGS": str((settings_file or SETTINGS_FILE).absolute()),
        "FIREFLY_DATA": str(settings.data_dir),
        "FIREFLY_WRITES": " ".join(sorted({str(settings.data_dir), str(settings.media_dir)})),
        "FIREFLY_PROCESSES": "1" if is_sqlite(settings.database_url) else str(max(2, os.cpu_count() or 2)),
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
