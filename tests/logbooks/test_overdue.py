"""Entries that wait, by the clock: who hears on which day, crowded inboxes, lapsing; and the ledger of signers."""

from datetime import timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st
from sqlalchemy import func, select

from lms.accounts import services as accounts
from lms.core import audit, clock
from lms.core.db import db, transaction
from lms.core.notices import Notice
from lms.logbooks import queries, rules, services
from lms.logbooks.models import Entry, EntryAct
from lms.policy import Role
from tests.cast import PIN

KIND, CROWD = "logbooks.entry_waits", "logbooks.inbox_crowded"


def told(desk, kind=KIND):
    """Who has been told how often, by their part in the cast."""
    names = {actor.account_id: name for name, actor in desk.cast.everyone().items()}
    names[desk.unit_lead.account_id] = "unit_lead"
    rows = db.session.execute(
        select(Notice.account_id, func.count()).where(Notice.kind == kind).group_by(Notice.account_id)
    )
    return {names[account_id]: count for account_id, count in rows}


def tick(desk, **later):
    """One round of the worker, later."""
    with transaction():
        services.escalate(desk.at + timedelta(**later))


# ---------------------------------------------------------------- reminders


def test_each_day_of_the_ladder_tells_those_who_can_see_to_it_once(desk, app):
    desk.unit_lead  # noqa: B018 (is made when first asked for)
    desk.log()
    ladder = (
        ({"days": 2, "hours": 23}, {}),
        ({"days": 3}, {"mentor": 1}),
        ({"days": 6, "hours": 23}, {"mentor": 1}),
        ({"days": 7}, {"mentor": 2, "second_assessor": 1}),
        ({"days": 14}, {"mentor": 3, "second_assessor": 1, "unit_lead": 1}),
        ({"days": 30, "hours": 23}, {"mentor": 3, "second_assessor": 1, "unit_lead": 1}),
        ({"days": 31}, {"mentor": 4, "second_assessor": 1, "unit_lead": 1, "director": 1}),
        ({"days": 90}, {"mentor": 4, "second_assessor": 1, "unit_lead": 1, "director": 1}),
    )
    for later, expected in ladder:
        for _again in range(2):
            tick(desk, **later)
        assert told(desk) == expected, later
    stages = db.session.scalars(
        select(audit.AuditEvent.detail).where(audit.AuditEvent.act == "logbooks.entry.escalate")
    ).all()
    assert [detail["stage"] for detail in stages] == [1, 2, 3, 4]


def test_a_worker_that_slept_tells_all_steps_at_once_and_each_person_once(desk, app):
    desk.unit_lead  # noqa: B018
    desk.log()
    tick(desk, days=40)
    assert told(desk) == {"mentor": 1, "second_assessor": 1, "unit_lead": 1, "director": 1}


@pytest.mark.parametrize("after", ["sign", "return", "recall"])
def test_what_is_decided_or_taken_back_reminds_nobody(desk, app, after):
    entry = desk.log()
    if after == "sign":
        desk.sign(entry)
    elif after == "return":
        desk.give_back(entry)
    else:
        with transaction():
            services.recall(
                queries.own_entry(entry.public_id, desk.cast.trainee), at=desk.at, by=desk.cast.trainee
            )
    tick(desk, days=40)
    assert told(desk) == {}


def test_a_new_version_waits_from_its_own_day(desk, app):
    entry = desk.log()
    tick(desk, days=4)
    desk.give_back(entry)
    with transaction():
        services.submit(
            queries.own_entry(entry.public_id, desk.cast.trainee, for_update=True),
            at=desk.at + timedelta(days=5),
            by=desk.cast.trainee,
        )
    tick(desk, days=7)
    assert told(desk) == {"mentor": 1}
    tick(desk, days=8)
    assert told(desk) == {"mentor": 2}


def test_after_a_week_the_trainee_may_ask_somebody_else_although_it_was_opened(desk, app):
    from lms.core.errors import RuleBroken

    entry = desk.log()
    with transaction():
        services.note_opened([entry.id], at=desk.at, by=desk.cast.mentor)

    def recall(at):
        with transaction():
            services.recall(
                queries.own_entry(entry.public_id, desk.cast.trainee, for_update=True),
                at=at,
                by=desk.cast.trainee,
            )

    with pytest.raises(RuleBroken) as problem:
        recall(desk.at)
    assert problem.value.code == "entry_opened"
    tick(desk, days=7)
    recall(desk.at + timedelta(days=7))
    assert queries.own_entry(entry.public_id, desk.cast.trainee).state == rules.DRAFT


@pytest.mark.parametrize(("count", "expected"), [(25, {}), (26, {"director": 1})])
def test_more_than_twenty_five_open_with_one_signer_are_told_to_the_director_once_a_week(
    desk, app, count, expected
):
    for _ in range(count):
        desk.log(code="N12")
    for hours in (0, 1, 2):
        tick(desk, hours=hours)
    assert told(desk, CROWD) == expected


def test_a_director_of_another_programme_hears_nothing(desk, app):
    with transaction():
        person = accounts.add_person(name_zh="别处主任", name_latin="Other", at=desk.at, by=None)
        account = accounts.add_account(person, login="other@example.org", at=desk.at, by=None)
        accounts.grant(person, Role.DIRECTOR, "programme:9999", at=desk.at, by=None)
    desk.log()
    tick(desk, days=40)
    assert not db.session.scalar(
        select(func.count()).select_from(Notice).where(Notice.account_id == account.id)
    )


@given(days=st.integers(0, 400), more=st.integers(0, 50))
def test_a_stage_once_reached_is_never_lost(days, more):
    assert rules.stage_of(timedelta(days=days)) <= rules.stage_of(timedelta(days=days + more))


# ---------------------------------------------------------------- lapsing


def test_what_nobody_decided_on_lapses_thirty_days_after_the_placement(desk, app):
    open_, signed = desk.log(), desk.log()
    desk.sign(signed)
    draft = desk.log(as_draft=True)
    end = desk.cast.placement.to_on - clock.today(desk.at)
    for later, expected in ((30, rules.SUBMITTED), (31, rules.LAPSED)):
        with transaction():
            services.lapse(desk.at + end + timedelta(days=later))
        db.session.expire_all()
        assert db.session.get_one(Entry, open_.id).state == expected
    assert db.session.get_one(Entry, draft.id).state == rules.LAPSED
    assert db.session.get_one(Entry, signed.id).state == rules.SIGNED
    acts = db.session.scalars(select(EntryAct)).all()
    assert [(act.act, act.person_id) for act in acts] == [("lapse", None), ("lapse", None)]


def test_the_worker_does_both_by_itself(bare_app, desk):
    from lms.core.jobs import EVERY

    assert services.escalate in EVERY
    assert services.lapse in EVERY


# ---------------------------------------------------------------- the ledger


def test_the_ledger_says_hours_returns_levels_against_peers_and_what_was_signed_together(desk, app):
    at = desk.at
    for number, (hours, level) in enumerate(((1, 4), (2, 5), (9, 3))):
        entry = desk.log(code=("N01", "N02", "N03")[number])
        desk.sign(entry, level=level, at=at + timedelta(hours=hours))
    desk.give_back(desk.log())
    desk.log()
    desk.sign(
        desk.log(by=desk.cast.other_trainee), by=desk.cast.other_mentor, level=5, at=at + timedelta(hours=1)
    )
    rows = queries.ledgers([desk.cast.cohort.id], at=at + timedelta(days=8), since=clock.today(at))
    by_person = {row.person.id: row for row in rows}
    mine = by_person[desk.cast.mentor.person_id]
    assert (mine.ledger.signed, mine.ledger.returned, mine.ledger.open) == (3, 1, 1)
    assert (mine.ledger.median_hours, mine.ledger.p90_hours) == (2, 9)
    assert (mine.ledger.mean_level, mine.ledger.peers_level) == (4, 5)
    assert (mine.ledger.return_percent, mine.ledger.level_five_percent, mine.ledger.bulk_percent) == (
        25,
        33,
        0,
    )
    assert (mine.oldest, mine.overdue) == (timedelta(days=8), False)
    assert by_person[desk.cast.other_mentor.person_id].ledger.peers_level == 4
    assert rows[0] is mine


def test_a_withdrawn_signature_is_in_no_ledger(desk, app):
    entry = desk.log()
    desk.sign(entry)
    with transaction():
        services.withdraw(
            queries.entry(entry.public_id, desk.cast.mentor, for_update=True), at=desk.at, by=desk.cast.mentor
        )
    rows = queries.ledgers([desk.cast.cohort.id], at=desk.at, since=clock.today(desk.at))
    assert [(row.ledger.signed, row.ledger.open) for row in rows] == [(0, 1)]


def test_a_mentor_sees_their_own_line_and_the_coordinator_all(desk, cast, browser, app):
    desk.sign(desk.log())
    desk.sign(desk.log(by=cast.other_trainee), by=cast.other_mentor)
    page = browser(cast.mentor, lang="en").get("/mentors").text
    assert "<h2>王建国</h2>" in page
    assert "达瓦卓玛" not in page
    for who in ("coordinator", "director"):
        page = browser(getattr(cast, who)).get("/mentors").text
        assert "<h2>王建国</h2>" in page
        assert "<h2>达瓦卓玛</h2>" in page
    for who in ("trainee", "stranger", "educator", "examiner"):
        assert browser(getattr(cast, who)).get("/mentors").status_code == 404


def test_the_median_from_open_to_signed_is_measured_on_the_page(desk, cast, browser, app):
    entry = desk.log()
    client = browser(cast.mentor)
    client.get(f"/to-sign/{entry.public_id}")
    client.post(f"/to-sign/{entry.public_id}/sign", data={"revision": 1, "level": 4, "pin": PIN})
    rows = queries.ledgers([cast.cohort.id], at=clock.now(), since=clock.today(desk.at))
    assert 0 <= rows[0].ledger.median_read_s < 60
