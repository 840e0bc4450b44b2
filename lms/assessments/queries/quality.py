"""How sure decisions at a pass mark are."""

from fractions import Fraction

from sqlalchemy import String, select, type_coerce

from lms.assessments import rules
from lms.assessments.models import ExamForm, Mark, Sitting, Test
from lms.assessments.psychometrics.decisions import Decisions, decisions
from lms.assessments.queries.catalogue import counting_run, form_of
from lms.assessments.queries.statistics import statistics
from lms.core.db import db


def quality_now(test: Test, percent: int, form: ExamForm | None = None) -> Decisions:
    """How good decisions at a pass mark are, from the first attempts at the newest paper (``form``, where it is at hand)."""
    from lms.assessments.psychometrics.chosen import chosen_of
    from lms.assessments.psychometrics.classical import classical

    form = form or form_of(test.id)
    slots = {slot["slot"]: place for place, slot in enumerate(form.slots)}
    maxima = [float(slot["marks"]) for slot in form.slots]
    choice = [slot.get("choice") for slot in form.slots]
    rows: dict[int, list[float]] = {}
    had: dict[int, list[bool]] = {}
    worth: dict[str, float] = {}
    for sitting_id, slot, score in db.session.execute(
        select(Mark.sitting_id, Mark.slot, type_coerce(Mark.score, String))
        .join(Sitting, Sitting.id == Mark.sitting_id)
        .where(
            Sitting.test_id == test.id,
            Sitting.form_id == form.id,
            Sitting.attempt == 1,
            Mark.grade_run_id == counting_run(Sitting.id),
        )
        .execution_options(yield_per=5000)
    ):
        if score not in worth:
            worth[score] = float(Fraction(score))
        rows.setdefault(sitting_id, [0.0] * len(maxima))[slots[slot]] = worth[score]
        had.setdefault(sitting_id, [one is None for one in choice])[slots[slot]] = True
    chosen = chosen_of(list(had.values()), choice, [rules.first_of(slot) for slot in form.slots])
    whole_test = classical(list(rows.values()), maxima, chosen=chosen)
    return decisions(
        n=whole_test.n,
        mean=whole_test.totals.mean,
        sd=whole_test.totals.sd,
        reliability=whole_test.alpha,
        cut=rules.maximum(form.slots) * percent / 100,
    )


def quality_kept(test_id: int, percent: int) -> Decisions | None:
    """The same from the statistics that were computed last; None where there are none."""
    row = statistics(test_id)
    if row is None or not row.n:
        return None
    report = row.report
    return decisions(
        n=row.n,
        mean=report["totals"]["mean"],
        sd=report["totals"]["sd"],
        reliability=report["test"]["alpha"],
        cut=report["maximum"] * percent / 100,
    )
