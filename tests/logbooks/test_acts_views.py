"""The pages of the acts beside writing and signing, without scripts: undo, several, code, correction, void, thoughts, late days."""

import re
from datetime import timedelta

import pytest
from sqlalchemy import func, select

from lms.core import clock
from lms.core.db import db, transaction
from lms.logbooks import rules, services
from lms.logbooks.models import Entry, LateWindow, Reflection, Signature
from tests.cast import PIN
from tests.logbooks.test_views import all_entries, given


def signed_on_the_page(client, entry, **more):
    """Tap a level, with the PIN."""
    return client.post(
        f"/to-sign/{entry.public_id}/sign", data={"revision": 1, "level": 4, "pin": PIN, **more}
    )


def states():
    """The states of all entries, as the database has them."""
    return [entry.state for entry in all_entries()]


# ---------------------------------------------------------------- undo


def test_undo_takes_the_signature_back_from_the_green_line(desk, cast, browser, app):
    entry, client = desk.log(), browser(cast.mentor, lang="en")
    client.get("/to-sign")
    answer = signed_on_the_page(client, entry)
    page = client.get(answer.headers["Location"]).text
    assert f'action="/to-sign/{entry.public_id}/withdraw"' in page
    answer = client.post(f"/to-sign/{entry.public_id}/withdraw")
    assert (answer.status_code, answer.headers["Location"]) == (303, f"/to-sign/{entry.public_id}")
    assert states() == [rules.SUBMITTED]
    assert "Your signature is withdrawn" in client.get(f"/to-sign/{entry.public_id}").text


@pytest.mark.parametrize("address", ["/logbook", "/logbook/{}"])
def test_once_the_trainee_has_seen_it_undo_is_gone(desk, cast, browser, app, address):
    entry, client = desk.log(), browser(cast.mentor, lang="en")
    signed_on_the_page(client, entry)
    browser(cast.trainee).get(address.format(entry.public_id))
    assert "/withdraw" not in client.get(f"/to-sign?done={entry.public_id}").text
    answer = client.post(f"/to-sign/{entry.public_id}/withdraw")
    assert answer.status_code == 303
    assert states() == [rules.SIGNED]
    assert "already seen this signature" in client.get(answer.headers["Location"]).text


def test_the_history_tells_of_a_withdrawn_signature(desk, cast, browser, app):
    entry, client = desk.log(), browser(cast.mentor, lang="en")
    signed_on_the_page(client, entry)
    client.post(f"/to-sign/{entry.public_id}/withdraw")
    page = browser(cast.trainee, lang="en").get(f"/logbook/{entry.public_id}").text
    assert "withdrew the signature before anybody had seen it" in page
    assert "The signature fits the record" not in page


# ---------------------------------------------------------------- several at once


def test_several_are_shown_in_full_and_signed_one_by_one(desk, cast, browser, app):
    entries = [desk.log(code="N12", setting="NICU", note="顺利") for _ in range(12)]
    desk.log(code="N13")
    client = browser(cast.mentor, lang="en")
    page = client.get("/to-sign/several").text
    assert page.count('class="card entry"') == 10
    assert page.count("<dt>Where?</dt>") == 10
    data = {f"level-{one.public_id}": 4 for one in entries[:3]}
    data |= {f"revision-{one.public_id}": 1 for one in entries[:10]}
    refused = client.post("/to-sign/several", data=data)
    assert refused.status_code == 422
    assert states().count(rules.SIGNED) == 0
    answer = client.post("/to-sign/several", data={**data, "pin": PIN})
    assert answer.status_code == 303
    assert states().count(rules.SIGNED) == 3
    batches = db.session.scalars(select(Signature.batch)).all()
    assert len(set(batches)) == 1
    assert len(batches) == 3


def test_more_than_ten_at_once_are_refused(desk, cast, browser, app):
    entries = [desk.log(code="N12") for _ in range(11)]
    data = {f"level-{one.public_id}": 4 for one in entries} | {
        f"revision-{one.public_id}": 1 for one in entries
    }
    answer = browser(cast.mentor, lang="en").post("/to-sign/several", data={**data, "pin": PIN})
    assert answer.status_code == 422
    assert "at most 10" in answer.text
    assert states().count(rules.SIGNED) == 0


@pytest.mark.parametrize("who", ["other_mentor", "trainee", "stranger"])
def test_a_stranger_signs_nothing_among_several(desk, cast, browser, app, who):
    entry = desk.log(code="N12")
    data = {f"level-{entry.public_id}": 4, f"revision-{entry.public_id}": 1, "pin": PIN}
    answer = browser(getattr(cast, who)).post("/to-sign/several", data=data)
    assert answer.status_code == (403 if who == "trainee" else 404)
    assert states() == [rules.SUBMITTED]


# ---------------------------------------------------------------- the code


def test_the_code_on_the_screen_leads_the_mentor_to_the_one_entry_once(desk, cast, browser, app):
    entry = desk.log()
    desk.log()
    page = browser(cast.trainee, lang="en").post(f"/logbook/{entry.public_id}/hand").text
    assert "<svg role=" in page
    address = re.search(r'href="http://localhost(/hand/[^"]+)"', page)[1]
    assert browser(cast.other_mentor).get(address).status_code == 404
    assert browser(cast.trainee).get(address).status_code == 404
    client = browser(cast.mentor, lang="en")
    answer = client.get(address)
    assert (answer.status_code, answer.headers["Location"]) == (303, f"/to-sign/{entry.public_id}")
    assert client.get(answer.headers["Location"]).status_code == 200
    again = client.get(address)
    assert again.headers["Location"] == "/to-sign"
    assert "This code was used" in client.get("/to-sign").text
    assert client.get("/hand/no-such-code").status_code == 404


@pytest.mark.parametrize(("who", "status"), [("mentor", 404), ("other_trainee", 404), ("director", 404)])
def test_nobody_else_shows_a_code(desk, cast, browser, app, who, status):
    entry = desk.log()
    assert browser(getattr(cast, who)).post(f"/logbook/{entry.public_id}/hand").status_code == status


# ---------------------------------------------------------------- correct, void, revive


def test_a_correction_is_the_same_form_with_a_reason(desk, cast, browser, app, at):
    entry, client = desk.log(operator_role="P"), browser(cast.trainee, lang="en")
    desk.sign(entry)
    page = client.get(f"/logbook/{entry.public_id}/amend").text
    assert "Why do you correct it?" in page
    assert re.search(r'value="P"[^>]* checked', page)
    refused = client.post(f"/logbook/{entry.public_id}/amend", data=given(at))
    assert (refused.status_code, states()) == (422, [rules.SIGNED])
    answer = client.post(f"/logbook/{entry.public_id}/amend", data=given(at, reason="当时是协助"))
    assert answer.status_code == 303
    assert states() == [rules.SUPERSEDED, rules.SUBMITTED]
    assert "A later version replaces this entry" in client.get(f"/logbook/{entry.public_id}").text
    assert "Open the old version" in client.get(answer.headers["Location"]).text


@pytest.mark.parametrize(
    ("who", "status"),
    [("trainee", 200), ("mentor", 200), ("second_assessor", 403), ("director", 403), ("stranger", 404)],
)
def test_who_may_correct(desk, cast, browser, app, who, status):
    entry = desk.log()
    desk.sign(entry)
    assert browser(getattr(cast, who)).get(f"/logbook/{entry.public_id}/amend").status_code == status


def test_the_director_makes_void_with_a_reason_and_the_page_shows_it(desk, cast, browser, app):
    entry, client = desk.log(), browser(cast.director, lang="en")
    desk.sign(entry)
    assert client.get(f"/logbook/{entry.public_id}/void").status_code == 200
    assert client.post(f"/logbook/{entry.public_id}/void", data={"words": "x"}).status_code == 422
    answer = client.post(
        f"/logbook/{entry.public_id}/void", data={"reason": "duplicate", "words": "与上一条相同"}
    )
    assert (answer.status_code, states()) == (303, [rules.VOIDED])
    page = browser(cast.trainee, lang="en").get(f"/logbook/{entry.public_id}").text
    assert "made it void: Entered twice" in page
    assert "与上一条相同" in page


def test_a_lapsed_entry_comes_back_by_the_director_alone(desk, cast, browser, app):
    entry = desk.log()
    with transaction():
        services.lapse(desk.at + timedelta(days=120))
    assert states() == [rules.LAPSED]
    assert browser(cast.coordinator).post(f"/logbook/{entry.public_id}/revive").status_code == 403
    client = browser(cast.director, lang="en")
    assert client.post(f"/logbook/{entry.public_id}/revive", data={}).status_code == 422
    answer = client.post(f"/logbook/{entry.public_id}/revive", data={"words": "病假"})
    assert (answer.status_code, answer.headers["Location"]) == (
        303,
        f"/trainees/{cast.enrolment.public_id}",
    )
    assert states() == [rules.DRAFT]


def test_the_second_assessor_finds_and_signs_what_needs_two(desk, cast, browser, app):
    entry, client = desk.log(), browser(cast.second_assessor, lang="en")
    desk.sign(entry)
    assert f'href="/to-sign/{entry.public_id}"' in client.get("/to-sign").text
    page = client.get(f"/to-sign/{entry.public_id}").text
    assert f'action="/to-sign/{entry.public_id}/countersign"' in page
    answer = client.post(
        f"/to-sign/{entry.public_id}/countersign", data={"revision": 1, "level": 4, "pin": PIN}
    )
    assert (answer.status_code, states()) == (303, [rules.COUNTERSIGNED])
    assert "Signed as the second by" in client.get(f"/logbook/{entry.public_id}").text


# ---------------------------------------------------------------- thoughts


def test_thoughts_are_the_trainee_s_alone_until_they_share_them(desk, cast, browser, app):
    entry, client = desk.log(), browser(cast.trainee, lang="en")
    data = {"text": "下次先想好体位"}
    assert client.post(f"/logbook/{entry.public_id}/reflection", data=data).status_code == 303
    assert data["text"] in client.get(f"/logbook/{entry.public_id}").text
    for who in ("mentor", "director", "coordinator"):
        assert data["text"] not in browser(getattr(cast, who)).get(f"/logbook/{entry.public_id}").text
    client.post(f"/logbook/{entry.public_id}/reflection", data={**data, "shared": "y"})
    assert data["text"] in browser(cast.mentor).get(f"/logbook/{entry.public_id}").text
    named = client.post(f"/logbook/{entry.public_id}/reflection", data={"text": "电话 138 0013 8000"})
    assert named.status_code == 422
    assert db.session.scalar(select(func.count()).select_from(Reflection)) == 1
    assert browser(cast.mentor).post(f"/logbook/{entry.public_id}/reflection", data=data).status_code == 404


# ---------------------------------------------------------------- late days


def test_the_coordinator_lets_late_entries_in_with_a_reason(desk, cast, browser, app, at):
    day = clock.today(at) - timedelta(days=33)
    client, trainee = browser(cast.coordinator, lang="en"), browser(cast.trainee, lang="en")
    late = given(at, performed_on=day.isoformat())
    assert "more than 30 days ago" in trainee.post("/logbook/new", data=late).text
    address = f"/trainees/{cast.enrolment.public_id}/late"
    window = {"from_on": day.isoformat(), "to_on": day.isoformat()}
    assert client.post(address, data=window).status_code == 422
    assert client.post(address, data={**window, "reason": "住院手术，病假四周"}).status_code == 303
    assert trainee.post("/logbook/new", data=late).status_code == 303
    entry = all_entries()[0]
    assert (entry.state, entry.late) == (rules.SUBMITTED, True)
    other = given(at, performed_on=(day - timedelta(days=1)).isoformat())
    assert trainee.post("/logbook/new", data=other).status_code == 422


@pytest.mark.parametrize(
    ("who", "status"),
    [("mentor", 404), ("trainee", 404), ("administrator", 403), ("auditor", 403), ("stranger", 404)],
)
def test_nobody_else_lets_late_entries_in(desk, cast, browser, app, who, status):
    address = f"/trainees/{cast.enrolment.public_id}/late"
    assert browser(getattr(cast, who)).get(address).status_code == status
    assert db.session.scalar(select(func.count()).select_from(LateWindow)) == 0


# ---------------------------------------------------------------- all fields


def test_every_field_of_the_model_can_be_given_and_is_shown(desk, cast, browser, app, at):
    more = {
        "success": "no",
        "attempts": "2",
        "complication": "minor",
        "complication_kind": "bleeding",
        "mode": "real",
        "setting": "NICU",
        "gestation_band": "28-31",
        "weight_band": "1000-1499g",
        "self_level": "3",
        "shift": "night",
        "kind": "procedure",
        "diagnosis": "p22",
        "indication": "疑似脑膜炎",
        "device_route": "other",
        "pain_relief": "yes",
        "consent_seen": "yes",
        "difficulty": "high",
        "note": "第二次进针",
    }
    client = browser(cast.trainee, lang="en")
    assert client.post("/logbook/new", data=given(at, **more)).status_code == 303
    entry = all_entries()[0]
    assert entry.content == {
        **more,
        "operator_role": "S_TU",
        "age_band": "7-28d",
        "attempts": 2,
        "self_level": 3,
        "diagnosis": "P22",
    }
    assert set(rules.Content.__dataclass_fields__) == set(entry.content)
    page = client.get(f"/logbook/{entry.public_id}").text
    for word in ("Night", "P22", "疑似脑膜炎", "Bleeding", "Hard", "A procedure", "Another route"):
        assert word in page


@pytest.mark.parametrize(
    ("field", "value"), [("diagnosis", "fever"), ("indication", "患儿李小明，男"), ("shift", "dawn")]
)
def test_a_field_of_the_fold_is_checked_too(desk, cast, browser, app, at, field, value):
    answer = browser(cast.trainee).post("/logbook/new", data=given(at, **{field: value}))
    assert answer.status_code == 422
    assert not all_entries()


def test_sixty_entries_of_an_outbox_that_repeats_itself_arrive_as_sixty(desk, cast, browser, app, at):
    """A queue sends each of its entries up to three times, in any order: lost replies make it repeat."""
    client = browser(cast.trainee)
    for turn in range(3):
        for number in range(60):
            if (number + turn) % 3 == 2 and turn < 2:
                continue  # lost on the way there
            answer = client.post(
                "/logbook/new",
                json=given(at, item="N12"),
                headers={
                    "X-Requested-With": "lms",
                    "Accept": "application/json",
                    "X-Client-Id": f"phone-entry-{number:04d}",
                },
            )
            assert answer.status_code in {200, 201}
    assert len(all_entries()) == 60
    assert db.session.scalar(select(func.count(func.distinct(Entry.client_uuid)))) == 60
