"""Identifiers that nobody guesses or misreads, and the one clock."""

from datetime import UTC, date, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lms.core import clock, ids


def test_public_ids_have_one_shape_and_do_not_repeat() -> None:
    made = {ids.public_id() for _number in range(5000)}
    assert len(made) == 5000
    assert all(ids.is_public_id(one) for one in made)
    assert {letter for one in made for letter in one} == set(ids.ALPHABET)


def test_nothing_in_a_public_id_is_misread() -> None:
    assert not set(ids.ALPHABET) & set("01ilouILOU")
    assert len(ids.ALPHABET) == len(set(ids.ALPHABET)) == 30


@pytest.mark.parametrize(
    "text",
    [
        "",
        "a",
        "a" * 11,
        "a" * 13,
        "A" * 12,
        "aaaaaaaaaaa1",
        "aaaaaaaaaaa\n",
        "aaaaaaaaaaaa\n",
        "ａ" * 12,
        "../../../../",
    ],
)
def test_a_malformed_id_is_none(text: str) -> None:
    assert not ids.is_public_id(text)


@given(st.text(max_size=14))
def test_only_the_shape_is_an_id(text: str) -> None:
    assert ids.is_public_id(text) == (len(text) == 12 and set(text) <= set(ids.ALPHABET))


def test_tokens_are_long_and_new() -> None:
    made = {ids.token() for _number in range(100)}
    assert len(made) == 100
    assert all(len(one) >= 43 for one in made)


def test_now_is_aware_and_goes_on() -> None:
    assert clock.now().tzinfo is UTC
    assert clock.now() <= clock.now()


def test_the_day_changes_at_midnight_in_beijing() -> None:
    assert clock.today(datetime(2026, 2, 28, 15, 59, 59, tzinfo=UTC)) == date(2026, 2, 28)
    assert clock.today(datetime(2026, 2, 28, 16, 0, tzinfo=UTC)) == date(2026, 3, 1)
    assert clock.today() == clock.today(clock.now())


def test_xinjiang_is_two_hours_behind() -> None:
    at = datetime(2026, 3, 1, tzinfo=UTC)
    assert at.astimezone(clock.BEIJING).utcoffset() == timedelta(hours=8)
    assert at.astimezone(clock.XINJIANG).utcoffset() == timedelta(hours=6)


def travel_and_fail() -> None:
    with clock.travelled(timedelta(days=2)):
        raise ZeroDivisionError


def test_a_journey_through_time_ends() -> None:
    before = clock.now()
    with clock.travelled(timedelta(days=1)):
        assert clock.now() - before >= timedelta(days=1)
        with clock.travelled(timedelta(days=1)):
            assert clock.now() - before >= timedelta(days=2)
        assert clock.now() - before < timedelta(days=1, minutes=1)
    with pytest.raises(ZeroDivisionError):
        travel_and_fail()
    assert clock.now() - before < timedelta(minutes=1)
