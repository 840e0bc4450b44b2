"""Signed addresses of media, and the signed tokens of players: what a page hands out and a later request proves."""

import hashlib
import hmac
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Protocol

from lms.core import ids, site
from lms.core.errors import NotFound, RuleBroken
from lms.core.i18n import _
from lms.courses.models import Video
from lms.courses.services.videos import FOLDERS
from lms.policy import Actor
from lms.programmes.models import Enrolment

ADDRESS_LASTS = timedelta(hours=18)
"""How long a signed media address works, from the beginning of its part of the day: 12 hours at least, a shift."""

ADDRESS_STAYS_HOURS = 6
"""Parts of the day in which an address stays the same, so that segments stay cached when the page is opened again."""


def _mac(*parts: object) -> str:
    message = "|".join(str(part) for part in parts)
    return hmac.new(
        site.settings().secret_key.encode(), message.encode("utf-8", "replace"), hashlib.sha256
    ).hexdigest()[:32]


def _same(given: str, expected: str) -> bool:
    return hmac.compare_digest(given.encode("utf-8", "replace"), expected.encode())


def media_token(row: Video, *, by: Actor, at: datetime) -> str:
    """The part of a media address that lets this person read this video's folder for a shift.

    It stays the same for a part of the day, so that segments stay cached, and it names the folder, so that serving a
    segment asks no database.
    """
    if row.folder_key is None:
        raise NotFound
    begin = at.replace(hour=at.hour - at.hour % ADDRESS_STAYS_HOURS, minute=0, second=0, microsecond=0)
    until, attempt = int((begin + ADDRESS_LASTS).timestamp()), row.folder_key.rpartition("/")[2]
    mac = _mac("media", row.public_id, attempt, by.account_public_id, until)
    return f"{until}.{by.account_public_id}.{attempt}.{mac}"


def check_media_token(token: str, video_public_id: str, *, at: datetime) -> str:
    """The folder that a signed address opens. Raises NotFound if it is forged, of another video, or past its time."""
    until, account, attempt, mac = (*token.split("."), "", "", "", "")[:4]
    if not _same(mac, _mac("media", video_public_id, attempt, account, until)):
        raise NotFound
    if at.timestamp() >= int(until):
        raise NotFound
    return f"{FOLDERS}/{video_public_id}/{attempt}"


def player_session(row: Video, enrolment: Enrolment, *, at: datetime) -> str:
    """A signed token that says when the server opened this player for which version; its row is made by the first report."""
    nonce, opened = ids.public_id(), int(at.timestamp() * 1000)
    mac = _mac("watch", row.public_id, enrolment.id, nonce, opened)
    return f"{nonce}.{opened}.{row.public_id}.{mac}"


def offline_lease(row: Video, enrolment: Enrolment, *, counted_s: int, at: datetime) -> str:
    """A signed token for watching without a connection: when it was given, for which version, and what had been counted
    for this person until then. Its row, too, is made by the first report.
    """
    nonce, opened = ids.public_id(), int(at.timestamp() * 1000)
    mac = _mac("lease", row.public_id, enrolment.id, nonce, opened, counted_s)
    return f"{nonce}.{opened}.{row.public_id}.{counted_s}.{mac}"


class HasId(Protocol):
    """An enrolment, as far as its key."""

    @property
    def id(self) -> int:
        """Its key."""


@dataclass(frozen=True, slots=True)
class Session:
    """What a player's token says."""

    nonce: str
    opened_at: datetime
    video_public_id: str
    counted_then_s: int | None = None
    """Of an offline lease: the seconds counted for the person when it was given."""


def read_session(session: str, enrolment: HasId) -> Session:
    """What a player's token or an offline lease says. Raises RuleBroken for one that is not this trainee's."""
    parts = session.split(".")
    if len(parts) == 5:
        nonce, opened, video_public_id, counted, mac = parts
        expected = _mac("lease", video_public_id, enrolment.id, nonce, opened, counted)
    else:
        nonce, opened, video_public_id, mac = (*parts, "", "", "", "")[:4]
        counted, expected = "", _mac("watch", video_public_id, enrolment.id, nonce, opened)
    if not _same(mac, expected):
        raise RuleBroken("bad_session", _("This player is not known. Please reload the page."))
    at = datetime.fromtimestamp(int(opened) / 1000, UTC)
    return Session(nonce, at, video_public_id, int(counted) if counted else None)
