"""The answer writer: durable before it is acknowledged, whatever the network does with the messages."""

import dataclasses
import threading
import time
from concurrent.futures import ThreadPoolExecutor

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import event, select

from lms.accounts.models import Person
from lms.assessments import models, rules, services, writer
from lms.core import clock
from lms.core.db import db, transaction
from lms.core.errors import NotFound
from lms.programmes.models import Enrolment


@pytest.fixture
def hand(bare_app):
    """A writer on the test's database."""
    with bare_app.app_context():
        return writer.Writer(db.engine)


def op(device, seq, slot, choice):
    """One choice."""
    return rules.Op(device, seq, slot, "answer", {"choice": choice})


def stored(desk, sitting_id):
    """Heads as (slot → choice, event) and the same rebuilt from the events alone."""
    with desk.app.app_context():
        heads = {
            (head.slot, head.kind): (head.event_id, head.body)
            for head in db.session.scalars(
                select(models.ResponseHead).where(models.ResponseHead.sitting_id == sitting_id)
            )
        }
        events = db.session.scalars(
            select(models.ResponseEvent)
            .where(models.ResponseEvent.sitting_id == sitting_id)
            .order_by(models.ResponseEvent.id)
        ).all()
        return heads, {place: (found.id, found.body) for place, found in rules.fold(events).items()}


def newcomer(desk, at):
    """A trainee nobody met before, and their running sitting: each example begins clean."""
    now = clock.now()
    with desk.app.app_context(), transaction():
        person = Person(name_zh="某某", created_at=now)
        db.session.add(person)
        db.session.flush()
        db.session.add(
            Enrolment(cohort_id=desk.test.cohort_id, person_id=person.id, track="PED", enrolled_at=now)
        )
        db.session.flush()
        who = dataclasses.replace(desk.cast.trainee, person_id=person.id)
    return who, desk.start(who, at=at, uuid=f"click-{person.id}")


@st.composite
def deliveries(draw):
    """Operations of a few devices, each in an epoch of its own, as a bad network brings them: cut up, twice, out of order."""
    epochs = []
    for epoch in range(1, draw(st.integers(1, 3)) + 1):
        ops = [
            op(f"device-{epoch}", seq, draw(st.integers(1, 3)), draw(st.sampled_from("abcde")))
            for seq in range(1, draw(st.integers(1, 7)) + 1)
        ]
        sent = draw(st.permutations(ops + draw(st.lists(st.sampled_from(ops), max_size=4))))
        cuts = sorted(draw(st.lists(st.integers(0, len(sent)), max_size=3)))
        messages = [sent[a:b] for a, b in zip([0, *cuts], [*cuts, len(sent)], strict=True) if a < b]
        epochs.append((epoch, ops, messages))
    return epochs


@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(epochs=deliveries(), late=st.booleans())
def test_repeated_and_reordered_operations_of_several_devices_end_in_the_same_answers(
    desk, hand, cast, at, epochs, late
):
    who, sitting = newcomer(desk, at)
    expected: dict[int, str] = {}
    for epoch, ops, messages in epochs:
        if epoch > 1:
            with desk.app.app_context(), transaction():
                services.take_over(sitting, by=who, at=at)
        for message in messages:
            ack = hand.save(sitting.id, message, epoch=epoch, at=at)
            assert ack.rejected == []
        assert ack.acked[f"device-{epoch}"] == len(ops)
        for newest in sorted(ops, key=lambda each: each.seq):
            expected[newest.slot] = newest.body["choice"]
        if late and epoch > 1:
            # An old device comes back: what it says is kept and changes nothing.
            again = hand.save(sitting.id, [op("device-1", 99, 1, "e")], epoch=1, at=at)
            assert again.rejected == [("device-1", 99, "stale_epoch")]
    heads, rebuilt = stored(desk, sitting.id)
    assert {slot: body["choice"] for (slot, _kind), (_id, body) in heads.items()} == expected
    assert heads == rebuilt


@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    messages=st.lists(
        st.lists(
            st.tuples(st.sampled_from(["tab-1", "tab-2"]), st.integers(1, 8), st.integers(1, 2)),
            min_size=1,
            max_size=5,
        ),
        max_size=5,
    )
)
def test_two_tabs_of_one_epoch_leave_exactly_what_a_replay_of_the_events_gives(
    desk, hand, cast, at, messages
):
    _who, sitting = newcomer(desk, at)
    for message in messages:
        hand.save(
            sitting.id,
            [op(device, seq, slot, "abcde"[(seq + slot) % 5]) for device, seq, slot in message],
            epoch=1,
            at=at,
        )
    heads, rebuilt = stored(desk, sitting.id)
    assert heads == rebuilt


def test_nothing_is_acknowledged_beyond_a_gap(desk, hand, at):
    sitting = desk.start(at=at)
    assert hand.save(sitting.id, [op("d", 1, 1, "a")], epoch=1, at=at).acked == {"d": 1}
    assert hand.save(sitting.id, [op("d", 3, 1, "c")], epoch=1, at=at).acked == {"d": 1}
    assert hand.save(sitting.id, [op("d", 5, 2, "c")], epoch=1, at=at).acked == {"d": 1}
    assert hand.save(sitting.id, [op("d", 2, 1, "b")], epoch=1, at=at).acked == {"d": 3}
    assert hand.save(sitting.id, [], epoch=1, at=at, device="d").acked == {"d": 3}
    assert desk.heads(sitting) == {1: {"choice": "c"}, 2: {"choice": "c"}}


def test_a_process_that_just_started_knows_how_far_each_device_is(desk, hand, bare_app, at):
    sitting = desk.start(at=at)
    hand.save(sitting.id, [op("d", seq, 1, "a") for seq in range(1, 8)], epoch=1, at=at)
    with bare_app.app_context():
        fresh = writer.Writer(db.engine)
    assert fresh.save(sitting.id, [], epoch=1, at=at, device="d").acked == {"d": 7}
    assert fresh.save(sitting.id, [op("d", 8, 1, "b")], epoch=1, at=at).acked == {"d": 8}


def test_two_processes_number_one_device_alike(desk, hand, bare_app, at):
    sitting = desk.start(at=at)
    with bare_app.app_context():
        other = writer.Writer(db.engine)
    for seq in range(1, 11):
        ack = (hand if seq % 2 else other).save(sitting.id, [op("d", seq, 1, "a")], epoch=1, at=at)
        assert ack.acked == {"d": seq}


def test_a_refused_operation_is_refused_again_with_the_same_reason_when_it_is_repeated(desk, hand, cast, at):
    sitting = desk.start(at=at)
    bad = op("d", 1, 77, "a")
    assert hand.save(sitting.id, [bad], epoch=1, at=at).rejected == [("d", 1, "unknown_slot")]
    assert hand.save(sitting.id, [bad], epoch=1, at=at).rejected == [("d", 1, "unknown_slot")]


def test_an_answer_that_counted_still_counts_when_its_lost_reply_is_asked_for_after_the_end(
    desk, hand, at, later
):
    sitting = desk.start(at=at)
    first = hand.save(sitting.id, [op("d", 1, 1, "a")], epoch=1, at=at)
    again = hand.save(sitting.id, [op("d", 1, 1, "a")], epoch=1, at=at + (desk.test.closes_at - at))
    assert (first.acked, first.rejected) == (again.acked, again.rejected)
    assert again.state == "auto_submitted"


def test_how_late_an_answer_was_is_kept_with_it(desk, hand, at):
    from datetime import timedelta

    sitting = desk.start(at=at)
    for seq, seconds in enumerate((0, 905, 920), 1):
        hand.save(sitting.id, [op("d", seq, 1, "abc"[seq - 1])], epoch=1, at=at + timedelta(seconds=seconds))
    assert [(each.applied, each.late_ms, each.reason) for each in desk.events(sitting)] == [
        (True, 0, None),
        (True, 5000, None),
        (False, 20_000, "late"),
    ]
    assert desk.heads(sitting) == {1: {"choice": "b"}}


def test_flags_and_answers_of_a_question_stand_side_by_side(desk, hand, at):
    sitting = desk.start(at=at)
    hand.save(sitting.id, [op("d", 1, 1, "a"), rules.Op("d", 2, 1, "flag", {"flag": True})], epoch=1, at=at)
    heads, rebuilt = stored(desk, sitting.id)
    assert {place: body for place, (_id, body) in heads.items()} == {
        (1, "answer"): {"choice": "a"},
        (1, "flag"): {"flag": True},
    }
    assert heads == rebuilt


def test_an_answer_taken_back_stands_as_none(desk, hand, at):
    sitting = desk.start(at=at)
    hand.save(sitting.id, [op("d", 1, 1, "a"), op("d", 2, 1, None)], epoch=1, at=at)
    assert desk.heads(sitting) == {1: {"choice": None}}


def test_a_sitting_that_does_not_exist_takes_no_other_one_along(desk, hand, at):
    sitting = desk.start(at=at)
    with ThreadPoolExecutor(8) as pool:
        good = [
            pool.submit(hand.save, sitting.id, [op("d", seq, 1, "a")], epoch=1, at=at) for seq in range(1, 20)
        ]
        bad = [pool.submit(hand.save, 424_242, [op("d", 1, 1, "a")], epoch=1, at=at) for _ in range(5)]
        for each in bad:
            with pytest.raises(NotFound):
                each.result()
        for each in good:
            each.result()
    assert len(desk.events(sitting)) == 19


def test_nobody_is_answered_before_the_commit(desk, hand, bare_app, at):
    sitting = desk.start(at=at)
    committing, go_on = threading.Event(), threading.Event()
    with bare_app.app_context():
        engine = db.engine

    def hold(_connection):
        if threading.current_thread().name == "answer-writer":
            committing.set()
            assert go_on.wait(10)

    event.listen(engine, "commit", hold)
    try:
        with ThreadPoolExecutor(1) as pool:
            waiting = pool.submit(hand.save, sitting.id, [op("d", 1, 1, "a")], epoch=1, at=at)
            assert committing.wait(10)
            time.sleep(0.05)
            assert not waiting.done()
            assert desk.events(sitting) == []
            go_on.set()
            assert waiting.result(10).acked == {"d": 1}
    finally:
        event.remove(engine, "commit", hold)
    assert len(desk.events(sitting)) == 1


def test_a_commit_that_fails_acknowledges_nothing_and_says_come_again(desk, hand, bare_app, at, caplog):
    sitting = desk.start(at=at)
    with bare_app.app_context():
        engine = db.engine

    def fail(_connection):
        if threading.current_thread().name == "answer-writer":
            raise OSError("disk full")

    event.listen(engine, "commit", fail)
    try:
        with pytest.raises(writer.Overloaded):
            hand.save(sitting.id, [op("d", 1, 1, "a")], epoch=1, at=at)
    finally:
        event.remove(engine, "commit", fail)
    assert desk.events(sitting) == []
    assert hand.save(sitting.id, [op("d", 1, 1, "a")], epoch=1, at=at).acked == {"d": 1}


def test_many_candidates_share_a_commit(desk, hand, bare_app, at):
    sitting = desk.start(at=at)
    commits = []
    with bare_app.app_context():
        engine = db.engine

    def slow(_connection):
        if threading.current_thread().name == "answer-writer":
            commits.append(1)
            time.sleep(0.02)

    event.listen(engine, "commit", slow)
    try:
        with ThreadPoolExecutor(40) as pool:
            list(
                pool.map(
                    lambda seq: hand.save(sitting.id, [op(f"d{seq}", 1, 1, "a")], epoch=1, at=at), range(120)
                )
            )
    finally:
        event.remove(engine, "commit", slow)
    assert len(desk.events(sitting)) == 120
    assert len(commits) < 30


def test_too_many_waiting_are_told_to_come_again(desk, candidate, monkeypatch):
    trainee = candidate()
    trainee.start(desk.test)
    monkeypatch.setattr(writer, "MOST_WAITING", 0)
    answer = trainee.send(trainee.op(1, {"choice": "a"}))
    assert answer.status_code == 503
    assert 2 <= int(answer.headers["Retry-After"]) <= 7
    monkeypatch.undo()
    assert (
        trainee.send({"device": "device-1", "seq": 1, "slot": 1, "body": {"choice": "a"}}).json["acked"] == 1
    )


def test_a_writer_at_rest_starts_again(desk, hand, at, monkeypatch):
    monkeypatch.setattr(writer, "IDLE_S", 0.05)
    sitting = desk.start(at=at)
    hand.save(sitting.id, [op("d", 1, 1, "a")], epoch=1, at=at)
    time.sleep(0.2)
    assert hand._thread is None
    assert hand.save(sitting.id, [op("d", 2, 1, "b")], epoch=1, at=at).acked == {"d": 2}


def test_a_hand_in_and_answers_at_the_same_moment_never_mix(desk, hand, cast, at):
    """Whatever counts is in the mark; whatever came after is kept and refused."""
    sitting = desk.start(at=at)
    acks = []

    def answer():
        acks.extend(
            hand.save(sitting.id, [op("d", seq, 1, "abcde"[seq % 5])], epoch=1, at=at) for seq in range(1, 60)
        )

    thread = threading.Thread(target=answer)
    thread.start()
    time.sleep(0.02)
    with desk.app.app_context(), transaction():
        services.submit(sitting, by=cast.trainee, at=at)
    thread.join()
    counted = [each for each in desk.events(sitting) if each.applied]
    with desk.app.app_context():
        mark = db.session.scalars(select(models.Mark).where(models.Mark.slot == 1)).one()
    assert mark.response == (counted[-1].body if counted else {})
    assert sum(len(ack.rejected) for ack in acks) == 59 - len(counted)
