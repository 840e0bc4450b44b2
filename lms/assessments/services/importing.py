"""Import of questions: a file is kept, looked at as often as one likes, and then imported without what was left out."""

import hashlib
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import select

from lms import policy
from lms.assessments import queries, rules
from lms.assessments.interchange import formats
from lms.assessments.interchange.drafts import Draft, Place, Problem
from lms.assessments.interchange.package import Written
from lms.assessments.models import ItemBank, ItemImport, ItemMedia, Question, QuestionVersion
from lms.assessments.services.bank import Facts
from lms.assessments.services.pictures import keep_picture
from lms.assessments.services.questions import add_question, require_clean
from lms.core import audit, deid
from lms.core.db import db
from lms.core.digests import digest_of
from lms.core.errors import RuleBroken
from lms.core.i18n import _
from lms.core.storage import storage
from lms.policy import Actor, Permission

MOST_ITEMS = 5_000
AT_ONCE = 50
"""Questions imported in one transaction, so that nobody else's write waits longer than about a second."""


@dataclass(frozen=True)
class Planned:
    """One item of a file that can be imported."""

    number: int
    """Within the file, from 1: what a person leaves out."""
    draft: Draft
    is_known: bool
    """Whether the bank has a question of the same words already; it is not imported again."""


@dataclass(frozen=True)
class ItemPlan:
    """What an import would do."""

    format: str
    items: Sequence[Planned]
    problems: Sequence[Problem]
    """What cannot be imported, by place."""
    notices: Sequence[Problem]

    @property
    def new(self) -> int:
        """How many questions would be added."""
        return sum(not one.is_known for one in self.items)


def take_file(bank: ItemBank, *, data: bytes, filename: str, by: Actor, at: datetime) -> ItemImport:
    """Keep a file of questions for a look. Raises RuleBroken for one that holds nothing that can be read."""
    policy.require(by, Permission.ITEM_WRITE, bank, see=Permission.BANK_READ)
    reading = formats.read(data, filename)
    if not reading.drafts:
        first = next(iter(reading.problems), None)
        raise RuleBroken(
            first.code if first else "file_empty",
            first.message if first else _("The file holds no questions."),
            field="file",
        )
    found = ItemImport(
        bank_id=bank.id,
        filename=filename[-200:],
        storage_key=storage().put("item-imports", data),
        state="open",
        account_id=by.account_id,
        created_at=at,
    )
    found.bank = bank
    db.session.add(found)
    db.session.flush()
    audit.record(
        "assessments.import.take",
        scope=f"programme:{bank.programme_id}",
        at=at,
        account_id=by.account_id,
        subject=f"import:{found.public_id}",
    )
    return found


def plan_items(found: ItemImport) -> ItemPlan:
    """What importing the file would do; nothing is written."""
    data = storage().read(found.storage_key)
    reading = formats.read(data, found.filename)
    asked = (
        select(QuestionVersion.type, QuestionVersion.body)
        .join(Question, Question.id == QuestionVersion.question_id)
        .where(Question.bank_id == found.bank_id)
    )
    known = {_words_of(row.type, row.body) for row in db.session.execute(asked)}
    rows = db.session.execute(
        select(ItemMedia.sha256, ItemMedia.public_id).where(ItemMedia.programme_id == found.programme_id)
    )
    kept = {row.sha256: row.public_id for row in rows}
    problems = [one for one in reading.problems if one.is_blocking]
    items = []
    for number, draft in enumerate(reading.drafts[:MOST_ITEMS], 1):
        if faults := rules.faults(draft.type, draft.body, draft.key):
            problems.append(Problem(draft.place, faults[0].code, faults[0].message))
            continue
        try:
            require_clean(draft.body, draft.rationale or {})
            pictures = {name: _digest(deid.clean_image(data)) for name, data in draft.media.items()}
        except RuleBroken as refusal:
            problems.append(Problem(draft.place, refusal.code, refusal.message))
            continue
        body = _kept(draft.body, {name: kept.get(sha256, name) for name, sha256 in pictures.items()})
        words = _words_of(draft.type, body)
        items.append(Planned(number, draft, words in known))
        known.add(words)
    if len(reading.drafts) > MOST_ITEMS:
        message = _("Only the first %(most)s questions are read; split the file.", most=MOST_ITEMS)
        problems.append(Problem(Place("file"), "too_many", message))
    return ItemPlan(reading.format, items, problems, [one for one in reading.problems if not one.is_blocking])


def _words_of(kind: str, body: Mapping[str, Any]) -> str:
    """The same for questions that ask the same, whether or not a file wrote down what holds anyway."""
    return digest_of({"type": kind, "body": _told(body)})


def _told(part: Any) -> Any:
    if isinstance(part, Mapping):
        told = {name: _told(value) for name, value in part.items()}
        return {
            name: value
            for name, value in told.items()
            if value not in ("", None, {}, [])
            and (name, value) not in (("scoring", "all"), ("marks", 1), ("fixed", False))
        }
    return [_told(one) for one in part] if isinstance(part, list | tuple) else part


def _digest(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()


def require_ready(plan: ItemPlan, *, leaves_out_problems: bool) -> None:
    """Nothing is imported while something is wrong, unless the person leaves just that out."""
    if plan.problems and not leaves_out_problems:
        raise RuleBroken(
            "problems", _("Put the problems right in the file, or tick that those places are left out.")
        )


def import_portion(found: ItemImport, items: Sequence[Planned], *, by: Actor, at: datetime) -> int:
    """Add some questions as drafts; those that the bank knows already are passed over. Returns how many were added."""
    policy.require(by, Permission.ITEM_WRITE, found, see=Permission.BANK_READ)
    taken = set(db.session.scalars(select(Question.code).where(Question.bank_id == found.bank_id)))
    count = 0
    for one in items:
        draft = one.draft
        if one.is_known:
            continue
        add_question(
            found.bank,
            code="" if draft.code in taken else draft.code,
            kind=draft.type,
            body=_kept(draft.body, {name: _keep(found, data, at) for name, data in draft.media.items()}),
            key=draft.key,
            rationale=draft.rationale or {"zh": "", "en": ""},
            source=draft.source,
            facts=Facts(topic=draft.topic, tags=draft.tags[:20]),
            review_note=draft.review,
            at=at,
            by=by,
        )
        taken.add(draft.code)
        count += 1
    found.count += count
    db.session.flush()
    return count


def _keep(found: ItemImport, data: bytes, at: datetime) -> str:
    """Keep a picture, cleaned of what it says of place and person; its public id."""
    return keep_picture(found.programme_id, deid.clean_image(data), at).public_id


def _kept(part: Any, names: Mapping[str, str]) -> Any:
    """A body with the public ids of its pictures in the place of their names in the file."""
    if isinstance(part, Mapping):
        return {
            name: names.get(value, value)
            if name in {"key", "image"} and isinstance(value, str)
            else _kept(value, names)
            for name, value in part.items()
        }
    return [_kept(one, names) for one in part] if isinstance(part, list | tuple) else part


def chosen(plan: ItemPlan, excluded: Collection[int]) -> list[Planned]:
    """The items of a plan that were not left out."""
    return [one for one in plan.items if one.number not in excluded]


def close_import(found: ItemImport, state: str, *, by: Actor, at: datetime) -> ItemImport:
    """Write down that a file was imported or put away; twice is once."""
    policy.require(by, Permission.ITEM_WRITE, found, see=Permission.BANK_READ)
    if found.state != "open":
        return found
    found.state, found.decided_at = state, at
    db.session.flush()
    audit.record(
        "assessments.import.close",
        scope=f"programme:{found.programme_id}",
        at=at,
        account_id=by.account_id,
        subject=f"import:{found.public_id}",
        state=state,
        count=found.count,
    )
    return found


def file_of(bank: ItemBank, kind: str, *, by: Actor) -> Written:
    """The questions of a bank, newest wording and key, as a file of a format of ``formats.WRITTEN``."""
    policy.require(by, Permission.ITEM_WRITE, bank, see=Permission.BANK_READ)
    rows = queries.newest_versions(bank.id)
    keys = queries.newest_keys(version.id for _question, version in rows)
    tags = queries.tags_of([question.id for question, _version in rows])
    media = _media_of(bank, [version.body for _question, version in rows])
    return formats.write(
        kind,
        [
            Draft(
                Place("row", question.code),
                version.type,
                version.body,
                keys[version.id].key,
                keys[version.id].rationale,
                code=question.code,
                topic=question.topic,
                tags=tuple(tags.get(question.id, ())),
                source=version.source,
                media={name: media[name] for name in _names(version.body) if name in media},
            )
            for question, version in rows
        ],
    )


def export_items(bank: ItemBank, kind: str, *, by: Actor, at: datetime) -> None:
    """Write down that somebody takes the questions of a bank with their keys out of the house."""
    policy.require(by, Permission.ITEM_WRITE, bank, see=Permission.BANK_READ)
    audit.record(
        "assessments.bank.export",
        scope=f"programme:{bank.programme_id}",
        at=at,
        account_id=by.account_id,
        subject=f"bank:{bank.public_id}",
        format=kind,
    )


def _media_of(bank: ItemBank, bodies: Iterable[Any]) -> dict[str, bytes]:
    """Public id → content of the pictures that the bodies show."""
    wanted = {name for body in bodies for name in _names(body)}
    rows = db.session.scalars(select(ItemMedia).where(ItemMedia.programme_id == bank.programme_id))
    return {row.public_id: storage().read(row.storage_key) for row in rows if row.public_id in wanted}


def _names(part: Any) -> Iterator[str]:
    """The media that a body names."""
    if isinstance(part, Mapping):
        for name, value in part.items():
            if name in {"key", "image"} and isinstance(value, str):
                yield value
            else:
                yield from _names(value)
    elif isinstance(part, list | tuple):
        for one in part:
            yield from _names(one)
