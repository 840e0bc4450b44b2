"""Multisource feedback: rounds by everybody's hands, the box that knows no rater, and small groups that vanish."""

import base64
from collections import Counter
from datetime import timedelta
from itertools import combinations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from sqlalchemy import inspect, select, text
from sqlalchemy.exc import DBAPIError

from lms.accounts import services as accounts
from lms.accounts.models import Person
from lms.accounts.queries import actor_of
from lms.core import clock
from lms.core.audit import AuditEvent
from lms.core.db import db, transaction
from lms.core.digests import digest_of, sha256_hex
from lms.core.errors import NotAllowed, NotFound, RuleBroken
from lms.core.notices import Notice
from lms.logbooks.models.multisource import (
    FeedbackBox,
    FeedbackGuest,
    FeedbackRater,
    FeedbackRelease,
    FeedbackResult,
    FeedbackRound,
    FeedbackSelf,
)
from lms.logbooks.queries import multisource as queries
from lms.logbooks.rules import multisource as rules
from lms.logbooks.services import multisource as services
from lms.policy import Role
from lms.programmes import queries as programmes

# ---------------------------------------------------------------- what is shown

ANSWERS = st.lists(
    st.tuples(
        st.sampled_from(sorted(rules.GROUPS)),
        st.dictionaries(st.sampled_from(sorted(rules.QUESTIONS)), st.sampled_from(sorted(rules.SCALE))),
    ),
    max_size=20,
)


def subsets(lines):
    """Every choice of lines."""
    return [chosen for size in range(len(lines) + 1) for chosen in combinations(lines, size)]


@given(ANSWERS)
def test_no_difference_of_shown_numbers_speaks_of_fewer_than_five(answers):
    kept = rules.summed(answers)
    for question in rules.QUESTIONS:
        rated = [(group, ratings[question]) for group, ratings in answers if question in ratings]
        lines = rules.lines_of(kept, question)
        assert bool(lines) == (len(rated) >= rules.SHOWN_FROM)
        shown = [name for line in lines for name in line.groups]
        assert len(shown) == len(set(shown))
        if not lines:
            continue
        assert sum(line.count for line in lines) == len(rated)
        for line in lines:
            mine = Counter(step for group, step in rated if group in line.groups)
            assert line.counts == tuple(mine[step] for step in rules.SCALE)
        sums = {frozenset(line.groups for line in chosen): chosen for chosen in subsets(lines)}
        for one in sums.values():
            for other in sums.values():
                apart = [line for line in one if line not in other]
                assert not apart or sum(line.count for line in apart) >= rules.SHOWN_FROM


@given(ANSWERS, st.randoms())
def test_what_is_kept_does_not_depend_on_the_order_of_the_answers(answers, dice):
    mixed = list(answers)
    dice.shuffle(mixed)
    assert rules.summed(mixed) == rules.summed(answers)


@given(st.dictionaries(st.sampled_from(sorted(rules.GROUPS)), st.integers(0, 12)))
def test_groups_are_merged_until_each_set_has_five(sizes):
    sets = rules.merged(sizes)
    if sum(sizes.values()) < rules.SHOWN_FROM:
        assert sets == ()
        return
    assert sorted(name for names in sets for name in names) == sorted(name for name in sizes if sizes[name])
    assert all(sum(sizes[name] for name in names) >= rules.SHOWN_FROM for names in sets)
    large = {name for name in sizes if sizes[name] >= rules.SHOWN_FROM}
    if large == {name for name in sizes if sizes[name]}:
        assert set(sets) == {(name,) for name in large}


def test_the_mean_the_gap_and_the_round_before():
    answers = [("doctor", {"care": 2})] * 5 + [("nurse", {"care": 4})] * 5 + [("other", {"team": 1})] * 4
    kept = rules.summed(answers)
    seen = {one.code: one for one in rules.seen(kept, {"care": 4}, before=kept, own_before={"care": 1})}
    assert [line.mean for line in seen["care"].lines] == [2, 4]
    assert (seen["care"].mean, seen["care"].gap, seen["care"].before, seen["care"].own_before) == (3, 1, 3, 1)
    assert (seen["team"].lines, seen["team"].mean, seen["team"].gap) == ((), None, None)


# ---------------------------------------------------------------- rounds


class Ward:
    """The trainee's round and ten colleagues: four doctors, five nurses, one other."""

    GROUPS = ["doctor"] * 4 + ["nurse"] * 5 + ["other"]

    def __init__(self, desk) -> None:
        self.desk, self.at, self.cast = desk, desk.at, desk.cast
        before = desk.at - timedelta(days=30)
        self.colleagues = []
        with transaction():
            for number in range(len(self.GROUPS)):
                person = accounts.add_person(
                    name_zh=f"同事{number}", name_latin=f"Colleague {number}", at=before, by=None
                )
                account = accounts.add_account(person, login=f"c{number}@example.org", at=before, by=None)
                accounts.grant(
                    person, Role.EDUCATOR, f"programme:{self.cast.programme.id}", at=before, by=None
                )
                self.colleagues.append(actor_of(account, at=desk.at))
        self.number = ""

    @property
    def training(self):
        """The trainee's enrolment as this session knows it."""
        return programmes.enrolment(self.cast.enrolment.public_id, self.cast.director)

    def begin(self, by=None):
        """A round that is being prepared."""
        with transaction():
            begun, _new = services.begin(self.training, at=self.at, by=by or self.cast.mentor)
        self.number = begun.public_id
        return begun

    def do(self, act, by, **more):
        """An act on the round by somebody who may see it."""
        with transaction():
            return act(queries.feedback_round(self.number, by, for_update=True), by=by, **more)

    def choose(self, by=None, people=None, at=None):
        """Everybody in their groups, unless others are named."""
        people = people or dict(zip([one.person_id for one in self.colleagues], self.GROUPS, strict=True))
        return self.do(services.choose, by or self.cast.mentor, chosen=people, at=at or self.at)

    def open(self, by=None):
        """An open round with all ten."""
        if not self.number:
            self.begin()
        self.choose()
        self.do(services.open_round, by or self.cast.mentor, at=self.at)
        return self.found()

    def found(self):
        """The round as the database has it."""
        return queries.feedback_round(self.number, self.cast.director)

    def answer(self, who, *, step=3, well="", better="", ratings=None, at=None):
        """A colleague answers."""
        given = dict.fromkeys(rules.QUESTIONS, step) if ratings is None else ratings
        with transaction():
            held, mine = queries.asked_round(self.number, who, for_update=True)
            return services.answer(
                held, mine, ratings=given, well=well, better=better, at=at or self.at, by=who
            )

    def closed(self):
        """A closed round that all ten answered."""
        self.open()
        for number, who in enumerate(self.colleagues):
            self.answer(
                who, step=1 + number % 4, well=f"好{number}", better=f"慢{number}" if number < 3 else ""
            )
        self.do(services.close, self.cast.mentor, at=self.at)
        return self.found()

    def watch(self, days):
        """The clock, some days later."""
        with transaction():
            services.watch(self.at + timedelta(days=days))


@pytest.fixture
def ward(desk, bare_app):
    """An open application context with the ward in it."""
    with bare_app.app_context():
        yield Ward(desk)


def code_of(refusal):
    """The code of a refusal."""
    return refusal.value.code


def test_a_round_from_its_beginning_to_its_release(ward):
    ward.begin()
    assert ward.choose() == 10
    assert ward.choose() == 0
    ward.do(services.open_round, ward.cast.mentor, at=ward.at)
    ward.do(services.open_round, ward.cast.mentor, at=ward.at)
    with transaction():
        held = queries.feedback_round(ward.number, ward.cast.trainee, for_update=True)
        for step in (4, 1):
            own = services.rate_self(held, ratings={"care": step}, at=ward.at, by=ward.cast.trainee)
    assert own.ratings == {"care": 4}
    for number, who in enumerate(ward.colleagues):
        assert ward.answer(who, step=3, well=f"好{number}")
        assert not ward.answer(who, step=1)
    ward.do(services.close, ward.cast.mentor, at=ward.at)
    ward.do(services.close, ward.cast.mentor, at=ward.at)
    found = ward.found()
    assert (found.state, found.invited) == (rules.CLOSED, 10)
    assert queries.may_read(ward.cast.mentor, found, released=False)
    for who in (ward.cast.trainee, ward.cast.director, ward.cast.coordinator, ward.colleagues[0]):
        assert not queries.may_read(who, found, released=False)
    kept = queries.result_of(found)
    assert kept.answers == 10
    assert sorted(kept.result.well) == sorted(f"好{number}" for number in range(10))
    assert kept.result.sha256 == digest_of(
        {"summed": kept.result.summed, "well": kept.result.well, "better": kept.result.better}
    )
    care = kept.seen[0]
    assert [(line.groups, line.count) for line in care.lines] == [(("doctor", "other"), 5), (("nurse",), 5)]
    assert (care.own, care.gap) == (4, 1)
    for _n in range(2):
        ward.do(services.release, ward.cast.mentor, words="先说计划再动手", at=ward.at)
    assert queries.may_read(ward.cast.trainee, found, released=True)
    assert not queries.may_read(ward.cast.director, found, released=True)
    told = db.session.scalars(select(Notice.kind)).all()
    assert told.count("logbooks.feedback_released") == 1


def test_no_row_and_no_event_leads_from_a_rater_to_an_answer(ward):
    ward.open()
    events = db.session.scalars(select(AuditEvent.id)).all()
    lengths = set()
    for number, who in enumerate(ward.colleagues[:9]):
        ward.answer(who, step=1 + number % 4, well="很长的话" * (number * 7))
        lengths.add(len(db.session.scalar(select(FeedbackBox.locked))))
    assert len(lengths) == 1, "the box is as long for one answer as for nine"
    assert db.session.scalars(select(AuditEvent.id)).all() == events
    assert {column["name"] for column in inspect(db.engine).get_columns("feedback_rater")} == {
        "id", "round_id", "person_id", "group_", "state",
    }  # fmt: skip
    box = db.session.scalar(select(FeedbackBox))
    assert "很长" not in base64.b64decode(box.locked).decode("utf-8", "ignore")
    _key, answers = services._opened(box)
    assert [sorted(one) for one in answers] == [["better", "group", "ratings", "well"]] * 9
    ward.do(services.close, ward.cast.mentor, at=ward.at)
    assert db.session.scalars(select(FeedbackBox)).all() == []
    assert db.session.scalars(select(FeedbackRater)).all() == []
    kinds = set(db.session.scalars(select(Notice.kind)))
    assert not kinds & {"logbooks.feedback_asked", "logbooks.feedback_waits"}
    closing = db.session.scalars(select(AuditEvent).where(AuditEvent.act == "logbooks.feedback.close")).one()
    assert set(closing.detail) == {"answers", "result"}


def test_two_orders_of_answering_leave_the_same_box(ward):
    ward.open()
    boxes = []
    for order in (ward.colleagues[:3], ward.colleagues[2::-1]):
        with transaction():
            box = db.session.scalar(select(FeedbackBox))
            key, _answers = services._opened(box)
            box.locked = services._locked([], key)
            for rater in db.session.scalars(select(FeedbackRater)):
                rater.state = rules.ASKED
        for who in order:
            ward.answer(who, step=1 + ward.colleagues.index(who))
        db.session.expire_all()
        boxes.append(services._opened(db.session.scalar(select(FeedbackBox)))[1])
    assert boxes[0] == boxes[1]


def test_who_may_begin_and_run(ward):
    for who in (ward.cast.auditor, ward.cast.stranger, ward.cast.other_mentor, ward.cast.other_trainee):
        with pytest.raises(NotFound), transaction():
            services.begin(ward.training, at=ward.at, by=who)
    begun = ward.begin(by=ward.cast.trainee)
    assert ward.begin(by=ward.cast.director).id == begun.id, "one at a time"
    assert "logbooks.feedback_wanted" in set(db.session.scalars(select(Notice.kind)))
    ward.choose(by=ward.cast.trainee)
    for act in (services.open_round, services.cancel):
        if act is services.open_round:
            with pytest.raises(NotAllowed):
                ward.do(act, ward.cast.trainee, at=ward.at)
    ward.do(services.open_round, ward.cast.coordinator, at=ward.at)
    for act in (services.close, services.extend, services.remind, services.cancel):
        with pytest.raises(NotAllowed):
            ward.do(act, ward.cast.trainee, at=ward.at)
    with pytest.raises(NotAllowed):
        ward.do(services.release, ward.cast.director, words="x", at=ward.at)
    with pytest.raises(NotFound):
        queries.feedback_round(ward.number, ward.colleagues[0])
    with pytest.raises(NotFound):
        queries.asked_round(ward.number, ward.cast.stranger)


def test_who_may_be_a_rater(ward):
    ward.begin()
    for who, code in (
        (ward.cast.trainee, "own_feedback"),
        (ward.cast.mentor, "reader_rates"),
        (ward.cast.second_assessor, "reader_rates"),
    ):
        with pytest.raises(RuleBroken) as refusal:
            ward.choose(people={who.person_id: "doctor"})
        assert code_of(refusal) == code
    with pytest.raises(RuleBroken) as refusal:
        ward.choose(people={ward.colleagues[0].person_id: "family"})
    assert code_of(refusal) == "unknown_value"
    with pytest.raises(RuleBroken) as refusal:
        ward.choose(people={10**6: "nurse"})
    assert code_of(refusal) == "unknown_value"
    ward.choose(people={one.person_id: "nurse" for one in ward.colleagues[:7]})
    with pytest.raises(RuleBroken) as refusal:
        ward.do(services.open_round, ward.cast.mentor, at=ward.at)
    assert code_of(refusal) == "raters_few"
    ward.do(services.take_off, ward.cast.mentor, person_id=ward.colleagues[0].person_id)
    assert len(queries.raters(ward.found())) == 6


def test_candidates_are_colleagues_and_the_whole_house_only_by_name_for_who_runs_it(ward):
    today = clock.today(ward.at)
    rows, total = queries.candidates(ward.training, everybody=False, on=today)
    assert {one.id for one in rows} >= {one.person_id for one in ward.colleagues}
    assert total == len(rows)
    readers = {ward.cast.trainee.person_id, ward.cast.mentor.person_id, ward.cast.second_assessor.person_id}
    assert not {one.id for one in rows} & readers
    stranger = db.session.get_one(Person, ward.cast.stranger.person_id)
    assert stranger not in rows
    assert queries.candidates(ward.training, search="孙一", everybody=True, on=today) == ([stranger], 1)
    assert queries.candidates(ward.training, search="孙一", everybody=False, on=today) == ([], 0)


@pytest.mark.parametrize(
    ("more", "code"),
    [
        ({"ratings": {}}, "nothing_rated"),
        ({"ratings": {"care": 5}}, "unknown_value"),
        ({"ratings": {"looks": 1}}, "unknown_value"),
        ({"well": "好" * 401}, "words_long"),
        ({"better": "患儿张小明住院号123456"}, "identifying"),
    ],
)
def test_bad_answers_are_refused_and_nothing_is_noted(ward, more, code):
    ward.open()
    with pytest.raises(RuleBroken) as refusal:
        ward.answer(ward.colleagues[0], **more)
    assert code_of(refusal) == code
    assert queries.answered_count(ward.found()) == 0


def test_the_longest_answers_of_everybody_fit(ward):
    words = "\U0001fab7" * rules.TEXT_MAX
    answer = {"group": "doctor", "ratings": dict.fromkeys(rules.QUESTIONS, 4), "well": words, "better": words}
    services._locked([answer] * rules.RATERS_MAX, b"k" * 32)


def test_few_answers_cannot_close_and_lapse_unread(ward):
    ward.open()
    for who in ward.colleagues[:7]:
        ward.answer(who)
    with pytest.raises(RuleBroken) as refusal:
        ward.do(services.close, ward.cast.mentor, at=ward.at)
    assert code_of(refusal) == "answers_few"
    ward.watch(21)
    assert ward.found().state == rules.OPEN
    ward.watch(22)
    assert ward.found().state == rules.LAPSED
    assert db.session.scalars(select(FeedbackBox)).all() == []
    assert db.session.scalars(select(FeedbackResult)).all() == []


def test_the_clock_reminds_closes_and_releases(ward):
    ward.open()
    for who in ward.colleagues[:8]:
        ward.answer(who)
    ward.watch(15)
    kinds = db.session.scalars(select(Notice.kind)).all()
    assert kinds.count("logbooks.feedback_waits") == 0
    for _n in range(2):
        ward.watch(16)
    kinds = db.session.scalars(select(Notice.kind)).all()
    assert kinds.count("logbooks.feedback_waits") == 2
    ward.watch(22)
    assert ward.found().state == rules.CLOSED
    ward.watch(22 + 13)
    assert db.session.scalars(select(FeedbackRelease)).all() == []
    for _n in range(2):
        ward.watch(22 + 14)
    (released,) = db.session.scalars(select(FeedbackRelease)).all()
    assert (released.person_id, released.words) == (None, "")


def test_extended_once_late_answers_refused_and_added_raters_asked(ward):
    ward.open()
    ward.do(services.extend, ward.cast.mentor, at=ward.at)
    with pytest.raises(RuleBroken) as refusal:
        ward.do(services.extend, ward.cast.mentor, at=ward.at)
    assert code_of(refusal) == "extended_already"
    ward.answer(ward.colleagues[0], at=ward.at + timedelta(days=35))
    with pytest.raises(RuleBroken) as refusal:
        ward.answer(ward.colleagues[1], at=ward.at + timedelta(days=36))
    assert code_of(refusal) == "round_over"
    assert ward.choose(people={ward.cast.examiner.person_id: "other"}) == 1
    assert queries.asked_round(ward.number, ward.cast.examiner)[1].state == rules.ASKED
    with pytest.raises(RuleBroken) as refusal:
        ward.do(services.take_off, ward.cast.mentor, person_id=ward.colleagues[0].person_id)
    assert code_of(refusal) == "round_state"
    assert ward.do(services.remind, ward.cast.coordinator, at=ward.at) == 10


def test_whoever_cannot_say_is_not_reminded_and_may_still_answer(ward):
    ward.open()
    who = ward.colleagues[0]
    with transaction():
        services.cannot_say(*queries.asked_round(ward.number, who, for_update=True), at=ward.at, by=who)
    assert queries.to_rate(who) == []
    assert ward.do(services.remind, ward.cast.mentor, at=ward.at) == 9
    assert ward.answer(who)


def test_a_cancelled_round_leaves_nothing_and_another_can_begin(ward):
    first = ward.open()
    ward.answer(ward.colleagues[0])
    for _n in range(2):
        ward.do(services.cancel, ward.cast.mentor, at=ward.at)
    for table in (FeedbackBox, FeedbackRater, FeedbackResult):
        assert db.session.scalars(select(table)).all() == []
    assert ward.begin().id != first.id


def test_the_own_view_comes_before_the_result(ward):
    ward.closed()
    ward.do(services.release, ward.cast.mentor, words="好", at=ward.at)
    with pytest.raises(RuleBroken) as refusal:
        ward.do(services.rate_self, ward.cast.trainee, ratings={"care": 4}, at=ward.at)
    assert code_of(refusal) == "round_over"
    with pytest.raises(NotAllowed):
        ward.do(services.rate_self, ward.cast.mentor, ratings={"care": 4}, at=ward.at)


@pytest.mark.parametrize(
    "statement",
    [
        "UPDATE feedback_result SET sha256 = 'x'",
        "DELETE FROM feedback_result",
        "UPDATE feedback_round SET state = 'open'",
        "UPDATE feedback_round SET invited = 3",
        "DELETE FROM feedback_round",
        "DELETE FROM feedback_release",
        "UPDATE feedback_self SET at = at",
    ],
)
def test_the_database_refuses_to_change_what_is_left(ward, statement):
    found = ward.open()
    with transaction():
        db.session.add(FeedbackSelf(round_id=found.id, ratings={"care": 3}, at=ward.at))
    for who in ward.colleagues:
        ward.answer(who)
    ward.do(services.close, ward.cast.mentor, at=ward.at)
    ward.do(services.release, ward.cast.mentor, words="好", at=ward.at)
    with pytest.raises(DBAPIError), transaction():
        db.session.execute(text(statement))
    db.session.rollback()


@pytest.mark.parametrize("left", ["feedback_rater", "feedback_guest", "feedback_box"])
def test_the_database_refuses_an_end_that_keeps_raters_or_box(ward, left):
    found = ward.open()
    guest(ward, "王护士")
    with transaction():
        for gone in {"feedback_rater", "feedback_guest", "feedback_box"} - {left}:
            db.session.execute(text(f"DELETE FROM {gone}"))
    lapse = text("UPDATE feedback_round SET state = 'lapsed', ended_on = closes_on WHERE id = :id")
    with pytest.raises(DBAPIError), transaction():
        db.session.execute(lapse, {"id": found.id})
    db.session.rollback()
    assert db.session.scalar(select(FeedbackRound.state)) == rules.OPEN


# ---------------------------------------------------------------- who has no account


def guest(ward, name, group="nurse", by=None):
    """The token of a link for somebody without an account."""
    return ward.do(services.ask_guest, by or ward.cast.mentor, name=name, group=group, at=ward.at)


def by_link(ward, token, *, step=3, at=None, **words):
    """Whoever holds the link answers."""
    with transaction():
        return services.answer_by_link(
            *queries.linked_round(token, None, for_update=True),
            ratings=dict.fromkeys(rules.QUESTIONS, step),
            well=words.get("well", ""),
            better=words.get("better", ""),
            at=at or ward.at,
        )


def test_people_without_an_account_make_a_round_and_leave_no_trace(ward):
    ward.begin()
    tokens = [guest(ward, f"外院同事{number}", ward.GROUPS[number]) for number in range(8)]
    assert set(db.session.scalars(select(FeedbackGuest.token_sha256))) == {
        sha256_hex(token.encode()) for token in tokens
    }, "only digests are kept"
    with pytest.raises(RuleBroken) as refusal:
        by_link(ward, tokens[0])
    assert code_of(refusal) == "round_state"
    ward.do(services.open_round, ward.cast.mentor, at=ward.at)
    assert ward.found().invited == 8
    events = db.session.scalars(select(AuditEvent.id)).all()
    for number, token in enumerate(tokens):
        assert by_link(ward, token, step=1 + number % 4, well=f"好{number}")
        assert not by_link(ward, token, well="又一次"), "it takes one answer"
    assert db.session.scalars(select(AuditEvent.id)).all() == events
    assert queries.answered_count(ward.found()) == 8
    ward.do(services.close, ward.cast.mentor, at=ward.at)
    assert db.session.scalars(select(FeedbackGuest)).all() == []
    result = queries.result_of(ward.found())
    assert sorted(result.result.well) == [f"好{number}" for number in range(8)]
    with pytest.raises(NotFound):
        queries.linked_round(tokens[0], None)


def test_a_new_link_voids_the_earlier_one_and_is_the_same_rater(ward):
    ward.open()
    first = guest(ward, "王护士")
    second = guest(ward, " 王护士 ", "doctor")
    assert ward.found().invited == 11
    assert [(one.name, one.group_) for one in queries.guests(ward.found())] == [("王护士", "doctor")]
    with pytest.raises(NotFound):
        queries.linked_round(first, None)
    assert by_link(ward, second)
    with pytest.raises(RuleBroken) as refusal:
        guest(ward, "王护士")
    assert code_of(refusal) == "answered_already"


def test_a_link_is_over_with_the_last_day_and_with_the_round(ward):
    ward.open()
    token = guest(ward, "王护士")
    late = ward.at + rules.LASTS + timedelta(days=1)
    with pytest.raises(RuleBroken) as refusal:
        by_link(ward, token, at=late)
    assert code_of(refusal) == "round_over"
    ward.watch(rules.LASTS.days + 1)
    with pytest.raises(NotFound):
        queries.linked_round(token, None)


def test_who_reads_the_result_or_is_judged_gets_nothing_by_a_link(ward):
    ward.open()
    token = guest(ward, "王护士")
    for who in (ward.cast.trainee, ward.cast.mentor):
        with pytest.raises(NotFound):
            queries.linked_round(token, who)
    assert queries.linked_round(token, ward.cast.stranger)
    with pytest.raises(NotAllowed):
        guest(ward, "小号", by=ward.cast.trainee)
    with pytest.raises(NotFound):
        guest(ward, "小号", by=ward.cast.stranger)


@pytest.mark.parametrize(
    ("name", "group", "code"),
    [("", "nurse", "name_missing"), ("x" * 81, "nurse", "words_long"), ("王", "family", "unknown_value")],
)
def test_what_is_no_rater_without_an_account(ward, name, group, code):
    ward.begin()
    with pytest.raises(RuleBroken) as refusal:
        guest(ward, name, group)
    assert code_of(refusal) == code


def test_the_box_has_room_for_as_many_as_can_be_asked(ward):
    ward.open()
    for number in range(rules.RATERS_MAX - 10):
        guest(ward, f"同行{number}")
    with pytest.raises(RuleBroken) as refusal:
        guest(ward, "多一个")
    assert code_of(refusal) == "raters_many"
    guest(ward, "同行0")


def test_a_guest_is_taken_off_before_the_round_opens_and_declines_by_the_link(ward):
    ward.begin()
    gone, kept = guest(ward, "甲"), guest(ward, "乙")
    for _n in range(2):
        ward.do(services.take_guest_off, ward.cast.mentor, name="甲")
    with pytest.raises(NotFound):
        queries.linked_round(gone, None)
    ward.choose()
    ward.do(services.open_round, ward.cast.mentor, at=ward.at)
    with pytest.raises(RuleBroken):
        ward.do(services.take_guest_off, ward.cast.mentor, name="乙")
    with transaction():
        services.decline_by_link(*queries.linked_round(kept, None, for_update=True), at=ward.at)
    assert [one.state for one in queries.guests(ward.found())] == [rules.DECLINED]
    assert by_link(ward, kept), "whoever declined may still answer"
