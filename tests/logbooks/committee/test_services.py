"""Meetings, votes, decisions, appeals and entrustments, by whoever may and whoever may not."""

from datetime import timedelta

import pytest
from sqlalchemy import func, select, text
from sqlalchemy.exc import DBAPIError

from lms.core import audit
from lms.core.db import db, transaction
from lms.core.digests import digest_of
from lms.core.errors import NotAllowed, NotFound, RuleBroken
from lms.core.notices import Notice
from lms.logbooks.models.committee import (
    Agenda,
    AppealAnswer,
    Decision,
    DecisionAppeal,
    Entrustment,
    EntrustmentRevocation,
    FrozenEvidence,
    Meeting,
    Vote,
)
from lms.logbooks.queries import committee as queries
from lms.logbooks.rules import committee as rules
from lms.logbooks.services import committee as services
from lms.policy import Role

LATER = timedelta(minutes=5)


def count(model) -> int:
    """How many rows."""
    return db.session.scalar(select(func.count()).select_from(model)) or 0


def only_decision(by):
    """The one decision there is."""
    return queries.decision(db.session.scalars(select(Decision.public_id)).one(), by)


# ---------------------------------------------------------------- the state machine, by role

ROLES = ("coordinator", "chair", "member", "director", "auditor", "educator", "mentor", "trainee", "stranger")
HANDS = {
    rules.CONVENER: {"coordinator", "chair"},
    rules.VOTER: {"member", "chair"},
    rules.CHAIR: {"chair"},
}
READ = {"coordinator", "chair", "member", "director", "auditor"}


def who(board, role):
    """One person of each role."""
    return {"chair": board.chair, "member": board.members[0]}.get(role) or getattr(board.cast, role)


def brought_to(board, state):
    """A meeting in a state."""
    meeting = board.call()
    if state in {rules.IN_SESSION, rules.RATIFIED}:
        board.do("open", meeting)
    if state == rules.RATIFIED:
        board.do("close", meeting, board.chair)
    if state == rules.CANCELLED:
        board.do("cancel", meeting)
    return meeting


@pytest.mark.parametrize("state", rules.STATES)
@pytest.mark.parametrize("act", rules.MOVES)
def test_every_act_in_every_state_by_every_role(board, act, state):
    """The expected answer is read from the table of moves."""
    way, meeting = rules.MOVES[act], None
    for role in ROLES:
        if meeting is None or meeting.state != state:
            meeting = brought_to(board, state)
        try:
            board.do(act, meeting, who(board, role))
            got = "done"
        except NotFound:
            got = "unknown"
        except NotAllowed:
            got = "forbidden"
        except RuleBroken as refusal:
            got = refusal.code
        if role not in READ:
            expected, after = "unknown", state
        elif role not in HANDS[way.hand]:
            expected, after = "forbidden", state
        elif state in way.before or (way.after == state and act != "vote"):
            expected, after = "done", way.after  # the same click again changes nothing
        else:
            expected, after = "meeting_state", state
        db.session.expire_all()
        meeting = db.session.get_one(Meeting, meeting.id)
        assert (role, got, meeting.state) == (role, expected, after)


@pytest.mark.parametrize("role", ROLES)
def test_who_calls_a_meeting(board, role):
    if role in {"coordinator", "chair"}:
        assert board.call(by=who(board, role)).state == rules.SCHEDULED
        return
    with pytest.raises((NotFound, NotAllowed)):
        board.call(by=who(board, role))
    assert count(Meeting) == 0


# ---------------------------------------------------------------- calling and the agenda


def test_two_clicks_call_one_meeting_and_put_an_item_on_the_agenda_once(board):
    first = board.call(client="one")
    assert board.call(client="one").id == first.id
    assert (count(Meeting), count(Agenda)) == (1, 1)


def test_a_meeting_needs_three_members_who_hold_the_role(board):
    for others, code in ((board.members[:1], "members_few"), ([board.cast.educator] * 2, "member_role")):
        with pytest.raises(RuleBroken) as refused:
            board.call(others=others)
        assert refused.value.code == code
    assert count(Meeting) == 0


def test_a_trainee_of_another_cohort_is_not_put_on_the_agenda(board):
    meeting = board.call(codes=())
    board.cast.enrolment.cohort_id += 1
    with pytest.raises(RuleBroken) as refused, db.session.no_autoflush:
        services.add_lines(
            queries.meeting(meeting.public_id, board.chair),
            board.cast.enrolment,
            ["N13"],
            at=board.at,
            by=board.chair,
        )
    assert refused.value.code == "items_missing"
    db.session.rollback()


def test_a_meeting_without_an_agenda_is_not_opened(board):
    with pytest.raises(RuleBroken) as refused:
        board.do("open", board.call(codes=()))
    assert refused.value.code == "agenda_empty"


# ---------------------------------------------------------------- evidence


def test_opening_freezes_the_evidence_and_later_signatures_do_not_change_it(board, desk):
    entry = desk.log(ago=2)
    desk.sign(entry)
    meeting = board.call()
    board.do("open", meeting, at=board.at + LATER)
    frozen = db.session.scalars(select(FrozenEvidence)).one()
    assert [one["entry"] for one in frozen.document["entries"]] == [entry.public_id]
    assert frozen.document["exposure"] == 1
    assert frozen.sha256 == digest_of(frozen.document)
    desk.sign(desk.log(ago=1))
    board.do("open", meeting, at=board.at + 2 * LATER)
    db.session.expire_all()
    again = db.session.scalars(select(FrozenEvidence)).one()
    assert again.document["exposure"] == 1


# ---------------------------------------------------------------- votes


def test_whoever_was_ever_paired_with_the_trainee_does_not_vote(board):
    mentor = board.grant(board.cast.mentor, Role.COMMITTEE_MEMBER)
    meeting = board.call(others=[*board.members, mentor])
    board.do("open", meeting)
    with pytest.raises(NotAllowed):
        board.do("vote", meeting, mentor)
    assert count(Vote) == 0


def test_a_committee_member_who_does_not_sit_in_it_knows_of_no_meeting(board):
    meeting = board.call(others=board.members[:2])
    board.do("open", meeting)
    with pytest.raises(NotFound):
        board.do("vote", meeting, board.members[2])


def test_the_latest_vote_counts_and_the_same_vote_twice_is_one(board):
    meeting = board.call()
    board.do("open", meeting)
    for _again in range(2):
        board.do("vote", meeting, board.members[0], level=2)
    assert count(Vote) == 1
    board.do("vote", meeting, board.members[0], level=4)
    line = queries.lines(queries.meeting(meeting.public_id, board.chair))[0]
    assert [(one.number, one.level) for one in line.votes.values()] == [(2, 4)]


def test_words_that_tell_who_a_patient_is_are_refused(board):
    meeting = board.call()
    board.do("open", meeting)
    with pytest.raises(RuleBroken) as refused:
        board.do("vote", meeting, board.members[0], choice="defer", words="电话 13800138000")
    assert refused.value.code == "identifying"


# ---------------------------------------------------------------- decisions


def test_three_votes_approve_and_the_entrustment_is_recorded(board):
    board.decide(3, 3, 4)
    decision = db.session.scalars(select(Decision)).one()
    assert (decision.outcome, decision.level, decision.votes) == (
        "approved",
        3,
        {"approve": 3, "defer": 0, "abstain": 0},
    )
    assert board.record() == [("N13", 1, 3, "in_force")]
    told = select(func.count()).where(
        Notice.kind == services.DECIDED.code, Notice.account_id == board.cast.trainee.account_id
    )
    assert db.session.scalar(told) == 1


def test_without_a_quorum_the_item_is_deferred_with_the_chairs_reason(board):
    meeting = board.call()
    board.do("open", meeting)
    for member in board.members[:2]:
        board.do("vote", meeting, member)
    with pytest.raises(RuleBroken) as refused:
        board.do("close", meeting, board.chair, words="")
    assert refused.value.code == "reason_missing"
    assert (count(Decision), count(Entrustment)) == (0, 0)
    board.do("close", meeting, board.chair, words="Two of us only.")
    decision = db.session.scalars(select(Decision)).one()
    assert (decision.outcome, decision.level, decision.words) == ("deferred", None, "Two of us only.")
    assert count(Entrustment) == 0


def test_an_approval_against_the_numbers_needs_the_chairs_words(board):
    meeting = board.call()
    board.do("open", meeting)
    for member in board.members:
        board.do("vote", meeting, member)
    with pytest.raises(RuleBroken) as refused:
        board.do("close", meeting, board.chair, words="")
    assert refused.value.code == "reason_missing"
    assert refused.value.field.startswith("words-")


def test_closing_twice_decides_once(board):
    meeting = board.decide(3, 3, 3)
    board.do("close", meeting, board.chair, words="")
    assert (count(Decision), count(Entrustment)) == (1, 1)


def test_a_later_decision_supersedes_and_only_one_record_is_in_force(board):
    board.decide(3, 3, 3)
    board.decide(4, 4, 4, at=board.at + timedelta(days=1))
    assert board.record(board.at + timedelta(days=1)) == [
        ("N13", 2, 4, "in_force"),
        ("N13", 1, 3, "superseded"),
    ]


def test_a_critical_item_expires_by_the_clock(board):
    item = next(one for one in queries.items() if one.critical)
    board.decide(3, 3, 3, code=item.code)
    assert board.record(board.at + timedelta(days=182))[0][3] == "in_force"
    assert board.record(board.at + timedelta(days=184))[0][3] == "expired"


def test_the_database_refuses_to_change_a_decision(board):
    board.decide(3, 3, 3)
    for statement in (
        "UPDATE committee_decision SET level = 5",
        "DELETE FROM entrustment",
        "UPDATE committee_meeting SET state = 'in_session'",
    ):
        with pytest.raises(DBAPIError):
            db.session.execute(text(statement))
        db.session.rollback()


def test_the_trail_holds(board):
    board.decide(3, 3, 3)
    assert not audit.verify(scope=f"programme:{board.cast.programme.id}").broken


# ---------------------------------------------------------------- appeals


def appeal(board, by, at=None, words="I did more."):
    """Appeal against the one decision."""
    with transaction():
        return services.appeal(*only_decision(by), words=words, at=at or board.at + LATER, by=by)


def answer(board, by, outcome="remitted", words="Look again."):
    """Answer the one appeal."""
    with transaction():
        services.answer(*only_decision(by), outcome=outcome, words=words, at=board.at + 2 * LATER, by=by)


def test_only_the_trainee_appeals_once_and_in_time(board):
    board.decide(0, 0, 0)
    for role in ("director", "chair", "mentor"):
        with pytest.raises(NotAllowed):
            appeal(board, who(board, role))
    for by in (board.cast.other_trainee, board.cast.stranger):
        with pytest.raises(NotFound):
            appeal(board, by)
    with pytest.raises(RuleBroken) as refused:
        appeal(board, board.cast.trainee, at=board.at + timedelta(days=15))
    assert refused.value.code == "appeal_late"
    assert appeal(board, board.cast.trainee).id == appeal(board, board.cast.trainee, words="Twice.").id
    assert count(DecisionAppeal) == 1


def test_whoever_decided_does_not_answer_and_an_answer_is_given_once(board):
    board.decide(0, 0, 0)
    appeal(board, board.cast.trainee)
    for by in (board.chair, board.members[0], board.cast.trainee, board.cast.coordinator):
        with pytest.raises(NotAllowed):
            answer(board, by)
    answer(board, board.cast.director)
    answer(board, board.cast.director)
    assert count(AppealAnswer) == 1
    with pytest.raises(RuleBroken) as refused:
        answer(board, board.cast.director, outcome="upheld")
    assert refused.value.code == "answered_already"
    assert queries.open_appeals(board.cast.director) == []


# ---------------------------------------------------------------- revocation


def revoke(board, by):
    """Take the latest record back."""
    public_id = db.session.scalars(select(Entrustment.public_id).order_by(Entrustment.number.desc())).first()
    at = board.at + LATER
    with transaction():
        found = queries.entrustment(public_id, by, today=at.date())
        services.revoke(*found, words="A serious event.", at=at, by=by)


def test_a_revoked_entrustment_never_revives_an_earlier_one(board):
    board.decide(3, 3, 3)
    board.decide(4, 4, 4)
    for role in ("coordinator", "member", "mentor", "trainee", "auditor"):
        with pytest.raises(NotAllowed):
            revoke(board, who(board, role))
    with pytest.raises(NotFound):
        revoke(board, board.cast.stranger)
    revoke(board, board.cast.director)
    revoke(board, board.chair)
    assert count(EntrustmentRevocation) == 1
    assert [one[3] for one in board.record()] == ["revoked", "superseded"]


# ---------------------------------------------------------------- who sees whom


@pytest.mark.parametrize("role", ROLES)
def test_the_search_at_the_bedside_finds_exactly_whom_the_policy_admits(board, role):
    by, admitted = who(board, role), []
    for enrolment in (board.cast.enrolment, board.cast.other_enrolment):
        try:
            queries.entrusted_enrolment(enrolment.public_id, by)
        except NotFound:
            continue
        admitted.append(enrolment.id)
    found = [one.id for one in queries.bedside("", by, today=board.at.date())]
    if role == "trainee":  # a trainee reads their own record, and does not search
        assert (admitted, found) == ([board.cast.enrolment.id], [])
    else:
        assert sorted(found) == sorted(admitted)


def test_the_search_knows_both_names(board):
    today = board.at.date()
    for words in ("李思", "siyuan"):
        assert [one.person.name_zh for one in queries.bedside(words, board.chair, today=today)] == ["李思远"]
    assert queries.bedside("%", board.chair, today=today) == []
