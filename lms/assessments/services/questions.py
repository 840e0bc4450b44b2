"""Questions: first wording, further wordings, review by two people, use, corrections of the key."""

from collections.abc import Mapping
from datetime import date, datetime, timedelta
from typing import Any

from sqlalchemy import func, select
from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import joinedload

from lms import policy
from lms.assessments import queries, rules
from lms.assessments.models import ItemBank, KeyRevision, Question, QuestionVersion
from lms.assessments.services import telling
from lms.assessments.services.bank import Facts, note, record, set_facts
from lms.assessments.services.pictures import require_own_picture
from lms.core import approvals, deid
from lms.core.db import db
from lms.core.digests import digest_of
from lms.core.errors import RuleBroken
from lms.core.i18n import _, lazy
from lms.policy import Actor, Permission


def add_question(
    bank: ItemBank,
    *,
    code: str = "",
    kind: str,
    body: Mapping[str, Any],
    key: Mapping[str, Any],
    rationale: Mapping[str, Any],
    source: str = "",
    is_sample: bool = False,
    facts: Facts | None = None,
    review_note: str = "",
    at: datetime,
    by: Actor | None,
) -> QuestionVersion:
    """Add a question with its first wording and first key, as a draft.

    Without a ``code`` it gets the bank's next number. ``by`` None: the demonstration, whose questions are in use as samples.
    Raises RuleBroken with what is wrong with the item, or ("code_taken").
    """
    question = Question(bank_id=bank.id, code="", state=rules.ItemState.DRAFT, review_note=review_note[:300])
    question.bank = bank
    if by is not None:
        policy.require(by, Permission.ITEM_WRITE, question, see=Permission.BANK_READ)
    rules.require_item(kind, body, key)
    if by is not None:
        require_clean(body, rationale)
        require_own_picture(bank, body, {})
    if by is not None and (again := _just_written(bank, code.strip(), kind, body, by=by, at=at)):
        return again
    question.code = code.strip()[:40] or _next_code(bank)
    question.changed_at = at
    try:
        with db.session.begin_nested():
            db.session.add(question)
            db.session.flush()
    except IntegrityError as taken:
        raise RuleBroken(
            "code_taken", _("Another question of this bank has this code."), field="code"
        ) from taken
    version = _add_version(
        question, 1, kind, body, key, rationale, source=source, is_sample=is_sample, at=at, by=by
    )
    if facts is not None:
        set_facts(question, facts)
    if by is None:
        question.state, question.live_n = rules.ItemState.LIVE, 1
        db.session.flush()
    record(question, "add", by=by, at=at, sha256=version.sha256)
    return version


def require_clean(body: Mapping[str, Any], rationale: Mapping[str, Any]) -> None:
    """Refuse a wording or a reason that may identify a patient: what is kept here is kept for ever."""
    deid.require_clean(f"{rules.texts_of(body)}\n{rules.texts_of(rationale)}")


DOUBLE_CLICK = timedelta(minutes=1)


def _just_written(
    bank: ItemBank, code: str, kind: str, body: Mapping[str, Any], *, by: Actor, at: datetime
) -> QuestionVersion | None:
    """The question of the same words that the same person added to the bank a moment ago: two clicks make one."""
    return db.session.scalars(
        select(QuestionVersion)
        .options(joinedload(QuestionVersion.question).joinedload(Question.bank))
        .join(Question, Question.id == QuestionVersion.question_id)
        .where(
            Question.bank_id == bank.id,
            *([Question.code == code[:40]] if code else []),
            QuestionVersion.n == 1,
            QuestionVersion.sha256 == digest_of({"type": kind, "body": body}),
            QuestionVersion.author_person_id == by.person_id,
            QuestionVersion.created_at > at - DOUBLE_CLICK,
        )
        .limit(1)
    ).one_or_none()


def _next_code(bank: ItemBank) -> str:
    """The number after the bank's questions, as four digits."""
    count = db.session.scalar(select(func.count()).where(Question.bank_id == bank.id)) or 0
    taken = set(db.session.scalars(select(Question.code).where(Question.bank_id == bank.id)))
    number = count + 1
    while f"{number:04d}" in taken:
        number += 1
    return f"{number:04d}"


def _add_version(
    question: Question,
    n: int,
    kind: str,
    body: Mapping[str, Any],
    key: Mapping[str, Any],
    rationale: Mapping[str, Any],
    *,
    source: str,
    is_sample: bool,
    at: datetime,
    by: Actor | None,
) -> QuestionVersion:
    version = QuestionVersion(
        question_id=question.id,
        n=n,
        type=kind,
        body=dict(body),
        sha256=digest_of({"type": kind, "body": body}),
        author_account_id=by.account_id if by else None,
        author_person_id=by.person_id if by else None,
        source=source.strip()[:300],
        is_sample=is_sample,
        created_at=at,
    )
    version.question = question
    db.session.add(version)
    question.words = rules.words_of(body)
    db.session.flush()
    _add_key(version, 1, key, rationale, reason="first", approval_id=None, at=at, by=by)
    return version


def _add_key(
    version: QuestionVersion,
    n: int,
    key: Mapping[str, Any],
    rationale: Mapping[str, Any],
    *,
    reason: str,
    approval_id: int | None,
    at: datetime,
    by: approvals.By | None,
) -> KeyRevision:
    revision = KeyRevision(
        question_version_id=version.id,
        n=n,
        key=dict(key),
        rationale=dict(rationale),
        reason=reason[:200],
        account_id=by.account_id if by else None,
        approval_id=approval_id,
        created_at=at,
    )
    db.session.add(revision)
    db.session.flush()
    return revision


def rewrite(
    question: Question,
    *,
    base_n: int,
    kind: str,
    body: Mapping[str, Any],
    key: Mapping[str, Any],
    rationale: Mapping[str, Any],
    source: str,
    by: Actor,
    at: datetime,
) -> QuestionVersion:
    """Give a question a further wording, as a draft; the same words again make none.

    ``base_n``: the version that the writer saw. Raises RuleBroken("changed_meanwhile") when it is not the newest any more,
    ("in_review") while somebody reviews it, and what is wrong with the item.
    """
    policy.require(by, Permission.ITEM_WRITE, question, see=Permission.BANK_READ)
    question = _locked(question)
    newest = queries.version_of(question.id)
    if newest.n != base_n:
        raise RuleBroken(
            "changed_meanwhile",
            _("Somebody has changed this question meanwhile. Open it again, and put in what you wrote."),
        )
    if question.state == rules.ItemState.IN_REVIEW:
        raise RuleBroken(
            "in_review", _("This question is being reviewed. Take it back from review to change it.")
        )
    rules.require_item(kind, body, key)
    require_clean(body, rationale)
    require_own_picture(question.bank, body, newest.body)
    revision = queries.newest_keys([newest.id])[newest.id]
    if _same(newest, revision, kind, body, key, rationale, source):
        return newest
    question.state = rules.move(rules.ITEM_MOVES, "rewrite", question.state)
    question.review_note = ""
    question.changed_at = at
    version = _add_version(
        question,
        newest.n + 1,
        kind,
        body,
        key,
        rationale,
        source=source,
        is_sample=newest.is_sample,
        at=at,
        by=by,
    )
    note(question, "rewrite", "", by=by, at=at)
    record(question, "rewrite", by=by, at=at, n=version.n, sha256=version.sha256)
    return version


def _same(
    newest: QuestionVersion,
    revision: KeyRevision,
    kind: str,
    body: Mapping[str, Any],
    key: Mapping[str, Any],
    rationale: Mapping[str, Any],
    source: str,
) -> bool:
    return (
        newest.sha256 == digest_of({"type": kind, "body": body})
        and digest_of([revision.key, revision.rationale]) == digest_of([key, rationale])
        and newest.source == source.strip()[:300]
    )


def _locked(question: Question) -> Question:
    """The row as it is now with its bank, locked until the transaction ends."""
    return db.session.scalars(
        select(Question)
        .options(joinedload(Question.bank).joinedload(ItemBank.programme))
        .where(Question.id == question.id)
        .with_for_update(of=Question)
        .execution_options(populate_existing=True)
    ).one()


# ---------------------------------------------------------------- review


def _wording(question: Question) -> dict[str, Any]:
    """What a reviewer decides on: the newest wording with its newest key."""
    version = queries.version_of(question.id)
    revision = queries.newest_keys([version.id])[version.id]
    return {
        "question": question.public_id,
        "n": version.n,
        "sha256": version.sha256,
        "key_n": revision.n,
        "key_sha256": digest_of([revision.key, revision.rationale]),
    }


def _of(approval: approvals.Approval) -> Question:
    return queries.question_by_id(approval.subject.removeprefix("question:"))


def _approve(approval: approvals.Approval, by: approvals.By, at: datetime) -> None:
    question = _of(approval)
    version = queries.version_of(question.id)
    if version.author_person_id == by.person_id:
        raise RuleBroken("own_item", _("Whoever wrote a question does not approve it."))
    question.state = rules.move(rules.ITEM_MOVES, "approve", question.state)
    question.changed_at = at


REVIEW = approvals.Kind(
    code=queries.REVIEW_CODE,
    label=lazy("Approve a question"),
    act=_approve,
    current=lambda approval: _wording(_of(approval)),
)


def propose(question: Question, *, words: str = "", by: Actor, at: datetime) -> approvals.Approval:
    """Hand the newest wording and its key to another person for approval."""
    policy.require(by, Permission.ITEM_WRITE, question, see=Permission.BANK_READ)
    question = _locked(question)
    if waiting := approvals.open_for(REVIEW, f"question:{question.public_id}"):
        return waiting
    if question.review_note:
        raise RuleBroken(
            "needs_look",
            _("Look at this imported question first, and save it once: %(why)s", why=question.review_note),
        )
    question.state = rules.move(rules.ITEM_MOVES, "propose", question.state)
    question.changed_at = at
    approval = approvals.propose(
        REVIEW,
        f"question:{question.public_id}",
        _wording(question),
        by=by,
        reason=words.strip()[:1000],
        at=at,
        scope=f"programme:{question.programme_id}",
    )
    note(question, "propose", words, by=by, at=at)
    author = queries.version_of(question.id).author_person_id
    telling.review_waits(question, author_person_id=author, by=by, at=at)
    return approval


def review(
    question: Question, *, outcome: str, seen_sha256: str, words: str, by: Actor, at: datetime
) -> Question:
    """Approve the proposed wording with its key, or send it back with a reason. ``outcome``: see core.approvals."""
    policy.require(by, Permission.BANK_READ, question)
    question = _locked(question)
    approval = approvals.open_for(REVIEW, f"question:{question.public_id}")
    if approval is None and outcome == approvals.APPROVED and question.state == rules.ItemState.APPROVED:
        return question  # a second click
    if approval is None:
        raise RuleBroken("wrong_state", _("This is not possible any more. Please reload the page."))
    policy.require(by, Permission.ITEM_REVIEW, queries.Reviewable.of(question), see=Permission.BANK_READ)
    approvals.decide(approval, by=by, outcome=outcome, seen_sha256=seen_sha256, at=at, note=words)
    if outcome == approvals.REFUSED:
        question.state = rules.move(rules.ITEM_MOVES, "refuse", question.state)
        question.changed_at = at
    note(question, "approve" if outcome == approvals.APPROVED else "refuse", words, by=by, at=at)
    return question


def take_back(question: Question, *, by: Actor, at: datetime) -> Question:
    """Take a question back from review; only the person who proposed it."""
    policy.require(by, Permission.ITEM_WRITE, question, see=Permission.BANK_READ)
    question = _locked(question)
    approval = approvals.open_for(REVIEW, f"question:{question.public_id}")
    if approval is None:
        return question
    approvals.withdraw(approval, by=by, at=at)
    question.state = rules.move(rules.ITEM_MOVES, "withdraw", question.state)
    question.changed_at = at
    note(question, "withdraw", "", by=by, at=at)
    return question


# ---------------------------------------------------------------- use


def activate(question: Question, *, today: date, by: Actor, at: datetime) -> Question:
    """Take the approved wording into use: new forms draw it. Raises RuleBroken("past_due")."""
    policy.require(by, Permission.BANK_MANAGE, question, see=Permission.BANK_READ)
    question = _locked(question)
    if question.state == rules.ItemState.LIVE:
        return question
    if rules.is_past_due(question.review_due, today):
        raise RuleBroken(
            "past_due",
            _("Its source had to be read again by %(day)s. Set a new date first.", day=question.review_due),
        )
    question.state = rules.move(rules.ITEM_MOVES, "activate", question.state)
    question.live_n = queries.newest_n(question.id)
    return _moved(question, "activate", "", by=by, at=at)


def suspend(question: Question, *, words: str, by: Actor | None, at: datetime) -> Question:
    """Keep a question out of new forms until somebody has looked at it (a leak, a guideline that has changed)."""
    return _put_away(question, "suspend", words, by=by, at=at)


def retire(question: Question, *, words: str, by: Actor, at: datetime) -> Question:
    """Use a question no more; what was answered and marked with it stays as it is."""
    return _put_away(question, "retire", words, by=by, at=at)


def _put_away(question: Question, act: str, words: str, *, by: Actor | None, at: datetime) -> Question:
    if by is not None:
        policy.require(by, Permission.BANK_MANAGE, question, see=Permission.BANK_READ)
    if not words.strip():
        raise RuleBroken("words", _("Say why."), field="words")
    question = _locked(question)
    target = rules.ITEM_MOVES[act][1]
    if question.state == target:
        return question
    question.state = rules.move(rules.ITEM_MOVES, act, question.state)
    question.live_n = None
    return _moved(question, act, words, by=by, at=at)


def _moved(question: Question, act: str, words: str, *, by: Actor | None, at: datetime) -> Question:
    question.changed_at = at
    note(question, act, words, by=by, at=at)
    record(question, act, by=by, at=at)
    return question


def suspend_past_due(*, today: date, at: datetime) -> int:
    """Suspend the live questions whose source should have been read again; returns how many."""
    found = queries.past_due(today)
    for question in found:
        suspend(question, words=f"{question.review_due}", by=None, at=at)
    return len(found)


# ---------------------------------------------------------------- keys


def _revise(approval: approvals.Approval, by: approvals.By, at: datetime) -> None:
    question = _of(approval)
    given = approval.payload
    version = queries.version_of(question.id, given["n"])
    newest = queries.newest_keys([version.id])[version.id]
    _add_key(
        version,
        newest.n + 1,
        given["key"],
        given["rationale"],
        reason=approval.reason,
        approval_id=approval.id,
        at=at,
        by=by,
    )
    question.changed_at = at


KEY = approvals.Kind(
    code=queries.KEY_CODE,
    label=lazy("Correct the key of a question"),
    act=_revise,
)


def propose_key(
    question: Question,
    *,
    n: int,
    key: Mapping[str, Any],
    rationale: Mapping[str, Any],
    reason: str,
    by: Actor,
    at: datetime,
) -> approvals.Approval:
    """Propose another key for a wording that is approved or in use; another person decides.

    Marks that were given stay as they are until a regrade is decided.
    """
    policy.require(by, Permission.ITEM_WRITE, question, see=Permission.BANK_READ)
    if not reason.strip():
        raise RuleBroken("reason", _("Say why the key is wrong."), field="reason")
    version = queries.version_of(question.id, n)
    rules.require_item(version.type, version.body, key)
    require_clean({}, rationale)
    deid.require_clean(reason, field="reason")
    approval = approvals.propose(
        KEY,
        f"question:{question.public_id}",
        {"question": question.public_id, "n": n, "key": dict(key), "rationale": dict(rationale)},
        by=by,
        reason=reason.strip()[:1000],
        at=at,
        scope=f"programme:{question.programme_id}",
    )
    telling.key_waits(question, approval.public_id, by=by, at=at)
    return approval


def decide_key(
    question: Question, *, outcome: str, seen_sha256: str, words: str, by: Actor, at: datetime
) -> Question:
    """Decide on a proposed key. Raises RuleBroken("wrong_state") when none waits."""
    policy.require(by, Permission.BANK_READ, question)
    approval = approvals.open_for(KEY, f"question:{question.public_id}")
    if approval is None:
        raise RuleBroken("wrong_state", _("This is not possible any more. Please reload the page."))
    policy.require(by, Permission.APPROVE, question, see=Permission.BANK_READ)
    approvals.decide(approval, by=by, outcome=outcome, seen_sha256=seen_sha256, at=at, note=words)
    note(question, "revise_key" if outcome == approvals.APPROVED else "keep_key", words, by=by, at=at)
    return question
