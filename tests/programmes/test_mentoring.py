"""Who may be a primary mentor and of how many: qualifications, the load cap, the director's reason."""

from datetime import date, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st
from sqlalchemy import select, text
from sqlalchemy.exc import DBAPIError

from lms.accounts.models import Person
from lms.accounts.rules.profiles import TITLES as PROFILE_TITLES
from lms.core import clock
from lms.core.audit import AuditEvent
from lms.core.db import db, transaction
from lms.core.errors import NotAllowed, NotFound, RuleBroken
from lms.programmes import queries as programmes
from lms.programmes import services
from lms.programmes.models import MentorQualification, Pairing, Programme
from lms.programmes.queries import mentoring as queries
from lms.programmes.rules import mentoring as rules
from lms.programmes.services import mentors, qualifications

DAY = timedelta(days=1)
FIRST = date(2026, 9, 1)

spans = st.tuples(st.integers(0, 30), st.integers(0, 12)).map(
    lambda pair: (FIRST + pair[0] * DAY, FIRST + (pair[0] + pair[1]) * DAY)
)


def days_of(span):
    return [span[0] + n * DAY for n in range((span[1] - span[0]).days + 1)]


# ---------------------------------------------------------------- rules


@given(spans, st.lists(spans, max_size=6))
def test_the_most_at_once_is_that_of_the_fullest_day(span, others):
    assert rules.most_at_once(span, others) == max(
        sum(day in days_of(one) for one in others) for day in days_of(span)
    )


@given(spans, st.lists(spans, max_size=6))
def test_qualified_is_who_is_so_on_every_day(span, held):
    covered = all(any(day in days_of(one) for one in held) for day in days_of(span))
    if covered:
        rules.require_qualified(span, held)
        return
    with pytest.raises(RuleBroken):
        rules.require_qualified(span, held)


def test_an_open_qualification_has_no_last_day():
    rules.require_qualified((FIRST, FIRST + 900 * DAY), [(FIRST, None)])


@pytest.mark.parametrize(
    ("title", "years", "by_title"),
    [("attending", 3, True), ("attending", 2, False), ("other", 30, False), ("chief_nurse", 5, True)],
)
def test_title_and_years_are_the_ground(title, years, by_title):
    assert rules.is_by_title(title, years) is by_title


# ---------------------------------------------------------------- acts


def one_at_a_time(cast, *, asks=False):
    """The cast's programme as the product comes."""
    with transaction():
        programme = db.session.get_one(Programme, cast.programme.id)
        programme.mentor_cap, programme.asks_qualification = 1, asks
    return programme


def person(actor):
    return db.session.get_one(Person, actor.person_id)


def pair(cast, at, who, by, **more):
    """Pair the trainee in the second placement, which nobody mentors yet."""
    enrolment = programmes.enrolment(cast.enrolment.public_id, cast.coordinator)
    placement = programmes.placements(enrolment.id)[1]
    with transaction():
        return services.pair(
            enrolment,
            placement,
            person(who),
            kind=more.pop("kind", "primary"),
            from_on=more.pop("from_on", placement.from_on),
            to_on=placement.to_on,
            at=at,
            by=by,
            **more,
        )


def refusal(act, *args, **kwargs):
    with pytest.raises(RuleBroken) as refused:
        act(*args, **kwargs)
    return refused.value.code


def busy(cast, at):
    """Dr Dawa is the mentor of the other trainee in the second half too."""
    enrolment = programmes.enrolment(cast.other_enrolment.public_id, cast.coordinator)
    placement = programmes.placements(enrolment.id)[1]
    with transaction():
        services.pair(
            enrolment, placement, person(cast.other_mentor), kind="primary", from_on=placement.from_on,
            to_on=placement.to_on, at=at, by=cast.coordinator,
        )  # fmt: skip


def test_beyond_the_cap_only_the_director_goes_and_the_reason_is_kept(cast, app, at):
    one_at_a_time(cast)
    busy(cast, at)
    assert refusal(pair, cast, at, cast.other_mentor, cast.coordinator) == "load_cap"
    assert refusal(pair, cast, at, cast.other_mentor, cast.director) == "load_cap"
    assert refusal(pair, cast, at, cast.other_mentor, cast.coordinator, beyond="no other") == "load_director"
    made = pair(cast, at, cast.other_mentor, cast.director, beyond="两位带教老师同时休假")
    assert made.reason == "两位带教老师同时休假"
    again = pair(cast, at, cast.other_mentor, cast.director, beyond="两位带教老师同时休假")
    assert again.id == made.id
    events = db.session.scalars(select(AuditEvent).where(AuditEvent.act == "programmes.load.exceed")).all()
    assert [(one.detail["trainees"], one.detail["reason"]) for one in events] == [(2, "两位带教老师同时休假")]


def test_a_second_assessor_and_a_free_mentor_are_not_counted(cast, app, at):
    one_at_a_time(cast)
    busy(cast, at)
    pair(cast, at, cast.other_mentor, cast.coordinator, kind="second")
    pair(cast, at, cast.mentor, cast.coordinator)


def test_a_delegation_does_not_count(cast, app, at):
    one_at_a_time(cast)
    today = clock.today(at)
    with transaction():
        own = mentors_of(cast)
        made = mentors.delegate(
            own,
            person(cast.other_mentor),
            from_on=today,
            to_on=today + 3 * DAY,
            reason="leave",
            at=at,
            by=cast.mentor,
        )
    assert len(made) == 1


def mentors_of(cast):
    from lms.programmes.queries import board

    return list(board.own_pairings(cast.mentor, today=clock.today()))


def test_another_mentor_and_a_hand_over_respect_the_cap(cast, app, at):
    one_at_a_time(cast)
    enrolment = programmes.enrolment(cast.enrolment.public_id, cast.coordinator)
    placement = programmes.placements(enrolment.id)[0]
    day = clock.today(at) + 5 * DAY

    def change(by, **more):
        with transaction():
            return mentors.change_mentor(
                enrolment,
                placement,
                person(cast.other_mentor),
                from_on=day,
                reason="leave",
                at=at,
                by=by,
                **more,
            )

    assert refusal(change, cast.coordinator) == "load_cap"
    enrolment = programmes.enrolment(cast.enrolment.public_id, cast.coordinator)
    placement = programmes.placements(enrolment.id)[0]
    change(cast.director, beyond="只剩一位带教老师")
    db.session.expire_all()
    found = db.session.scalars(
        select(Pairing).where(Pairing.mentor_person_id == cast.other_mentor.person_id)
    ).all()
    assert len(found) == 2


def enter(cast, at, who, by=None, **more):
    facts = {
        "title": "attending",
        "years": 6,
        "from_on": cast.cohort.start_on,
        "to_on": None,
        "reason": "师资培训",
    }
    with transaction():
        programme = db.session.get_one(Programme, cast.programme.id)
        return qualifications.enter(
            programme, person(who), at=at, by=by or cast.director, **{**facts, **more}
        )


def test_where_the_programme_asks_only_the_qualified_become_primary_mentors(cast, app, at):
    one_at_a_time(cast, asks=True)
    assert refusal(pair, cast, at, cast.mentor, cast.director, beyond="x") == "not_qualified"
    pair(cast, at, cast.mentor, cast.director, kind="second")
    row = enter(cast, at, cast.mentor)
    assert enter(cast, at, cast.mentor).id == row.id
    assert refusal(enter, cast, at, cast.mentor, reason="other") == "qualification_overlaps"
    pair(cast, at, cast.mentor, cast.coordinator)


def test_a_correction_supersedes_and_an_ended_one_counts_no_more(cast, app, at):
    one_at_a_time(cast, asks=True)
    row = enter(cast, at, cast.mentor)
    last = cast.cohort.start_on + 100 * DAY
    facts = {"title": "attending", "years": 6, "from_on": row.from_on, "to_on": last, "reason": "调离"}

    def correct(one):
        with transaction():
            programme = db.session.get_one(Programme, cast.programme.id)
            return qualifications.correct(programme, one, at=at, by=cast.director, **facts)

    new = correct(row)
    assert correct(new).id == new.id
    assert [one.id for one in queries.history(new)] == [row.id]
    assert refusal(pair, cast, at, cast.mentor, cast.director) == "not_qualified"
    facts["years"] = 7
    assert refusal(correct, row) == "changed_meanwhile"


@pytest.mark.parametrize(
    ("field", "value", "code"),
    [
        ("title", "king", "title"),
        ("years", -1, "years"),
        ("to_on", date(2020, 1, 1), "dates_reversed"),
        ("reason", "患儿张三 13812345678", "personal_data"),
    ],
)
def test_what_a_qualification_cannot_be(cast, app, at, field, value, code):
    with pytest.raises(RuleBroken) as refused:
        enter(cast, at, cast.mentor, **{field: value})
    assert refused.value.field == field


@pytest.mark.parametrize("part", ["coordinator", "administrator", "auditor", "mentor", "stranger"])
def test_only_the_director_enters(cast, app, at, part):
    with pytest.raises((NotAllowed, NotFound)):
        enter(cast, at, cast.mentor, by=getattr(cast, part))


@pytest.mark.parametrize(
    "act", ["UPDATE mentor_qualification SET years = 9", "DELETE FROM mentor_qualification"]
)
def test_the_database_refuses_to_change_a_qualification(cast, app, at, act):
    enter(cast, at, cast.mentor)
    with pytest.raises(DBAPIError, match="append-only"), transaction():
        db.session.execute(text(act))


# ---------------------------------------------------------------- pages


def test_the_director_s_pages_work_without_scripts(cast, browser, app, at, queries):
    url = f"/programmes/{cast.programme.public_id}/qualifications"
    client = browser(cast.director, lang="en")
    assert "Nobody is entered yet" in client.get(url).text
    data = {
        "login": "wang@example.org",
        "title": "attending",
        "years": "2",
        "from_on": "2026-01-01",
        "reason": "急需",
    }
    assert client.post(url, data={**data, "years": ""}).status_code == 422
    for _time in range(2):
        assert client.post(url, data=data).status_code == 303
    with queries() as seen:
        page = client.get(url).text
    assert seen.count <= 12
    for words in ("王建国", "exception", "Attending physician"):
        assert words in page
    db.session.rollback()
    row = db.session.scalar(select(MentorQualification))
    assert (
        client.post(f"{url}/{row.public_id}", data={**data, "years": "3", "reason": "满三年"}).status_code
        == 303
    )
    assert client.get(f"{url}/{row.public_id}").status_code == 404  # it stands no more
    db.session.rollback()
    new = db.session.scalar(select(MentorQualification).where(MentorQualification.supersedes_id == row.id))
    page = client.get(f"{url}/{new.public_id}").text
    assert "What stood before" in page
    assert "by title" in client.get(url).text
    assert "满三年" in client.get(f"{url}.csv").data.decode("utf-8-sig")


@pytest.mark.parametrize(
    ("said", "differs"), [("attending", False), ("associate_chief", True), ("resident", True)]
)
def test_the_page_of_a_qualification_shows_the_title_of_the_profile(cast, browser, app, at, said, differs):
    one_at_a_time(cast)
    row = enter(cast, at, cast.mentor)
    url = f"/programmes/{cast.programme.public_id}/qualifications/{row.public_id}"
    client = browser(cast.director, lang="en")
    assert "Professional details say" not in client.get(url).text
    mentor = browser(cast.mentor, lang="en")
    told = {"title": said, "practice_scope": "pediatrics", "degree": "master", "seen": "0"}
    assert mentor.post("/account/profile", data=told).status_code == 303
    page = client.get(url).text
    assert "Professional details say" in page
    assert ("differs" in page) is differs
    assert client.get(f"/people/{person(cast.mentor).public_id}/profile").status_code == 200
    assert "Professional details" not in browser(cast.auditor, lang="en").get(url).text


def test_titles_of_profiles_have_their_place_among_those_of_mentors():
    assert set(rules.OF_PROFILES) < set(PROFILE_TITLES)
    assert set(rules.OF_PROFILES.values()) == set(rules.TITLES) - {"other"}


def test_who_sees_the_list(cast, browser):
    url = f"/programmes/{cast.programme.public_id}/qualifications"
    readers = {"coordinator", "director", "administrator", "auditor"}
    for name, actor in cast.everyone().items():
        client = browser(actor)
        assert client.get(url).status_code == (200 if name in readers else 404), name
        expected = 422 if name == "director" else 403 if name in readers else 404
        assert client.post(url).status_code == expected, name


def test_the_director_sets_the_cap_and_nobody_else(cast, browser, app):
    url = f"/programmes/{cast.programme.public_id}/edit"
    data = {"title_zh": "高级儿科培训", "title_en": "Advanced Pediatric Training", "director_name": "林海"}
    browser(cast.coordinator).post(url, data={**data, "mentor_cap": "9", "asks_qualification": "y"})
    db.session.rollback()
    assert db.session.get_one(Programme, cast.programme.id).mentor_cap == 2
    client = browser(cast.director, lang="en")
    assert "Trainees of one mentor at a time" in client.get(url).text
    assert client.post(url, data={**data, "mentor_cap": "99"}).status_code == 422
    assert client.post(url, data={**data, "mentor_cap": "1", "asks_qualification": "y"}).status_code == 303
    db.session.rollback()
    kept = db.session.get_one(Programme, cast.programme.id, populate_existing=True)
    assert (kept.mentor_cap, kept.asks_qualification) == (1, True)


def test_the_form_refuses_in_words_and_takes_the_director_s_reason(cast, browser, app, at):
    one_at_a_time(cast)
    busy(cast, at)
    placement = programmes.placements(cast.enrolment.id)[1]
    url = f"/trainees/{cast.enrolment.public_id}/pair"
    data = {
        "placement": placement.public_id, "kind": "primary", "login": "dawa@example.org",
        "from_on": placement.from_on.isoformat(), "to_on": placement.to_on.isoformat(),
    }  # fmt: skip
    refused = browser(cast.coordinator, lang="en").post(url, data=data)
    assert refused.status_code == 422
    assert "the cap is 1" in refused.text
    assert "Why beyond the load cap" not in refused.text
    client = browser(cast.director, lang="en")
    assert "Why beyond the load cap" in client.get(url).text
    assert client.post(url, data={**data, "beyond": "只剩一位带教老师"}).status_code == 303


def test_a_roll_respects_cap_and_qualification(cast, browser, app, at):
    from tests.programmes.test_lists import ROLL, cells, days, send

    one_at_a_time(cast)
    url = f"/cohorts/{cast.cohort.public_id}/import"
    client = browser(cast.coordinator, lang="en")
    rows = [
        ["", "sun@example.org", "", "护理", "NICU", *days(cast, 0, 90), "zhao@example.org", ""],
        ["", "zhou@example.org", "", "护理", "NICU", *days(cast, 0, 90), "zhao@example.org", ""],
        ["", "qian@example.org", "", "护理", "NICU", *days(cast, 0, 90), "王建国", ""],
    ]
    assert cells(send(client, url, ROLL, rows)) == ["H3", "H4"]
    one_at_a_time(cast, asks=True)
    enter(cast, at, cast.examiner)
    assert cells(send(client, url, ROLL, rows[:1])) == []
    assert cells(send(client, url, ROLL, [[*rows[0][:7], "lin@example.org", ""]])) == ["H2"]


def test_the_colleague_is_told_once_that_signing_is_delegated(cast, app, at):
    from lms.core.notices import Notice

    today = clock.today(at)
    for _time in range(2):
        with transaction():
            mentors.delegate(
                mentors_of(cast), person(cast.other_mentor), from_on=today, to_on=today + 3 * DAY, reason="leave",
                at=at, by=cast.mentor,
            )  # fmt: skip
    told = db.session.scalars(select(Notice).where(Notice.kind == "programmes.signing_delegated")).all()
    assert [one.account_id for one in told] == [cast.other_mentor.account_id]
