"""Papers in the making: what a bank offers, drafts of papers as they stand, and what keeps them from being sealed."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from fractions import Fraction
from functools import cached_property
from typing import Any

from sqlalchemy import and_, func, or_, select
from sqlalchemy.orm import joinedload

from lms import policy
from lms.assessments import rules
from lms.assessments.models import (
    DraftForm,
    EnemyPair,
    ExamForm,
    ItemBank,
    KeyRevision,
    Question,
    QuestionVersion,
    Sitting,
    Test,
    TestPlan,
)
from lms.assessments.queries.results import newest_keys
from lms.assessments.rules.blueprint import (
    Blueprint,
    Cell,
    Pick,
    PoolItem,
    fits,
    forms_faults,
    is_rested,
    places,
)
from lms.assessments.rules.papers import gathered, read_cells
from lms.core.db import db
from lms.core.digests import digest_of
from lms.core.i18n import _, pick
from lms.policy import Actor, Permission, Role
from lms.programmes.models import Cohort

MAKERS = (Role.EXAMINER, Role.EDUCATOR)
EXPOSURE_SPAN = timedelta(days=365)


def makers_cohorts(by: Actor) -> Sequence[Cohort]:
    """The cohorts for which the actor may make a test of some purpose, the newest first; programme loaded."""
    cohorts, programmes = by.scope_ids("cohort", *MAKERS), by.scope_ids("programme", *MAKERS)
    query = select(Cohort).options(joinedload(Cohort.programme)).order_by(Cohort.start_on.desc(), Cohort.id)
    if cohorts is not None and programmes is not None:
        query = query.where(or_(Cohort.id.in_(cohorts), Cohort.programme_id.in_(programmes)))
    return db.session.scalars(query).all()


def makers_banks(by: Actor) -> list[ItemBank]:
    """The banks from which the actor may draw papers; programme loaded."""
    query = (
        select(ItemBank)
        .options(joinedload(ItemBank.programme))
        .order_by(ItemBank.programme_id, ItemBank.purpose, ItemBank.title_zh, ItemBank.id)
    )
    return [
        bank
        for bank in db.session.scalars(query)
        if policy.allows(by, Permission.BANK_READ, bank) and policy.allows(by, Permission.TEST_MANAGE, bank)
    ]


def plan_of(test_id: int) -> TestPlan | None:
    """How the papers of a test are drawn, its bank loaded; None: its questions were named one by one."""
    return db.session.scalar(
        select(TestPlan).options(joinedload(TestPlan.bank)).where(TestPlan.test_id == test_id)
    )


def forms_of(test_id: int) -> Sequence[ExamForm]:
    """The sealed papers of a test, in order."""
    return db.session.scalars(select(ExamForm).where(ExamForm.test_id == test_id).order_by(ExamForm.n)).all()


# ---------------------------------------------------------------- the pool


@dataclass(frozen=True)
class Offered:
    """A question that may be drawn, in the wording that is in use."""

    question: Question
    version: QuestionVersion
    key: KeyRevision
    item: PoolItem

    @property
    def stem(self) -> str:
        """The beginning of the question in the reader's language."""
        return _stem(self.version)


def _stem(version: QuestionVersion) -> str:
    text = version.body.get("stem") or {}
    return pick(text.get("zh") or "", text.get("en") or "")


def offered(bank: ItemBank, *, at: datetime, today: date) -> dict[int, Offered]:
    """Question id → what a bank offers for new papers; five queries.

    Left out is what is not in use, and whose source has to be read again.
    """
    version = QuestionVersion
    rows = db.session.execute(
        select(Question, version)
        .join(version, and_(version.question_id == Question.id, version.n == Question.live_n))
        .where(Question.bank_id == bank.id, or_(Question.review_due.is_(None), Question.review_due >= today))
        .order_by(Question.id)
    ).all()
    keys = newest_keys(wording.id for _question, wording in rows)
    enemies = _enemies(bank.id)
    shown = exposure(bank, at)
    found = {}
    for one, wording in rows:
        one.bank = bank
        asks = rules.asks(wording.type, wording.body, keys[wording.id].key)
        found[one.id] = Offered(
            one,
            wording,
            keys[wording.id],
            PoolItem(
                id=one.id,
                topic=one.topic,
                type=wording.type,
                cognitive=one.cognitive,
                difficulty=one.difficulty,
                asks=len(asks),
                marks=sum(ask.marks for ask in asks),
                exposure=shown.get(one.id, Fraction(0)),
                enemies=frozenset(enemies.get(one.id, ())),
            ),
        )
    return found


def _enemies(bank_id: int) -> dict[int, set[int]]:
    found: dict[int, set[int]] = {}
    rows = db.session.execute(
        select(EnemyPair.low_id, EnemyPair.high_id)
        .join(Question, Question.id == EnemyPair.low_id)
        .where(Question.bank_id == bank_id)
    )
    for low, high in rows:
        found.setdefault(low, set()).add(high)
        found.setdefault(high, set()).add(low)
    return found


def exposure(bank: ItemBank, at: datetime) -> dict[int, Fraction]:
    """Question → the share of the sittings of the last twelve months that showed it.

    Counted over all tests of the bank's programme and purpose.
    """
    counts = dict(
        db.session.execute(
            select(Sitting.form_id, func.count())
            .join(Test, Test.id == Sitting.test_id)
            .join(Cohort, Cohort.id == Test.cohort_id)
            .where(
                Cohort.programme_id == bank.programme_id,
                Test.purpose == bank.purpose,
                Sitting.started_at > at - EXPOSURE_SPAN,
            )
            .group_by(Sitting.form_id)
        ).all()
    )
    if not counts:
        return {}
    versions: dict[int, int] = {}
    for number, slots in db.session.execute(
        select(ExamForm.id, ExamForm.slots).where(ExamForm.id.in_(counts))
    ):
        for one in {slot["version"] for slot in slots}:
            versions[one] = versions.get(one, 0) + counts[number]
    found: dict[int, Fraction] = {}
    total = sum(counts.values())
    for version_id, question_id in db.session.execute(
        select(QuestionVersion.id, QuestionVersion.question_id).where(QuestionVersion.id.in_(versions))
    ):
        found[question_id] = found.get(question_id, Fraction(0)) + Fraction(versions[version_id], total)
    return found


@dataclass(frozen=True)
class Stock:
    """What a bank has for one line of a blueprint."""

    items: int
    asks: int


def stock(cells: Iterable[Cell], items: Iterable[PoolItem], max_exposure: Fraction | None) -> list[Stock]:
    """For each line what may be drawn for it, whatever other lines need."""
    usable = [item for item in items if is_rested(item, max_exposure)]
    found = []
    for cell in cells:
        inside = [item for item in usable if fits(item, cell)]
        found.append(Stock(len(inside), sum(places(item, cell) for item in inside)))
    return found


# ---------------------------------------------------------------- slots


def slots_of(
    versions: Sequence[QuestionVersion],
    keys: Mapping[int, KeyRevision],
    *,
    keeps_order: bool = False,
    cells: Sequence[tuple[int, Cell]] = (),
) -> list[dict[str, Any]]:
    """A slot for each ask; the asks of a group follow each other.

    ``cells``: for each version the line of the blueprint (from 0) that it fills, where there is one.
    """
    found: list[dict[str, Any]] = []
    has_parts = any(cell.part > 1 for _index, cell in cells)
    for place, version in enumerate(versions):
        for ask in rules.asks(version.type, version.body, keys[version.id].key):
            slot = {
                "slot": len(found) + 1,
                "version": version.id,
                "sha256": version.sha256,
                "type": version.type,
                "marks": ask.marks,
                "options": [option["id"] for option in ask.body.get("options") or ()],
            }
            if ask.index is not None:
                slot["ask"] = ask.index
            if keeps_order:
                slot["fixed"] = True
            if cells:
                index, cell = cells[place]
                slot |= {"part": cell.part} if has_parts else {}
                slot |= {"choice": index + 1, "take": cell.choose} if cell.choose else {}
            found.append(slot)
    return found


# ---------------------------------------------------------------- drafts


@dataclass(frozen=True)
class DraftRow:
    """One question of a draft."""

    question: Question
    version: QuestionVersion
    cell: int
    item: PoolItem | None
    """None: it may not be used any more."""
    why: str
    """Why not: ``retired``, ``suspended``, ``past_due`` or ``not_live``; empty if it may."""

    @property
    def stem(self) -> str:
        """The beginning of the question in the reader's language."""
        return _stem(self.version)

    @property
    def asks(self) -> int:
        """How many numbers of the paper it fills."""
        return len(rules.asks(self.version.type, self.version.body))


@dataclass(frozen=True)
class Filled:
    """How one line of the blueprint is filled in one paper."""

    cell: Cell
    filled: int
    marks: int

    @property
    def is_exact(self) -> bool:
        """Whether it holds exactly what the line asks for."""
        return self.filled == self.cell.count and self.cell.drawn_marks in {None, self.marks}


@dataclass(frozen=True)
class DraftPaper:
    """A paper that is drawn and not sealed yet."""

    n: int
    seed: str
    picks: tuple[Pick, ...]
    rows: Sequence[DraftRow]
    slots: Sequence[Mapping[str, Any]]
    cells: Sequence[Filled]

    @cached_property
    def sha256(self) -> str:
        """What its seal would be."""
        return digest_of(list(self.slots))

    @property
    def marks(self) -> int:
        """That a candidate can earn."""
        return rules.maximum(self.slots)

    @property
    def asks(self) -> tuple[int, int]:
        """The fewest and the most asks that a candidate can come to have."""
        return rules.ask_counts(self.slots)

    @property
    def difficulty(self) -> float | None:
        """Mean expected share of right answers over its asks, per cent; None: not known of any."""
        known = [
            (row.item.difficulty, row.item.asks)
            for row in self.rows
            if row.item is not None and row.item.difficulty is not None
        ]
        return sum(level * asks for level, asks in known) / sum(asks for _l, asks in known) if known else None

    @property
    def most_shown(self) -> Fraction:
        """The exposure of the question that was shown most."""
        return max((row.item.exposure for row in self.rows if row.item is not None), default=Fraction(0))


@dataclass(frozen=True)
class Drafts:
    """All draft papers of a test with what they are judged by."""

    blueprint: Blueprint
    pool: Sequence[PoolItem]
    papers: Sequence[DraftPaper]
    problems: Sequence[str]
    """Why they cannot be sealed, in sentences; empty: they can."""

    @property
    def sha256(self) -> str:
        """Of all of them, for whoever seals what they have seen."""
        return digest_of([paper.sha256 for paper in self.papers])

    @property
    def shared(self) -> list[tuple[int, int, int]]:
        """For each two papers their numbers and how many questions they share."""
        return [
            (
                one.n,
                other.n,
                len({pick.item for pick in one.picks} & {pick.item for pick in other.picks}),
            )
            for place, one in enumerate(self.papers)
            for other in self.papers[place + 1 :]
        ]


def drafts(plan: TestPlan, *, at: datetime, today: date) -> Drafts:
    """The papers of a plan as they stand: the wordings in use now, and what has happened to the questions since the draw."""
    blueprint = Blueprint(read_cells(plan.blueprint))
    forms = db.session.scalars(
        select(DraftForm).where(DraftForm.test_id == plan.test_id).order_by(DraftForm.n)
    ).all()
    pool = offered(plan.bank, at=at, today=today)
    gone = _gone({question for form in forms for _cell, question in form.picks} - pool.keys())
    keys = {one.version.id: one.key for one in pool.values()}
    keys |= newest_keys(version.id for _question, version in gone.values())
    papers = [_paper(form, plan, blueprint, pool, gone, keys, today) for form in forms]
    items = [one.item for one in pool.values()]
    return Drafts(blueprint, items, papers, _problems(plan, blueprint, papers, items))


def _gone(question_ids: set[int]) -> dict[int, tuple[Question, QuestionVersion]]:
    """Questions that may not be drawn any more, in the newest wording."""
    if not question_ids:
        return {}
    version = QuestionVersion
    newest = (
        select(version.question_id, func.max(version.n).label("n"))
        .where(version.question_id.in_(question_ids))
        .group_by(version.question_id)
        .subquery()
    )
    rows = db.session.execute(
        select(Question, version)
        .join(newest, newest.c.question_id == Question.id)
        .join(version, and_(version.question_id == Question.id, version.n == newest.c.n))
    )
    return {question.id: (question, wording) for question, wording in rows}


def _paper(
    form: DraftForm,
    plan: TestPlan,
    blueprint: Blueprint,
    pool: Mapping[int, Offered],
    gone: Mapping[int, tuple[Question, QuestionVersion]],
    keys: Mapping[int, KeyRevision],
    today: date,
) -> DraftPaper:
    rows = []
    picks = gathered([Pick(cell, number) for cell, number in form.picks], blueprint.cells)
    for one in picks:
        number = one.item
        if number in pool:
            known = pool[number]
            rows.append(DraftRow(known.question, known.version, one.cell, known.item, ""))
        else:
            question, version = gone[number]
            rows.append(DraftRow(question, version, one.cell, None, _why(question, today)))
    cells = []
    for index, cell in enumerate(blueprint.cells):
        inside = [row.item for row in rows if row.cell == index and row.item is not None]
        cells.append(
            Filled(cell, sum(places(item, cell) for item in inside), sum(item.marks for item in inside))
        )
    slots = slots_of(
        [row.version for row in rows],
        keys,
        keeps_order=plan.keeps_order,
        cells=[(row.cell, blueprint.cells[row.cell]) for row in rows],
    )
    return DraftPaper(form.n, form.seed, tuple(picks), rows, slots, cells)


def _why(question: Question, today: date) -> str:
    """Why a question may not be used any more."""
    if question.state in {rules.ItemState.RETIRED, rules.ItemState.SUSPENDED}:
        return question.state
    return "past_due" if rules.is_past_due(question.review_due, today) else "not_live"


def _told(paper: int, row: DraftRow) -> str:
    code = row.question.code
    if row.why == "retired":
        return _("Paper %(n)s: question %(code)s was retired.", n=paper, code=code)
    if row.why == "suspended":
        return _("Paper %(n)s: question %(code)s was suspended.", n=paper, code=code)
    if row.why == "past_due":
        return _("Paper %(n)s: the source of question %(code)s has to be read again.", n=paper, code=code)
    return _("Paper %(n)s: question %(code)s is not in use.", n=paper, code=code)


def _problems(
    plan: TestPlan, blueprint: Blueprint, papers: Sequence[DraftPaper], items: Sequence[PoolItem]
) -> list[str]:
    if not papers:
        return [_("No papers are drawn yet.")]
    found = [_told(paper.n, row) for paper in papers for row in paper.rows if row.why]
    if len(papers) != plan.forms_wanted:
        found.append(
            _(
                "%(wanted)s papers are wanted and %(drawn)s drawn.",
                wanted=plan.forms_wanted,
                drawn=len(papers),
            )
        )
    known = {item.id for item in items}
    found += [
        fault.message
        for fault in forms_faults(
            blueprint,
            [[pick for pick in paper.picks if pick.item in known] for paper in papers],
            items,
            overlap=plan.limits.overlap,
            max_exposure=plan.limits.max_exposure,
        )
        if not any(row.why for paper in papers for row in paper.rows)
    ]
    return list(dict.fromkeys(found))
