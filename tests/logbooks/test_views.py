"""The pages: forms without scripts, the outbox, the inbox, who sees what, how many queries."""

import re
from collections import Counter
from datetime import timedelta

import pytest
from sqlalchemy import func, select, update

from lms.accounts.models import Grant
from lms.core import audit, clock, ids
from lms.core.db import db, transaction
from lms.core.errors import RuleBroken
from lms.logbooks import rules, services
from lms.logbooks.models import Entry, EntryRevision, Item, Signature
from lms.logbooks.rules import Content
from tests.cast import PIN

OUTBOX = {"X-Requested-With": "lms", "Accept": "application/json, text/html;q=0.5"}


def given(at, **more):
    """Four taps."""
    return {
        "item": "N13",
        "operator_role": "S_TU",
        "age_band": "7-28d",
        "performed_on": clock.today(at).isoformat(),
        **more,
    }


def all_entries():
    """Every entry as the database has it now (the test's own session may hold an older view)."""
    db.session.rollback()
    return db.session.scalars(
        select(Entry).order_by(Entry.id).execution_options(populate_existing=True)
    ).all()


# ---------------------------------------------------------------- the entry form


def test_four_taps_and_no_typing_log_an_entry_without_scripts(desk, cast, browser, app, at):
    client = browser(cast.trainee, lang="en")
    page = client.get("/logbook/new").text
    key = re.search(r'name="client_uuid" value="([^"]+)"', page)[1]
    assert f'value="{clock.today(at).isoformat()}"' in page
    assert re.search(r"<option[^>]*>王建国", page)
    answer = client.post("/logbook/new", data=given(at, client_uuid=key))
    assert (answer.status_code, answer.headers["Location"]) == (303, "/logbook")
    assert "Sent to 王建国: Lumbar puncture, newborn." in client.get("/logbook").text
    entry = all_entries()[0]
    assert (entry.state, entry.signer_person_id) == (rules.SUBMITTED, cast.mentor.person_id)


def test_no_clinical_fact_is_filled_in(desk, cast, browser, app):
    page = browser(cast.trainee).get("/logbook/new").text
    assert not re.search(r'<input type="radio"[^>]* checked', page)
    assert not re.search(r'<option selected value="[^"]+">(?!王建国)', page)


def test_a_second_click_makes_no_second_entry(desk, cast, browser, app, at):
    client = browser(cast.trainee)
    for _ in range(3):
        assert (
            client.post("/logbook/new", data=given(at, client_uuid="the-key-of-the-page")).status_code == 303
        )
    assert len(all_entries()) == 1


@pytest.mark.parametrize(
    ("left_out", "sentence"),
    [
        ("item", "Choose what you did."),
        ("operator_role", "Choose your part."),
        ("age_band", "Choose the child’s age."),
        ("performed_on", "Give the date."),
    ],
)
def test_what_is_missing_is_named_and_the_rest_is_kept(desk, cast, browser, app, at, left_out, sentence):
    data = given(at, note="超声先定位")
    del data[left_out]
    answer = browser(cast.trainee, lang="en").post("/logbook/new", data=data)
    assert answer.status_code == 422
    assert "There is a problem" in answer.text
    assert sentence in answer.text
    assert "超声先定位" in answer.text
    assert all_entries() == []
    for target in re.findall(r'<a href="#([^"]+)" data-error', answer.text):
        assert f'id="{target}"' in answer.text


def test_what_no_form_sends_is_no_error_of_ours(desk, cast, browser, app, at):
    client = browser(cast.trainee)
    assert client.post("/logbook/new", data=given(at, self_level="9" * 5000)).status_code in {303, 422}
    answer = client.post("/logbook/new", data=r'{"note": "\ud800"}', content_type="application/json")
    assert answer.status_code == 422
    answer = client.post("/logbook/new", data=given(at, note="x" * 5_000_000))
    assert answer.status_code == 413
    assert len(all_entries()) <= 1


def test_the_gate_says_what_it_found_and_keeps_the_text(desk, cast, browser, app, at):
    answer = browser(cast.trainee, lang="en").post(
        "/logbook/new", data=given(at, note="患儿李小明，男，穿刺顺利")
    )
    assert answer.status_code == 422
    assert "may identify a patient" in answer.text
    assert "“李小明”" in answer.text
    assert "患儿李小明，男，穿刺顺利</textarea>" in answer.text
    assert re.search(r'value="S_TU"[^>]* checked', answer.text)


def test_an_item_is_found_by_what_was_typed(desk, cast, browser, app, at):
    client = browser(cast.trainee, lang="en")
    for typed, code in (
        ("yzcc", None),
        ("换血", "N15"),
        ("intraosseous", "P10"),
        ("gsqntl", "P10"),
        ("骨髓移植", None),
    ):
        data = given(at, other=typed, client_uuid=ids.token())
        del data["item"]
        answer = client.post("/logbook/new", data=data)
        if code:
            assert answer.status_code == 303, typed
            assert all_entries()[-1].item_id == db.session.scalar(select(Item.id).where(Item.code == code))
        else:
            assert answer.status_code == 422, typed
    assert "Nothing in the list fits “骨髓移植”" in answer.text


def test_several_fitting_items_are_offered_to_choose_from(desk, cast, browser, app, at):
    client = browser(cast.trainee, lang="en")
    data = given(at, other="yzcc")
    del data["item"]
    answer = client.post("/logbook/new", data=data)
    on_top = answer.text[: answer.text.index('name="other"')]
    assert re.findall(r'name="item" id="[^"]+" value="(\w+)"', on_top) == ["N13", "P14"]
    assert client.post("/logbook/new", data=given(at, item="P14", other="yzcc")).status_code == 303
    assert (
        client.post(
            "/logbook/new", data=given(at, item="N09", other="yzcc", client_uuid=ids.token())
        ).status_code
        == 422
    )


def test_all_fifty_items_can_be_tapped_without_scripts(desk, cast, browser, app):
    page = browser(cast.trainee).get("/logbook/new").text
    assert len(set(re.findall(r'name="item" id="[^"]+" value="(\w+)"', page))) == 50
    identifiers = Counter(re.findall(r'\sid="([^"]+)"', page))
    assert not [name for name, times in identifiers.items() if times > 1]


def test_a_draft_is_kept_changed_and_sent(desk, cast, browser, app, at):
    client = browser(cast.trainee, lang="en")
    client.post(
        "/logbook/new",
        data={
            "item": "N13",
            "performed_on": clock.today(at).isoformat(),
            "act": "draft",
            "client_uuid": "a-draft-of-mine",
        },
    )
    entry = all_entries()[0]
    assert (entry.state, entry.content) == (rules.DRAFT, {})
    page = client.get(f"/logbook/{entry.public_id}/edit").text
    assert re.search(r'value="N13" checked', page)
    answer = client.post(f"/logbook/{entry.public_id}/edit", data=given(at, note="第一次就成功"))
    assert answer.status_code == 303
    assert all_entries()[0].state == rules.SUBMITTED


def test_a_refused_edit_keeps_what_was_typed_and_changes_nothing(desk, cast, browser, app, at):
    entry = desk.log(as_draft=True)
    data = given(at, performed_on=(clock.today(at) + timedelta(days=1)).isoformat(), note="明天的事")
    answer = browser(cast.trainee, lang="en").post(f"/logbook/{entry.public_id}/edit", data=data)
    assert answer.status_code == 422
    assert "This day has not come yet." in answer.text
    assert "明天的事</textarea>" in answer.text
    assert all_entries()[0].content == {"operator_role": "A", "age_band": "7-28d"}


# ---------------------------------------------------------------- the outbox


def test_sixty_queued_entries_replayed_with_lost_replies_arrive_as_sixty(desk, cast, browser, app, at):
    client = browser(cast.trainee)
    seen = []
    for _attempt in range(2):
        for n in range(60):
            answer = client.post(
                "/logbook/new",
                data=given(at, client_uuid=f"uuid-of-item-{n:02d}"),
                headers={**OUTBOX, "X-Client-Id": f"uuid-of-item-{n:02d}"},
            )
            seen.append((answer.status_code, answer.json["id"], answer.json["duplicate"]))
    assert [status for status, _id, _again in seen] == [201] * 60 + [200] * 60
    assert [found for _status, found, _again in seen[:60]] == [found for _status, found, _again in seen[60:]]
    assert len({found for _status, found, _again in seen}) == 60
    assert db.session.scalar(select(func.count()).select_from(Entry)) == 60
    assert db.session.scalar(select(func.count()).select_from(EntryRevision)) == 60


def queued(*entries):
    return {"entries": [{"client_uuid": key, "fields": list(fields.items())} for key, fields in entries]}


def test_a_queue_arrives_in_one_delivery_and_each_entry_counts_for_itself(desk, cast, browser, app, at):
    client = browser(cast.trainee, lang="en")
    delivery = queued(
        ("phone-entry-one", given(at)),
        ("phone-entry-two", given(at, note="住院号 20261122345")),
        ("phone-entry-three", given(at, item="N99")),
        ("phone-entry-four", given(at, item="N12", act="draft", operator_role="", age_band="")),
        ("phone-entry-five", given(at + timedelta(days=2))),
        ("phone-entry-one", given(at)),
    )
    answers = client.post("/logbook/queue", json=delivery, headers=OUTBOX).json["answers"]
    assert [
        (one["client_uuid"][12:], one["status"], one.get("state", one.get("code"))) for one in answers
    ] == [
        ("one", 201, "submitted"),
        ("two", 422, "form"),
        ("three", 422, "form"),
        ("four", 201, "draft"),
        ("five", 422, "form"),
        ("one", 200, "submitted"),
    ]
    assert "Choose what you did." in answers[2]["detail"]
    assert "This day has not come yet." in answers[4]["detail"]
    assert [entry.client_uuid for entry in all_entries()] == ["phone-entry-one", "phone-entry-four"]
    again = client.post("/logbook/queue", json=delivery, headers=OUTBOX).json["answers"]
    assert [one["status"] for one in again] == [200, 422, 422, 200, 422, 200]
    assert [one.get("id") for one in again] == [one.get("id") for one in answers]
    assert len(all_entries()) == 2
    assert audit.verify().broken == ()


def test_what_a_refused_entry_began_is_taken_back_and_what_came_before_it_stands(
    desk, cast, browser, app, at, monkeypatch
):
    """The last step of sending fails for the second of three: its row, its revision and its events go, the chain holds.

    The step is replaced because no input can make it fail: whatever could is refused before anything is written.
    """
    tell, told = services.entries.tell, []

    def fail_once(*args, **more):
        told.append(args)
        if len(told) == 2:
            raise RuleBroken("busy", "Not now.")
        tell(*args, **more)

    monkeypatch.setattr(services.entries, "tell", fail_once)
    delivery = queued(*((f"phone-entry-{number}", given(at)) for number in range(3)))
    client = browser(cast.trainee)
    answers = client.post("/logbook/queue", json=delivery, headers=OUTBOX).json["answers"]
    assert [one["status"] for one in answers] == [201, 422, 201]
    assert [entry.client_uuid for entry in all_entries()] == ["phone-entry-0", "phone-entry-2"]
    assert db.session.scalar(select(func.count()).select_from(EntryRevision)) == 2
    assert audit.verify().broken == ()
    answers = client.post("/logbook/queue", json=delivery, headers=OUTBOX).json["answers"]
    assert [one["status"] for one in answers] == [200, 201, 200]


@pytest.mark.parametrize(
    "body",
    [
        {},
        [],
        {"entries": []},
        {"entries": {}},
        {"entries": ["x"]},
        {"entries": [{"client_uuid": 7, "fields": []}]},
        {"entries": [{"client_uuid": "short", "fields": []}]},
        {"entries": [{"client_uuid": "phone-entry-one"}]},
        {"entries": [{"client_uuid": "phone-entry-one", "fields": [["item"]]}]},
        {"entries": [{"client_uuid": f"phone-entry-{number}", "fields": []} for number in range(21)]},
    ],
)
def test_what_is_no_queue_is_refused_whole(desk, cast, browser, app, body):
    answer = browser(cast.trainee).post("/logbook/queue", json=body, headers=OUTBOX)
    assert (answer.status_code, answer.json["code"]) == (422, "queue")
    assert not all_entries()


def test_a_queue_of_another_account_is_not_taken(desk, cast, browser, app, at):
    delivery = queued(("phone-entry-one", given(at)))
    client = browser(cast.trainee)
    assert (
        client.post("/logbook/queue", json=delivery, headers={**OUTBOX, "X-Account": "other"}).status_code
        == 401
    )
    assert browser(cast.mentor).post("/logbook/queue", json=delivery, headers=OUTBOX).status_code == 404
    assert not all_entries()


def test_a_queue_of_twenty_asks_less_than_twenty_forms(desk, cast, browser, app, at, queries):
    client = browser(cast.trainee)
    delivery = queued(*((f"phone-entry-{number:02}", given(at)) for number in range(20)))
    with queries() as seen:
        answers = client.post("/logbook/queue", json=delivery, headers=OUTBOX).json["answers"]
    assert {one["status"] for one in answers} == {201}
    assert seen.count <= 20 * 16


def test_json_is_taken_as_well_as_a_form(desk, cast, browser, app, at):
    client = browser(cast.trainee)
    answer = client.post("/logbook/new", json=given(at, client_uuid="a-uuid-from-json"))
    assert (answer.status_code, answer.json["state"], answer.json["url"]) == (
        201,
        "submitted",
        f"/logbook/{answer.json['id']}",
    )
    assert client.post("/logbook/new", json=given(at, client_uuid="a-uuid-from-json")).status_code == 200


def test_the_header_names_the_delivery_even_when_the_page_s_key_was_used_before(desk, cast, browser, app, at):
    client = browser(cast.trainee)
    for key in ("first-delivery", "second-delivery"):
        assert (
            client.post(
                "/logbook/new",
                data=given(at, client_uuid="key-of-a-page-that-stayed-open"),
                headers={**OUTBOX, "X-Client-Id": key},
            ).status_code
            == 201
        )


def test_a_refusal_for_the_outbox_is_a_sentence_and_names_the_fields(desk, cast, browser, app, at):
    answer = browser(cast.trainee, lang="en").post(
        "/logbook/new",
        data=given(at, note="住院号 20261122345"),
        headers={**OUTBOX, "X-Client-Id": "refused-once"},
    )
    assert (answer.status_code, answer.mimetype, answer.json["code"]) == (
        422,
        "application/problem+json",
        "form",
    )
    assert "may identify a patient" in answer.json["detail"]
    assert list(answer.json["errors"]) == ["note"]
    again = browser(cast.trainee).post(
        "/logbook/new", data=given(at), headers={**OUTBOX, "X-Client-Id": "refused-once"}
    )
    assert again.status_code == 201


def test_what_another_account_kept_on_this_device_is_not_sent_in_my_name(desk, cast, browser, app, at):
    answer = browser(cast.trainee).post(
        "/logbook/new",
        data=given(at),
        headers={
            **OUTBOX,
            "X-Client-Id": "of-somebody-else",
            "X-Account": cast.other_trainee.account_public_id,
        },
    )
    assert answer.status_code == 401
    assert all_entries() == []


def test_a_signed_out_device_gets_401_and_keeps_its_entry(desk, cast, browser, app, at):
    assert (
        browser()
        .post("/logbook/new", data=given(at), headers={**OUTBOX, "X-Client-Id": "signed-out"})
        .status_code
        == 401
    )


# ---------------------------------------------------------------- the inbox


def test_the_mentor_signs_with_the_pin_and_then_without_for_five_minutes(desk, cast, browser, app):
    first, second = desk.log(), desk.log(code="N03")
    client = browser(cast.mentor, lang="en")
    page = client.get("/to-sign").text
    assert page.count('name="pin"') == 2
    answer = client.post(f"/to-sign/{first.public_id}/sign", data={"revision": 1, "level": "4", "pin": PIN})
    assert (answer.status_code, answer.headers["Location"]) == (303, f"/to-sign?done={first.public_id}")
    page = client.get(answer.headers["Location"]).text
    assert "Signed: Lumbar puncture, newborn · 李思远" in page
    assert 'name="pin"' not in page
    assert (
        client.post(f"/to-sign/{second.public_id}/sign", data={"revision": 1, "level": "5"}).status_code
        == 303
    )
    assert "Nothing waits for you" in client.get("/to-sign").text
    assert (
        "The signature fits the record. Checked just now." in client.get(f"/logbook/{first.public_id}").text
    )


def test_without_a_pin_or_with_a_wrong_one_nothing_is_signed_and_the_words_stay(desk, cast, browser, app):
    entry = desk.log()
    client = browser(cast.mentor, lang="en")
    for pin in ("", "000000"):
        answer = client.post(
            f"/to-sign/{entry.public_id}/sign",
            data={"revision": 1, "level": "2", "words": "下次先定位", "pin": pin},
        )
        assert answer.status_code == 422
        assert "下次先定位</textarea>" in answer.text
    assert all_entries()[0].state == rules.SUBMITTED


def test_enter_in_the_pin_field_signs_nothing(desk, cast, browser, app):
    """The browser then presses the form's first button, which names no level."""
    entry = desk.log()
    client = browser(cast.mentor, lang="en")
    form = client.get(f"/to-sign/{entry.public_id}").text.split(f'/to-sign/{entry.public_id}/sign"', 1)[1]
    assert re.search(r"<button[^>]*>", form)[0].count('name="level" value=""') == 1
    answer = client.post(f"/to-sign/{entry.public_id}/sign", data={"revision": 1, "level": "", "pin": PIN})
    assert answer.status_code == 422
    assert "Choose a level from 1 to 5." in answer.text


def test_a_double_tap_makes_one_signature_and_leads_to_the_same_page(desk, cast, browser, app):
    entry = desk.log()
    client = browser(cast.mentor)
    answers = [
        client.post(f"/to-sign/{entry.public_id}/sign", data={"revision": 1, "level": "4", "pin": PIN})
        for _ in range(2)
    ]
    assert [(answer.status_code, answer.headers["Location"]) for answer in answers] == [
        (303, f"/to-sign?done={entry.public_id}")
    ] * 2
    assert db.session.scalar(select(func.count()).select_from(Signature)) == 1


def test_level_two_without_words_comes_back_with_the_field_named(desk, cast, browser, app):
    entry = desk.log()
    answer = browser(cast.mentor, lang="en").post(
        f"/to-sign/{entry.public_id}/sign", data={"revision": 1, "level": "2", "pin": PIN}
    )
    assert answer.status_code == 422
    assert '<a href="#words" data-error>At level 1 or 2' in answer.text


def test_a_return_reaches_the_trainee_with_the_mentor_s_sentence(desk, cast, browser, app, at):
    entry = desk.log()
    mentor, trainee = browser(cast.mentor, lang="en"), browser(cast.trainee, lang="en")
    assert mentor.post(f"/to-sign/{entry.public_id}/return", data={"revision": 1}).status_code == 422
    answer = mentor.post(
        f"/to-sign/{entry.public_id}/return",
        data={"revision": 1, "reason": "complication", "words": "有无血性脑脊液？"},
    )
    assert answer.status_code == 303
    assert "Returned: Lumbar puncture, newborn" in mentor.get(answer.headers["Location"]).text
    for page in ("/logbook", f"/logbook/{entry.public_id}", f"/logbook/{entry.public_id}/edit"):
        said = 'Please state the complications. <span lang="zh-Hans">有无血性脑脊液？</span>'
        assert said in trainee.get(page).text, page
    assert (
        trainee.post(f"/logbook/{entry.public_id}/edit", data=given(at, complication="none")).status_code
        == 303
    )
    page = mentor.get("/to-sign").text
    assert "resent after your comment" in page


def test_somebody_who_was_not_there_declines_and_the_trainee_asks_another(desk, cast, browser, app, at):
    entry = desk.log()
    browser(cast.mentor).post(
        f"/to-sign/{entry.public_id}/return", data={"revision": 1, "reason": "not_present"}
    )
    assert all_entries()[0].state == rules.DECLINED
    client = browser(cast.trainee)
    page = client.get(f"/logbook/{entry.public_id}/edit").text
    rena = re.search(r'<option[^>]*value="(\w+)"[^>]*>热娜', page)[1]
    assert client.post(f"/logbook/{entry.public_id}/edit", data=given(at, signer=rena)).status_code == 303
    assert all_entries()[0].signer_person_id == cast.second_assessor.person_id


def test_showing_an_entry_to_its_signer_closes_the_way_back(desk, cast, browser, app):
    entry = desk.log()
    trainee = browser(cast.trainee, lang="en")
    assert "Take it back" in trainee.get(f"/logbook/{entry.public_id}").text
    browser(cast.mentor).get("/to-sign")
    assert "Take it back" not in trainee.get(f"/logbook/{entry.public_id}").text
    answer = trainee.post(f"/logbook/{entry.public_id}/recall")
    assert answer.status_code == 409
    assert "already opened" in answer.text


def test_taking_back_leads_to_the_form(desk, cast, browser, app):
    entry = desk.log()
    answer = browser(cast.trainee).post(f"/logbook/{entry.public_id}/recall")
    assert (answer.status_code, answer.headers["Location"]) == (303, f"/logbook/{entry.public_id}/edit")
    assert all_entries()[0].state == rules.DRAFT


# ---------------------------------------------------------------- who sees what


@pytest.mark.parametrize(
    ("part", "read", "sign"),
    [
        ("trainee", 200, 403),
        ("mentor", 200, 200),
        ("second_assessor", 200, 403),
        ("coordinator", 200, 403),
        ("director", 200, 403),
        ("auditor", 200, 403),
        ("administrator", 404, 404),
        ("other_mentor", 404, 404),
        ("other_trainee", 404, 404),
        ("educator", 404, 404),
        ("stranger", 404, 404),
    ],
)
def test_who_reads_an_entry_and_who_signs_it(desk, cast, browser, app, part, read, sign):
    entry = desk.log()
    client = browser(getattr(cast, part))
    assert client.get(f"/logbook/{entry.public_id}").status_code == read
    assert client.get(f"/to-sign/{entry.public_id}").status_code == sign
    answer = client.post(f"/to-sign/{entry.public_id}/sign", data={"revision": 1, "level": "4", "pin": PIN})
    assert answer.status_code == (303 if sign == 200 else sign)
    if part != "mentor":
        answer = client.post(f"/to-sign/{entry.public_id}/return", data={"revision": 1, "reason": "talk"})
        assert answer.status_code == sign
        assert all_entries()[0].state == rules.SUBMITTED


@pytest.mark.parametrize(
    "address",
    [
        "/logbook/aaaaaaaaaaaa",
        "/logbook/1",
        "/logbook/%00",
        "/to-sign/aaaaaaaaaaaa",
        "/to-sign/x/sign",
        "/trainees/aaaaaaaaaaaa",
    ],
)
def test_unknown_and_malformed_ids_are_404(desk, cast, browser, app, address):
    client = browser(cast.mentor)
    answer = client.post(address) if address.endswith("sign") else client.get(address)
    assert answer.status_code == 404


def test_a_mentor_does_not_hear_of_drafts(desk, cast, browser, app):
    desk.log(as_draft=True, code="N09")
    client = browser(cast.mentor, lang="en")
    page = client.get(f"/trainees/{cast.enrolment.public_id}").text
    assert "Umbilical" not in page
    assert client.get(f"/logbook/{all_entries()[0].public_id}").status_code == 404


def test_a_mentor_s_page_shows_their_trainees_and_what_waits(desk, cast, browser, app):
    desk.log()
    desk.sign(desk.log())
    page = browser(cast.mentor, lang="en").get("/trainees").text
    assert "李思远" in page
    assert "扎西顿珠" not in page
    assert "1 signed" in page
    assert "1 to be signed" in page
    assert "You have no trainees today" in browser(cast.educator, lang="en").get("/trainees").text


def test_one_trainee_s_page_leads_to_the_progress_and_hides_the_logbook_from_the_administrator(
    desk, cast, browser, app
):
    desk.log()
    url = f"/trainees/{cast.enrolment.public_id}"
    for part in ("mentor", "coordinator", "director", "auditor", "second_assessor"):
        page = browser(getattr(cast, part), lang="en").get(url).text
        assert f"/progress/{cast.enrolment.public_id}" in page
        assert "Lumbar puncture, newborn" in page, part
    page = browser(cast.administrator, lang="en").get(url).text
    assert "Placements and mentors" in page
    assert "Lumbar puncture" not in page
    assert browser(cast.other_mentor).get(url).status_code == 404


def test_professional_details_are_offered_as_long_as_they_can_be_opened(desk, cast, browser, app, at):
    page, office = f"/trainees/{cast.enrolment.public_id}", browser(cast.coordinator, lang="en")
    link = re.search(r"/people/\w+/profile", office.get(page).text)
    assert link is not None
    assert office.get(link[0]).status_code == 200
    with app.app_context(), transaction():
        db.session.execute(
            update(Grant)
            .where(Grant.person_id == cast.trainee.person_id)
            .values(to_on=clock.today(at) - timedelta(days=1))
        )
    assert office.get(link[0]).status_code == 404
    assert "/profile" not in office.get(page).text


def test_nobody_but_a_trainee_has_a_logbook(desk, cast, browser, app):
    for part in ("mentor", "administrator", "stranger"):
        assert browser(getattr(cast, part)).get("/logbook").status_code == 404
        assert browser(getattr(cast, part)).get("/logbook/new").status_code == 404


def test_the_logbook_filters_by_state_and_by_item(desk, cast, browser, app):
    desk.sign(desk.log(code="N13"))
    desk.log(code="N09")
    client = browser(cast.trainee, lang="en")
    rows = lambda url: re.findall(r'<a class="task"[^>]*>.*?<b>([^<]+)</b>', client.get(url).text)  # noqa: E731
    assert sorted(rows("/logbook")) == ["Lumbar puncture, newborn", "Umbilical venous catheter"]
    assert rows("/logbook?state=signed") == ["Lumbar puncture, newborn"]
    assert rows("/logbook?state=submitted") == ["Umbilical venous catheter"]
    assert rows("/logbook?item=N09") == ["Umbilical venous catheter"]
    assert rows("/logbook?item=nonsense&state=nonsense&page=-3") == []
    assert "1 / 5" in client.get("/logbook").text


# ---------------------------------------------------------------- many


@pytest.fixture
def crowded(desk, cast, app):
    """Five hundred open entries in one inbox, of two hundred that were logged before."""
    from lms.programmes import queries as programmes

    codes = [f"N{n:02d}" for n in range(1, 26)]
    items = {item.code: item for item in db.session.scalars(select(Item))}
    with transaction():
        enrolment = programmes.own_enrolment(cast.trainee)
        entry, _new = services.log(
            enrolment,
            item=desk.item(),
            performed_on=clock.today(desk.at),
            content=Content(operator_role="P", age_band="1-6d"),
            signer_person_id=None,
            client_uuid="the-first",
            at=desk.at,
            by=cast.trainee,
        )
        same = {
            column.name: getattr(entry, column.name)
            for column in Entry.__table__.columns
            if column.name not in {"id", "public_id", "client_uuid", "item_id"}
        }
        crowd = [
            Entry(
                **same, public_id=ids.public_id(), client_uuid=f"crowd-{n}", item_id=items[codes[n % 25]].id
            )
            for n in range(499)
        ]
        db.session.add_all(crowd)
        db.session.flush()
        db.session.add_all(
            EntryRevision(
                entry_id=row.id,
                number=1,
                payload={},
                payload_sha256="0" * 64,
                made_at=desk.at,
                account_id=cast.trainee.account_id,
            )
            for row in crowd
        )
    db.session.remove()


@pytest.mark.parametrize(
    ("part", "address"),
    [
        ("mentor", "/to-sign"),
        ("mentor", "/to-sign?page=25"),
        ("mentor", "/trainees"),
        ("mentor", "/trainees/{enrolment}"),
        ("trainee", "/logbook"),
        ("trainee", "/logbook/new"),
        ("trainee", "/"),
    ],
)
def test_pages_stay_within_twelve_queries_with_five_hundred_open_entries(
    crowded, cast, browser, queries, part, address
):
    client = browser(getattr(cast, part))
    address = address.format(enrolment=cast.enrolment.public_id)
    client.get(address)
    with queries() as seen:
        assert client.get(address).status_code == 200
    assert seen.count <= 12, "\n".join(seen.statements)


def test_one_entry_and_its_form_stay_within_twelve_queries(crowded, cast, browser, queries, app):
    entry = all_entries()[250]
    db.session.remove()
    for part, address in (
        ("mentor", f"/to-sign/{entry.public_id}"),
        ("trainee", f"/logbook/{entry.public_id}"),
    ):
        client = browser(getattr(cast, part))
        client.get(address)
        with queries() as seen:
            assert client.get(address).status_code == 200
        assert seen.count <= 12, "\n".join(seen.statements)


def test_the_inbox_shows_twenty_cards_a_page_the_oldest_first(crowded, cast, browser, app):
    client = browser(cast.mentor, lang="en")
    page = client.get("/to-sign").text
    assert page.count('class="card entry"') == 20
    assert "(500)" in page
    assert "Page 1 of 25" in page
    assert re.search(r'data-count="500"', page)
