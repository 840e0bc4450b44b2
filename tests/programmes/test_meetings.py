"""Meetings: when they are due, who writes them down and reads them, two clicks, corrections, the clock's notices."""

import re
from datetime import date, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st
from sqlalchemy import func, select, text
from sqlalchemy.exc import DBAPIError

from lms.core import clock
from lms.core.audit import AuditEvent
from lms.core.db import db, transaction
from lms.core.errors import NotAllowed, NotFound, RuleBroken
from lms.core.notices import Notice
from lms.programmes import queries as programmes
from lms.programmes import services as acts
from lms.programmes.models import Meeting, MeetingAcknowledgement
from lms.programmes.queries import meetings as queries
from lms.programmes.rules import meetings as rules
from lms.programmes.services import meetings as services

WORDS = {
    "summary": "Aims of the first weeks; how to log.",
    "plan": "Ten intubations watched\nRead the guideline",
}


@pytest.fixture
def placement(cast, app):
    """The trainee's first placement, its pairings loaded."""
    return programmes.placements(cast.enrolment.id)[0]


def hold(cast, placement, at, by=None, **given):
    """A meeting written down by the mentor, today, unless said otherwise."""
    wanted = {
        "kind": "induction",
        "due_on": placement.from_on + timedelta(days=4),
        "held_on": clock.today(at),
        **WORDS,
        **given,
    }
    with transaction():
        return services.hold(cast.enrolment, placement, **wanted, at=at, by=by or cast.mentor)


def refusal(act, *args, **kwargs):
    """Code and field with which an act is refused."""
    with pytest.raises(RuleBroken) as refused:
        act(*args, **kwargs)
    return refused.value.code, refused.value.field


def count(model):
    return db.session.scalar(select(func.count()).select_from(model))


# ---------------------------------------------------------------- when


def test_half_a_year_asks_for_five_meetings():
    start = date(2026, 3, 2)
    found = rules.due_dates(start, start + timedelta(days=181))
    assert [(one.kind, (one.due_on - start).days) for one in found] == [
        ("induction", 4),
        ("mid", 41),
        ("mid", 90),
        ("mid", 132),
        ("final", 174),
    ]


def test_a_mid_meeting_stays_ten_days_before_the_final_one():
    start = date(2026, 3, 2)
    ten = rules.due_dates(start, start + timedelta(days=41 + 10 + 7))
    nine = rules.due_dates(start, start + timedelta(days=41 + 9 + 7))
    assert [one.kind for one in ten] == ["induction", "mid", "final"]
    assert [one.kind for one in nine] == ["induction", "final"]


@given(st.dates(date(2020, 1, 1), date(2040, 1, 1)), st.integers(0, 400))
def test_meetings_lie_within_the_placement_and_in_order(start, days):
    end = start + timedelta(days=days)
    found = rules.due_dates(start, end)
    assert found[0].kind == "induction"
    assert found[-1].kind == "final"
    assert [one.due_on for one in found] == sorted(one.due_on for one in found)
    assert all(start <= one.due_on <= end for one in found)
    assert len(set(found)) == len(found)


@pytest.mark.parametrize(("days", "standing"), [(-1, "overdue"), (0, "due"), (7, "due"), (8, "later")])
def test_where_a_meeting_stands(days, standing):
    day = date(2026, 3, 2)
    assert rules.standing(day + timedelta(days=days), today=day, held=False) == standing
    assert rules.standing(day + timedelta(days=days), today=day, held=True) == "held"


# ---------------------------------------------------------------- write down


def test_a_meeting_is_written_down_once_and_its_mentor_has_confirmed_it(cast, placement, at):
    first = hold(cast, placement, at)
    again = hold(cast, placement, at)
    assert first.id == again.id
    assert count(Meeting) == 1
    assert [row.part for row in db.session.scalars(select(MeetingAcknowledgement))] == ["mentor"]
    told = db.session.scalars(select(Notice).where(Notice.kind == "programmes.meeting_written")).all()
    assert [one.account_id for one in told] == [cast.trainee.account_id]
    kept = select(func.count()).where(AuditEvent.act == "programmes.meeting.hold")
    assert db.session.scalar(kept) == 1


def test_the_same_meeting_in_other_words_is_refused(cast, placement, at):
    hold(cast, placement, at)
    assert refusal(hold, cast, placement, at, plan="Something else") == ("meeting_taken", "what")


def test_two_talks_about_a_concern_on_two_days_are_two(cast, placement, at):
    for days in (2, 1, 1):
        hold(cast, placement, at, kind="concern", due_on=None, held_on=clock.today(at) - timedelta(days=days))
    assert count(Meeting) == 2


@pytest.mark.parametrize(
    ("given", "code", "field"),
    [
        ({"held_on": timedelta(days=1)}, "future", "held_on"),
        ({"held_on": timedelta(days=-400)}, "not_paired", "held_on"),
        ({"due_on": date(2001, 1, 1)}, "not_due", "what"),
        ({"kind": "tea"}, "not_due", "what"),
        ({"summary": " \x07 "}, "words_missing", "summary"),
        ({"plan": ""}, "words_missing", "plan"),
        ({"plan": "x" * 2001}, "words_long", "plan"),
        ({"summary": "患儿张小明，病情平稳"}, "identifying", "summary"),
        ({"plan": "电话 13912345678"}, "identifying", "plan"),
    ],
)
def test_what_is_refused(cast, placement, at, given, code, field):
    if isinstance(given.get("held_on"), timedelta):
        given = {"held_on": clock.today(at) + given["held_on"]}
    assert refusal(hold, cast, placement, at, **given) == (code, field)
    assert count(Meeting) == 0


@pytest.mark.parametrize(
    ("part", "error"),
    [
        ("trainee", NotAllowed),
        ("coordinator", NotAllowed),
        ("director", NotAllowed),
        ("other_trainee", NotFound),
        ("other_mentor", NotFound),
        ("second_assessor", NotFound),
        ("administrator", NotFound),
        ("auditor", NotFound),
        ("educator", NotFound),
        ("examiner", NotFound),
        ("stranger", NotFound),
    ],
)
def test_nobody_but_the_mentor_writes_a_meeting_down(cast, placement, at, part, error):
    with pytest.raises(error):
        hold(cast, placement, at, by=getattr(cast, part))
    assert count(Meeting) == 0


def test_a_mentor_of_other_days_is_refused_for_this_day(cast, app, at):
    today = clock.today(at)
    colleagues = programmes.colleagues(cast.programme.id)
    other = next(one for one in colleagues if one.id == cast.other_mentor.person_id)
    with transaction():
        acts.pair(
            cast.enrolment,
            cast.placement,
            other,
            kind="deputy",
            from_on=today - timedelta(days=3),
            to_on=today - timedelta(days=2),
            at=at,
            by=None,
        )
    db.session.expire_all()
    placement = programmes.placements(cast.enrolment.id)[0]
    assert refusal(hold, cast, placement, at, by=cast.other_mentor) == ("not_paired", "held_on")
    done = hold(cast, placement, at, by=cast.other_mentor, held_on=today - timedelta(days=2))
    assert done.mentor_person_id == cast.other_mentor.person_id


# ---------------------------------------------------------------- confirm, correct


def test_the_trainee_confirms_once_and_a_correction_asks_anew(cast, placement, at):
    meeting = hold(cast, placement, at)
    for _time in range(2):
        with transaction():
            services.acknowledge(cast.enrolment, [placement], meeting, at=at, by=cast.trainee)
    assert count(MeetingAcknowledgement) == 2
    given = {"held_on": meeting.held_on, "summary": WORDS["summary"], "plan": "Twelve, not ten"}
    for _time in range(2):
        with transaction():
            later = services.correct(cast.enrolment, placement, meeting, **given, at=at, by=cast.mentor)
    assert count(Meeting) == 2
    (row,) = [row for row in queries.rows([placement], today=clock.today(at)) if row.standing == "held"]
    assert (row.meeting.id, row.confirmed, [old.id for old in row.earlier]) == (
        later.id,
        {"mentor"},
        [meeting.id],
    )
    changed = {**given, "plan": "Yet another"}
    code = refusal(services.correct, cast.enrolment, placement, meeting, **changed, at=at, by=cast.mentor)
    assert code == ("meeting_superseded", None)


def test_old_words_are_confirmed_no_more(cast, placement, at):
    meeting = hold(cast, placement, at)
    with transaction():
        services.correct(
            cast.enrolment,
            placement,
            meeting,
            held_on=meeting.held_on,
            summary="New",
            plan="New",
            at=at,
            by=cast.mentor,
        )
    code = refusal(services.acknowledge, cast.enrolment, [placement], meeting, at=at, by=cast.trainee)
    assert code == ("meeting_superseded", None)


@pytest.mark.parametrize("part", ["mentor", "coordinator", "director"])
def test_nobody_confirms_for_the_trainee(cast, placement, at, part):
    meeting = hold(cast, placement, at)
    with pytest.raises(NotAllowed):
        services.acknowledge(cast.enrolment, [placement], meeting, at=at, by=getattr(cast, part))


@pytest.mark.parametrize("table", ["meeting", "meeting_acknowledgement"])
@pytest.mark.parametrize("act", ["UPDATE {0} SET id = id", "DELETE FROM {0}"])
def test_the_database_refuses_to_change_what_was_written(cast, placement, at, table, act):
    hold(cast, placement, at)
    with pytest.raises(DBAPIError, match="append-only"), transaction():
        db.session.execute(text(act.format(table)))


# ---------------------------------------------------------------- the clock


def test_an_overdue_meeting_is_told_once_to_trainee_and_mentor(cast, app, at):
    for _time in range(2):
        with transaction():
            services.remind(at)
    told = db.session.scalars(select(Notice).where(Notice.kind == "programmes.meeting_overdue")).all()
    mine = [one for one in told if cast.enrolment.public_id in one.url]
    # The induction of five weeks ago is told no more than thirty days; it was due 31 days ago.
    assert mine == []
    with transaction():
        services.remind(at + timedelta(days=7))  # the day after the end of week 6
        services.remind(at + timedelta(days=8))
    told = db.session.scalars(select(Notice).where(Notice.kind == "programmes.meeting_overdue")).all()
    mine = [one.account_id for one in told if cast.enrolment.public_id in one.url]
    assert sorted(mine) == sorted([cast.trainee.account_id, cast.mentor.account_id])


def test_a_meeting_that_nobody_confirms_is_brought_up_once_after_three_days(cast, placement, at):
    meeting = hold(cast, placement, at)

    def told():
        return sorted(
            db.session.scalars(
                select(Notice.account_id).where(Notice.kind == "programmes.meeting_unread")
            ).all()
        )

    with transaction():
        services.remind(at + timedelta(days=2))
    assert told() == []
    for days in (3, 4):
        with transaction():
            services.remind(at + timedelta(days=days))
    assert told() == sorted([cast.trainee.account_id, cast.mentor.account_id])
    assert meeting.public_id


def test_a_confirmed_meeting_is_left_alone(cast, placement, at):
    meeting = hold(cast, placement, at)
    with transaction():
        services.acknowledge(cast.enrolment, [placement], meeting, at=at, by=cast.trainee)
        services.remind(at + timedelta(days=4))
    assert not db.session.scalar(select(func.count()).where(Notice.kind == "programmes.meeting_unread"))


# ---------------------------------------------------------------- pages


@pytest.mark.parametrize(
    ("part", "reads", "writes"),
    [
        ("trainee", 200, 403),
        ("mentor", 200, 200),
        ("coordinator", 200, 403),
        ("director", 200, 403),
        ("second_assessor", 404, 404),
        ("other_trainee", 404, 404),
        ("other_mentor", 404, 404),
        ("administrator", 404, 404),
        ("auditor", 404, 404),
        ("educator", 404, 404),
        ("examiner", 404, 404),
        ("stranger", 404, 404),
    ],
)
def test_who_reads_and_writes(cast, browser, part, reads, writes):
    url = f"/trainees/{cast.enrolment.public_id}/meetings"
    client = browser(getattr(cast, part), lang="en")
    assert client.get(url).status_code == reads
    assert client.get(f"{url}/new").status_code == writes
    assert client.post(f"{url}/new", data={}).status_code == (422 if writes == 200 else writes)


@pytest.mark.parametrize("part", ["mentor", "coordinator", "auditor"])
def test_the_trainee_s_page_leads_to_the_meetings_of_whom_may_read_them(cast, browser, part):
    public_id = cast.enrolment.public_id
    page = browser(getattr(cast, part), lang="en").get(f"/trainees/{public_id}").text
    assert (f"/trainees/{public_id}/meetings" in page) == (part != "auditor")


def test_from_due_to_confirmed_by_both(cast, browser, queries):
    public_id = cast.enrolment.public_id
    url = f"/trainees/{public_id}/meetings"
    mentor, trainee = browser(cast.mentor, lang="en"), browser(cast.trainee, lang="en")
    assert url in trainee.get("/logbook").text
    page = mentor.get(url).text
    assert "Was due on" in page
    assert "31 days ago" in page
    assert "in 6 days" in page
    key = page.split("meetings/new?what=")[1].split('"')[0]
    assert f'selected value="{key}"' in mentor.get(f"{url}/new?what={key}").text
    given = {"what": key, "held_on": clock.today().isoformat(), **WORDS}
    for _time in range(2):
        assert mentor.post(f"{url}/new", data=given).status_code == 303
    page = trainee.get(url).text
    assert page.count("to be confirmed") == 1
    act = page.split(f'action="{url}/')[1].split('"')[0]
    for _time in range(2):
        assert trainee.post(f"{url}/{act}").status_code == 303
    with queries() as seen:
        page = mentor.get(url).text
    assert seen.count <= 12
    assert "confirmed by both" in page
    fix = f"{url}/{act.split('/')[0]}/correct"
    assert "Ten intubations" in mentor.get(fix).text
    assert browser(cast.coordinator).get(fix).status_code == 403
    assert mentor.post(fix, data={**given, "plan": "Twelve"}).status_code == 303
    page = trainee.get(url).text
    assert "Earlier versions" in page
    assert "to be confirmed" in page


def test_a_refusal_keeps_what_was_typed(cast, browser):
    url = f"/trainees/{cast.enrolment.public_id}/meetings/new"
    mentor = browser(cast.mentor, lang="en")
    tomorrow = (clock.today() + timedelta(days=1)).isoformat()
    key = f"{cast.placement.public_id}.concern."
    given = {"what": key, "held_on": tomorrow, **WORDS}
    answer = mentor.post(url, data=given)
    assert answer.status_code == 422
    assert WORDS["summary"] in answer.text
    given = {**given, "held_on": clock.today().isoformat(), "summary": "患儿张小明，住院号 12345678"}
    answer = mentor.post(url, data=given)
    assert answer.status_code == 422
    assert "张小明" in answer.text
    for key in ("x", "..", f"{cast.placement.public_id}.mid.soon"):
        assert mentor.post(url, data={**given, **WORDS, "what": key}).status_code == 422


def test_what_was_written_in_chinese_is_marked_as_such_in_the_form_of_an_english_page(
    cast, browser, placement, at
):
    meeting = hold(cast, placement, at, summary="介绍了科室。")
    url = f"/trainees/{cast.enrolment.public_id}/meetings/{meeting.public_id}/correct"
    area = re.search(r'<textarea[^>]*id="summary"[^>]*>', browser(cast.mentor, lang="en").get(url).text)[0]
    assert 'lang="zh-Hans"' in area
    area = re.search(r'<textarea[^>]*id="summary"[^>]*>', browser(cast.mentor, lang="zh").get(url).text)[0]
    assert "lang=" not in area
