"""Late answers: what speaks for them, two people, a new marking; nothing is overwritten."""

from datetime import timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st
from sqlalchemy import select

from lms.assessments import models, queries, rules, services
from lms.assessments.models import ResponseEvent
from lms.core import clock
from lms.core.db import db, transaction
from lms.core.errors import RuleBroken


@pytest.fixture
def cut_off(desk, candidate, later, at):
    """A candidate whose device lost the network: two answers arrive an hour after the end, and there is no second try."""
    person = candidate()
    person.start(desk.test)
    person.choose(1, desk.wrong(1))
    person.seq += 1  # the number of the answer that is still under way
    with later(hours=2):
        first = person.send(person.op(2, {"choice": desk.keys[2]}, mono_ms=61_000))
        second = person.send(person.op(3, {"choice": desk.keys[3]}, mono_ms=9_000_000))
    assert first.json["rejected"][0]["reason"] == "late"
    assert second.json["rejected"][0]["reason"] == "late"
    return person


def held(desk, cut_off, who):
    return queries.sitting(cut_off.url.split("/")[-1], who)


@pytest.fixture
def over(desk, cut_off, later):
    with desk.app.app_context(), later(hours=2):
        services.expire_overdue(at=clock.now())
        db.session.commit()
        found = db.session.scalars(select(models.Sitting)).one()
        with transaction():
            services.mark_sitting(found.id, at=clock.now())
    return cut_off


def grades(desk):
    return db.session.execute(
        select(models.GradeRun.n, models.Grade.score)
        .join(models.Grade, models.Grade.grade_run_id == models.GradeRun.id)
        .order_by(models.GradeRun.n)
    ).all()


def test_the_devices_own_clock_says_which_answer_was_made_in_time(desk, over, cast, later):
    with desk.app.app_context(), later(hours=2):
        found = queries.late_answers(held(desk, over, cast.examiner), clock.now())
    assert {one.slot: (one.is_in_time, one.stands) for one in found} == {
        2: (True, "none"),
        3: (False, "none"),
    }


def test_two_people_let_an_answer_count_and_the_sitting_is_marked_anew(desk, over, cast, later):
    with desk.app.app_context(), later(hours=2):
        at = clock.now()
        before = db.session.execute(select(ResponseEvent.id, ResponseEvent.applied)).all()
        receipt = queries.receipt(held(desk, over, cast.examiner).id)
        chosen = [
            one.event_id
            for one in queries.late_answers(held(desk, over, cast.examiner), at)
            if one.is_in_time
        ]
        with transaction():
            approval = services.propose_late(
                held(desk, over, cast.examiner), chosen, reason="no network", by=cast.examiner, at=at
            )
        with pytest.raises(RuleBroken) as refusal, transaction():
            decide(desk, over, cast.examiner, approval, at)
        assert refusal.value.code == "same_person"
        with transaction():
            decide(desk, over, cast.director, approval, at)
        sitting = held(desk, over, cast.examiner)
        assert queries.standing(sitting.id).answers[2] == {"choice": desk.keys[2]}
        assert 3 not in queries.standing(sitting.id).answers
        assert [score for _n, score in grades(desk)] == [0, 1]
        after = dict(db.session.execute(select(ResponseEvent.id, ResponseEvent.applied)).all())
        assert before == [(number, after[number]) for number, _applied in before], "history stays"
        assert queries.receipt(sitting.id) == receipt
        (accepted,) = [one for one in queries.late_answers(sitting, at) if one.is_accepted]
        assert accepted.slot == 2
        events = db.session.scalars(select(ResponseEvent).order_by(ResponseEvent.id)).all()
        stands = {slot: event.body for (slot, kind), event in rules.fold(events).items() if kind == "answer"}
        assert stands == queries.standing(sitting.id).answers, "the head is what the events say"


def decide(desk, over, who, approval, at, outcome="approved", words=""):
    return services.decide_late(
        held(desk, over, who),
        outcome=outcome,
        seen_sha256=approval.payload_sha256,
        words=words,
        by=who,
        at=at,
    )


@pytest.mark.parametrize(
    ("ticked", "reason", "code"),
    [(True, " ", "reason"), (False, "no network", "no_answers"), (True, "13800138000", "identifying")],
)
def test_what_is_missing_is_said(desk, over, cast, later, ticked, reason, code):
    with desk.app.app_context(), later(hours=2):
        at = clock.now()
        chosen = [one.event_id for one in queries.late_answers(held(desk, over, cast.examiner), at)]
        with pytest.raises(RuleBroken) as refusal, transaction():
            services.propose_late(
                held(desk, over, cast.examiner),
                chosen if ticked else [],
                reason=reason,
                by=cast.examiner,
                at=at,
            )
        assert refusal.value.code == code


def test_nothing_can_be_accepted_while_the_candidate_still_sits(desk, candidate, cast, at):
    person = candidate()
    person.start(desk.test)
    person.send(person.op(2, {"choice": desk.keys[2]}), epoch=7)
    with desk.app.app_context():
        with pytest.raises(RuleBroken) as refusal, transaction():
            services.propose_late(held(desk, person, cast.examiner), [1], reason="x", by=cast.examiner, at=at)
        assert refusal.value.code == "running"


def test_no_browser_may_call_its_device_as_the_server_does(desk, candidate):
    person = candidate(device=rules.ACCEPTED_DEVICE)
    person.start(desk.test)
    person.send(person.op(1, {"choice": "a"}))
    with desk.app.app_context():
        assert not db.session.scalars(select(ResponseEvent)).all()


def test_the_page_proposes_and_the_second_person_decides(desk, over, browser, cast, later):
    with later(hours=2):
        first, second = browser(cast.examiner, lang="en"), browser(cast.director, lang="en")
        page = first.get(f"{over.url}/late").text
        assert page.count('name="answers"') == 2
        assert "in time" in page
        refused = first.post(f"{over.url}/late", data={"reason": "no network"})
        assert refused.status_code == 422
        assert "no network" in refused.text
        event = page.split('name="answers" value="')[1].split('"')[0]
        assert (
            first.post(f"{over.url}/late", data={"answers": event, "reason": "no network"}).status_code == 303
        )
        assert "Let them count" not in first.get(f"{over.url}/late").text
        assert "late answers" in second.get("/").text
        shown = second.get(f"{over.url}/late").text
        seen = shown.split('name="seen" value="')[1].split('"')[0]
        done = second.post(f"{over.url}/late/decide", data={"outcome": "approved", "seen": seen})
        assert done.status_code == 303
        assert "let count by two people" in second.get(f"{over.url}/late").text
        assert "no network" in over.client.get(f"{over.url}/result").text


def test_a_stranger_does_not_know_the_page(desk, over, browser, cast, later):
    for who in (cast.trainee, cast.mentor):
        assert browser(who).get(f"{over.url}/late").status_code in {403, 404}


@given(
    gaps=st.lists(st.tuples(st.integers(0, 600_000), st.integers(0, 600_000)), min_size=2, max_size=8),
    loads=st.lists(st.booleans(), min_size=8, max_size=8),
)
def test_an_honest_device_never_made_an_answer_after_the_moment_it_says(gaps, loads):
    """Each answer: made so many ms after the one before, arrived so many ms after it was made; the page may be loaded anew."""
    zero = clock.now()
    made, loaded, kept = 0, 0, []
    for number, (gap, delay) in enumerate(gaps):
        made += gap
        if loads[number]:
            loaded = made
        kept.append(
            ResponseEvent(
                client_seq=number + 1,
                mono_ms=made - loaded,
                at=zero + timedelta(milliseconds=made + delay),
            )
        )
    said = rules.made_by(kept[-1], kept)
    unloaded = not any(loads[1 : len(gaps)])
    if said is not None and unloaded:
        assert zero + timedelta(milliseconds=made) <= said <= kept[-1].at
    if unloaded:
        assert said is not None
