"""Essays, files and stations: sent, marked blind by two, a third where they lie apart, settled, and only then a result."""

from dataclasses import dataclass, replace
from datetime import timedelta
from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st
from sqlalchemy import select

from lms.accounts import services as accounts_services
from lms.accounts.models import Person
from lms.assessments import models, queries, services
from lms.assessments.psychometrics.report import report
from lms.assessments.psychometrics.settling import Stand, outcome
from lms.assessments.queries import markers as query
from lms.assessments.queries import overview
from lms.assessments.rules import markers as rule
from lms.assessments.services.settling import Settled
from lms.core import clock
from lms.core.db import db, transaction
from lms.core.errors import NotFound, RuleBroken
from lms.core.notices import Notice
from lms.policy import Role

ESSAY = {"stem": {"zh": "请写出交接班要点。", "en": "Write down what is handed over."}, "max_chars": 500}
RUBRIC = {
    "rubric": [
        {"id": "a", "zh": "病情变化", "en": "What changed", "marks": 4},
        {"id": "b", "zh": "用药", "en": "Drugs", "marks": 6},
    ]
}
FILE = {
    "stem": {"zh": "请上传呼吸机曲线。", "en": "Send the curve."},
    "formats": ["pdf", "png"],
    "max_bytes": 200_000,
}
STATION = {"stem": {"zh": "新生儿复苏。", "en": "Resuscitate the newborn."}}
CHECKLIST = {
    "checklist": [
        {"id": "a", "zh": "呼救", "en": "Calls for help", "marks": 2, "must": True},
        {"id": "b", "zh": "通气", "en": "Ventilates", "marks": 3},
    ]
}
A1 = {"stem": {"zh": "一题", "en": "One"}, "options": [{"id": one, "zh": one, "en": one} for one in "abcde"]}


@dataclass
class Hall:
    """A test with a choice, an essay, a file and a station, and three markers."""

    cast: object
    test: models.Test
    markers: list
    at: object

    def version(self, kind: str) -> models.QuestionVersion:
        slot = next(one for one in queries.form_of(self.test.id).slots if one["type"] == kind)
        return db.session.get_one(models.QuestionVersion, slot["version"])

    def question(self, kind: str) -> str:
        return db.session.get_one(models.Question, self.version(kind).question_id).public_id

    def slot(self, kind: str) -> int:
        return next(one["slot"] for one in queries.form_of(self.test.id).slots if one["type"] == kind)

    def ask(self, kind: str, *who) -> None:
        with transaction():
            services.ask_markers(
                queries.test(self.test.public_id, self.cast.coordinator),
                self.version(kind),
                [db.session.get_one(Person, one.person_id) for one in who],
                by=self.cast.coordinator,
                at=self.at,
            )

    def hand_in(self, who, *, uuid="click-0001", **answers) -> models.Sitting:
        """A sitting with these answers by type, handed in."""
        with transaction():
            sitting = services.start(
                queries.test(self.test.public_id, who), client_uuid=uuid, by=who, at=self.at
            )
            for number, (kind, body) in enumerate(answers.items(), 1):
                put(sitting, self.slot(kind), body, number, self.at)
        with transaction():
            services.submit(queries.sitting(sitting.public_id, who), by=who, at=self.at)
        return queries.sitting(sitting.public_id, who)

    def seats(self, sitting) -> list[models.MarkerSeat]:
        return list(
            db.session.scalars(
                select(models.MarkerSeat)
                .join(models.MarkedResponse)
                .where(models.MarkedResponse.sitting_id == sitting.id)
                .order_by(models.MarkerSeat.response_id, models.MarkerSeat.place)
            )
        )

    def actor(self, seat):
        return next(one for one in self.markers if one.person_id == seat.person_id)

    def mark(self, seat, a, b, *, by=None, uuid=None, note=""):
        by = by or self.actor(seat)
        with transaction():
            return services.mark_response(
                query.seat(seat.public_id, by),
                {"a": Fraction(a), "b": Fraction(b)},
                note,
                client_uuid=uuid or f"mark-{seat.id}-{a}-{b}",
                by=by,
                at=self.at,
            )

    def settle(self):
        with transaction():
            return services.settle(
                queries.test(self.test.public_id, self.cast.coordinator), by=self.cast.coordinator, at=self.at
            )

    def grade(self, sitting):
        return db.session.scalar(
            select(models.Grade).where(models.Grade.sitting_id == sitting.id).order_by(models.Grade.id.desc())
        )


def put(sitting, slot, body, number, at):
    """An answer that stands, as the writer leaves it."""
    event = models.ResponseEvent(
        sitting_id=sitting.id, device="device-1", client_seq=number, slot=slot, kind="answer", body=body,
        epoch=1, mono_ms=None, at=at, late_ms=0, applied=True, reason=None,
    )  # fmt: skip
    db.session.add(event)
    db.session.flush()
    db.session.add(
        models.ResponseHead(
            sitting_id=sitting.id, slot=slot, kind="answer", event_id=event.id, epoch=1, device="device-1",
            client_seq=number, body=body,
        )
    )  # fmt: skip
    db.session.flush()


def with_role(who, role, scope, at):
    """The actor after one more role."""
    with transaction():
        accounts_services.grant(db.session.get_one(Person, who.person_id), role, scope, at=at, by=None)
    return replace(who, grants=who.grants | {(role, scope)})


def make_hall(cast, at, *, kinds=("A1", "ESSAY", "UPLOAD", "OSCE"), **terms) -> Hall:
    contents = {
        "A1": (A1, {"right": "a"}),
        "ESSAY": (ESSAY, RUBRIC),
        "UPLOAD": (FILE, RUBRIC),
        "OSCE": (STATION, CHECKLIST),
    }
    with transaction():
        bank = services.create_bank(
            cast.programme, purpose="exam", title_zh="题库", title_en="Bank", at=at, by=None
        )
        made = [
            services.add_question(
                bank, code=f"H{number}", kind=kind, body=contents[kind][0], key=contents[kind][1],
                rationale={"zh": "因为", "en": "because"}, facts=services.Facts(topic="handover"), at=at, by=None,
            )
            for number, kind in enumerate(kinds)
        ]  # fmt: skip
        for version in made:
            version.question.bank = bank
        test = services.make_test(
            cast.cohort, made, title_zh="问答考试", title_en="Essay test", duration_s=1800,
            opens_at=at - timedelta(hours=1), closes_at=at + timedelta(days=2), cut_percent=60,
            **{"attempts_allowed": 2} | terms, at=at, by=None,
        )  # fmt: skip
        services.publish(test, at=at, by=None)
    scope = f"programme:{cast.programme.id}"
    markers = [
        with_role(who, Role.MARKER, scope, at) for who in (cast.educator, cast.mentor, cast.other_mentor)
    ]
    return Hall(cast, test, markers, at)


@pytest.fixture
def hall(app, cast, at) -> Hall:
    return make_hall(cast, at, kinds=("A1", "ESSAY"))


WORDS = {"text": "体温平稳，氨苄西林已用。"}


# ---------------------------------------------------------------- the law of settling

_share = st.fractions(min_value=0, max_value=1, max_denominator=40)


@given(_share, _share, _share, _share)
def test_a_settled_mark_lies_between_the_marks_it_comes_from(first, second, third, apart):
    found = outcome({1: first, 2: second, 3: third}, wanted=2, apart=apart)
    assert found.stand == Stand.READY
    used = [{1: first, 2: second, 3: third}[place] for place in found.places]
    assert min(used) <= found.share <= max(used)
    assert found.share == sum(used) / len(used)


@given(_share, _share, _share)
def test_a_third_is_asked_only_when_two_lie_apart(first, second, apart):
    found = outcome({1: first, 2: second}, wanted=2, apart=apart)
    assert (found.stand == Stand.APART) == (abs(first - second) > apart)
    assert found.stand == Stand.APART or found.share == (first + second) / 2


@given(_share, _share, _share)
def test_a_third_marking_counts_for_nothing_while_two_agree(first, second, third):
    apart = abs(first - second)
    assert outcome({1: first, 2: second, 3: third}, wanted=2, apart=apart) == outcome(
        {1: first, 2: second}, wanted=2, apart=apart
    )


@given(_share, _share, _share)
def test_at_a_station_nobody_is_asked_a_third_time(first, second, apart):
    assert outcome({1: first, 2: second}, wanted=2, apart=apart, third=False).stand == Stand.READY


@given(_share, _share)
def test_who_marks_first_changes_nothing(first, second):
    assert (
        outcome({1: first, 2: second}, wanted=2, apart=Fraction(1)).share
        == outcome({1: second, 2: first}, wanted=2, apart=Fraction(1)).share
    )


def test_a_missing_key_item_earns_nothing():
    lines = rule.lines_of(CHECKLIST)
    assert rule.earned(lines, {"a": Fraction(0), "b": Fraction(3)}) == 0
    assert rule.earned(lines, {"a": Fraction(2), "b": Fraction(0)}) == Fraction(2, 5)


@pytest.mark.parametrize("text", ["", "-1", "4.25", "5", "1/2", "٣", "1e0", "1,5", "nan"])
def test_marks_are_whole_or_half_and_within_the_line(text):
    assert rule.read_line(text, rule.Line("a", "", 4, must=False)) is None


# ---------------------------------------------------------------- waiting, blind, settled


def test_a_sitting_with_an_essay_waits_for_its_markers_and_shows_no_result(hall, cast, at):
    hall.ask("ESSAY", *hall.markers)
    sitting = hall.hand_in(cast.trainee, A1={"choice": "a"}, ESSAY=WORDS)
    assert sitting.marking_since is not None
    assert sitting.marked_at is None
    assert queries.result(sitting, at) is None
    assert queries.own_tests([hall.test], cast.trainee, at)[0].state == "marked"
    assert len(hall.seats(sitting)) == 2


def test_nobody_begins_again_while_an_attempt_waits_for_its_markers(hall, cast, at):
    hall.hand_in(cast.trainee, ESSAY=WORDS)
    with pytest.raises(RuleBroken) as refused, transaction():
        services.start(hall.test, client_uuid="click-0002", by=cast.trainee, at=at)
    assert refused.value.code == "being_marked"


def test_an_essay_without_a_word_earns_nothing_and_waits_for_nobody(hall, cast):
    sitting = hall.hand_in(cast.trainee, A1={"choice": "a"}, ESSAY={"text": " "})
    assert sitting.marked_at is not None
    assert hall.grade(sitting).score == 1


def test_two_markers_near_each_other_are_averaged_exactly(hall, cast):
    hall.ask("ESSAY", *hall.markers[:2])
    sitting = hall.hand_in(cast.trainee, A1={"choice": "a"}, ESSAY=WORDS)
    first, second = hall.seats(sitting)
    hall.mark(first, 3, "4.5")
    assert hall.settle().waiting == 1
    hall.mark(second, 3, 4)
    assert hall.settle().sittings == 1
    grade = hall.grade(sitting)
    assert grade.score == 1 + Fraction(29, 4)
    assert grade.maximum == 11
    assert hall.settle() == Settled(0, 0, 0)


def test_a_third_is_asked_when_two_lie_apart_and_the_nearer_counts_with_them(hall, cast):
    hall.ask("ESSAY", *hall.markers)
    sitting = hall.hand_in(cast.trainee, ESSAY=WORDS)
    first, second = hall.seats(sitting)
    hall.mark(first, 4, 6)
    hall.mark(second, 1, 2)
    third = hall.seats(sitting)[2]
    assert {one.person_id for one in hall.seats(sitting)} == {one.person_id for one in hall.markers}
    assert hall.settle().waiting == 1
    hall.mark(third, 4, 4)
    hall.settle()
    assert hall.grade(sitting).score == 9


def test_a_marker_who_corrects_themselves_ends_the_quarrel(hall, cast):
    hall.ask("ESSAY", *hall.markers)
    sitting = hall.hand_in(cast.trainee, ESSAY=WORDS)
    first, second = hall.seats(sitting)
    hall.mark(first, 4, 6)
    hall.mark(second, 1, 2)
    assert len(hall.seats(sitting)) == 3
    hall.mark(second, 4, 5)
    assert len(hall.seats(sitting)) == 2
    hall.settle()
    assert hall.grade(sitting).score == Fraction(19, 2)
    kept = db.session.scalars(select(models.Marking).where(models.Marking.seat_id == second.id)).all()
    assert [row.n for row in kept] == [1, 2]


def test_a_settled_mark_is_changed_by_nobody(hall, cast):
    hall.ask("ESSAY", *hall.markers[:2])
    sitting = hall.hand_in(cast.trainee, ESSAY=WORDS)
    for seat in hall.seats(sitting):
        hall.mark(seat, 3, 3)
    hall.settle()
    with pytest.raises(RuleBroken) as refused:
        hall.mark(hall.seats(sitting)[0], 4, 4)
    assert refused.value.code == "settled"


def test_the_same_form_twice_is_one_marking(hall, cast):
    hall.ask("ESSAY", *hall.markers[:2])
    sitting = hall.hand_in(cast.trainee, ESSAY=WORDS)
    seat = hall.seats(sitting)[0]
    assert hall.mark(seat, 3, 3, uuid="once-0001").id == hall.mark(seat, 3, 3, uuid="once-0001").id


@pytest.mark.parametrize(
    ("given_", "code"),
    [
        ({"a": 1}, "lines"),
        ({"a": 1, "b": 1, "c": 1}, "lines"),
        ({"a": 5, "b": 1}, "line_marks"),
        ({"a": -1, "b": 1}, "line_marks"),
        ({"a": "1/3", "b": 1}, "line_marks"),
    ],
)
def test_marks_that_no_line_allows_are_refused(hall, cast, given_, code):
    hall.ask("ESSAY", *hall.markers[:2])
    sitting = hall.hand_in(cast.trainee, ESSAY=WORDS)
    seat = hall.seats(sitting)[0]
    by = hall.actor(seat)
    with pytest.raises(RuleBroken) as refused, transaction():
        services.mark_response(
            query.seat(seat.public_id, by), {k: Fraction(v) for k, v in given_.items()}, "",
            client_uuid="once-0001", by=by, at=hall.at,
        )  # fmt: skip
    assert refused.value.code == code


def test_a_note_that_names_a_patient_is_refused(hall, cast):
    hall.ask("ESSAY", *hall.markers[:2])
    seat = hall.seats(hall.hand_in(cast.trainee, ESSAY=WORDS))[0]
    with pytest.raises(RuleBroken) as refused:
        hall.mark(seat, 1, 1, note="住院号：20261234")
    assert refused.value.code == "identifying"


# ---------------------------------------------------------------- who may


def test_a_seat_is_known_to_nobody_but_its_own_marker(hall, cast):
    hall.ask("ESSAY", *hall.markers[:2])
    sitting = hall.hand_in(cast.trainee, ESSAY=WORDS)
    first, second = hall.seats(sitting)
    for who in (hall.actor(second), cast.examiner, cast.coordinator, cast.trainee, hall.markers[2]):
        with pytest.raises(NotFound):
            query.seat(first.public_id, who)


def test_a_marker_whose_role_has_ended_sees_nothing_any_more(hall, cast):
    hall.ask("ESSAY", *hall.markers[:2])
    seat = hall.seats(hall.hand_in(cast.trainee, ESSAY=WORDS))[0]
    person_id = hall.actor(seat).person_id
    without = next(one for one in cast.everyone().values() if one.person_id == person_id)
    with pytest.raises(NotFound):
        query.seat(seat.public_id, without)


def test_nobody_is_asked_to_mark_their_own_answer_by_whatever_account(hall, cast, at):
    with transaction():
        second = accounts_services.add_account(
            db.session.get_one(Person, cast.trainee.person_id), login="siyuan.two@example.org", at=at, by=None
        )
    assert second.person_id == cast.trainee.person_id
    own = with_role(cast.trainee, Role.MARKER, f"programme:{cast.programme.id}", at)
    hall.markers.append(own)
    hall.ask("ESSAY", own, hall.markers[0])
    sitting = hall.hand_in(cast.trainee, ESSAY=WORDS)
    assert [one.person_id for one in hall.seats(sitting)] == [hall.markers[0].person_id]
    other = hall.hand_in(cast.other_trainee, ESSAY=WORDS)
    assert own.person_id in {one.person_id for one in hall.seats(other)}


def test_only_people_with_the_role_are_asked_and_only_by_whoever_manages_the_marking(hall, cast, at):
    with pytest.raises(RuleBroken) as refused:
        hall.ask("ESSAY", cast.stranger)
    assert refused.value.code == "not_a_marker"
    for act in (
        lambda test: services.ask_markers(test, hall.version("ESSAY"), [], by=cast.mentor, at=at),
        lambda test: services.settle(test, by=cast.mentor, at=at),
    ):
        with pytest.raises(NotFound), transaction():
            act(queries.test(hall.test.public_id, cast.examiner))


def test_what_a_marker_who_leaves_has_not_marked_goes_to_others(hall, cast):
    hall.ask("ESSAY", *hall.markers[:2])
    sitting = hall.hand_in(cast.trainee, ESSAY=WORDS)
    gone = hall.seats(sitting)[0]
    keeps = hall.seats(sitting)[1]
    hall.mark(keeps, 2, 2)
    hall.ask("ESSAY", hall.actor(keeps), hall.markers[2])
    people = {one.person_id for one in hall.seats(sitting)}
    assert people == {keeps.person_id, hall.markers[2].person_id}
    assert gone.person_id not in people


def test_markers_share_the_work_evenly(hall, cast):
    hall.ask("ESSAY", *hall.markers)
    seats = hall.seats(hall.hand_in(cast.trainee, ESSAY=WORDS)) + hall.seats(
        hall.hand_in(cast.other_trainee, ESSAY=WORDS)
    )
    counts = [sum(seat.person_id == one.person_id for seat in seats) for one in hall.markers]
    assert sorted(counts) == [1, 1, 2]


def test_terms_of_the_marking_stand_once_it_has_begun(hall, cast, at):
    hall.ask("ESSAY", *hall.markers)
    sitting = hall.hand_in(cast.trainee, ESSAY=WORDS)
    with transaction():
        services.set_marking(hall.test, markers=1, examiners=1, apart_percent=20, by=cast.coordinator, at=at)
    (seat,) = hall.seats(sitting)
    hall.mark(seat, 3, 3)
    with pytest.raises(RuleBroken) as refused, transaction():
        services.set_marking(hall.test, markers=2, examiners=1, apart_percent=20, by=cast.coordinator, at=at)
    assert refused.value.code == "marking_begun"
    hall.settle()
    assert hall.grade(sitting).score == 6


def test_where_no_third_is_left_the_coordinator_is_told_and_whoever_is_asked_then_gets_it(hall, cast, at):
    hall.ask("ESSAY", *hall.markers[:2])
    sitting = hall.hand_in(cast.trainee, ESSAY=WORDS)
    first, second = hall.seats(sitting)
    hall.mark(first, 4, 6)
    hall.mark(second, 0, 1)
    kinds = set(
        db.session.scalars(select(Notice.kind).where(Notice.account_id == cast.coordinator.account_id))
    )
    assert "assessments.third_marker" in kinds
    found = overview.overview(hall.test, cast.coordinator, on=clock.today(at))
    assert [row.state for row in found.apart] == ["apart"]
    assert [percent for _name, percent in found.apart[0].marks] == ["100", "10"]
    hall.ask("ESSAY", *hall.markers)
    assert hall.seats(sitting)[2].person_id == hall.markers[2].person_id


def test_who_manages_the_marking_and_marks_too_does_not_see_what_others_gave(hall, cast, at):
    own = with_role(cast.coordinator, Role.MARKER, f"programme:{cast.programme.id}", at)
    hall.markers.append(own)
    hall.ask("ESSAY", own, hall.markers[0])
    sitting = hall.hand_in(cast.trainee, ESSAY=WORDS)
    for seat, marks in zip(hall.seats(sitting), ((4, 6), (0, 1)), strict=True):
        hall.mark(seat, *marks)
    found = overview.overview(hall.test, own, on=clock.today(at))
    assert [percent for _name, percent in found.apart[0].marks] == ["", ""]
    response = overview.response(found.apart[0].code, own)
    assert {one.percent for one in overview.response_view(response, own).given} == {""}


def test_agreement_is_told_with_its_n(hall, cast, at):
    hall.ask("ESSAY", *hall.markers[:2])
    for who, marks in ((cast.trainee, (4, 6)), (cast.other_trainee, (1, 1))):
        for seat in hall.seats(hall.hand_in(who, ESSAY=WORDS)):
            hall.mark(seat, *marks)
    (asked,) = overview.overview(hall.test, cast.coordinator, on=clock.today(at)).questions
    assert asked.agreement.n == 2
    assert asked.agreement.kappa.kappa == pytest.approx(1)
    assert asked.agreement.icc.icc_1_1 == pytest.approx(1)
    assert asked.counts == {"ready": 2}


def test_a_blueprint_draws_essays_too(hall, cast, at):
    bank = db.session.scalars(select(models.ItemBank)).one()
    known = queries.offered(bank, at=at, today=clock.today(at))
    assert {one.version.type for one in known.values()} == {"A1", "ESSAY"}


# ---------------------------------------------------------------- once more, regrade


def _settled(hall, cast):
    hall.ask("ESSAY", *hall.markers[:2])
    sitting = hall.hand_in(cast.trainee, A1={"choice": "a"}, ESSAY=WORDS)
    for seat in hall.seats(sitting):
        hall.mark(seat, 2, 2)
    hall.settle()
    response = db.session.scalars(
        select(models.MarkedResponse).where(models.MarkedResponse.sitting_id == sitting.id)
    ).one()
    return sitting, overview.response(response.public_id, cast.coordinator)


def test_a_response_is_marked_once_more_by_others_and_enters_by_a_regrade(hall, cast, at):
    sitting, response = _settled(hall, cast)
    assert queries.regrade(hall.test).is_empty
    with pytest.raises(RuleBroken) as refused, transaction():
        services.order_remark(response, "上诉成立", by=cast.coordinator, at=at)
    assert refused.value.code == "no_markers"
    more = with_role(cast.second_assessor, Role.MARKER, f"programme:{cast.programme.id}", at)
    hall.markers.append(more)
    hall.ask("ESSAY", *hall.markers)
    response = overview.response(response.public_id, cast.coordinator)
    with transaction():
        services.order_remark(response, "上诉成立", by=cast.coordinator, at=at)
    again = [one for one in hall.seats(sitting) if one.round == 2]
    assert {one.person_id for one in again} == {hall.markers[2].person_id, more.person_id}
    for seat in again:
        hall.mark(seat, 4, 6)
    assert hall.settle().remarks == 1
    assert hall.grade(sitting).score == 5
    diff = queries.regrade(hall.test)
    assert [(mark.old, mark.new) for mark in diff.changed[0].changed] == [(Fraction(4), Fraction(10))]


def test_only_what_is_settled_is_marked_once_more(hall, cast, at):
    hall.ask("ESSAY", *hall.markers)
    sitting = hall.hand_in(cast.trainee, ESSAY=WORDS)
    response = db.session.scalars(
        select(models.MarkedResponse).where(models.MarkedResponse.sitting_id == sitting.id)
    ).one()
    with pytest.raises(RuleBroken) as refused, transaction():
        services.order_remark(
            overview.response(response.public_id, cast.coordinator), "再评", by=cast.coordinator, at=at
        )
    assert refused.value.code == "not_settled"


def test_the_database_refuses_to_rewrite_what_was_marked(hall, cast):
    _settled(hall, cast)
    db.session.scalars(select(models.Marking)).first().note = "nicer"
    with pytest.raises(Exception, match="append-only"):
        db.session.flush()
    db.session.rollback()


def test_results_and_statistics_hold_what_people_marked(hall, cast, at):
    sitting, _response = _settled(hall, cast)
    found = queries.result(queries.sitting(sitting.public_id, cast.trainee), at, for_staff=True)
    row = next(one for one in found.items if one.item.kind == "essay")
    assert row.score == 4
    assert [(line.text, line.got, line.worth) for line in row.criteria.lines] == [
        ("病情变化", "2", 4),
        ("用药", "2", 6),
    ]
    now = queries.stand(hall.test.id)
    data = queries.data_of(hall.test.id, now.run, now.last_grade_id)
    assert data.answers.marks == [[1.0, 4.0]]
    assert report(data.answers)


# ---------------------------------------------------------------- stations


@pytest.fixture
def station(app, cast, at) -> Hall:
    hall = make_hall(cast, at, kinds=("A1", "OSCE"))
    hall.ask("OSCE", hall.markers[0])
    return hall


def _examine(hall, sitting, by, a, b, uuid="station-0001"):
    with transaction():
        place = query.station(hall.test.public_id, hall.question("OSCE"), by)
        row = next(
            one
            for one in query.station_people(place.test, place.version.id, by)
            if one.sitting.id == sitting.id
        )
        return services.mark_at_station(
            place, row.sitting, {"a": Fraction(a), "b": Fraction(b)}, "", client_uuid=uuid, by=by, at=hall.at
        )


def test_an_examiner_fills_in_the_checklist_while_the_candidate_sits(station, cast, at):
    with transaction():
        sitting = services.start(station.test, client_uuid="click-0001", by=cast.trainee, at=at)
    _examine(station, sitting, station.markers[0], 2, 0)
    with transaction():
        services.submit(queries.sitting(sitting.public_id, cast.trainee), by=cast.trainee, at=at)
    assert queries.sitting(sitting.public_id, cast.trainee).marked_at is None
    station.settle()
    assert station.grade(sitting).score == 2


def test_a_second_examiner_finds_the_place_taken_unless_two_were_wanted(station, cast, at):
    station.ask("OSCE", *station.markers[:2])
    sitting = station.hand_in(cast.trainee, A1={"choice": "a"})
    _examine(station, sitting, station.markers[0], 2, 3)
    with pytest.raises(RuleBroken) as refused:
        _examine(station, sitting, station.markers[1], 0, 0, uuid="station-0002")
    assert refused.value.code == "station_full"


def test_a_station_is_known_to_nobody_but_its_examiners(station, cast):
    for who in (station.markers[1], cast.examiner, cast.trainee):
        with pytest.raises(NotFound):
            query.station(station.test.public_id, station.question("OSCE"), who)


def test_a_sitting_waits_until_the_station_was_marked(station, cast):
    sitting = station.hand_in(cast.trainee, A1={"choice": "a"})
    assert sitting.marking_since is not None
    assert station.settle().waiting == 1
