"""Pure decisions about accounts."""

import ipaddress
import re
import unicodedata
from datetime import date, datetime, timedelta
from itertools import pairwise

from lms.core.errors import RuleBroken
from lms.core.i18n import _
from lms.core.passwords import weakness
from lms.policy import Role

INVITATION_LASTS = timedelta(days=14)
RESET_LASTS = timedelta(hours=2)
SESSION_LASTS = timedelta(days=30)
CONFIRMATION_LASTS = timedelta(minutes=5)
SEEN_EVERY = timedelta(minutes=10)

SIGN_IN_PER_ACCOUNT = (8, 15 * 60)
"""Tries and seconds: after eight wrong tries for one account a quarter of an hour passes."""
SIGN_IN_PER_ADDRESS = (60, 15 * 60)
"""A ward behind one address is many people: wide enough for a shift change, narrow for a robot."""
PIN_TRIES = (6, 15 * 60)
PASSWORD_TRIES = (8, 15 * 60)
"""Of somebody who is signed in and gives the present password to change something."""
RESETS_PER_LOGIN = (3, 60 * 60)
RESETS_PER_ADDRESS = (30, 60 * 60)
CHALLENGE_LASTS = timedelta(minutes=3)
DOUBLE_CLICK = timedelta(minutes=10)
"""How long a used link still lets the person in who sends the same password with it again."""
LINKS_KEPT = timedelta(days=30)
SESSIONS_KEPT = timedelta(days=180)

_EMAIL = re.compile(r"[^@\s,;:<>\"()]+@[^@\s,;:<>\"()]+\.[^@\s.,;:<>\"()]{2,}")
_MAINLAND = re.compile(r"1[3-9][0-9]{9}")
_ABROAD = re.compile(r"\+[0-9]{6,15}")


def clean_login(text: str) -> str:
    """An e-mail address or phone number as it is stored: NFKC, lower case, digits without blanks.

    >>> clean_login(" +86 138 0013 8000 ")
    '13800138000'
    """
    text = "".join(
        letter
        for letter in unicodedata.normalize("NFKC", text).lower()
        if unicodedata.category(letter) not in {"Cc", "Cf", "Cs"}
    )
    if "@" not in text:
        text = re.sub(r"[\s\-()]", "", text)
        text = re.sub(r"^(\+?86|0086)(?=1[3-9][0-9]{9}$)", "", text)
    return unicodedata.normalize("NFKC", text.strip())


def is_email(text: str) -> bool:
    """Whether a cleaned login is an e-mail address."""
    return bool(_EMAIL.fullmatch(text)) and len(text) <= 254


def is_phone(text: str) -> bool:
    """Whether a cleaned login is a mainland mobile number, or a foreign one with ``+``."""
    return bool(_MAINLAND.fullmatch(text) or _ABROAD.fullmatch(text))


def require_strong(password: str, *, about: tuple[str, ...] = (), field: str = "password") -> None:
    """Refuse a weak password with the reason in words."""
    why = weakness(password, about=about)
    if why is None:
        return
    words = {
        "short": _("Use at least 8 characters."),
        "common": _("This password is one of the first that others would try. Choose another."),
        "repeated": _("Use more different characters."),
        "personal": _("Leave your name, e-mail address and phone number out of the password."),
    }
    raise RuleBroken(f"password_{why}", words[why], field=field)


NATIVE_LANGS = {"ug": "Arab", "bo": "Tibt", "mn-Mong": "Mong", "kk": "Arab", "ii": "Yiii", "za": "Latn"}
"""Languages of native names, each with the script that the fonts of certificates are asked for."""


def clean_name(text: str) -> str:
    """A name as it is kept: NFC, blanks single, the separator of transliterated names as U+00B7.

    >>> clean_name(" 热娜•吐尔逊 ")
    '热娜·吐尔逊'
    """
    text = "".join(
        letter
        for letter in unicodedata.normalize("NFC", text)
        if unicodedata.category(letter) not in {"Cc", "Cs"}
    )
    return re.sub(
        r"(?<=[\u3400-\u9fff])\s*[\u00b7\u2022\u2027\u30fb\uff0e\uff65\u2219\u22c5]\s*(?=[\u3400-\u9fff])",
        "·",
        re.sub(r"\s+", " ", text).strip(),
    )


def require_script(name_native: str, native_lang: str) -> None:
    """A native name says in which language it is, so that pages and certificates write it rightly."""
    if name_native and native_lang not in NATIVE_LANGS:
        raise RuleBroken(
            "native_lang", _("Choose the language of the name in its own script."), field="native_lang"
        )


SCOPE_KINDS: dict[Role, tuple[str, ...]] = {
    Role.APPLICANT: ("programme", "cohort"),
    Role.TRAINEE: ("cohort",),
    Role.MENTOR: ("cohort",),
    Role.SECOND_ASSESSOR: ("cohort",),
    Role.UNIT_LEAD: ("programme", "cohort"),
    Role.COMMITTEE_MEMBER: ("programme", "cohort"),
    Role.COMMITTEE_CHAIR: ("programme", "cohort"),
    Role.EDUCATOR: ("programme", "cohort", "site"),
    Role.CLINICAL_REVIEWER: ("programme", "cohort", "site"),
    Role.EXAMINER: ("programme", "cohort", "site"),
    Role.JUDGE: ("programme", "cohort"),
    Role.INVIGILATOR: ("programme", "cohort"),
    Role.MARKER: ("programme", "cohort"),
    Role.COORDINATOR: ("programme", "cohort", "site"),
    Role.DIRECTOR: ("programme",),
    Role.HOSPITAL_LIAISON: ("hospital",),
    Role.EDUCATION_OFFICE: ("programme", "site"),
    Role.DATA_PROTECTION_OFFICER: ("site",),
    Role.AUDITOR: ("site", "programme"),
    Role.ADMINISTRATOR: ("site",),
}
"""Where a role may be held; the first is the usual place."""


def require_scope(role: Role, scope: str) -> None:
    """A role is held where it makes sense: a trainee in a cohort, a liaison in a hospital, an administrator site-wide."""
    kind, _colon, number = scope.partition(":")
    well_formed = scope == "site" or (number.isascii() and number.isdigit())
    if not well_formed or kind not in SCOPE_KINDS[role]:
        raise RuleBroken("scope", _("This role cannot be held there. Choose another place."), field="scope")


def require_days(from_on: date, to_on: date | None, *, today: date) -> None:
    """A role begins today or later: nobody is made to have held one before."""
    if from_on < today:
        raise RuleBroken("days", _("A role begins today or later."), field="from_on")
    if to_on is not None:
        require_last_day(to_on, not_before=from_on, field="to_on")


def require_last_day(last_day: date, *, not_before: date, field: str) -> None:
    """A role ends on a day on which it is still held."""
    if last_day < not_before:
        raise RuleBroken("days", _("The last day lies before the first, or before today."), field=field)


def scope_of(account_id: int) -> str:
    """The audit chain of an account."""
    return f"account:{account_id}"


def require_pin(pin: str) -> None:
    """A PIN is six digits, not all equal, no run such as 123456."""
    if not re.fullmatch(r"[0-9]{6}", pin):
        raise RuleBroken("pin_shape", _("A PIN has six digits."), field="pin")
    steps = {int(b) - int(a) for a, b in pairwise(pin)}
    if steps in ({0}, {1}, {-1}):
        raise RuleBroken("pin_easy", _("Choose a PIN that is not a run or one repeated digit."), field="pin")


def is_confirmed(confirmed_at: datetime | None, *, at: datetime) -> bool:
    """Whether a proof of presence is still fresh (five minutes, the end excluded).

    A proof that seems to lie a moment ahead is one: another request of the same session, or a machine whose clock is ahead.
    """
    return confirmed_at is not None and abs(at - confirmed_at) < CONFIRMATION_LASTS


def address_key(address: str) -> str:
    """What counts as one network address for rate limits: a whole IPv4 address, the /64 of an IPv6 one.

    A household or ward holds a /64 of IPv6; whoever counts single addresses there counts nothing.
    """
    try:
        found = ipaddress.ip_address(address)
    except ValueError:
        return address
    if isinstance(found, ipaddress.IPv6Address):
        if found.ipv4_mapped:
            return str(found.ipv4_mapped)
        return str(ipaddress.ip_network((found, 64), strict=False))
    return str(found)


def cut_address(address: str) -> str:
    """A network address without its last part: enough to recognise a session, too little to follow a person."""
    try:
        found = ipaddress.ip_address(address)
    except ValueError:
        return ""
    if isinstance(found, ipaddress.IPv6Address) and found.ipv4_mapped:
        found = found.ipv4_mapped
    kept = 24 if isinstance(found, ipaddress.IPv4Address) else 56
    return str(ipaddress.ip_network((found, kept), strict=False).network_address)


def browser_name(user_agent: str) -> str:
    """What a person would call the browser behind a User-Agent line."""
    for mark, name in (
        ("MicroMessenger", "WeChat"),
        ("DingTalk", "DingTalk"),
        ("Edg/", "Edge"),
        ("HuaweiBrowser", "Huawei Browser"),
        ("Firefox/", "Firefox"),
        ("Chrome/", "Chrome"),
        ("Safari/", "Safari"),
    ):
        if mark in user_agent:
            system = next(
                (
                    s
                    for m, s in (
                        ("Android", "Android"),
                        ("iPhone", "iPhone"),
                        ("iPad", "iPad"),
                        ("Windows", "Windows"),
                        ("Mac OS", "Mac"),
                        ("Linux", "Linux"),
                    )
                    if m in user_agent
                ),
                "",
            )
            return f"{name} · {system}" if system else name
    return _("unknown browser")
