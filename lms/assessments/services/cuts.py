"""Pass marks: proposed with a reason, judged by the modified Angoff method, approved by a second person. Further methods: standards."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

from sqlalchemy import select
from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import joinedload

from lms import policy
from lms.accounts import queries as accounts
from lms.accounts.models import Person
from lms.assessments import queries, rules
from lms.assessments.models import AngoffJudge, AngoffRating, AngoffStudy, ExamForm, Test
from lms.assessments.rules.cuts import LEAST_JUDGES, STUDY_MOVES, require_rating
from lms.assessments.rules.standards import FROM_RESULTS
from lms.assessments.services.agreeing import grade_by, keep_cut
from lms.assessments.services.making import record
from lms.core import approvals, clock, notices
from lms.core.db import db
from lms.core.errors import NotFound, RuleBroken
from lms.core.i18n import _, lazy
from lms.policy import Actor, Permission, Role
from lms.programmes.models import Cohort

PROPOSED = notices.Kind(
    "assessments.cut_proposed",
    lazy("A pass mark waits for your decision: %(test)s"),
    lazy("%(percent)s per cent was proposed. Read the reason, then agree or send it back."),
    label=lazy("A pass mark waits for your decision"),
    for_staff=True,
)
INVITED = notices.Kind(
    "assessments.judge_invited",
    lazy("You are asked to judge a test: %(test)s"),
    lazy(
        "Say of each question how many of a hundred trainees who just pass would answer it right. Keep the questions to yourself."
    ),
    label=lazy("You are asked to judge a test"),
    for_staff=True,
)
SECOND = notices.Kind(
    "assessments.judge_second_round",
    lazy("The second round of judging has begun: %(test)s"),
    lazy(
        "You see now how far the judges lie apart. Think again about each question; you need not change anything."
    ),
    label=lazy("The second round of judging has begun"),
    for_staff=True,
)


def tell(
    people: Sequence[Person],
    kind: notices.Kind,
    test: Test,
    url: str,
    once: str,
    at: datetime,
    **values: object,
) -> None:
    """A notice to every account of some people, the test named in the account's language."""
    for person in people:
        for account in accounts.accounts_of_person(person.id):
            title = (
                test.title_en or test.title_zh if account.locale == "en" else test.title_zh or test.title_en
            )
            notices.notify(account.id, kind, values={**values, "test": title}, url=url, at=at, once=once)


# ---------------------------------------------------------------- approval


def _test_of(approval: approvals.Approval) -> Test | None:
    return db.session.scalar(
        select(Test)
        .options(joinedload(Test.cohort).joinedload(Cohort.programme))
        .where(Test.public_id == approval.subject.removeprefix("test:"))
        .with_for_update(of=Test)
        .execution_options(populate_existing=True)
    )


def _current(approval: approvals.Approval) -> Mapping[str, Any] | None:
    """What was proposed, as long as it may still become the pass mark.

    While the test is a draft; from results also until they are released, and only as long as they are the same results.
    """
    test = _test_of(approval)
    if test is None:
        return None
    if test.state == rules.TestState.DRAFT:
        return approval.payload
    if approval.payload["method"] not in FROM_RESULTS or test.is_released:
        return None
    results = queries.first_results(test.id)
    if approval.payload["method"] == "hofstee":
        digest = results.sha256
    else:
        found = queries.borderline_found(test)
        digest = found.sha256 if found else ""
    is_same = not results.unmarked and digest == approval.payload["evidence"]["data_sha256"]
    return approval.payload if is_same else None


def _set(approval: approvals.Approval, by: approvals.By, at: datetime) -> None:
    test = _test_of(approval)
    if test is None:
        raise NotFound
    given = approval.payload
    if test.state == rules.TestState.PUBLISHED:
        grade_by(test, given["percent"], reason=approval.reason, by=by, at=at)
    keep_cut(
        test, approval, method=given["method"], percent=given["percent"], evidence=given["evidence"], at=at
    )


CUT = approvals.Kind(
    code="assessments.cut.set", label=lazy("Set the pass mark of a test"), act=_set, current=_current
)


def propose_cut(
    test: Test, *, percent: int, reason: str, study: AngoffStudy | None = None, by: Actor, at: datetime
) -> approvals.Approval:
    """Propose the pass mark of a draft; another person decides. With a closed study it is what the judges found.

    Raises RuleBroken with the field.
    """
    policy.require(by, Permission.TEST_MANAGE, test, see=Permission.TEST_READ)
    _require_draft(test)
    if not 1 <= percent <= 100:
        raise RuleBroken("cut", _("The cut score lies between 1 and 100 per cent."), field="percent")
    if not reason.strip():
        raise RuleBroken("reason", _("Say why this pass mark is right."), field="reason")
    evidence = _evidence(study) if study is not None else None
    if evidence is not None and evidence["whole_percent"] != percent:
        raise RuleBroken("not_the_result", _("The judges found another pass mark."), field="percent")
    return put_forward(
        test,
        percent=percent,
        method="angoff" if study is not None else "fixed",
        evidence=evidence,
        reason=reason,
        by=by,
        at=at,
    )


def put_forward(
    test: Test,
    *,
    percent: int,
    method: str,
    evidence: Mapping[str, Any] | None,
    reason: str,
    by: Actor,
    at: datetime,
) -> approvals.Approval:
    """Put a pass mark (whose test and percentage were looked at) before a second person, and tell those who may decide."""
    if not reason.strip():
        raise RuleBroken("reason", _("Say why this pass mark is right."), field="reason")
    approval = approvals.propose(
        CUT,
        f"test:{test.public_id}",
        {"test": test.public_id, "percent": percent, "method": method, "evidence": evidence},
        by=by,
        reason=reason.strip()[:1000],
        at=at,
        scope=f"programme:{test.programme_id}",
    )
    scope, today = f"programme:{test.programme_id}", clock.today(at)
    deciders = {
        person.id: person
        for role in (Role.DIRECTOR, Role.EXAMINER)
        for person in accounts.persons_with_role(role, scope, on=today)
        if person.id != by.person_id
    }
    tell(
        list(deciders.values()),
        PROPOSED,
        test,
        f"/tests/{test.public_id}/cut",
        f"cut:{approval.public_id}",
        at,
        percent=percent,
    )
    return approval


def _require_draft(test: Test) -> None:
    if test.state != rules.TestState.DRAFT:
        raise RuleBroken("wrong_state", _("The test is open: its pass mark stands."))


def _evidence(study: AngoffStudy) -> dict[str, Any]:
    """What the judges of a closed study found, as text and whole numbers."""
    (view,) = queries.study_views([study])
    if study.state != "closed" or view.last is None:
        raise RuleBroken("not_closed", _("The judges have not finished yet."))
    found = view.last
    return {
        "study": study.public_id,
        "paper": view.paper,
        "form_sha256": study.form.sha256,
        "judges": found.judges,
        "marks": str(found.marks),
        "total": found.total,
        "percent": f"{float(found.percent):.2f}",
        "se_percent": f"{found.se_percent:.2f}",
        "whole_percent": found.whole_percent,
    }


def decide_cut(test: Test, *, outcome: str, seen_sha256: str, words: str, by: Actor, at: datetime) -> None:
    """Agree to a proposed pass mark, or send it back with a reason. A second click changes nothing."""
    policy.require(by, Permission.APPROVE, test, see=Permission.TEST_READ)
    approval = approvals.open_for(CUT, f"test:{test.public_id}")
    if approval is None and outcome == approvals.APPROVED and queries.is_cut_approved(test):
        return
    if approval is None:
        raise RuleBroken("wrong_state", _("This is not possible any more. Please reload the page."))
    approvals.decide(approval, by=by, outcome=outcome, seen_sha256=seen_sha256, at=at, note=words)


def withdraw_cut(test: Test, *, by: Actor, at: datetime) -> None:
    """Take one's own proposal back."""
    policy.require(by, Permission.TEST_MANAGE, test, see=Permission.TEST_READ)
    approval = approvals.open_for(CUT, f"test:{test.public_id}")
    if approval is not None:
        approvals.withdraw(approval, by=by, at=at)


# ---------------------------------------------------------------- judges


def start_study(
    test: Test, form: ExamForm, judges: Sequence[Person], *, by: Actor, at: datetime
) -> AngoffStudy:
    """Ask judges to rate the questions of a sealed paper; a test has one study at a time, two clicks make one."""
    policy.require(by, Permission.TEST_MANAGE, test, see=Permission.TEST_READ)
    _require_draft(test)
    if len(judges) < LEAST_JUDGES:
        raise RuleBroken(
            "too_few_judges", _("Ask at least %(least)s judges.", least=LEAST_JUDGES), field="judges"
        )
    study = AngoffStudy(test_id=test.id, form_id=form.id, state="round_1", started_at=at)
    study.test, study.form = test, form
    try:
        with db.session.begin_nested():
            db.session.add(study)
            db.session.flush()
    except IntegrityError as running:
        again = next((one for one in queries.studies(test.id) if one.state != "closed"), None)
        if again is not None and again.form_id == form.id:
            return again
        raise RuleBroken("running", _("The judges are still at work on another paper.")) from running
    db.session.add_all(
        AngoffJudge(study_id=study.id, person_id=person.id, invited_at=at) for person in judges
    )
    db.session.flush()
    record(test, "judge", by=by, at=at, study=study.public_id, judges=len(judges))
    tell(judges, INVITED, test, f"/judging/{study.public_id}", f"study:{study.public_id}:1", at)
    return study


def _held(study: AngoffStudy) -> AngoffStudy:
    return db.session.scalars(
        select(AngoffStudy)
        .options(
            joinedload(AngoffStudy.test).joinedload(Test.cohort).joinedload(Cohort.programme),
            joinedload(AngoffStudy.form),
        )
        .where(AngoffStudy.id == study.id)
        .with_for_update(of=AngoffStudy)
        .execution_options(populate_existing=True)
    ).one()


def move_study(study: AngoffStudy, act: str, *, by: Actor, at: datetime) -> AngoffStudy:
    """Begin the second round (``next_round``) or end the study (``close``); twice is once.

    Raises RuleBroken("too_few_judges") while fewer than two rated everything.
    """
    study = _held(study)
    policy.require(by, Permission.TEST_MANAGE, study.test, see=Permission.TEST_READ)
    source, target = STUDY_MOVES[act]
    if study.state == target:
        return study
    if study.state != source:
        raise RuleBroken("wrong_state", _("This is not possible any more. Please reload the page."))
    (view,) = queries.study_views([study])
    if (view.first if act == "next_round" else view.last) is None:
        raise RuleBroken(
            "too_few_judges",
            _("At least %(least)s judges have to rate every question first.", least=LEAST_JUDGES),
        )
    study.state = target
    if act == "close":
        study.closed_at = at
    db.session.flush()
    record(study.test, "judge", by=by, at=at, study=study.public_id, state=target)
    if act == "next_round":
        done = [judge.person_id for judge in view.judges if view.is_complete(judge, 1)]
        people = db.session.scalars(select(Person).where(Person.id.in_(done)).order_by(Person.id)).all()
        tell(people, SECOND, study.test, f"/judging/{study.public_id}", f"study:{study.public_id}:2", at)
    return study


def rate(
    study: AngoffStudy, round_: int, given: Mapping[int, int], *, by: Actor, at: datetime
) -> AngoffStudy:
    """Keep what a judge said (slot → per cent) in the round that their page showed; what is the same as before adds nothing.

    Raises RuleBroken("round_over") once that round has ended, ("first_missing") for a second round without a first.
    """
    study = _held(study)
    policy.require(by, Permission.CUT_RATE, queries.judged(study))
    if study.state != f"round_{round_}":
        raise RuleBroken("round_over", _("This round has ended. Reload the page to see how it goes on."))
    seen = queries.seen_by(study, by.person_id)
    if round_ == 2 and any(one.before is None for one in seen.values()):
        raise RuleBroken(
            "first_missing", _("The second round is for judges who rated everything in the first.")
        )
    kept = queries.ratings([study.id]).get((study.id, round_), {}).get(by.person_id, {})
    for slot, percent in given.items():
        require_rating(percent)
        if slot in seen and kept.get(slot) != percent:
            db.session.add(
                AngoffRating(
                    study_id=study.id, person_id=by.person_id, round=round_, slot=slot, percent=percent, at=at
                )
            )
    db.session.flush()
    record(study.test, "rate", by=by, at=at, study=study.public_id, round=round_)
    return study
