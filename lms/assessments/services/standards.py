"""Pass marks by Ebel, Hofstee and borderline regression: judges asked, what they say kept, the result proposed."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

from sqlalchemy import select
from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import joinedload

from lms import policy
from lms.accounts.models import Person
from lms.assessments import queries, rules
from lms.assessments.models import ExamForm, StandardJudge, StandardJudgement, StandardStudy, Test
from lms.assessments.queries import standards as query
from lms.assessments.queries.quality import quality_now
from lms.assessments.rules import standards as rule
from lms.assessments.rules.cuts import LEAST_JUDGES
from lms.assessments.services.cuts import put_forward, tell
from lms.assessments.services.making import record
from lms.core import approvals, notices
from lms.core.db import db
from lms.core.errors import RuleBroken
from lms.core.i18n import _, lazy
from lms.policy import Actor, Permission
from lms.programmes.models import Cohort

SORT = notices.Kind(
    "assessments.panel_invited",
    lazy("You are asked to judge a test: %(test)s"),
    lazy(
        "Open the page and say what you think of its questions, or which pass marks you accept. Keep it to yourself."
    ),
    label=lazy("You are asked to a panel on a pass mark"),
    for_staff=True,
)
AGAIN = notices.Kind(
    "assessments.panel_second_round",
    lazy("The second round of judging has begun: %(test)s"),
    lazy("You see now how the panel sorted the questions. Think again; you need not change anything."),
    label=lazy("The second round of a panel has begun"),
    for_staff=True,
)


# ---------------------------------------------------------------- judges


def start_panel(
    test: Test, form: ExamForm, method: str, judges: Sequence[Person], *, by: Actor, at: datetime
) -> StandardStudy:
    """Ask judges about a sealed paper by Ebel's or Hofstee's method; one study of a method at a time, two clicks make one.

    Ebel's judges sort questions before the test is open; Hofstee's may say what they accept until results are released.
    """
    policy.require(by, Permission.TEST_MANAGE, test, see=Permission.TEST_READ)
    if method == "ebel" and test.state != rules.TestState.DRAFT:
        raise RuleBroken("wrong_state", _("The test is open: its questions are not judged any more."))
    _require_unreleased(test, method)
    if len(judges) < LEAST_JUDGES:
        raise RuleBroken(
            "too_few_judges", _("Ask at least %(least)s judges.", least=LEAST_JUDGES), field="judges"
        )
    study = StandardStudy(test_id=test.id, form_id=form.id, method=method, state="round_1", started_at=at)
    study.test, study.form = test, form
    try:
        with db.session.begin_nested():
            db.session.add(study)
            db.session.flush()
    except IntegrityError as running:
        again = next((one for one in query.standard_studies(test.id, method) if one.state != "closed"), None)
        if again is not None and again.form_id == form.id:
            return again
        raise RuleBroken("running", _("The judges are still at work on another paper.")) from running
    db.session.add_all(
        StandardJudge(study_id=study.id, person_id=person.id, invited_at=at) for person in judges
    )
    db.session.flush()
    record(test, "judge", by=by, at=at, study=study.public_id, method=method, judges=len(judges))
    tell(judges, SORT, test, f"/panels/{study.public_id}", f"panel:{study.public_id}:1", at)
    return study


def _require_unreleased(test: Test, method: str) -> None:
    """Who may know results no longer says which of them are acceptable; of a draft there are none, however it releases them."""
    if method == "hofstee" and test.state != rules.TestState.DRAFT and test.is_released:
        raise RuleBroken("released", _("Results are released: judges are not asked any more."))


def _held(study: StandardStudy) -> StandardStudy:
    return db.session.scalars(
        select(StandardStudy)
        .options(
            joinedload(StandardStudy.test).joinedload(Test.cohort).joinedload(Cohort.programme),
            joinedload(StandardStudy.form),
        )
        .where(StandardStudy.id == study.id)
        .with_for_update(of=StandardStudy)
        .execution_options(populate_existing=True)
    ).one()


def move_panel(study: StandardStudy, act: str, *, by: Actor, at: datetime) -> StandardStudy:
    """Begin Ebel's second round (``next_round``) or end the study (``close``); twice is once.

    Raises RuleBroken("too_few_judges") while fewer than two have said everything.
    """
    study = _held(study)
    policy.require(by, Permission.TEST_MANAGE, study.test, see=Permission.TEST_READ)
    move = rule.STUDY_MOVES[study.method].get(act)
    if move is not None and study.state == move[1]:
        return study
    if move is None or study.state != move[0]:
        raise RuleBroken("wrong_state", _("This is not possible any more. Please reload the page."))
    (view,) = query.panel_views([study])
    if not view.has_enough:
        raise RuleBroken(
            "too_few_judges", _("At least %(least)s judges have to finish first.", least=LEAST_JUDGES)
        )
    study.state = move[1]
    if act == "close":
        study.closed_at = at
    db.session.flush()
    record(study.test, "judge", by=by, at=at, study=study.public_id, method=study.method, state=study.state)
    if act == "next_round":
        done = [
            person
            for person, given in query.judgements([study.id]).get((study.id, 1), {}).items()
            if rule.Sorted.of(given).is_complete(queries.cuts.marks_of(study.form))
        ]
        people = db.session.scalars(select(Person).where(Person.id.in_(done)).order_by(Person.id)).all()
        tell(people, AGAIN, study.test, f"/panels/{study.public_id}", f"panel:{study.public_id}:2", at)
    return study


def sort_questions(
    study: StandardStudy, round_: int, said: rule.Sorted, *, by: Actor, at: datetime
) -> StandardStudy:
    """Keep how a judge sorted the questions (Ebel), in the round that their page showed; what is the same adds nothing.

    Raises RuleBroken("round_over") once that round has ended, ("first_missing") for a second round without a first.
    """
    study = _judged(study, "ebel", round_, by)
    rule.require_sorted(said, [slot["slot"] for slot in study.form.slots])
    if round_ == 2 and not query.own_sheet(study, by.person_id).has_first:
        raise RuleBroken(
            "first_missing", _("The second round is for judges who rated everything in the first.")
        )
    return _keep(study, round_, said.given(), by, at)


def accept_limits(
    study: StandardStudy, given: Mapping[str, int], *, by: Actor, at: datetime
) -> StandardStudy:
    """Keep which pass marks and fail rates a judge accepts (Hofstee), in per cent; the newest count until the study ends."""
    study = _judged(study, "hofstee", 1, by)
    _require_unreleased(study.test, "hofstee")
    rule.require_limits(given)
    return _keep(study, 1, {name: given[name] for name in rule.LIMITS}, by, at)


def _judged(study: StandardStudy, method: str, round_: int, by: Actor) -> StandardStudy:
    study = _held(study)
    policy.require(by, Permission.CUT_RATE, query.standard_judged(study))
    if study.method != method or study.state != f"round_{round_}":
        raise RuleBroken("round_over", _("This round has ended. Reload the page to see how it goes on."))
    return study


def _keep(study: StandardStudy, round_: int, given: dict[str, Any], by: Actor, at: datetime) -> StandardStudy:
    kept = query.judgements([study.id]).get((study.id, round_), {}).get(by.person_id)
    if kept != given:
        db.session.add(
            StandardJudgement(study_id=study.id, person_id=by.person_id, round=round_, given=given, at=at)
        )
        db.session.flush()
        record(study.test, "rate", by=by, at=at, study=study.public_id, round=round_)
    return study


# ---------------------------------------------------------------- the result


def standard_evidence(
    test: Test,
    method: str,
    study: StandardStudy | None,
    *,
    at: datetime,
    view: query.PanelView | None = None,
    form: ExamForm | None = None,
) -> dict[str, Any]:
    """What a pass mark by a method rests on, as plain values; ``whole_percent`` is the pass mark.

    ``view``, ``form``: what the panel came to, and the newest paper, where they are at hand.

    Raises RuleBroken where there is none: "not_closed", "still_open", "unmarked", "too_few_results", "no_intersection",
    "no_line".
    """
    if method == "ebel":
        return _ebel_evidence(study, view)
    results = query.first_results(test.id)
    rule.require_results(is_over=query.is_over(test, at), unmarked=results.unmarked)
    found = _hofstee_evidence(results, study, view) if method == "hofstee" else _borderline_evidence(test)
    rule.require_percent(found["whole_percent"])
    quality = quality_now(test, found["whole_percent"], form)
    return {
        **found,
        "quality": {
            "n": quality.n,
            "sem": quality.sem,
            "wrong": quality.wrong,
            "false_pass": quality.false_pass,
            "false_fail": quality.false_fail,
            "why": str(quality.why.get("wrong", "") and quality.why["wrong"].value),
        },
        "fails": query.fails_at(results, found["whole_percent"]),
    }


def _not_closed() -> RuleBroken:
    return RuleBroken("not_closed", _("The judges have not finished yet."))


def _ebel_evidence(study: StandardStudy | None, view: query.PanelView | None) -> dict[str, Any]:
    if study is None or study.state != "closed":
        raise _not_closed()
    view = view or query.panel_views([study])[0]
    if view.last is None:
        raise _not_closed()
    found = view.last
    return {
        "study": study.public_id,
        "paper": study.form.n,
        "form_sha256": study.form.sha256,
        "judges": found.judges,
        "marks": str(found.marks),
        "total": found.total,
        "percent": f"{float(found.percent):.2f}",
        "se_percent": f"{found.se_percent:.2f}",
        "whole_percent": found.whole_percent,
        "cuts": [round(float(row.cut), 2) for row in view.rows if row.is_done[1] and row.cut is not None],
        "grid": [[one.cell, round(one.marks, 3), one.expected] for one in view.grid],
    }


def _hofstee_evidence(
    results: query.Results, study: StandardStudy | None, view: query.PanelView | None
) -> dict[str, Any]:
    if study is None or study.state != "closed":
        raise _not_closed()
    view = view or query.panel_views([study])[0]
    found = query.hofstee_found(view, results)
    if found is None:
        raise _too_few()
    if found.percent is None:
        raise RuleBroken(
            "no_intersection", _("The results do not meet what the judges accept, so there is no pass mark.")
        )
    return {
        "study": study.public_id,
        "paper": study.form.n,
        "judges": found.judges,
        "n": found.n,
        "percent": f"{found.percent:.2f}",
        "se_percent": "" if found.se is None else f"{found.se:.2f}",
        "whole_percent": rule.whole(found.percent),
        "fail_rate": found.fail_rate,
        "limits": dict(found.limits),
        "curve": [[round(at, 4), round(rate, 6)] for at, rate in found.curve],
        "cuts": [round(one, 2) for one in found.cuts],
        "data_sha256": results.sha256,
    }


def _too_few() -> RuleBroken:
    return RuleBroken(
        "too_few_results",
        _("At least %(least)s results are needed to compute a pass mark.", least=rule.LEAST_RESULTS),
    )


def _borderline_evidence(test: Test) -> dict[str, Any]:
    found = query.borderline_found(test)
    if found is None:
        raise RuleBroken("no_stations", _("The paper of this test has no station."))
    if any(one.line.n < rule.LEAST_RESULTS for one in found.stations):
        raise _too_few()
    if found.percent is None:
        raise RuleBroken(
            "no_line",
            _("At a station all candidates have the same rating, so there is no line through them."),
        )
    return {
        "n": min(one.line.n for one in found.stations),
        "total": found.total,
        "rest": found.rest,
        "rest_percent": found.rest_percent,
        "percent": f"{found.percent:.2f}",
        "se_percent": "" if found.se_percent is None else f"{found.se_percent:.2f}",
        "whole_percent": rule.whole(found.percent),
        "stations": [
            {
                "slot": one.slot,
                "code": one.code,
                "maximum": one.maximum,
                "n": one.line.n,
                "unrated": one.unrated,
                "cut": one.line.cut,
                "cut_se": one.line.cut_se,
                "slope": one.line.slope,
                "intercept": one.line.intercept,
                "r_squared": one.line.r_squared,
                "rmse": one.line.rmse,
                "groups": [[group.rating, group.n, group.mean] for group in one.line.groups],
                "points": sorted({(rating, round(score, 4)) for rating, score in one.points}),
            }
            for one in found.stations
        ],
        "data_sha256": found.sha256,
    }


def propose_standard(
    test: Test,
    method: str,
    study: StandardStudy | None,
    *,
    percent: int,
    reason: str,
    by: Actor,
    at: datetime,
) -> approvals.Approval:
    """Propose what judges or results showed as the pass mark; another person decides.

    Before a test is open by Ebel; after its sittings and before the release of results by Hofstee or borderline regression.
    Raises RuleBroken("released") after the release: from then on it is a regrade.
    """
    policy.require(by, Permission.TEST_MANAGE, test, see=Permission.TEST_READ)
    is_draft = test.state == rules.TestState.DRAFT
    if method == "ebel" and not is_draft:
        raise RuleBroken("wrong_state", _("The test is open: its pass mark stands."))
    if method in rule.FROM_RESULTS and not is_draft and test.is_released:
        raise RuleBroken("released", _("Results are released: another pass mark reaches them by a regrade."))
    evidence = standard_evidence(test, method, study, at=at)
    if evidence["whole_percent"] != percent:
        raise RuleBroken("not_the_result", _("What was found by now is another pass mark. Look at it again."))
    return put_forward(test, percent=percent, method=method, evidence=evidence, reason=reason, by=by, at=at)
