"""Files behind one port: a folder of this machine, or a bucket of an S3-compatible service (``LMS_MEDIA_URL``)."""

from lms.core.storage.bucket import BucketStorage
from lms.core.storage.folder import LocalStorage
from lms.core.storage.port import Away, Busy, Storage, Stored, WrongOffset, media_type
from lms.settings import Settings

__all__ = [
    "Away",
    "BucketStorage",
    "Busy",
    "LocalStorage",
    "Storage",
    "Stored",
    "WrongOffset",
    "init_storage",
    "media_type",
    "place_of",
    "storage",
]

_current: Storage | None = None


def place_of(settings: Settings) -> Storage:
    """The place that settings name."""
    return BucketStorage(settings) if settings.media_url else LocalStorage(settings.media_dir)


def init_storage(settings: Settings) -> Storage:
    """Choose the place for this process; called by ``create_app``."""
    global _current
    _current = place_of(settings)
    return _current


def storage() -> Storage:
    """The place of this process; callers find in ``Storage`` all they may ask of it."""
    if _current is None:
        raise RuntimeError("no storage chosen")
    return _current
