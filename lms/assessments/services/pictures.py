"""Pictures of questions: cleaned of what they say of place and person, kept once for a programme."""

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import select

from lms import policy
from lms.assessments.models import ItemBank, ItemMedia
from lms.core import deid
from lms.core.db import db
from lms.core.errors import RuleBroken
from lms.core.i18n import _
from lms.core.storage import storage
from lms.policy import Actor, Permission


@dataclass(frozen=True)
class Picture:
    """A picture that a question may show."""

    public_id: str
    width: int
    height: int


def keep_picture(programme_id: int, data: bytes, at: datetime) -> ItemMedia:
    """Keep a picture that ``deid.clean_image`` has cleaned; the same picture again is the one that is there."""
    sha256 = hashlib.sha256(data).hexdigest()
    known = db.session.scalar(
        select(ItemMedia).where(ItemMedia.programme_id == programme_id, ItemMedia.sha256 == sha256)
    )
    if known is None:
        kind = deid.image_format(data) or ""
        known = ItemMedia(
            programme_id=programme_id,
            sha256=sha256,
            storage_key=storage().put("item-media", data, suffix=deid.SUFFIXES[kind]),
            mime=f"image/{kind.lower()}",
            size_bytes=len(data),
            created_at=at,
        )
        db.session.add(known)
        db.session.flush()
    return known


def take_picture(bank: ItemBank, *, data: bytes, by: Actor, at: datetime) -> Picture:
    """Keep a picture that an author chose. Raises RuleBroken at ``picture`` for one that is none or too large."""
    policy.require(by, Permission.ITEM_WRITE, bank, see=Permission.BANK_READ)
    try:
        clean = deid.clean_image(data)
    except RuleBroken as refusal:
        raise RuleBroken(refusal.code, refusal.message, field="picture") from refusal
    width, height = deid.image_size(clean)
    return Picture(keep_picture(bank.programme_id, clean, at).public_id, width, height)


def require_own_picture(bank: ItemBank, body: Mapping[str, Any], before: Mapping[str, Any]) -> None:
    """Whether the picture on which places are pointed out is one of the bank's programme, or stood there before."""
    name = body.get("image")
    if not name or name == before.get("image"):
        return
    if not db.session.scalar(
        select(ItemMedia.id).where(ItemMedia.programme_id == bank.programme_id, ItemMedia.public_id == name)
    ):
        raise RuleBroken("no_image", _("The picture is missing."), field="picture")
