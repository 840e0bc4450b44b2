"""Acts on frameworks: begin a draft, change it part by part, submit, review and publish it, ratify, give one to a cohort."""

import copy
from collections.abc import Callable, Mapping
from datetime import datetime
from typing import Any

from sqlalchemy import select
from sqlalchemy.exc import IntegrityError

from lms.core import approvals, audit, clock, deid
from lms.core.db import db
from lms.core.digests import digest_of
from lms.core.errors import NotFound, RuleBroken
from lms.core.i18n import _, lazy
from lms.core.pinyin import initials
from lms.logbooks.models import Framework, Item
from lms.logbooks.models.frameworks import (
    CohortFramework,
    FrameworkDraft,
    FrameworkEdition,
)
from lms.logbooks.queries import frameworks as queries
from lms.logbooks.rules import framework_documents as documents
from lms.logbooks.rules import frameworks as grammar
from lms.logbooks.rules.frameworks import Document
from lms.policy import Actor, Permission, require

Row = dict[str, Any]


class Overtaken(RuleBroken):
    """Somebody else changed the same part since it was shown; ``changes``: field, as it was sent, as it stands now."""

    def __init__(self, changes: tuple[tuple[str, str, str], ...]) -> None:
        super().__init__(
            "overtaken",
            _(
                "Somebody else changed this since you opened it. What you typed is still here; look at both and save again."
            ),
        )
        self.changes = changes


def note(act: str, subject: str, *, at: datetime, by: approvals.By | None, **detail: Any) -> None:
    """Write an act on a framework into the trail of the site."""
    audit.record(
        f"logbooks.framework.{act}",
        scope="site",
        at=at,
        account_id=by.account_id if by else None,
        subject=subject,
        **detail,
    )


# ---------------------------------------------------------------- begin


def begin(
    code: str, origin: Framework | None, *, client_uuid: str, at: datetime, by: Actor
) -> FrameworkDraft:
    """Begin a draft: a copy of a version (items loaded), or an empty one of a unit. Twice is once."""
    require(by, Permission.FRAMEWORK_EDIT)
    if origin is None:
        if code not in grammar.UNITS:
            raise RuleBroken("unit_unknown", _("The unit must be NICU or PICU."), field="code")
        document = documents.empty(code)
    else:
        document = queries.document_of(origin, queries.edition_of(origin))
    return _begun(document, origin, client_uuid=client_uuid, how="copy" if origin else "empty", at=at, by=by)


def import_file(data: bytes, *, client_uuid: str, at: datetime, by: Actor) -> FrameworkDraft:
    """Begin a draft from a file; what is wrong with it is named, not refused. Twice is once.

    Raises RuleBroken ``framework_file`` or ``unit_unknown``.
    """
    require(by, Permission.FRAMEWORK_EDIT)
    document = documents.read_file(data)
    if document["code"] not in grammar.UNITS:
        raise RuleBroken("unit_unknown", _("The unit must be NICU or PICU."), field="file")
    origin = queries.latest(document["code"])
    return _begun(document, origin, client_uuid=client_uuid, how="file", at=at, by=by)


def _begun(
    document: Document, origin: Framework | None, *, client_uuid: str, how: str, at: datetime, by: Actor
) -> FrameworkDraft:
    if earlier := queries.draft_of_client(client_uuid):
        return earlier
    draft = FrameworkDraft(
        code=document["code"],
        document=document,
        from_framework_id=origin.id if origin else None,
        client_uuid=client_uuid,
        editors=[by.person_id],
        saved_by_id=by.person_id,
        saved_at=at,
        made_at=at,
    )
    try:
        with db.session.begin_nested():
            db.session.add(draft)
            db.session.flush()
    except IntegrityError:  # the other click was faster
        if earlier := queries.draft_of_client(client_uuid):
            return earlier
        raise
    note("begin", queries.subject_of(draft), at=at, by=by, code=draft.code, how=how)
    return draft


# ---------------------------------------------------------------- change


def _edit(draft: FrameworkDraft, edit: Callable[[Document], str], *, at: datetime, by: Actor) -> None:
    """Change a draft (held for update) by ``edit``, which says in a word what it did; nothing done is nothing saved."""
    require(by, Permission.FRAMEWORK_EDIT)
    if draft.state != "open":
        raise RuleBroken(
            "draft_closed", _("This draft is under review or closed. Take it back first, then change it.")
        )
    document = copy.deepcopy(draft.document)
    what = edit(document)
    if document == draft.document:
        return
    draft.document = document
    draft.edition += 1
    draft.saved_by_id, draft.saved_at = by.person_id, at
    if by.person_id not in draft.editors:
        draft.editors = [*draft.editors, by.person_id]
    db.session.flush()
    note("change", queries.subject_of(draft), at=at, by=by, edition=draft.edition, what=what)


def seen_of(part: Mapping[str, Any]) -> str:
    """What a form carries of the part it shows, so that another one's change in between is not lost."""
    return digest_of(dict(part))[:16]


def head_of(document: Document) -> Row:
    """The head of a document."""
    return {name: document[name] for name in ("code", "label", "title_zh", "title_en", "is_sample")}


def save_head(
    draft: FrameworkDraft, values: Mapping[str, Any], *, seen: str, at: datetime, by: Actor
) -> None:
    """Change names, words on the version and the sample mark. Raises Overtaken."""

    def edit(document: Document) -> str:
        now = head_of(document)
        wanted = {**now, **values, "code": now["code"]}
        _require_seen("head", now, wanted, seen)
        document.update(wanted)
        return "head"

    _edit(draft, edit, at=at, by=by)


def _require_seen(part: str, now: Row, wanted: Row, seen: str) -> None:
    if now != wanted and seen_of(now) != seen:
        raise Overtaken(documents.part_changes(part, wanted, now))


def row_of(document: Document, part: str, key: str) -> Row:
    """A domain or item of a document. Raises NotFound."""
    found = next((row for row in document[f"{part}s"] if row["key"] == key), None)
    if found is None:
        raise NotFound
    return dict(found)


def save_row(
    draft: FrameworkDraft,
    part: str,
    key: str,
    values: Mapping[str, Any],
    *,
    seen: str,
    at: datetime,
    by: Actor,
) -> str:
    """Change a domain or item (``part``), or add one (empty ``key``); its key.

    Raises Overtaken, or RuleBroken ``code_taken``. Items follow when their domain gets another code.
    """
    result = key

    def edit(document: Document) -> str:
        nonlocal result
        rows = document[f"{part}s"]
        code = str(values["code"])
        known = grammar.ITEM_KEYS if part == "item" else {"key", "code", "title_zh", "title_en"}
        if not key:
            same = next((row for row in rows if row["code"] == code), None)
            if same is not None and {**same, **values} == same:  # the second click of one act
                result = same["key"]
                return part
            _require_free(rows, code, key)
            result = documents.new_key(code, [row["key"] for row in rows])
            rows.append({**values, "key": result})
            return f"{part} {code}"
        place = next((n for n, row in enumerate(rows) if row["key"] == key), None)
        if place is None:
            raise NotFound
        now = rows[place]
        wanted = {name: value for name, value in {**now, **values}.items() if name in known}
        _require_seen(part, now, wanted, seen)
        if now["code"] != code:
            _require_free(rows, code, key)
        rows[place] = wanted
        if part == "domain":
            for item in document["items"]:
                if item["domain"] == now["code"]:
                    item["domain"] = code
        return f"{part} {code}"

    _edit(draft, edit, at=at, by=by)
    return result


def _require_free(rows: list[Row], code: str, key: str) -> None:
    if any(row["code"] == code and row["key"] != key for row in rows):
        raise RuleBroken("code_taken", _("This code is used more than once."), field="code")


def move_row(draft: FrameworkDraft, part: str, key: str, step: int, *, at: datetime, by: Actor) -> None:
    """Move a domain or item up (-1) or down (1) by one place; at the end it stays."""

    def edit(document: Document) -> str:
        rows = document[f"{part}s"]
        place = next((n for n, row in enumerate(rows) if row["key"] == key), None)
        if place is None:
            raise NotFound
        there = place + step
        if 0 <= there < len(rows):
            rows[place], rows[there] = rows[there], rows[place]
        return f"{part} {rows[place]['code']} moved"

    _edit(draft, edit, at=at, by=by)


def remove_row(draft: FrameworkDraft, part: str, key: str, *, seen: str, at: datetime, by: Actor) -> None:
    """Take a domain or item out of a draft; twice is once. Raises Overtaken where it was changed since it was shown."""

    def edit(document: Document) -> str:
        rows = document[f"{part}s"]
        row = next((one for one in rows if one["key"] == key), None)
        if row is None:
            return part
        if seen_of(row) != seen:
            raise Overtaken(())
        rows.remove(row)
        return f"{part} {row['code']} removed"

    _edit(draft, edit, at=at, by=by)


def facets_of(item: Mapping[str, Any], track: str = "") -> list[Any]:
    """The facets of an item for every track, or those of one track, which take their place; none where they cannot be read."""
    targets = item["targets"] if isinstance(item["targets"], dict) else {}
    holder = (targets.get(track) or {}) if track else item
    facets = holder.get("facets") if isinstance(holder, dict) else None
    return facets if isinstance(facets, list) else []


def save_facet(
    draft: FrameworkDraft,
    key: str,
    old: str,
    facet: Mapping[str, Any],
    *,
    track: str = "",
    at: datetime,
    by: Actor,
) -> None:
    """Put a facet in the place of the one that ``old`` names (``seen_of``), or after all others (empty ``old``).

    ``track``: whose it is; empty, everybody's. Twice is once. Raises Overtaken where the old one is not there any more,
    RuleBroken where nothing is asked of the track.
    """

    def change(item: Row, facets: list[Any]) -> list[Any]:
        if facet in facets:
            return facets
        if not old:
            return [*facets, dict(facet)]
        if not any(name_of(one) == old for one in facets):
            raise Overtaken(documents.part_changes("item", {**item, "facets": [facet]}, item))
        return [dict(facet) if name_of(one) == old else one for one in facets]

    _edit_facets(draft, key, track, change, at=at, by=by)


def remove_facet(
    draft: FrameworkDraft, key: str, old: str, *, track: str = "", at: datetime, by: Actor
) -> None:
    """Take a facet out of an item or out of one of its tracks; twice is once."""

    def change(_item: Row, facets: list[Any]) -> list[Any]:
        return [one for one in facets if name_of(one) != old]

    _edit_facets(draft, key, track, change, at=at, by=by)


def name_of(facet: Any) -> str:
    """What names a facet in addresses; one that cannot be read has no name."""
    return seen_of(facet) if isinstance(facet, dict) else ""


def _edit_facets(
    draft: FrameworkDraft,
    key: str,
    track: str,
    change: Callable[[Row, list[Any]], list[Any]],
    *,
    at: datetime,
    by: Actor,
) -> None:
    def edit(document: Document) -> str:
        item = next((row for row in document["items"] if row["key"] == key), None)
        if item is None:
            raise NotFound
        changed = change(item, facets_of(item, track))
        if not track:
            item["facets"] = changed
            return f"item {item['code']} facets"
        target = item["targets"].get(track) if isinstance(item["targets"], dict) else None
        if not isinstance(target, dict):
            raise RuleBroken("no_target", _("Nothing is asked of this track. Give it a target first."))
        target["facets"] = changed
        if not changed:  # those of every track count again
            del target["facets"]
        return f"item {item['code']} facets {track}"

    _edit(draft, edit, at=at, by=by)


def drop(draft: FrameworkDraft, *, at: datetime, by: Actor) -> None:
    """Drop a draft (held for update); it can be read no more. Twice is once."""
    require(by, Permission.FRAMEWORK_EDIT)
    if draft.state == "dropped":
        return
    if draft.state != "open":
        raise RuleBroken("draft_closed", _("This draft is under review or closed."))
    draft.state = "dropped"
    db.session.flush()
    note("drop", queries.subject_of(draft), at=at, by=by)


# ---------------------------------------------------------------- review and publication


def problems_of(draft: FrameworkDraft) -> list[grammar.Problem]:
    """Everything about a draft that somebody has to look at."""
    return grammar.problems(draft.document, taken=queries.taken_codes(draft.code))


def _payload(draft: FrameworkDraft) -> dict[str, Any]:
    document = documents.without_keys(draft.document)
    return {
        "draft": draft.public_id,
        "edition": draft.edition,
        "version": queries.next_version(draft.code),
        "sha256": digest_of(document),
        "document": document,
    }


def submit(draft: FrameworkDraft, *, words: str, at: datetime, by: Actor) -> approvals.Approval:
    """Put a draft (held for update) before a clinical reviewer; from then on it stays as it is. Twice is once.

    Raises RuleBroken ``framework_problems``, ``draft_closed`` or ``framework_same``.
    """
    require(by, Permission.FRAMEWORK_PUBLISH)
    words = words.strip()
    deid.require_clean(words, field="words")
    subject = queries.subject_of(draft)
    if draft.state == "in_review" and (waiting := approvals.open_for(PUBLISH, subject)):
        return waiting
    if draft.state != "open":
        raise RuleBroken("draft_closed", _("This draft is under review or closed."))
    _require_sound(draft)
    draft.state = "in_review"
    draft.editors = sorted({*draft.editors, by.person_id})
    db.session.flush()
    approval = approvals.propose(PUBLISH, subject, _payload(draft), by=by, reason=words[:1000], at=at)
    note("submit", subject, at=at, by=by, edition=draft.edition, sha256=approval.payload["sha256"])
    return approval


def _require_sound(draft: FrameworkDraft) -> None:
    if any(one.stops for one in problems_of(draft)):
        raise RuleBroken("framework_problems", _("Put right what is named below first."))


def take_back(draft: FrameworkDraft, *, at: datetime, by: Actor) -> None:
    """Take a draft (held for update) back from review; only who submitted it. Twice is once."""
    require(by, Permission.FRAMEWORK_PUBLISH)
    waiting = approvals.open_for(PUBLISH, queries.subject_of(draft))
    if draft.state != "in_review" or waiting is None:
        return
    approvals.withdraw(waiting, by=by, at=at)
    draft.state = "open"
    db.session.flush()
    note("take_back", queries.subject_of(draft), at=at, by=by)


def review(
    draft: FrameworkDraft, *, outcome: str, seen_sha256: str, words: str, at: datetime, by: Actor
) -> Framework | None:
    """Approve a draft (held for update): it is published at once; or return it with words (then None).

    Raises RuleBroken as ``approvals.decide`` does, and ``nothing_waits``.
    """
    require(by, Permission.FRAMEWORK_REVIEW, draft, see=Permission.FRAMEWORK_READ)
    words = words.strip()
    deid.require_clean(words, field="words")
    subject = queries.subject_of(draft)
    waiting = approvals.open_for(PUBLISH, subject)
    if waiting is None:
        last = next(iter(queries.reviews(draft)), None)
        if last is None or last.state != outcome or last.decided_by_person_id != by.person_id:
            raise RuleBroken("nothing_waits", _("Nothing waits for a review here any more."))
        return db.session.get(Framework, draft.framework_id) if draft.framework_id else None
    if outcome == approvals.REFUSED and not words:
        raise RuleBroken("reason_needed", _("Say what has to change."), field="words")
    approvals.decide(waiting, by=by, outcome=outcome, seen_sha256=seen_sha256, at=at, note=words[:1000])
    if outcome == approvals.REFUSED:
        draft.state = "open"
        db.session.flush()
        note("return", subject, at=at, by=by)
        return None
    return db.session.get(Framework, draft.framework_id) if draft.framework_id else None


def _of(approval: approvals.Approval) -> FrameworkDraft:
    return db.session.scalars(
        select(FrameworkDraft).where(FrameworkDraft.public_id == approval.payload["draft"])
    ).one()


def _publish(approval: approvals.Approval, by: approvals.By, at: datetime) -> None:
    draft = _of(approval)
    _require_sound(draft)
    before = queries.latest(draft.code)
    framework = add_version(approval.payload["document"], version=approval.payload["version"], at=at)
    db.session.add(
        FrameworkEdition(
            framework_id=framework.id,
            label=draft.document["label"],
            domains=approval.payload["document"]["domains"],
            sha256=approval.payload["sha256"],
            from_framework_id=draft.from_framework_id,
            approval_id=approval.id,
            author_id=approval.proposed_by_person_id,
            reviewer_id=by.person_id,
        )
    )
    if before is not None:
        _keep(before, at=at)
    draft.framework_id, draft.state = framework.id, "done"
    db.session.flush()
    note(
        "publish",
        f"framework:{framework.public_id}",
        at=at,
        by=by,
        code=framework.code,
        version=framework.version,
        sha256=approval.payload["sha256"],
    )


def _keep(before: Framework, *, at: datetime) -> None:
    """Cohorts that have begun, or by whose framework anything was recorded, stay on the version they have."""
    cohorts = queries.unpinned_cohorts(before.code)
    used = queries.codes_in_use([cohort.id for cohort in cohorts])
    kept = [
        cohort
        for cohort in cohorts
        if cohort.start_on <= clock.today(at) or before.code in used.get(cohort.id, ())
    ]
    db.session.add_all(
        CohortFramework(
            cohort_id=cohort.id, code=before.code, number=1, framework_id=before.id, kind="kept", at=at
        )
        for cohort in kept
    )
    db.session.flush()
    if kept:
        note(
            "keep",
            f"framework:{before.public_id}",
            at=at,
            by=None,
            cohorts=[cohort.public_id for cohort in kept],
        )


PUBLISH = approvals.Kind(
    code=queries.PUBLISH_CODE,
    label=lazy("Publish a competency framework"),
    act=_publish,
    current=lambda approval: _payload(_of(approval)),
)


def add_version(document: Mapping[str, Any], *, version: int, at: datetime) -> Framework:
    """Write a version into its tables; they are never changed afterwards."""
    framework = Framework(
        code=document["code"],
        version=version,
        title_zh=document["title_zh"],
        title_en=document["title_en"],
        state="published",
        is_sample=document["is_sample"],
        published_at=at,
    )
    framework.items = [
        Item(
            position=place,
            code=row["code"],
            kind=row["kind"],
            critical=row["critical"],
            domain=row["domain"],
            title_zh=row["title_zh"],
            title_en=row["title_en"],
            initials=initials(str(row["title_zh"]))[:80],
            targets=documents.item_targets(row),
            rule=documents.item_rule(row),
        )
        for place, row in enumerate(document["items"], start=1)
    ]
    db.session.add(framework)
    db.session.flush()
    return framework
