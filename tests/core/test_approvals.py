"""Two-person approval: two persons, one act, on exactly what was shown."""

import threading
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import pytest
from flask import Flask
from sqlalchemy import select, text, update
from sqlalchemy.exc import DBAPIError, IntegrityError

from lms.accounts.models import Account, Person
from lms.core import approvals, audit
from lms.core.approvals import APPROVED, REFUSED, Approval, Kind
from lms.core.db import db, transaction
from lms.core.errors import NotFound, RuleBroken

DONE: list[tuple[str, dict[str, Any]]] = []
NOW: dict[str, dict[str, Any] | None] = {}


def act(approval: Approval, _by: approvals.By, _at: datetime) -> None:
    if approval.payload.get("fails"):
        raise RuleBroken("act_failed", "no")
    DONE.append((approval.subject, approval.payload))


REVOKE = Kind("tests.certificate.revoke", "Revoke", act)
CUT = Kind("tests.cut.change", "Change", act, current=lambda approval: NOW.get(approval.subject))


@dataclass(frozen=True)
class Someone:
    account_id: int
    person_id: int


@dataclass(frozen=True)
class People:
    director: Someone
    director_elsewhere: Someone
    """Another account of the same person."""
    chair: Someone
    examiner: Someone


@pytest.fixture
def people(bare_app: Flask, at: datetime) -> People:
    DONE.clear()
    NOW.clear()
    with bare_app.app_context(), transaction():
        persons = [Person(name_zh=name, created_at=at) for name in ("李", "王", "赵")]
        accounts = [Account(person=persons[number], created_at=at) for number in (0, 0, 1, 2)]
        db.session.add_all(accounts)
        db.session.flush()
        return People(*(Someone(account.id, account.person_id) for account in accounts))


def proposed(
    by: Someone, at: datetime, *, kind: Kind = REVOKE, subject: str = "certificate:abc", **payload: Any
) -> Approval:
    with transaction():
        return approvals.propose(
            kind, subject, payload or {"serial": "FF-1"}, by=by, reason="wrong name", at=at
        )


def decided(approval: Approval, by: Someone, at: datetime, outcome: str = APPROVED, **more: Any) -> Approval:
    with transaction():
        seen = more.pop("seen", approval.payload_sha256)
        return approvals.decide(approval, by=by, outcome=outcome, seen_sha256=seen, at=at, **more)


def code(run: Callable[[], object]) -> str:
    with pytest.raises(RuleBroken) as refused:
        run()
    return refused.value.code


def test_another_person_approves_and_the_act_is_done_once(app: Flask, people: People, at: datetime) -> None:
    approval = proposed(people.director, at)
    assert DONE == []
    decided(approval, people.chair, at)
    assert DONE == [("certificate:abc", {"serial": "FF-1"})]
    assert decided(approval, people.chair, at).state == APPROVED  # a second click
    assert len(DONE) == 1
    acts = db.session.scalars(select(audit.AuditEvent.act).order_by(audit.AuditEvent.seq)).all()
    assert acts == ["core.approval.propose", "core.approval.approve"]
    assert audit.verify().broken == ()


def test_nobody_approves_their_own_proposal_whatever_account_they_use(
    app: Flask, people: People, at: datetime
) -> None:
    approval = proposed(people.director, at)
    for same in (people.director, people.director_elsewhere):
        assert not approvals.may_decide(approval, same)
        assert code(lambda same=same: decided(approval, same, at)) == "same_person"
        assert code(lambda same=same: decided(approval, same, at, REFUSED, note="no")) == "same_person"
    assert approvals.may_decide(approval, people.chair)
    assert DONE == []


def test_the_database_itself_wants_two_persons(app: Flask, people: People, at: datetime) -> None:
    approval = proposed(people.director, at)

    def cheat() -> None:
        with transaction():
            db.session.execute(
                update(Approval)
                .where(Approval.id == approval.id)
                .values(state=APPROVED, decided_at=at, decided_by_person_id=people.director.person_id)
            )

    with pytest.raises(IntegrityError):
        cheat()


def test_a_proposal_cannot_be_changed_or_deleted_and_a_decision_not_undone(
    app: Flask, people: People, at: datetime
) -> None:
    approval = proposed(people.director, at)

    def run(statement: str) -> None:
        with transaction():
            db.session.execute(text(statement))

    for statement in (
        'UPDATE approval SET payload = \'{"serial":"FF-2"}\'',
        "UPDATE approval SET proposed_by_person_id = proposed_by_person_id + 1",
        "UPDATE approval SET subject = 'certificate:xyz'",
        "DELETE FROM approval",
    ):
        with pytest.raises(DBAPIError, match="append-only"):
            run(statement)
    decided(approval, people.chair, at, REFUSED, note="not needed")
    for statement in (
        "UPDATE approval SET state = 'open', decided_at = NULL",
        "UPDATE approval SET note = 'x'",
    ):
        with pytest.raises(DBAPIError, match="append-only"):
            run(statement)


def test_a_refusal_has_a_reason_and_does_nothing(app: Flask, people: People, at: datetime) -> None:
    approval = proposed(people.director, at)
    assert code(lambda: decided(approval, people.chair, at, REFUSED, note="  ")) == "reason_needed"
    refused = decided(approval, people.chair, at, REFUSED, note="The name is right.")
    assert (refused.state, refused.note, DONE) == (REFUSED, "The name is right.", [])
    assert code(lambda: decided(approval, people.chair, at)) == "decided"
    assert code(lambda: decided(approval, people.examiner, at, REFUSED, note="me too")) == "decided"


def test_what_the_decider_did_not_see_is_not_approved(app: Flask, people: People, at: datetime) -> None:
    approval = proposed(people.director, at)
    assert code(lambda: decided(approval, people.chair, at, seen="0" * 64)) == "stale"
    assert DONE == []


def test_a_thing_that_changed_meanwhile_is_not_approved_but_may_be_refused(
    app: Flask, people: People, at: datetime
) -> None:
    NOW["cut:1"] = {"from": 60, "to": 65}
    approval = proposed(people.director, at, kind=CUT, subject="cut:1", **{"from": 60, "to": 65})
    NOW["cut:1"] = {"from": 62, "to": 65}
    assert code(lambda: decided(approval, people.chair, at)) == "stale"
    NOW["cut:1"] = None
    assert code(lambda: decided(approval, people.chair, at)) == "stale"
    assert DONE == []
    assert decided(approval, people.chair, at, REFUSED, note="outdated").state == REFUSED


def test_the_order_of_keys_is_no_change(app: Flask, people: People, at: datetime) -> None:
    approval = proposed(people.director, at, kind=CUT, subject="cut:1", **{"from": 60, "to": 65})
    NOW["cut:1"] = {"to": 65, "from": 60}
    assert decided(approval, people.chair, at).state == APPROVED


def test_an_act_that_fails_leaves_the_proposal_open(app: Flask, people: People, at: datetime) -> None:
    approval = proposed(people.director, at, fails=True)
    assert code(lambda: decided(approval, people.chair, at)) == "act_failed"
    assert approvals.get(approval.public_id).state == "open"
    assert [event.act for event in db.session.scalars(select(audit.AuditEvent))] == ["core.approval.propose"]


def test_one_proposal_waits_for_one_subject(app: Flask, people: People, at: datetime) -> None:
    first = proposed(people.director, at)
    assert proposed(people.director, at).id == first.id  # a second click
    assert proposed(people.director_elsewhere, at).id == first.id
    assert code(lambda: proposed(people.chair, at)) == "already_proposed"
    assert code(lambda: proposed(people.director, at, serial="FF-2")) == "already_proposed"
    assert proposed(people.director, at, subject="certificate:xyz").id != first.id
    assert proposed(people.director, at, kind=CUT).id != first.id
    decided(first, people.chair, at, REFUSED, note="no")
    assert proposed(people.director, at).id != first.id


def test_only_the_proposer_takes_a_proposal_back(app: Flask, people: People, at: datetime) -> None:
    approval = proposed(people.director, at)

    def take_back(by: Someone) -> Approval:
        with transaction():
            return approvals.withdraw(approval, by=by, at=at)

    assert code(lambda: take_back(people.chair)) == "not_proposer"
    assert take_back(people.director_elsewhere).state == "withdrawn"
    assert take_back(people.director).state == "withdrawn"
    assert code(lambda: decided(approval, people.chair, at)) == "decided"


def test_an_unknown_approval_is_not_found(app: Flask) -> None:
    with pytest.raises(NotFound):
        approvals.get("nothing")


def at_once(app: Flask, *runs: Callable[[], object]) -> list[str]:
    """Run everything at the same moment; outcomes as codes, in alphabetical order."""
    gate = threading.Barrier(len(runs))
    outcomes: list[str] = []

    def work(run: Callable[[], object]) -> None:
        with app.app_context():
            gate.wait()
            try:
                run()
                outcomes.append("done")
            except RuleBroken as refused:
                outcomes.append(refused.code)

    threads = [threading.Thread(target=work, args=(run,)) for run in runs]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return sorted(outcomes)


def test_two_who_decide_at_once_do_the_act_once(bare_app: Flask, people: People, at: datetime) -> None:
    with bare_app.app_context():
        approval = proposed(people.director, at)
        number, sha256 = approval.public_id, approval.payload_sha256

    def approve(by: Someone) -> Callable[[], object]:
        return lambda: decided(approvals.get(number), by, at, seen=sha256)

    outcomes = at_once(
        bare_app, *(approve(by) for by in (people.chair, people.examiner, people.chair, people.examiner))
    )
    assert outcomes == ["decided", "decided", "done", "done"]  # the second click of the one who was first
    assert len(DONE) == 1


def test_two_who_propose_at_once_make_one_proposal(bare_app: Flask, people: People, at: datetime) -> None:
    def run(by: Someone) -> Callable[[], object]:
        return lambda: proposed(by, at)

    assert at_once(bare_app, *(run(by) for by in (people.director, people.chair, people.examiner))) == [
        "already_proposed",
        "already_proposed",
        "done",
    ]
