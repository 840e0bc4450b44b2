"""Safe Exam Browser: its settings for a test, the file that carries them, and whether a request came from it.

Config Key after https://safeexambrowser.org/developer/seb-config-key.html (ETH Zurich): the settings as "SEB-JSON" (names sorted
without regard to case in every dictionary, no white space, nothing escaped, no ``originatorVersion``, no empty dictionaries,
data as Base64, dates as ISO 8601), then SHA-256 in hexadecimal. With ``sendBrowserExamKey`` SEB sends with every request the
SHA-256 of the address without its fragment followed by the Config Key (``X-SafeExamBrowser-ConfigKeyHash``) or by the Browser Exam
Key of that version with these settings (``X-SafeExamBrowser-RequestHash``). What its JavaScript interface says is a page's word and not asked.
"""

import base64
import hmac
import re
from collections.abc import Iterable, Mapping
from datetime import UTC, date, datetime
from hashlib import sha256
from plistlib import dumps
from typing import Any
from urllib.parse import urlsplit

from lms.core.errors import RuleBroken
from lms.core.i18n import _

CONFIG_HEADER = "X-SafeExamBrowser-ConfigKeyHash"
EXAM_HEADER = "X-SafeExamBrowser-RequestHash"
MOST_EXAM_KEYS = 20


def settings_for(test_id: str, *, base_url: str, quit_password_sha256: str = "") -> dict[str, Any]:
    """What SEB is told for the test with this public id: where to begin, where to end, and that nothing else is to be reached."""
    return {
        "allowBrowsingBackForward": False,
        "allowDictionaryLookup": False,
        "allowQuit": True,
        "allowScreenSharing": False,
        "allowSpellCheck": False,
        "allowSwitchToApplications": False,
        "allowVirtualMachine": False,
        "browserWindowAllowReload": True,
        "browserWindowWebView": 1,  # the classic one: the other sends no headers
        "enablePrintScreen": False,
        "hashedQuitPassword": quit_password_sha256,
        "originatorVersion": "Firefly",
        "quitURL": f"{base_url}/tests/{test_id}/seb/quit",
        "quitURLConfirm": True,
        "sebConfigPurpose": 0,
        "sendBrowserExamKey": True,
        "showReloadButton": True,
        "showTaskBar": True,
        "showTime": True,
        "startURL": f"{base_url}/tests/{test_id}",
        "URLFilterEnable": True,
        "URLFilterRules": [
            {"action": 1, "active": True, "expression": f"{urlsplit(base_url).netloc}/*", "regex": False}
        ],
    }


def seb_file(settings: Mapping[str, Any]) -> bytes:
    """The ``.seb`` file: the settings as a property list in XML, not encrypted."""
    return dumps(dict(settings))


def seb_json(value: Any) -> str:
    """A value of a property list as SEB writes it before it hashes."""
    if isinstance(value, Mapping):
        pairs = (
            f'"{name}":{seb_json(value[name])}'
            for name in sorted(value, key=lambda name: (name.lower(), name))
            if not _is_empty(value[name])
        )
        return "{" + ",".join(pairs) + "}"
    if isinstance(value, list | tuple):
        return "[" + ",".join(seb_json(one) for one in value if not _is_empty(one)) + "]"
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, int | float):
        return str(value)
    if isinstance(value, bytes):
        return f'"{base64.b64encode(value).decode()}"'
    if isinstance(value, datetime):
        return f'"{value.replace(tzinfo=value.tzinfo or UTC).isoformat()}"'
    return f'"{value.isoformat() if isinstance(value, date) else value}"'


def _is_empty(value: Any) -> bool:
    """Whether it is a dictionary with nothing in it, however deep."""
    return isinstance(value, Mapping) and all(_is_empty(one) for one in value.values())


def config_key(settings: Mapping[str, Any]) -> str:
    """The Config Key of settings."""
    kept = {name: value for name, value in settings.items() if name != "originatorVersion"}
    return sha256(seb_json(kept).encode()).hexdigest()


def request_hash(url: str, key: str) -> str:
    """What SEB sends with a request for an absolute address."""
    return sha256((url.partition("#")[0] + key).encode()).hexdigest()


def is_genuine(url: str, *, config: str, exam_keys: Iterable[str], config_hash: str, exam_hash: str) -> bool:
    """Whether a request for ``url`` that came with these two headers was sent by SEB with the settings of ``config``.

    ``exam_keys``: Browser Exam Keys of which one has to fit; none: any version of SEB.
    """
    fits = hmac.compare_digest(request_hash(url, config).encode(), config_hash.lower().encode())
    keys = list(exam_keys)
    known = [hmac.compare_digest(request_hash(url, key).encode(), exam_hash.lower().encode()) for key in keys]
    return fits and (any(known) or not keys)


def read_exam_keys(text: str) -> list[str]:
    """Browser Exam Keys as somebody pasted them, one in each line. Raises RuleBroken("exam_keys")."""
    keys = list(dict.fromkeys(text.lower().split()))
    if len(keys) > MOST_EXAM_KEYS or not all(re.fullmatch("[0-9a-f]{64}", key) for key in keys):
        raise RuleBroken(
            "exam_keys",
            _(
                "A Browser Exam Key has 64 characters from 0 to 9 and a to f; at most %(most)s of them.",
                most=MOST_EXAM_KEYS,
            ),
            field="exam_keys",
        )
    return keys


def hashed(password: str) -> str:
    """A quit password as SEB compares it."""
    return sha256(password.encode()).hexdigest() if password else ""
