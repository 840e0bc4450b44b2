"""Assessments in the workplace: every way of the table by everybody, the signature, the seven days, twice is once."""

from datetime import timedelta

import pytest
from sqlalchemy import func, select, text
from sqlalchemy.exc import DBAPIError

from lms.accounts import services as accounts
from lms.accounts.models import Person
from lms.accounts.queries import actor_of
from lms.core import clock, ids
from lms.core.db import db, transaction
from lms.core.digests import canonical_json, verify_ed25519
from lms.core.errors import NeedsConfirmation, NotAllowed, NotFound, RuleBroken
from lms.core.notices import Notice
from lms.logbooks import cli
from lms.logbooks import queries as logbooks
from lms.logbooks.models.workplace import (
    WorkplaceAct,
    WorkplaceAssessment,
    WorkplaceRecord,
    WorkplaceResponse,
)
from lms.logbooks.queries import workplace as queries
from lms.logbooks.rules import workplace as rules
from lms.logbooks.services import workplace as services
from lms.programmes import queries as programmes
from tests.logbooks.test_signing import tamper

FORM = rules.Filled(
    level=3,
    ratings={"technique": 2, "asepsis": 3},
    strength="铺巾有序",
    improvement="穿刺前再确认一次间隙",
    plan="两周内在我面前再做一次",
)


def training(desk):
    """The trainee's enrolment as this session knows it."""
    return programmes.enrolment(desk.cast.enrolment.public_id, desk.cast.director)


def ask(desk, *, by=None, ago=0, assessor=None, at=None, client="", **more):
    """The trainee asks her mentor for a DOPS."""
    by = by or desk.cast.trainee
    with transaction():
        asked, _new = services.ask(
            training(desk),
            **{
                "kind": "dops",
                "item": desk.item("N13"),
                "assessor_person_id": (assessor or desk.cast.mentor).person_id,
                "happened_on": clock.today(desk.at) - timedelta(days=ago),
                "setting": "",
                "age_band": "7-28d",
                "focus": "请看无菌操作",
                "client_uuid": client or ids.token(),
                **more,
            },
            at=at or desk.at,
            by=by,
        )
    return asked


def held(assessment, by):
    """The assessment as it stands, held for an act."""
    return queries.assessment(assessment.public_id, by, for_update=True)


def do(desk, act, assessment, by, *, form=FORM, at=None, **more):
    """One act of the table by somebody."""
    at = at or desk.at + timedelta(minutes=1)
    if act == "submit":
        by = desk.confirmed(by, at=at)
    with transaction():
        found = held(assessment, by)
        if act == "submit":
            return services.assess(found, form, at=at, by=by)
        given = {
            "decline": {"reason": "not_present", "words": ""},
            "cancel": {},
            "respond": {"words": "下次先说计划"},
            "void": {"reason": "duplicate", "words": "录入两次"},
        }[act]
        return getattr(services, act)(found, **{**given, **more}, at=at, by=by)


HANDS = {rules.TRAINEE: "trainee", rules.ASSESSOR: "mentor", rules.DIRECTOR: "director"}
WAYS_TO = {
    rules.REQUESTED: (),
    rules.SUBMITTED: ("submit",),
    rules.RESPONDED: ("submit", "respond"),
    rules.DECLINED: ("decline",),
    rules.CANCELLED: ("cancel",),
    rules.LAPSED: (),
    rules.VOIDED: ("submit", "void"),
}
ACTS = [act for act, way in rules.MOVES.items() if rules.CLOCK not in way.hands]
READERS = {"trainee", "mentor", "second_assessor", "director", "coordinator", "auditor"}


def brought_to(desk, state):
    """An assessment in a state, by the shortest way."""
    assessment = ask(desk)
    for act in WAYS_TO[state]:
        do(desk, act, assessment, getattr(desk.cast, HANDS[rules.MOVES[act].hands[0]]))
    if state == rules.LAPSED:
        with transaction():
            services.remind(desk.at + rules.LAPSES_AFTER)
    assert state_of(assessment) == state
    return assessment


def state_of(assessment):
    """The state as the database has it."""
    return db.session.scalar(
        select(WorkplaceAssessment.state)
        .where(WorkplaceAssessment.id == assessment.id)
        .execution_options(populate_existing=True)
    )


@pytest.mark.parametrize("state", rules.STATES)
@pytest.mark.parametrize("act", ACTS)
def test_every_act_in_every_state_by_everybody(desk, app, act, state):
    assessment, way = brought_to(desk, state), rules.MOVES[act]
    people = sorted(desk.cast.everyone().items(), key=lambda one: one[0] in {HANDS[h] for h in way.hands})
    for name, who in people:
        may = name in {HANDS[hand] for hand in way.hands}
        if name not in READERS:
            with pytest.raises(NotFound):
                do(desk, act, assessment, who)
        elif not may:
            with pytest.raises(NotAllowed):
                do(desk, act, assessment, who)
        elif state in way.before:
            do(desk, act, assessment, who)
            assert state_of(assessment) == way.after
            continue
        elif state == way.after or (act == "submit" and state == rules.RESPONDED):
            do(desk, act, assessment, who)
        else:
            with pytest.raises(RuleBroken) as refused:
                do(desk, act, assessment, who)
            assert refused.value.code == "assessment_state"
        assert state_of(assessment) == state


def test_buttons_come_from_the_same_table(desk, app):
    assessment = brought_to(desk, rules.SUBMITTED)
    seen = {
        name: rules.acts(assessment.state, hands=queries.hands_of(assessment, who))
        for name, who in desk.cast.everyone().items()
    }
    assert {name: acts for name, acts in seen.items() if acts} == {
        "trainee": ["respond"],
        "director": ["void"],
    }


# ---------------------------------------------------------------- the signature


def test_the_signed_form_is_bound_to_the_assessor_s_key_and_the_trail(desk, app, capsys):
    assessment = ask(desk)
    record = do(desk, "submit", assessment, desk.cast.mentor)
    assert record.payload == {
        "assessment": assessment.public_id,
        "trainee": assessment.trainee.public_id,
        "kind": "dops",
        "item": {"code": "N13", "framework": "NICU", "version": 1},
        "happened_on": clock.today(desk.at).isoformat(),
        "setting": "",
        "age_band": "7-28d",
        "focus": "请看无菌操作",
        "form": 1,
        "level": 3,
        "level_family": "ES_retrospective",
        "ratings": {"technique": 2, "asepsis": 3},
        "ratings_family": "milestone",
        "strength": "铺巾有序",
        "improvement": "穿刺前再确认一次间隙",
        "plan": "两周内在我面前再做一次",
    }
    assert (record.acted_as, record.method) == ("mentor", "pin")
    public_key = bytes.fromhex(record.key.public_key)
    said = canonical_json(queries.said(record))
    assert verify_ed25519(said, bytes.fromhex(record.signature), public_key=public_key)
    assert queries.broken_of([queries.assessment(assessment.public_id, desk.cast.trainee)]) == {}
    verdict = logbooks.verify(desk.cast.enrolment.id)
    assert (verdict.signatures, verdict.broken) == (1, ())
    assert cli.verify(desk.cast.enrolment.public_id) == 0
    capsys.readouterr()


@pytest.mark.parametrize(
    ("table", "statement", "link"),
    [
        ("workplace_record", "UPDATE workplace_record SET level = 5", "statement"),
        ("workplace_record", "UPDATE workplace_record SET payload_sha256 = 'x'", "record"),
        ("workplace_record", "UPDATE workplace_record SET signature = '00'", "signature"),
        ("workplace_record", "UPDATE workplace_record SET signature = 'no hex'", "signature"),
        ("workplace_assessment", "UPDATE workplace_assessment SET kind = 'cbd'", "form"),
        ("signing_key", "UPDATE signing_key SET public_key = lower(hex(zeroblob(32)))", "key"),
    ],
)
def test_whoever_changes_what_was_signed_is_found_out(desk, app, capsys, table, statement, link):
    assessment = ask(desk)
    do(desk, "submit", assessment, desk.cast.mentor)
    if db.engine.dialect.name != "sqlite":
        statement = statement.replace("lower(hex(zeroblob(32)))", "repeat('0', 64)")
    tamper(table, statement)
    (broken,) = logbooks.verify(desk.cast.enrolment.id).broken
    assert (broken.assessment, broken.link) == (assessment.public_id, link)
    assert cli.verify(desk.cast.enrolment.public_id) == 1
    assert f"BROKEN assessment {assessment.public_id}" in capsys.readouterr().out


@pytest.mark.parametrize(
    "table", ["workplace_assessment", "workplace_record", "workplace_response", "workplace_act"]
)
def test_the_database_refuses_to_rewrite_history(desk, app, table):
    do(desk, "respond", brought_to(desk, rules.SUBMITTED), desk.cast.trainee)
    brought_to(desk, rules.DECLINED)
    for statement in (f"UPDATE {table} SET id = id", f"DELETE FROM {table}"):
        with pytest.raises(DBAPIError), transaction():
            db.session.execute(text(statement))


@pytest.mark.parametrize("state", ["submitted", "declined", "cancelled", "lapsed", "voided", "responded"])
def test_the_database_lets_no_state_pass_without_its_row(desk, app, state):
    ask(desk)
    with pytest.raises(DBAPIError), transaction():
        db.session.execute(text("UPDATE workplace_assessment SET state = :state"), {"state": state})


def test_signing_needs_a_fresh_confirmation(desk, app):
    assessment = ask(desk)
    with pytest.raises(NeedsConfirmation), transaction():
        services.assess(held(assessment, desk.cast.mentor), FORM, at=desk.at, by=desk.cast.mentor)
    stale = desk.confirmed(desk.cast.mentor, at=desk.at - timedelta(minutes=6))
    with pytest.raises(NeedsConfirmation), transaction():
        services.assess(held(assessment, stale), FORM, at=desk.at, by=stale)
    assert state_of(assessment) == rules.REQUESTED


# ---------------------------------------------------------------- who, when, what


def test_nobody_assesses_themselves_through_a_second_account(desk, app):
    cast = desk.cast
    with transaction():
        twin = accounts.add_account(
            db.session.get_one(Person, cast.trainee.person_id),
            login="second@example.org",
            at=desk.at,
            by=None,
        )
    second = actor_of(twin, at=desk.at)
    with pytest.raises(RuleBroken) as refused:
        ask(desk, assessor=second)
    assert refused.value.code == "own_assessment"
    with pytest.raises(NotAllowed):
        do(desk, "submit", ask(desk), second)
    with pytest.raises((NotFound, NotAllowed)), transaction():
        services.start(training(desk), **started(desk), at=desk.at, by=second)


def started(desk, **more):
    """What an assessor gives who begins."""
    return {
        "kind": "mini_cex",
        "item": desk.item("N13"),
        "happened_on": clock.today(desk.at),
        "setting": "",
        "age_band": "",
        "client_uuid": ids.token(),
        **more,
    }


def test_a_mentor_begins_and_only_for_their_own_trainee(desk, app):
    cast = desk.cast
    with transaction():
        begun, new = services.start(training(desk), **started(desk), at=desk.at, by=cast.mentor)
    assert new
    assert begun.assessor_person_id == begun.starter_person_id == cast.mentor.person_id
    record = do(
        desk, "submit", begun, cast.mentor, form=rules.Filled(4, {"history": 2}, "好", "慢一点", "再来")
    )
    assert record.level == 4
    for who in (cast.other_mentor, cast.director, cast.trainee, cast.stranger):
        with pytest.raises((NotFound, NotAllowed)), transaction():
            services.start(training(desk), **started(desk), at=desk.at, by=who)


def test_only_the_trainee_asks_and_only_somebody_of_the_programme(desk, app):
    for who in (desk.cast.mentor, desk.cast.other_trainee, desk.cast.director):
        with pytest.raises((NotFound, NotAllowed)):
            ask(desk, by=who)
    with pytest.raises(RuleBroken) as refused:
        ask(desk, assessor=desk.cast.stranger)
    assert refused.value.code == "assessor_invalid"


def test_a_colleague_who_was_asked_acts_in_their_own_name(desk, app):
    assessment = ask(desk, assessor=desk.cast.other_mentor)
    assert do(desk, "submit", assessment, desk.cast.other_mentor).acted_as == "colleague"
    assert do(
        desk, "submit", ask(desk, assessor=desk.cast.second_assessor), desk.cast.second_assessor
    ).acted_as == ("second")


@pytest.mark.parametrize(("ago", "code"), [(-1, "future"), (0, None), (7, None), (8, "too_late")])
def test_an_assessment_starts_within_seven_days(desk, app, ago, code):
    if code is None:
        assert ask(desk, ago=ago).state == rules.REQUESTED
        return
    with pytest.raises(RuleBroken) as refused:
        ask(desk, ago=ago)
    assert (refused.value.code, refused.value.field) == (code, "happened_on")
    day, enrolment = clock.today(desk.at) - timedelta(days=ago), training(desk)
    with pytest.raises(RuleBroken) as refused, transaction():
        services.start(enrolment, **started(desk, happened_on=day), at=desk.at, by=desk.cast.mentor)
    assert refused.value.code == code


@pytest.mark.parametrize(
    ("wrong", "code"),
    [
        ({"level": 0}, "level"),
        ({"level": 6}, "level"),
        ({"ratings": {}}, "nothing_seen"),
        ({"ratings": {"technique": 4}}, "unknown_value"),
        ({"ratings": {"history": 2}}, "unknown_value"),
        ({"strength": " "}, "strength_missing"),
        ({"improvement": ""}, "improvement_missing"),
        ({"plan": ""}, "plan_missing"),
        ({"plan": "字" * 501}, "words_long"),
        ({"strength": "电话 13800138000"}, "identifying"),
    ],
)
def test_a_form_is_complete_or_refused(desk, app, wrong, code):
    from dataclasses import replace

    assessment = ask(desk)
    with pytest.raises(RuleBroken) as refused:
        do(desk, "submit", assessment, desk.cast.mentor, form=replace(FORM, **wrong))
    assert refused.value.code == code
    assert state_of(assessment) == rules.REQUESTED


@pytest.mark.parametrize(
    ("wrong", "code"),
    [
        ({"kind": "osce"}, "unknown_value"),
        ({"setting": "home"}, "unknown_value"),
        ({"age_band": "old"}, "unknown_value"),
        ({"focus": "字" * 201}, "words_long"),
        ({"focus": "患儿李小明"}, "identifying"),
    ],
)
def test_a_request_of_unknown_words_is_refused(desk, app, wrong, code):
    with pytest.raises(RuleBroken) as refused:
        ask(desk, **wrong)
    assert refused.value.code == code


# ---------------------------------------------------------------- twice is once


def count(model):
    """Rows of a table."""
    return db.session.scalar(select(func.count()).select_from(model))


def test_two_clicks_make_one_thing(desk, app):
    key = ids.token()
    first, second = ask(desk, client=key), ask(desk, client=key)
    assert first.id == second.id
    assert do(desk, "submit", first, desk.cast.mentor).id == do(desk, "submit", first, desk.cast.mentor).id
    for _n in range(2):
        do(desk, "respond", first, desk.cast.trainee)
    for _n in range(2):
        do(desk, "void", first, desk.cast.director)
    assert [
        count(one) for one in (WorkplaceAssessment, WorkplaceRecord, WorkplaceResponse, WorkplaceAct)
    ] == [1] * 4


def test_what_is_void_stays_with_its_reason_and_counts_no_more(desk, app):
    assessment = brought_to(desk, rules.RESPONDED)
    assert [one.have for one in queries.standing_of(training(desk))] == [1, 1, 0, 0]
    do(desk, "void", assessment, desk.cast.director)
    found = queries.assessment(assessment.public_id, desk.cast.trainee)
    assert found.record.payload["strength"] == FORM.strength
    assert (queries.act_of(found).reason, queries.act_of(found).words) == ("duplicate", "录入两次")
    assert [one.have for one in queries.standing_of(training(desk))] == [0, 0, 0, 0]


# ---------------------------------------------------------------- the clock


def told(who, kind):
    """How many notices of a kind somebody has."""
    return db.session.scalar(
        select(func.count(Notice.id)).where(Notice.account_id == who.account_id, Notice.kind == kind)
    )


def test_the_clock_reminds_twice_and_lets_lapse(desk, app):
    assessment = ask(desk)
    assert told(desk.cast.mentor, services.ASKED.code) == 1
    for days, reminders in ((2, 0), (3, 1), (3, 1), (7, 2), (13, 2), (14, 2), (15, 2)):
        with transaction():
            services.remind(desk.at + timedelta(days=days))
        assert told(desk.cast.mentor, services.REMINDED.code) == reminders, days
    assert state_of(assessment) == rules.LAPSED
    assert told(desk.cast.trainee, services.LAPSED.code) == 1


def test_what_was_answered_is_not_reminded_of(desk, app):
    brought_to(desk, rules.SUBMITTED)
    with transaction():
        services.remind(desk.at + timedelta(days=30))
    assert told(desk.cast.mentor, services.REMINDED.code) == 0
    assert told(desk.cast.trainee, services.ASSESSED.code) == 1
