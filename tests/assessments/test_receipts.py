"""What a candidate can prove after the hand-in, and every way to spoil it."""

import json
from datetime import UTC, datetime
from types import SimpleNamespace

import pytest
from hypothesis import given
from hypothesis import strategies as st
from sqlalchemy import text

from lms import cli
from lms.assessments import models, queries, services
from lms.assessments.rules import receipts as rule
from lms.assessments.services import receipts
from lms.core.db import db, transaction
from lms.core.digests import ed25519_public_key, public_pem
from lms.core.errors import RuleBroken

PRIVATE = bytes(range(32))
PUBLIC = ed25519_public_key(PRIVATE)
FACTS = {
    "site": "http://localhost",
    "sitting": "abcdefghjkmn",
    "events": 3,
    "chain": "0" * 64,
    "form": "1" * 64,
}
GENUINE = rule.signed(FACTS, private_key=PRIVATE)


@pytest.fixture
def handed_in(desk, candidate):
    """A sitting with three answers, handed in by the browser's own protocol; the candidate and the receipt's bytes."""
    trainee = candidate()
    trainee.start(desk.test)
    for slot in (1, 2, 3):
        trainee.choose(slot, desk.keys[slot])
    trainee.client.post(f"{trainee.url}/submit")
    return trainee, trainee.client.get(f"{trainee.url}/receipt.json").data


def tamper(app, *statements: str) -> None:
    """Change what the database refuses to change, as somebody with its file could."""
    with app.app_context(), db.engine.begin() as connection:
        if connection.dialect.name == "sqlite":
            for verb in ("update", "delete"):
                connection.execute(text(f"DROP TRIGGER IF EXISTS response_event_no_{verb}"))
        else:
            connection.execute(text("ALTER TABLE response_event DISABLE TRIGGER USER"))
        for statement in statements:
            connection.execute(text(statement))


def fault(app, data: bytes) -> str | None:
    with app.app_context():
        return queries.receipt_fault(data)


def judged(data: bytes) -> str | None:
    try:
        return rule.fault(data, public_key=PUBLIC)
    except RuleBroken as problem:
        return problem.code


# ---------------------------------------------------------------- laws


def test_a_genuine_receipt_has_no_fault():
    assert rule.fault(GENUINE, public_key=PUBLIC) is None


@given(st.integers(0, len(GENUINE) - 1), st.integers(1, 255))
def test_no_byte_of_a_receipt_changes_unnoticed(place, change):
    spoilt = bytearray(GENUINE)
    spoilt[place] ^= change
    assert judged(bytes(spoilt)) in {"altered", "other_key", "unreadable"}


@given(st.integers(0, len(GENUINE)), st.sampled_from([b" ", b"\n", b"0", b",", b"\x00"]))
def test_no_byte_is_added_to_a_receipt_unnoticed(place, more):
    assert judged(GENUINE[:place] + more + GENUINE[place:]) in {"altered", "other_key", "unreadable"}


@given(st.integers(0, len(GENUINE) - 1))
def test_no_byte_is_cut_from_a_receipt_unnoticed(end):
    with pytest.raises(RuleBroken) as problem:
        rule.fault(GENUINE[:end], public_key=PUBLIC)
    assert problem.value.code == "unreadable"


def test_a_receipt_of_another_site_names_another_key():
    assert rule.fault(GENUINE, public_key=ed25519_public_key(bytes(32))) == "other_key"


@pytest.mark.parametrize("data", [b"", b"[]", b"null", b"[" * 9000, b"\xff", b'{"kind":1}', b" " * 20_000])
def test_what_is_no_receipt_is_unreadable(data):
    with pytest.raises(RuleBroken) as problem:
        rule.read(data)
    assert problem.value.code == "unreadable"


bodies = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=3), inner, max_size=3),
    max_leaves=5,
)
kept = st.builds(
    SimpleNamespace,
    device=st.sampled_from(["a", "b"]),
    client_seq=st.integers(1, 9),
    slot=st.none() | st.integers(1, 5),
    kind=st.sampled_from(["answer", "flag", "lock"]),
    body=bodies,
    epoch=st.integers(1, 3),
    mono_ms=st.none() | st.integers(0, 2**53),
    at=st.datetimes(min_value=datetime(2020, 1, 1), max_value=datetime(2030, 1, 1), timezones=st.just(UTC)),  # noqa: DTZ001
    late_ms=st.integers(0, 9),
    applied=st.booleans(),
    reason=st.none() | st.sampled_from(["late", "locked"]),
)


def written(event) -> str:
    return json.dumps({**vars(event), "at": rule.instant(event.at)}, sort_keys=True)


@given(st.lists(kept, max_size=5), st.lists(kept, max_size=5))
def test_two_histories_have_the_same_head_only_if_they_are_the_same(one, two):
    same = [written(event) for event in one] == [written(event) for event in two]
    assert (rule.chain("abcdefghjkmn", one) == rule.chain("abcdefghjkmn", two)) is same
    assert rule.chain("abcdefghjkmn", one) != rule.chain("bbcdefghjkmn", one)


@given(st.lists(kept, min_size=1, max_size=5), st.data())
def test_an_event_changed_taken_out_or_put_elsewhere_changes_the_head(events, data):
    head = rule.chain("abcdefghjkmn", events)
    place = data.draw(st.integers(0, len(events) - 1))
    assert rule.chain("abcdefghjkmn", events[:place] + events[place + 1 :]) != head
    changed = SimpleNamespace(**{**vars(events[place]), "applied": not events[place].applied})
    assert rule.chain("abcdefghjkmn", [*events[:place], changed, *events[place + 1 :]]) != head
    assert rule.chain("abcdefghjkmn", [*events, events[place]]) != head


# ---------------------------------------------------------------- handing in


def test_the_receipt_counts_what_was_kept_and_agrees_with_the_database(desk, handed_in):
    trainee, data = handed_in
    said = json.loads(data)
    assert (said["events"], said["applied"], said["answered"], said["questions"]) == (3, 3, 3, 10)
    assert said["test"] == desk.test.public_id
    assert trainee.url.endswith(said["sitting"])
    key = trainee.client.get("/.well-known/firefly-receipts.pem")
    from lms.core.digests import read_public_pem

    assert rule.fault(data, public_key=read_public_pem(key.data)) is None
    assert fault(desk.app, data) is None


def test_the_public_key_is_readable_by_a_stranger(browser, desk):
    assert browser().get("/.well-known/firefly-receipts.pem").data.startswith(b"-----BEGIN PUBLIC KEY-----")


def test_a_lost_reply_and_a_second_click_give_the_same_receipt_byte_for_byte(desk, candidate):
    trainee = candidate()
    trainee.start(desk.test)
    trainee.choose(1, desk.keys[1])
    hand_in = trainee.op(None, {"submit": True})
    first, again = trainee.send(hand_in).json, trainee.send(hand_in).json
    assert first["receipt"] is not None
    assert first["receipt"] == again["receipt"]
    trainee.client.post(f"{trainee.url}/submit")
    kept_file = trainee.client.get(f"{trainee.url}/receipt.json").data
    assert kept_file.decode() == first["receipt"]
    assert json.loads(kept_file)["events"] == 2


def test_what_arrives_after_the_hand_in_leaves_the_receipt_true(desk, handed_in):
    trainee, data = handed_in
    assert trainee.send(trainee.op(4, {"choice": "a"})).json["rejected"][0]["reason"] == "submitted"
    assert trainee.client.get(f"{trainee.url}/receipt.json").data == data
    assert fault(desk.app, data) is None


def test_what_the_clock_handed_in_has_a_receipt_too(desk, candidate, later):
    trainee = candidate()
    trainee.start(desk.test)
    trainee.choose(1, desk.keys[1])
    with later(minutes=16):
        assert "Save the receipt" in trainee.client.get(f"{trainee.url}/result").text
        said = trainee.client.get(f"{trainee.url}/receipt.json").json
    assert (said["state"], said["answered"]) == ("auto_submitted", 1)


def test_a_sitting_that_runs_has_no_receipt(desk, candidate):
    trainee = candidate()
    trainee.start(desk.test)
    assert trainee.client.get(f"{trainee.url}/receipt.json").status_code == 404


def test_the_receipt_of_somebody_else_does_not_exist(desk, handed_in, browser, cast):
    trainee, _data = handed_in
    assert browser(cast.other_trainee).get(f"{trainee.url}/receipt.json").status_code == 404
    assert browser(cast.examiner).get(f"{trainee.url}/receipt.json").status_code == 200


def test_a_hand_in_stands_where_no_receipt_can_be_signed_and_gets_one_later(desk, candidate, settings):
    trainee = candidate()
    trainee.start(desk.test)
    key = settings.data_dir / "receipts.key"
    key.write_bytes(b"spoilt")
    assert trainee.client.post(f"{trainee.url}/submit").status_code == 303
    assert trainee.client.get(f"{trainee.url}/receipt.json").status_code == 404
    key.unlink()
    assert trainee.client.get(f"{trainee.url}/result").status_code == 200
    data = trainee.client.get(f"{trainee.url}/receipt.json").data
    assert fault(desk.app, data) is None


def test_the_database_itself_refuses_to_change_a_receipt(desk, handed_in):
    from sqlalchemy.exc import DatabaseError

    for statement in ("UPDATE sitting_receipt SET document = ''", "DELETE FROM sitting_receipt"):
        with desk.app.app_context(), pytest.raises(DatabaseError, match="append-only"), transaction():
            db.session.execute(text(statement))


# ---------------------------------------------------------------- spoilt answers


@pytest.mark.parametrize(
    ("statement", "code"),
    [
        ("DELETE FROM response_event WHERE client_seq = 3", "events_missing"),
        ("DELETE FROM response_event WHERE client_seq = 1", "events_missing"),
        ('UPDATE response_event SET body = \'{"choice": "z"}\' WHERE client_seq = 2', "events_changed"),
        ("UPDATE response_event SET applied = NOT applied WHERE client_seq = 2", "events_changed"),
        ("UPDATE response_event SET late_ms = 1 WHERE client_seq = 3", "events_changed"),
        ("UPDATE response_event SET slot = 9 WHERE client_seq = 3", "events_changed"),
        ("UPDATE response_event SET mono_ms = 5 WHERE client_seq = 1", "events_changed"),
    ],
)
def test_an_answer_changed_or_deleted_behind_the_back_of_the_site_is_noticed(
    desk, handed_in, statement, code
):
    _trainee, data = handed_in
    tamper(desk.app, statement)
    assert fault(desk.app, data) == code


def test_a_receipt_signed_anew_for_the_same_answers_is_not_the_one_that_was_given(desk, handed_in):
    _trainee, data = handed_in
    said = json.loads(data)
    with desk.app.app_context():
        forged = rule.signed(
            {k: v for k, v in said.items() if k not in {"kind", "key", "signature"}} | {"answered": 9},
            private_key=receipts.signing_key(),
        )
    assert fault(desk.app, forged) == "other_receipt"


def test_a_receipt_of_no_sitting_is_unknown(desk):
    assert fault(desk.app, GENUINE) == "unknown_sitting"


# ---------------------------------------------------------------- command line


def test_the_command_tells_valid_from_changed_from_unreadable(tmp_path, capsys):
    key, good, bad, none = (tmp_path / name for name in ("key.pem", "good.json", "bad.json", "none.json"))
    key.write_bytes(public_pem(PUBLIC))
    good.write_bytes(GENUINE)
    bad.write_bytes(GENUINE.replace(b'"events":3', b'"events":4'))
    none.write_bytes(b"hello")
    codes = [
        cli.main(["assessments", "receipt", str(file), "--key", str(key)])
        for file in (good, bad, none, tmp_path / "absent.json")
    ]
    assert codes == [0, 1, 2, 2]
    assert cli.main(["assessments", "receipt", str(good), "--key", str(good)]) == 2
    assert "changed after it was signed" in capsys.readouterr().out


def test_the_command_of_the_site_looks_at_the_answers_too(desk, handed_in, tmp_path):
    from lms.assessments import cli as commands

    _trainee, data = handed_in
    file = tmp_path / "receipt.json"
    file.write_bytes(data)
    with desk.app.app_context():
        assert commands.receipt(file, with_site=True) == 0
    tamper(desk.app, "DELETE FROM response_event WHERE client_seq = 2")
    with desk.app.app_context():
        assert commands.receipt(file) == 0  # the signature alone
        assert commands.receipt(file, with_site=True) == 1


def test_the_key_is_made_once_and_kept_from_others(app, settings):
    first = services.receipts_key()
    assert services.receipts_key() == first
    assert (settings.data_dir / "receipts.key").stat().st_mode & 0o777 == 0o600
    assert db.session.query(models.SittingReceipt).count() == 0
