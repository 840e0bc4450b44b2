"""Taking a test again: the days in between, the number of attempts, another paper."""

import itertools
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st
from sqlalchemy import text
from sqlalchemy.exc import IntegrityError

from lms.assessments import models, queries, rules, services
from lms.core import clock
from lms.core.db import db, transaction
from lms.core.errors import RuleBroken
from tests.assessments.papers import agreed, drafted, sealed

OPENS = datetime(2026, 3, 2, tzinfo=UTC)


@pytest.fixture
def test(app, cast, stocked_bank, at):
    """An open test of two papers with three attempts, two days apart, for a week."""
    made = drafted(
        cast, stocked_bank, at, attempts_allowed=3, cooldown_days=2, closes_at=at + timedelta(days=7)
    )
    sealed(made, cast, at)
    agreed(made, cast, at)
    with transaction():
        services.publish(made, at=at, by=cast.examiner)
    return made


def sit(test, who, uuid, when):
    with transaction():
        sitting = services.start(test, client_uuid=uuid, by=who, at=when)
        services.submit(sitting, by=who, at=when)
    return sitting


def refused(act) -> str:
    with pytest.raises(RuleBroken) as refusal, transaction():
        act()
    return refusal.value.code


@given(
    st.lists(st.integers(0, 60 * 24 * 9), max_size=12),
    st.integers(1, 4),
    st.integers(0, 3),
)
def test_attempts_are_never_more_than_allowed_nor_nearer_than_the_days_between(minutes, allowed, days):
    begun: list[datetime] = []
    for moment in sorted(OPENS + timedelta(minutes=one) for one in minutes):
        try:
            rules.require_start(
                opens_at=OPENS,
                closes_at=OPENS + timedelta(days=8),
                at=moment,
                used=len(begun),
                allowed=allowed,
                passed=False,
                last_ended_at=begun[-1] if begun else None,
                cooldown_days=days,
            )
        except RuleBroken as refusal:
            is_near = bool(begun) and moment - begun[-1] < timedelta(days=days)
            is_over = moment >= OPENS + timedelta(days=8)
            expected = (
                "closed" if is_over else "no_attempts_left" if len(begun) >= allowed else "cooling_down"
            )
            assert (refusal.code, is_over or len(begun) >= allowed or is_near) == (expected, True)  # noqa: PT017
        else:
            begun.append(moment)
    assert len(begun) <= allowed
    assert all(later - earlier >= timedelta(days=days) for earlier, later in itertools.pairwise(begun))


def test_the_next_attempt_waits_for_its_day_and_gets_another_paper(cast, test, at):
    first = sit(test, cast.trainee, "click-0001", at)
    early = at + timedelta(days=2) - timedelta(seconds=1)
    assert refused(lambda: sit(test, cast.trainee, "click-0002", early)) == "cooling_down"
    second = sit(test, cast.trainee, "click-0002", at + timedelta(days=2))
    assert second.attempt == 2
    assert second.form_id != first.form_id


def test_two_clicks_make_one_retake_also_from_two_tabs(cast, test, at):
    sit(test, cast.trainee, "click-0001", at)
    when = at + timedelta(days=2)
    with transaction():
        one = services.start(test, client_uuid="click-0002", by=cast.trainee, at=when)
        again = services.start(test, client_uuid="click-0002", by=cast.trainee, at=when)
        other_tab = services.start(test, client_uuid="click-0003", by=cast.trainee, at=when)
    assert one.id == again.id == other_tab.id
    assert db.session.query(models.Sitting).count() == 2


def test_what_the_clock_handed_in_counts_from_its_end_and_not_from_the_look_at_it(cast, test, at):
    with transaction():
        services.start(test, client_uuid="click-0001", by=cast.trainee, at=at)
    end = at + timedelta(seconds=test.duration_s)
    assert queries.own_tests([test], cast.trainee, end + timedelta(hours=5))[0].free_from == end + timedelta(
        days=2
    )
    early = end + timedelta(days=2) - timedelta(seconds=1)
    assert refused(lambda: sit(test, cast.trainee, "click-0002", early)) == "cooling_down"
    assert sit(test, cast.trainee, "click-0002", end + timedelta(days=2)).attempt == 2


def test_the_trainee_reads_from_when_and_why(cast, test, at, browser):
    sitting = sit(test, cast.trainee, "click-0001", at)
    own = queries.own_tests([test], cast.trainee, at + timedelta(days=1))[0]
    assert (own.state, own.free_from, own.is_free_in_time) == ("cooling", at + timedelta(days=2), True)
    with clock.travelled(timedelta(minutes=1)):
        client = browser(cast.trainee, lang="en")
        page = client.get(f"/tests/{test.public_id}").text
        assert "You may try again from" in page
        assert "lie 2 days at least" in page
        assert "Start now" not in page
        assert "You may try again from" in client.get(f"/sittings/{sitting.public_id}/result").text
        answer = client.post(f"/tests/{test.public_id}/start", data={"client_uuid": "click-0009"})
        assert answer.status_code == 422
    assert queries.own_tests([test], cast.trainee, at + timedelta(days=2))[0].state == "open"


def test_days_that_end_after_the_window_are_told_as_the_end(cast, test, at):
    sit(test, cast.trainee, "click-0001", at + timedelta(days=6))
    own = queries.own_tests([test], cast.trainee, at + timedelta(days=6, hours=1))[0]
    assert (own.state, own.is_free_in_time) == ("cooling", False)


@pytest.mark.parametrize("days", [-1, 366])
def test_neither_rules_nor_database_take_other_days(cast, stocked_bank, test, at, days):
    assert refused(lambda: drafted(cast, stocked_bank, at, "uuid-0009", cooldown_days=days)) == "cooldown"
    with pytest.raises(IntegrityError), transaction():
        db.session.execute(text("UPDATE test SET cooldown_days = :days"), {"days": days})


def test_a_copy_keeps_the_days(cast, test, at):
    with transaction():
        copy = services.copy_test(test, client_uuid="copy-0001", by=cast.examiner, at=at)
    assert copy.cooldown_days == 2
