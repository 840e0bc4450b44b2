"""Papers of a test: drawn, changed by hand, sealed."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date, datetime
from typing import Any

from sqlalchemy import delete, select

from lms import policy
from lms.assessments import queries
from lms.assessments.models import DraftForm, ExamForm, Question, Test, TestPlan
from lms.assessments.psychometrics import assembly
from lms.assessments.rules.blueprint import Blueprint, Pick, PoolItem, forms_faults
from lms.assessments.rules.papers import exchanged, gathered, new_faults, ordered, read_cells
from lms.assessments.services.making import held_draft, record, require_unsealed
from lms.core.db import db
from lms.core.digests import digest_of, sha256_hex
from lms.core.errors import NotFound, RuleBroken
from lms.core.i18n import _
from lms.policy import Actor, Permission

SEARCH_S = 1.0
"""The longest that one search of a drawing takes; of the at most five, all but the first only look for what is lacking."""


@dataclass(frozen=True)
class Drawing:
    """What a drawing found, and what it was drawn from."""

    seed: str
    plan_sha256: str
    outcome: assembly.Drawn | assembly.Infeasible

    @property
    def lacks(self) -> list[str]:
        """Why there are no papers, in sentences; empty: there are."""
        if isinstance(self.outcome, assembly.Drawn):
            return []
        found = [lack.message for lack in self.outcome.lacks]
        found += [str(assembly.WITHOUT[limit]) for limit in self.outcome.would_help]
        if not self.outcome.is_proven:
            found.append(_("The time for the search ran out; fewer papers or fewer lines may help."))
        return found


def _plan_sha256(plan: TestPlan) -> str:
    limits = plan.limits
    return digest_of(
        [plan.bank_id, plan.blueprint, limits.forms, limits.max_shared, limits.max_exposure_percent]
    )


def draw(test: Test, *, client_uuid: str, by: Actor, at: datetime, today: date) -> Drawing:
    """Search papers for a draft. Changes nothing and may take seconds: ask it outside of a writing transaction.

    ``client_uuid``: of the button; another one gives another seed. Raises RuleBroken("no_blueprint").
    """
    policy.require(by, Permission.TEST_MANAGE, test, see=Permission.TEST_READ)
    plan = queries.plan_of(test.id)
    if plan is None:
        raise NotFound
    require_unsealed(test)
    if not plan.blueprint:
        raise RuleBroken("no_blueprint", _("Write the blueprint first."))
    seed = sha256_hex(f"{test.public_id}|{client_uuid}".encode())
    outcome = assembly.draw(
        Blueprint(read_cells(plan.blueprint)),
        [one.item for one in queries.offered(plan.bank, at=at, today=today).values()],
        forms=plan.forms_wanted,
        overlap=plan.limits.overlap,
        max_exposure=plan.limits.max_exposure,
        seed=bytes.fromhex(seed),
        time_limit_s=SEARCH_S,
    )
    return Drawing(seed, _plan_sha256(plan), outcome)


def keep(test: Test, drawing: Drawing, *, by: Actor, at: datetime, today: date) -> None:
    """Keep the papers that were drawn in the place of earlier ones; the same drawing twice changes nothing.

    They are proved once more, by counting. Raises RuleBroken("changed_meanwhile") where they do not fit any more.
    """
    test, plan = held_draft(test, by)
    require_unsealed(test)
    if not isinstance(drawing.outcome, assembly.Drawn):
        raise RuleBroken("infeasible", " ".join(drawing.lacks))
    held = db.session.scalars(select(DraftForm.seed).where(DraftForm.test_id == test.id)).first()
    if held == drawing.seed:
        return
    pool = [one.item for one in queries.offered(plan.bank, at=at, today=today).values()]
    blueprint = Blueprint(read_cells(plan.blueprint))
    if _plan_sha256(plan) != drawing.plan_sha256 or forms_faults(
        blueprint,
        drawing.outcome.forms,
        pool,
        overlap=plan.limits.overlap,
        max_exposure=plan.limits.max_exposure,
    ):
        raise RuleBroken(
            "changed_meanwhile", _("Somebody changed the blueprint or the bank meanwhile. Draw again.")
        )
    db.session.execute(delete(DraftForm).where(DraftForm.test_id == test.id))
    for n, form in enumerate(drawing.outcome.forms, 1):
        db.session.add(DraftForm(test_id=test.id, n=n, picks=_written(form), seed=drawing.seed))
    db.session.flush()
    record(test, "draw", by=by, at=at, seed=drawing.seed, papers=len(drawing.outcome.forms))


def _written(form: Any) -> list[Any]:
    return [[pick.cell, pick.item] for pick in form]


def _read(form: DraftForm) -> tuple[Pick, ...]:
    return tuple(Pick(cell, item) for cell, item in form.picks)


# ---------------------------------------------------------------- by hand


def _held_papers(test: Test, n: int, by: Actor) -> tuple[Test, TestPlan, list[DraftForm], DraftForm]:
    test, plan = held_draft(test, by)
    require_unsealed(test)
    forms = list(
        db.session.scalars(select(DraftForm).where(DraftForm.test_id == test.id).order_by(DraftForm.n))
    )
    found = next((form for form in forms if form.n == n), None)
    if found is None:
        raise NotFound
    return test, plan, forms, found


def exchange(
    test: Test, n: int, old: Question, new: Question, *, by: Actor, at: datetime, today: date
) -> None:
    """Put another question in the place of one of a draft paper; twice is once.

    Raises RuleBroken("not_equivalent") where the papers would not keep to their blueprint.
    """
    test, plan, forms, mine = _held_papers(test, n, by)
    before = [_read(form) for form in forms]
    form = _read(mine)
    inside = {pick.item for pick in form}
    if old.id not in inside:
        if new.id in inside:
            return  # a second click
        raise RuleBroken("changed_meanwhile", _("This question is not in the paper any more."))
    pool = [one.item for one in queries.offered(plan.bank, at=at, today=today).values()]
    changed = exchanged(form, old.id, new.id)
    after = [changed if other is mine else _read(other) for other in forms]
    faults = new_faults(Blueprint(read_cells(plan.blueprint)), before, after, pool, plan.limits)
    if faults:
        raise RuleBroken("not_equivalent", faults[0].message)
    mine.picks = _written(changed)
    db.session.flush()
    record(test, "exchange", by=by, at=at, paper=n, old=old.code, new=new.code)


def reorder(test: Test, n: int, wished: Mapping[int, int], *, by: Actor, at: datetime) -> None:
    """Put the questions of a draft paper in another order. ``wished``: question id → place from 1."""
    test, plan, _forms, mine = _held_papers(test, n, by)
    shown = gathered(_read(mine), read_cells(plan.blueprint))
    picks = _written(ordered(shown, wished))
    if picks != mine.picks:
        mine.picks = picks
        db.session.flush()
        record(test, "reorder", by=by, at=at, paper=n)


# ---------------------------------------------------------------- the seal


def seal(test: Test, *, seen_sha256: str, by: Actor, at: datetime, today: date) -> None:
    """Seal the papers as they stand: from now on they never change. Twice is once.

    ``seen_sha256``: of the papers that were shown. Raises RuleBroken("changed_meanwhile") when they are others by now,
    ("not_ready") with the reasons.
    """
    test, plan = held_draft(test, by)
    if sealed := queries.forms_of(test.id):
        if digest_of([form.sha256 for form in sealed]) == seen_sha256:
            return
        require_unsealed(test)
    ids = select(DraftForm.picks).where(DraftForm.test_id == test.id)
    questions = {number for picks in db.session.scalars(ids) for _cell, number in picks}
    db.session.execute(  # nobody retires one of them meanwhile
        select(Question.id).where(Question.id.in_(questions)).order_by(Question.id).with_for_update()
    )
    drafts = queries.drafts(plan, at=at, today=today)
    if drafts.problems:
        raise RuleBroken("not_ready", drafts.problems[0], details={"problems": list(drafts.problems)})
    if drafts.sha256 != seen_sha256:
        raise RuleBroken(
            "changed_meanwhile", _("The papers have changed since you saw them. Look at them again.")
        )
    items = {item.id: item for item in drafts.pool}
    for paper in drafts.papers:
        db.session.add(
            ExamForm(
                test_id=test.id,
                n=paper.n,
                slots=list(paper.slots),
                sha256=paper.sha256,
                drawn={
                    "blueprint": plan.blueprint,
                    "picks": _written(paper.picks),
                    "items": [_facts(items[pick.item]) for pick in paper.picks],
                    "seed": paper.seed,
                },
                sealed_at=at,
            )
        )
    db.session.execute(delete(DraftForm).where(DraftForm.test_id == test.id))
    db.session.flush()
    record(test, "seal", by=by, at=at, papers=",".join(paper.sha256 for paper in drafts.papers))


def _facts(item: PoolItem) -> dict[str, Any]:
    """What was known of a question when the paper was proved."""
    return {
        "id": item.id,
        "topic": item.topic,
        "type": item.type,
        "cognitive": item.cognitive,
        "difficulty": item.difficulty,
        "asks": item.asks,
        "marks": item.marks,
        "exposure": str(item.exposure),
    }
