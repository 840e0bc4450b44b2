"""Files that candidates send as answers: looked at by name first, kept under their hash; what they replace stays."""

from datetime import datetime

from lms import policy
from lms.assessments import queries, rules
from lms.assessments.models import Sitting, SlotFile
from lms.assessments.queries import markers as query
from lms.assessments.rules import markers as rule
from lms.core import audit, deid
from lms.core.db import db
from lms.core.errors import NotFound, RuleBroken
from lms.core.i18n import _
from lms.core.storage import storage
from lms.policy import Actor, Permission


def require_slot(sitting: Sitting, slot: int, *, size_bytes: int, at: datetime) -> rules.Ask:
    """The ask that a file of about this size would answer, before anything of it is read (sitting as ``queries.sitting`` loads it).

    Raises NotFound where no file is asked for, and RuleBroken ("late", "paused", "file_large", "files_many").
    """
    place = next((one for one in sitting.form.slots if one["slot"] == slot), None)
    if place is None:
        raise NotFound
    versions = queries.form_items(sitting.form)
    version = versions[place["version"]]
    if "part" in place:
        paper = rules.paper_of(
            sitting.form.slots, {key: (row.type, row.body) for key, row in versions.items()}
        )
        if paper.closed(slot, queries.standing(sitting.id).locked):
            raise NotFound
    ask = rules.ask_of(version.type, version.body, place.get("ask"))
    if ask.kind != "file":
        raise NotFound
    reckoning = queries.reckoning(sitting, at)
    if rules.state_at(sitting.state, reckoning.ends_at, at) != rules.SittingState.IN_PROGRESS:
        raise RuleBroken("late", _("The time is over; nothing more can be sent."))
    if reckoning.paused_since is not None:
        raise RuleBroken("paused", _("The clock stands; nothing can be sent until it runs again."))
    if query.files_count(sitting.id, slot) >= rule.MOST_FILES:
        raise RuleBroken("files_many", _("No more files can be sent for this question."))
    if size_bytes > 0:
        rule.require_size(size_bytes, int(ask.body["max_bytes"]))
    return ask


def require_sendable(sitting: Sitting, slot: int, name: str, size_bytes: int, *, at: datetime) -> None:
    """Whether a file may answer a slot by its name and size. Raises as ``require_slot``, and ("file_format", "file_empty")."""
    ask = require_slot(sitting, slot, size_bytes=0, at=at)
    rule.require_format(name, ask.body.get("formats") or ())
    rule.require_size(size_bytes, int(ask.body["max_bytes"]))


def clean_file(format_: str, data: bytes) -> bytes:
    """The file as it is kept: pictures through the de-identification gate, plain text searched by it, all else as it came.

    Raises RuleBroken ("file_content", "identifying" or one of the gate's codes for pictures).
    """
    if format_ in rule.IMAGES:
        if deid.image_format(data) != rule.IMAGES[format_]:
            raise RuleBroken("file_content", _("The file is not what its name says."), field="file")
        return deid.clean_image(data)
    rule.require_content(format_, data)
    if format_ == "txt":
        deid.require_clean(data.decode(errors="replace"), field="file")
    return data


def keep_file(format_: str, data: bytes) -> str:
    """Put a cleaned file under its hash; its key. No transaction is needed: a file that no row names is nobody's."""
    return storage().put("answers", data, suffix=f".{format_}")


def send_file(
    sitting: Sitting, slot: int, *, name: str, key: str, size_bytes: int, by: Actor, at: datetime
) -> SlotFile:
    """Note a kept file as sent for a slot; the response that names it is an operation like any other."""
    policy.require(by, Permission.SITTING_ANSWER, sitting, see=Permission.SITTING_READ)
    found = SlotFile(
        sitting_id=sitting.id,
        slot=slot,
        name=name.replace("\0", "")[-200:],
        storage_key=key,
        size_bytes=size_bytes,
        account_id=by.account_id,
        at=at,
    )
    db.session.add(found)
    db.session.flush()
    audit.record(
        "assessments.file.send",
        scope=f"sitting:{sitting.id}",
        at=at,
        account_id=by.account_id,
        subject=f"sitting:{sitting.public_id}",
        slot=slot,
        file=key,
    )
    return found
