"""A site's bucket: what can be wrong with it, and the way of a folder's files into it."""

import hashlib
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from lms.core import clock, ids
from lms.core.errors import RuleBroken
from lms.core.storage import Away, BucketStorage, LocalStorage

Says = Callable[[str], None]

_MENDS = (
    ("NoSuchBucket", "Make the bucket, or correct LMS_MEDIA_URL."),
    ("RequestTimeTooSkewed", "Let this machine and the service keep time (timedatectl set-ntp true)."),
    ("SignatureDoesNotMatch", "Correct LMS_MEDIA_SECRET_KEY (or LMS_MEDIA_REGION)."),
    ("InvalidAccessKeyId", "Correct LMS_MEDIA_ACCESS_KEY."),
    ("AuthorizationHeaderMalformed", "Correct LMS_MEDIA_REGION."),
    ("PermanentRedirect", "Correct LMS_MEDIA_REGION or LMS_MEDIA_ENDPOINT: the bucket lies elsewhere."),
    (
        "AccessDenied",
        "Let the key of LMS_MEDIA_ACCESS_KEY list the bucket, and get, put and delete its objects.",
    ),
    ("InvalidCertificate", "Make the service's certificate known to this machine (update-ca-certificates)."),
    ("UnknownIssuer", "Make the service's certificate known to this machine (update-ca-certificates)."),
)
_AWAY = (
    "Start the service, or correct LMS_MEDIA_ENDPOINT. Until then pages go on without files, and jobs wait."
)


@dataclass(frozen=True)
class Found:
    """What one look at a bucket found out."""

    trouble: str = ""
    mend: str = ""
    drift: timedelta = timedelta()
    """How far its clock is from ours."""
    is_public: bool = False


def examine(place: BucketStorage) -> Found:
    """Write, read, read in part, list, open by address and forget a small file."""
    key = f"doctor/{ids.public_id()}"
    data = key.encode()
    began = clock.now()
    try:
        place.objects.put(key, data)
        took = clock.now() - began
        try:
            stored = place.objects.facts(key)
            same = place.read(key) == data and b"".join(place.chunks(key, 2, 9)) == data[2:9]
            if not same or key not in {one.name for one in place.objects.below("doctor")}:
                return Found(
                    "What was written is not what is read.",
                    "Ask who keeps the service; no file is safe there.",
                )
            bare = f"{place.objects.bucket.url}/{place.objects.path_of(key)}"
            signed = f"{bare}?{place.address(key, method='GET').partition('?')[2]}"
            if (status := _status(signed)) != 200:
                return Found(
                    f"A signed address is answered with {status}.",
                    "Let LMS_MEDIA_ENDPOINT name the service itself: a proxy on the way must keep the Host header.",
                )
            is_public = _status(bare) == 200
        finally:
            place.objects.delete([key])
    except Away as problem:
        said = str(problem)
        mend = next((mend for word, mend in _MENDS if word in said), _AWAY)
        return Found(said[:1].upper() + said[1:300], mend)
    written = datetime.fromtimestamp(stored.changed_ns / 1e9, UTC)
    return Found(drift=written - (began + took / 2), is_public=is_public)


def _status(url: str) -> int:
    """How an address of the service is answered, asked without any key of ours; 0 where not at all."""
    try:
        with urllib.request.urlopen(url, timeout=10) as answer:  # noqa: S310 (http or https: the settings allow nothing else)
            return int(answer.status)
    except urllib.error.HTTPError as refusal:
        return refusal.code
    except OSError:
        return 0


def left_in_folder(folder: LocalStorage, place: BucketStorage) -> int:
    """How many files of a folder the bucket does not have; what is still coming in is not counted."""
    names = {one.name: one.size_bytes for one in folder.everything() if not one.name.startswith("uploads/")}
    if not names:
        return 0
    for one in place.everything():
        if names.get(one.name) == one.size_bytes:
            del names[one.name]
    return len(names)


# ---------------------------------------------------------------- the way into it


@dataclass(frozen=True)
class Carried:
    """What ``lms move --media`` did."""

    files: int
    new: int
    size_bytes: int


def carry(folder: LocalStorage, place: BucketStorage, *, says: Says) -> Carried:
    """Copy every file of a folder into a bucket; each is read back and compared by its digest, whether new or there already.

    Cut off anywhere, the next call goes on. The folder stays as it is. Raises RuleBroken where a file came out different.
    """
    there = {one.name: one.size_bytes for one in place.everything()}
    files = new = size_bytes = 0
    for stored in folder.everything():
        digest = _digest(folder.contents(stored.name))
        if there.get(stored.name) != stored.size_bytes or _digest(place.contents(stored.name)) != digest:
            place.put_back(folder.root / stored.name, stored)
            new += 1
            if _digest(place.contents(stored.name)) != digest:
                raise RuleBroken(
                    "differs",
                    f"{stored.name} came out different. Look at the service (lms doctor), then run this again.",
                )
        files, size_bytes = files + 1, size_bytes + stored.size_bytes
        if files % 100 == 0:
            says(f"{files} files, {size_bytes / 1e9:.1f} GB …")
    return Carried(files, new, size_bytes)


def _digest(chunks: Iterator[bytes]) -> bytes:
    digest = hashlib.sha256()
    for chunk in chunks:
        digest.update(chunk)
    return digest.digest()
