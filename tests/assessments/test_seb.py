"""Safe Exam Browser: SEB-JSON and Config Key, the file, and that no paper opens and no answer counts without it."""

import json
import plistlib
from datetime import UTC, datetime
from hashlib import sha256

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lms.assessments import models, queries, services
from lms.assessments.rules import seb
from lms.core.db import db, transaction
from lms.core.errors import RuleBroken

BEK = "a" * 64

PUBLISHED_ORDER = [
    "allowDownUploads",
    "allowedDisplayBuiltin",
    "allowedDisplaysMaxNumber",
    "allowFlashFullscreen",
    "allowPDFPlugIn",
    "browserURLSalt",
    "browserUserAgent",
    "browserUserAgentMac",
    "browserUserAgentMacCustom",
    "touchOptimized",
    "URLFilterEnable",
    "URLFilterEnableContentFilter",
    "URLFilterIgnoreList",
    "URLFilterMessage",
    "urlFilterRegex",
    "URLFilterRules",
    "urlFilterTrustedContent",
    "whitelistURLFilter",
    "zoomMode",
]
"""As in the example of the documentation."""

texts = st.text(st.characters(codec="utf-8", exclude_characters='"\\', exclude_categories=["C"]), max_size=12)
names = st.text("abcXYZ09_", min_size=1, max_size=8)
values = st.recursive(
    st.booleans() | st.integers(-(2**40), 2**40) | texts | st.binary(max_size=12),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(names, inner, max_size=4),
    max_leaves=20,
)
settings = st.dictionaries(names, values, max_size=8)


def without_empty(value):
    """The value as JSON can hold it, without empty dictionaries, data as Base64."""
    if isinstance(value, dict):
        kept = {name: without_empty(one) for name, one in value.items()}
        return {name: one for name, one in kept.items() if one != {}}
    if isinstance(value, list):
        return [one for one in map(without_empty, value) if one != {}]
    return json.loads(seb.seb_json(value)) if isinstance(value, bytes) else value


def test_names_stand_in_the_published_order():
    shuffled = dict.fromkeys(sorted(PUBLISHED_ORDER, reverse=True), 1)
    assert list(json.loads(seb.seb_json(shuffled))) == PUBLISHED_ORDER


def test_values_are_written_as_the_documentation_says():
    given = {
        "zoomMode": 0,
        "originatorVersion": "SEB_OSX_2.1.4",
        "browserMessagingSocket": "ws:\\localhost:8706",
        "proxies": {},
        "examKeySalt": b"\x00\x01\x02",
        "at": datetime(2026, 3, 1, 8, 30, tzinfo=UTC),
        "allowQuit": True,
        "URLFilterRules": [{"regex": False, "action": 1}],
        "startURL": "https://例.example/考试",
    }
    text = (
        '{"allowQuit":true,"at":"2026-03-01T08:30:00+00:00","browserMessagingSocket":"ws:\\localhost:8706",'
        '"examKeySalt":"AAEC","startURL":"https://例.example/考试","URLFilterRules":[{"action":1,"regex":false}],"zoomMode":0}'
    )
    del given["originatorVersion"]
    assert seb.seb_json(given) == text
    assert seb.config_key({**given, "originatorVersion": "x"}) == sha256(text.encode()).hexdigest()


@given(settings)
def test_seb_json_says_the_same_without_white_space_and_empty_dictionaries(given):
    assert json.loads(seb.seb_json(given)) == without_empty(given)


@given(settings, st.randoms(use_true_random=False), texts)
def test_neither_order_nor_the_program_that_wrote_it_changes_the_key(given, chance, version):
    pairs = list(given.items())
    chance.shuffle(pairs)
    assert seb.config_key({**dict(pairs), "originatorVersion": version}) == seb.config_key(given)


@given(settings)
def test_the_file_says_what_the_key_was_made_of(given):
    assert seb.config_key(plistlib.loads(seb.seb_file(given))) == seb.config_key(given)


@given(settings, names, st.integers())
def test_another_setting_makes_another_key(given, name, value):
    changed = {**given, name: value}
    assert (seb.config_key(changed) == seb.config_key(given)) == (
        seb.seb_json(changed) == seb.seb_json(given)
    )


def test_the_hash_of_a_request_leaves_the_fragment_out():
    expected = sha256(b"https://lms.example/tests/a?x=1" + BEK.encode()).hexdigest()
    assert seb.request_hash("https://lms.example/tests/a?x=1#top", BEK) == expected


def test_keys_that_are_none_are_refused():
    assert seb.read_exam_keys(f" {BEK.upper()}\n{BEK}\n") == [BEK]
    with pytest.raises(RuleBroken) as refused:
        seb.read_exam_keys("abc")
    assert refused.value.code == "exam_keys"


# ---------------------------------------------------------------- pages


@pytest.fixture
def asked(desk, cast, at):
    """The test asks for Safe Exam Browser; answers the headers that it would send with a path."""

    def ask(*, exam_keys="", is_needed=True):
        with desk.app.app_context(), transaction():
            found = queries.test(desk.test.public_id, cast.examiner)
            services.set_seb(
                found, is_needed=is_needed, exam_keys=exam_keys, quit_password="", by=cast.examiner, at=at
            )
        return headers

    def headers(path, *, exam_key=""):
        config = seb.config_key(seb.settings_for(desk.test.public_id, base_url="http://localhost"))
        url = f"http://localhost{path}"
        sent = {seb.CONFIG_HEADER: seb.request_hash(url, config)}
        return sent | ({seb.EXAM_HEADER: seb.request_hash(url, exam_key)} if exam_key else {})

    return ask


def start(visitor, desk, headers=None):
    return visitor.post(
        f"/tests/{desk.test.public_id}/start", data={"client_uuid": "click-0001"}, headers=headers
    )


def test_without_it_no_paper_opens_and_the_page_says_what_to_install(desk, asked, browser, cast):
    asked()
    trainee = browser(cast.trainee, lang="en")
    answer = start(trainee, desk)
    assert answer.status_code == 403
    assert f"/tests/{desk.test.public_id}/exam.seb" in answer.text
    assert "Install" in answer.text
    with desk.app.app_context():
        assert db.session.query(models.Sitting).count() == 0
    assert "exam.seb" in trainee.get(f"/tests/{desk.test.public_id}").text


def test_with_it_the_exam_goes_its_way_and_each_page_and_save_is_checked(desk, asked, browser, cast):
    sent = asked()
    trainee = browser(cast.trainee)
    began = start(trainee, desk, sent(f"/tests/{desk.test.public_id}/start"))
    assert began.status_code == 303
    path = began.headers["Location"]
    assert trainee.get(path, headers=sent(path)).status_code == 200
    op = {"device": "d", "seq": 1, "slot": 1, "body": {"choice": "a"}, "mono_ms": 1}
    saved = trainee.post(f"{path}/ops", json={"epoch": 1, "ops": [op]}, headers=sent(f"{path}/ops"))
    assert (saved.status_code, saved.json["acked"]) == (200, 1)

    # The hash of another address, another browser's headers, and none.
    for headers in (sent("/tests"), {seb.CONFIG_HEADER: "0" * 64}, {}):
        assert trainee.get(path, headers=headers).status_code == 403
        assert trainee.post(f"{path}/take-over", headers=headers).status_code == 403
        assert trainee.post(f"{path}/answers", data={"slot-1": "b"}, headers=headers).status_code == 403
        assert trainee.post(f"{path}/submit", headers=headers).status_code == 403
        assert trainee.get(f"{path}/slots/1", headers=headers).status_code == 403
        refused = trainee.post(f"{path}/ops", json={"epoch": 1, "ops": [op | {"seq": 2}]}, headers=headers)
        assert (refused.status_code, refused.json["code"]) == (403, "seb_needed")
    with desk.app.app_context():
        assert db.session.query(models.ResponseEvent).count() == 1


def test_switched_off_while_people_sit_it_lets_them_go_on_anywhere(desk, asked, browser, cast):
    sent = asked()
    trainee = browser(cast.trainee)
    path = start(trainee, desk, sent(f"/tests/{desk.test.public_id}/start")).headers["Location"]
    asked(is_needed=False)
    op = {"device": "d", "seq": 1, "slot": 1, "body": {"choice": "a"}, "mono_ms": 1}
    saved = trainee.post(f"{path}/ops", json={"epoch": 1, "ops": [op]})
    assert (saved.status_code, saved.json["acked"]) == (200, 1)
    assert trainee.get(path).status_code == 200


def test_named_versions_only_where_their_keys_are_given(desk, asked, browser, cast):
    sent = asked(exam_keys=BEK)
    trainee, path = browser(cast.trainee), f"/tests/{desk.test.public_id}/start"
    assert start(trainee, desk, sent(path)).status_code == 403
    assert start(trainee, desk, sent(path, exam_key="b" * 64)).status_code == 403
    assert start(trainee, desk, sent(path, exam_key=BEK)).status_code == 303


def test_the_file_is_there_for_candidates_and_for_nobody_else(desk, asked, browser, cast):
    path = f"/tests/{desk.test.public_id}/exam.seb"
    assert browser(cast.trainee).get(path).status_code == 404
    asked()
    answer = browser(cast.trainee).get(path)
    assert (answer.status_code, answer.mimetype) == (200, "application/seb")
    given = plistlib.loads(answer.data)
    assert given["startURL"] == f"http://localhost/tests/{desk.test.public_id}"
    assert given["quitURL"] == f"http://localhost/tests/{desk.test.public_id}/seb/quit"
    assert given["sendBrowserExamKey"] is True
    assert browser(cast.stranger).get(path).status_code == 404
    assert browser(cast.trainee).get(f"/tests/{desk.test.public_id}/seb/quit").status_code == 303


def test_an_examiner_switches_it_and_the_password_stays(desk, browser, cast):
    path = f"/tests/{desk.test.public_id}/safe-exam-browser"
    examiner = browser(cast.examiner, lang="en")
    assert examiner.get(path).status_code == 200
    assert examiner.post(path, data={"is_needed": "y", "exam_keys": "no"}).status_code == 422
    assert examiner.post(path, data={"is_needed": "y", "quit_password": "raus"}).status_code == 303
    assert examiner.post(path, data={"is_needed": "y", "exam_keys": BEK}).status_code == 303
    with desk.app.app_context():
        given = db.session.get_one(models.Test, desk.test.id).seb
    assert given == {"exam_keys": [BEK], "quit_password_sha256": sha256(b"raus").hexdigest()}
    assert BEK in examiner.get(path).text
    assert examiner.post(path, data={}).status_code == 303
    with desk.app.app_context():
        assert db.session.get_one(models.Test, desk.test.id).seb is None


@pytest.mark.parametrize("who", ["trainee", "mentor", "coordinator", "director", "stranger"])
def test_others_do_not_find_the_switch(who, desk, browser, cast):
    assert (
        browser(getattr(cast, who)).get(f"/tests/{desk.test.public_id}/safe-exam-browser").status_code == 404
    )
