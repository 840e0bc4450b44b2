"""The committee's pages, without scripts: call, agenda, vote, close, appeal, record, badge and bedside."""

import re

import pytest
from sqlalchemy import func, select, text
from sqlalchemy.exc import DBAPIError

from lms.core import clock
from lms.core.db import db, transaction
from lms.logbooks.models.badge import Badge
from lms.logbooks.models.committee import (
    Decision,
    DecisionAppeal,
    Entrustment,
    EntrustmentRevocation,
    Meeting,
    Vote,
)
from lms.policy import Role


def count(model) -> int:
    """How many rows the database has now."""
    db.session.rollback()
    return db.session.scalar(select(func.count()).select_from(model)) or 0


def latest(column):
    """The newest public id."""
    db.session.rollback()
    return db.session.scalars(select(column).order_by(column.class_.id.desc())).first()


def test_a_meeting_from_the_call_to_the_bedside(board, browser, cast, at):
    office = browser(cast.coordinator, lang="en")
    page = office.get("/committee/new").text
    people = dict(re.findall(r'name="members"[^>]*value="([^"]+)"[^>]*><span>([^<]+)', page))
    chair = re.search(r'<option[^>]*value="([^"]+)">许主席', page)
    assert chair
    assert len(people) == 4
    given = {
        "held_on": clock.today(at).isoformat(),
        "chair": chair[1],
        "members": list(people),
        "client_uuid": "abc",
    }
    first = office.post("/committee/new", data=given)
    assert (first.status_code, office.post("/committee/new", data=given).headers["Location"]) == (
        303,
        first.headers["Location"],
    )
    here = first.headers["Location"]
    assert count(Meeting) == 1
    lines = {"trainee": cast.enrolment.public_id, "items": ["N13", "N01"]}
    nobody = office.post(f"{here}/agenda", data={"items": ["N13"]})
    assert (nobody.status_code, "Choose a trainee." in nobody.text) == (422, True)
    assert 'value="N13" checked' in nobody.text or re.search(r'checked[^>]*value="N13"', nobody.text)
    assert office.post(f"{here}/agenda", data=lines).status_code == 303
    assert office.post(f"{here}/open").status_code == 303
    addresses = re.findall(rf'href="({here}/lines/[^"]+)"', office.get(here).text)
    assert len(addresses) == 2
    for member in board.members:
        client = browser(member, lang="en")
        for line in addresses:
            assert "Your vote" in client.get(line).text
            assert client.post(line, data={"choice": "approve", "level": "3"}).status_code == 303
    assert count(Vote) == 6
    chairs = browser(board.chair, lang="en")
    page = chairs.get(f"{here}/close").text
    names = re.findall(r'name="(words-[^"]+)"', page)
    assert "approved at level 3" in page
    refused = chairs.post(f"{here}/close", data={names[0]: "She has shown it."})
    assert refused.status_code == 422
    assert "She has shown it." in refused.text
    assert f'href="#{names[1]}"' in refused.text
    assert count(Decision) == 0
    assert chairs.post(f"{here}/close", data=dict.fromkeys(names, "Shown.")).status_code == 303
    assert chairs.post(f"{here}/close", data=dict.fromkeys(names, "Shown.")).status_code == 303
    assert (count(Decision), count(Entrustment)) == (2, 2)
    page = browser(cast.mentor, lang="en").get(f"/trainees/{cast.enrolment.public_id}/bedside").text
    assert page.count("Level 3: Under indirect supervision") == 2
    assert browser(cast.other_mentor).get(f"/trainees/{cast.enrolment.public_id}/bedside").status_code == 404


def test_a_vote_that_says_too_little_is_refused_with_what_was_typed(board, browser):
    meeting = board.call()
    board.do("open", meeting)
    client = browser(board.members[0], lang="en")
    line = re.search(
        rf"/committee/{meeting.public_id}/lines/\w+", client.get(f"/committee/{meeting.public_id}").text
    )[0]
    for given in (
        {"choice": "approve", "level": "9"},
        {"choice": "defer"},
        {},
        {"choice": "x", "words": "y"},
    ):
        assert client.post(line, data=given).status_code == 422
    answer = client.post(line, data={"choice": "defer", "words": "电话 13800138000"})
    assert (answer.status_code, "13800138000" in answer.text) == (422, True)
    assert count(Vote) == 0


def test_a_meeting_needs_its_facts(board, browser, cast):
    office = browser(cast.coordinator, lang="en")
    for given in ({}, {"held_on": "2020-01-01", "chair": "x"}, {"held_on": "2099-01-01"}):
        assert office.post("/committee/new", data={"client_uuid": "a", **given}).status_code == 422
    assert count(Meeting) == 0


def test_the_trainee_reads_the_decision_and_appeals_and_the_director_answers(board, browser, cast):
    board.decide(0, 0, 0)
    own = browser(cast.trainee, lang="en")
    page = own.get(f"/trainees/{cast.enrolment.public_id}/entrustments").text
    address = re.search(r"/committee/decisions/\w+", page)[0]
    assert "Appeal against this decision" in own.get(address).text
    assert own.post(f"{address}/appeal", data={"words": ""}).status_code == 422
    for _again in range(2):
        assert own.post(f"{address}/appeal", data={"words": "I did more."}).status_code == 303
    assert count(DecisionAppeal) == 1
    director = browser(cast.director, lang="en")
    assert address in director.get("/committee").text
    assert "Answer the appeal" in director.get(address).text
    assert director.post(f"{address}/answer", data={"words": "x"}).status_code == 422
    given = {"outcome": "remitted", "words": "Look again."}
    assert browser(board.chair).post(f"{address}/answer", data=given).status_code == 403
    assert director.post(f"{address}/answer", data=given).status_code == 303
    assert "Look again." in own.get(address).text
    assert browser(cast.other_trainee).get(address).status_code == 404


def test_a_revoked_entrustment_is_gone_at_the_bedside(board, browser, cast):
    board.decide(3, 3, 3)
    director, record = browser(cast.director, lang="en"), latest(Entrustment.public_id)
    assert (
        f"/entrustments/{record}/revoke"
        in director.get(f"/trainees/{cast.enrolment.public_id}/entrustments").text
    )
    assert browser(cast.coordinator).get(f"/entrustments/{record}/revoke").status_code == 403
    assert browser(cast.stranger).get(f"/entrustments/{record}/revoke").status_code == 404
    assert director.post(f"/entrustments/{record}/revoke", data={"words": ""}).status_code == 422
    for _again in range(2):
        answer = director.post(f"/entrustments/{record}/revoke", data={"words": "A serious event."})
        assert answer.status_code == 303
    assert count(EntrustmentRevocation) == 1
    page = director.get(f"/trainees/{cast.enrolment.public_id}/bedside").text
    assert "Level 3" not in page
    assert "No longer entrusted" in page


@pytest.mark.parametrize(
    "address",
    ["/committee", "/committee/new", "/committee/{meeting}", "/bedside", "/trainees/{trainee}/entrustments"],
)
def test_a_stranger_knows_of_nothing(board, browser, cast, address):
    meeting = board.call()
    found = address.format(meeting=meeting.public_id, trainee=cast.enrolment.public_id)
    assert browser(cast.stranger).get(found).status_code == 404
    assert browser(cast.coordinator).get(found).status_code == 200


def test_a_unit_lead_searches_and_scans(desk, browser, cast, app):
    client = browser(desk.unit_lead, lang="en")
    page = client.get("/bedside?q=siyuan").text
    assert f"/trainees/{cast.enrolment.public_id}/bedside" in page
    assert cast.other_enrolment.public_id not in page
    assert "Nobody fits" in client.get("/bedside?q=%25").text
    assert client.get(f"/trainees/{cast.enrolment.public_id}/bedside").status_code == 200


def test_a_badge_has_a_code_of_its_own_and_a_new_one_makes_it_unknown(desk, browser, cast, app):
    lead, trainee = browser(desk.unit_lead, lang="en"), browser(cast.trainee, lang="en")
    page = f"/trainees/{cast.enrolment.public_id}/badge"
    assert "No badge yet" in lead.get(page).text
    assert lead.get(f"/bedside/{cast.enrolment.public_id}").status_code == 404, "the public id is no code"
    assert lead.post(page, data={"replaces": ""}).status_code == 403
    for _n in range(2):
        assert trainee.post(page, data={"replaces": ""}).status_code == 303
    (first,) = codes()
    shown = lead.get(page).text
    assert "<svg" in shown
    assert f"/bedside/{first}" in shown
    assert lead.get(f"/bedside/{first}").status_code == 200
    for who in (cast.stranger, cast.other_trainee, cast.other_mentor):
        assert browser(who).get(f"/bedside/{first}").status_code == 404
        assert browser(who).post(page).status_code == 404
    for _n in range(2):
        browser(cast.coordinator).post(page, data={"replaces": first})
    assert len(codes()) == 2
    second = codes()[1]
    assert lead.get(f"/bedside/{first}").status_code == 404
    assert lead.get(f"/bedside/{second}").status_code == 200
    for bad in ("abc", "%00" * 12, "a" * 40):
        assert lead.get(f"/bedside/{bad}").status_code == 404
    for statement in ("UPDATE entrustment_badge SET code = 'x'", "DELETE FROM entrustment_badge"):
        with pytest.raises(DBAPIError), transaction():
            db.session.execute(text(statement))
        db.session.rollback()


def codes():
    """Every code that was ever made, in order."""
    db.session.rollback()
    return db.session.scalars(select(Badge.code).order_by(Badge.number)).all()


def test_a_meeting_as_a_file(board, browser, cast):
    meeting = board.decide(3, 3, 0)
    client = browser(cast.coordinator, lang="en")
    assert f"/committee/{meeting.public_id}.csv" in client.get(f"/committee/{meeting.public_id}").text
    answer = client.get(f"/committee/{meeting.public_id}.csv")
    head, line = answer.text.lstrip("\ufeff").splitlines()
    assert head.startswith("Meeting,Trainee,Item")
    assert '李思远,"N13 Lumbar' in line
    assert ",2,1,0,approved,3," in line
    assert browser(cast.stranger).get(f"/committee/{meeting.public_id}.csv").status_code == 404


def test_a_member_who_mentors_the_trainee_sees_no_vote(board, browser, cast):
    mentor = board.grant(cast.mentor, Role.COMMITTEE_MEMBER)
    meeting = board.call(others=[*board.members, mentor])
    board.do("open", meeting)
    client = browser(cast.mentor, lang="en")
    line = re.search(
        rf"/committee/{meeting.public_id}/lines/\w+", client.get(f"/committee/{meeting.public_id}").text
    )[0]
    page = client.get(line).text
    assert "Your vote" not in page
    assert "Not voting" in page
    assert client.post(line, data={"choice": "approve", "level": "3"}).status_code == 403


@pytest.mark.parametrize("tail", ["", "/close"])
def test_the_pages_of_a_meeting_do_not_ask_more_with_a_longer_agenda(board, browser, queries, tail):
    few, many = board.call(), board.call(codes=["N01", "N02", "N03", "N04", "N05", "N13"])
    counted = []
    for meeting in (few, many):
        board.do("open", meeting)
    client = browser(board.chair)
    client.get("/committee")
    for meeting in (few, many):
        with queries() as counter:
            assert client.get(f"/committee/{meeting.public_id}{tail}").status_code == 200
        counted.append(counter.count)
    assert counted[0] == counted[1] <= 12
