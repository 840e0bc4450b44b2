"""The acts on certificates through the pages and the command line, and what a stranger reads afterwards."""

import io
import json
import zipfile

import pytest
from sqlalchemy import select

from lms import cli as command_line
from lms.certificates import cli, queries, services
from lms.certificates.models import Certificate, LogEntry
from lms.core import merkle
from lms.core.db import db, transaction
from lms.core.digests import canonical_json, verify_ed25519
from lms.core.jobs import Worker
from tests.cast import PIN
from tests.certificates.conftest import issue_to


def now():
    """The register as it is, whatever was read before."""
    db.session.rollback()
    db.session.expire_all()
    return db.session.scalars(select(Certificate).order_by(Certificate.id)).all()


def test_each_act_asks_for_a_reason_and_the_pin_and_the_stranger_reads_the_verdict(
    app, bare_app, browser, ruled, issued
):
    client, stranger = browser(ruled.director, lang="en"), browser(lang="en")
    page = f"/certificates/{issued.serial}"
    assert f"{page}/suspend" in client.get(page).text
    assert client.post(f"{page}/suspend", data={"reason": "a doubt"}).status_code == 422
    assert client.post(f"{page}/suspend", data={"reason": "", "pin": PIN}).status_code == 422
    assert now()[0].state == "good"
    assert client.post(f"{page}/suspend", data={"reason": "a doubt", "pin": PIN}).status_code == 303
    verdict = stranger.get(f"/verify/{issued.serial}").text
    assert "suspended and does not count" in verdict
    assert "a doubt" not in verdict
    assert "a doubt" in browser(ruled.trainee, lang="en").get(page).text
    assert client.post(f"{page}/lift", data={"reason": "cleared up"}).status_code == 303
    assert "genuine and valid" in stranger.get(f"/verify/{issued.serial}").text
    new = client.post(f"{page}/replace", data={"reason": "a wrong name"}).location
    Worker(bare_app).drain()
    verdict = stranger.get(f"/verify/{issued.serial}").text
    assert "replaced by a corrected one" in verdict
    assert new.rsplit("/", 1)[1] in verdict
    assert client.post(f"{new}/revoke", data={"reason": "an error"}).status_code == 303
    answer = stranger.get(new.replace("/certificates/", "/verify/") + "?format=json").json
    assert answer["state"] == "revoked"
    assert [one["act"] for one in answer["history"]] == ["issue", "revoke"]


def test_nobody_else_finds_the_pages_of_the_acts(browser, ruled, issued):
    for who in (ruled.trainee, ruled.mentor, ruled.coordinator, ruled.auditor, ruled.stranger):
        for verb in ("revoke", "suspend", "lift", "replace"):
            address = f"/certificates/{issued.serial}/{verb}"
            assert browser(who).get(address).status_code == 404
            assert browser(who).post(address, data={"reason": "x", "pin": PIN}).status_code == 404


def test_a_waiver_is_proposed_on_the_trainee_s_page_and_decided_by_another_person(
    app, bare_app, browser, ruled
):
    Worker(bare_app).drain()
    coordinator = browser(ruled.coordinator, lang="en")
    way = f"/progress/{ruled.enrolment.public_id}"
    assert "Waive a requirement" in coordinator.get(way).text
    assert "Waive a requirement" not in browser(ruled.mentor, lang="en").get(way).text
    assert coordinator.post(f"{way}/waive", data={"fact": "lectures", "reason": ""}).status_code == 422
    sent = coordinator.post(f"{way}/waive", data={"fact": "lectures", "reason": "she teaches it"})
    assert sent.status_code == 303
    page = browser(ruled.director, lang="en").get(sent.location).text
    action = next(
        part.split('"')[0] for part in page.split('action="') if "/decisions/" in part.split('"')[0]
    )
    assert "she teaches it" in page
    seen = page.split('name="seen" value="')[1].split('"')[0]
    answer = {"seen": seen, "outcome": "approved"}
    assert coordinator.post(action, data=answer).status_code == 403  # may not approve at all
    assert browser(ruled.director).post(action, data=answer).status_code == 303
    assert "Waived by two people: she teaches it" in coordinator.get(way).text


def test_a_change_of_rule_after_issue_waits_for_a_second_person(app, browser, ruled, issued):
    director = browser(ruled.director, lang="en")
    address = f"/certificates/cohorts/{ruled.cohort.public_id}/rule"
    assert director.post(address, data={"lectures": "y", "entries": "4"}).status_code == 422
    sent = director.post(address, data={"lectures": "y", "entries": "4", "reason": "more practice"})
    assert sent.status_code == 303
    assert sent.location.endswith("/decisions")
    page = director.get(sent.location).text
    assert "Signed log entries: at least 4" in page
    assert 'value="approved"' not in page  # not for who proposed it
    assert "1 decision waits" in director.get(address.removesuffix("/rule")).text


def test_the_zip_of_a_batch_holds_the_files_that_count(app, bare_app, browser, ruled, complete, keys, at):
    for enrolment in (ruled.enrolment, ruled.other_enrolment):
        complete(enrolment)
    chosen = [ruled.enrolment.public_id, ruled.other_enrolment.public_id]
    with transaction():
        batch = services.issue(
            ruled.cohort,
            queries.chosen(ruled.cohort, chosen),
            client_uuid="zip",
            at=at,
            by=ruled.administrator,
        )
    address = f"/certificates/batches/{batch.public_id}/certificates.zip"
    Worker(bare_app).drain()
    first, second = now()
    with transaction():
        services.revoke(second, reason="an error", at=at, by=ruled.director)
    answer = browser(ruled.administrator).get(address)
    with zipfile.ZipFile(io.BytesIO(answer.data)) as archive:
        assert archive.namelist() == [f"{first.serial}.pdf"]
        assert archive.read(f"{first.serial}.pdf").startswith(b"%PDF-")
    assert browser(ruled.trainee).get(address).status_code == 404


def test_the_export_leaves_out_what_no_longer_counts_and_says_so(app, ruled, issued, settings, tmp_path, at):
    to = tmp_path / "out"
    assert cli.export(to, settings=settings) == 0
    assert (to / f"{issued.serial}.pdf").exists()
    with transaction():
        services.revoke(issued, reason="an error", at=at, by=ruled.director)
    assert cli.export(to, settings=settings) == 0
    assert not (to / f"{issued.serial}.pdf").exists()
    assert json.loads((to / "register.json").read_text())[0]["state"] == "revoked"
    assert cli.export(to, settings=settings, everything=True) == 0
    assert (to / "revoked" / f"{issued.serial}.pdf").exists()


def test_the_command_line_does_the_same_acts_as_the_account_it_names(
    app, bare_app, ruled, complete, keys, settings, capsys
):
    complete(ruled.enrolment)
    assert cli.issue(ruled.cohort.public_id, login="nobody@example.org", only=[]) == 2
    assert cli.issue(ruled.cohort.public_id, login="siyuan@example.org", only=[]) == 2
    assert cli.issue(ruled.cohort.public_id, login="chen@example.org", only=[]) == 0
    serial = json.loads(capsys.readouterr().out)["reserved"][0]
    Worker(bare_app).drain()
    assert cli.act("suspend", serial, reason="a doubt", login="wu@example.org") == 1
    assert cli.act("suspend", serial, reason="a doubt", login="lin@example.org") == 0
    assert cli.act("lift", serial, reason="cleared up", login="lin@example.org") == 0
    assert cli.act("revoke", serial, reason=" ", login="lin@example.org") == 1
    assert cli.act("revoke", serial, reason="an error", login="lin@example.org") == 0
    assert now()[0].state == "revoked"
    capsys.readouterr()
    assert cli.status(serial) == 0
    told = json.loads(capsys.readouterr().out)
    assert [one["act"] for one in told["history"]] == ["issue", "suspend", "lift", "revoke"]
    assert cli.status("FFLY-2026-999999-0") == 2
    assert cli.status(None) == 0


@pytest.mark.parametrize(
    "typed",
    [
        ["certificates", "revoke", "S", "--reason", "r", "--by", "l"],
        ["certificates", "issue", "C", "--by", "l"],
        ["certificates", "status"],
        ["certificates", "log", "verify", "--head", "F"],
    ],
)
def test_the_commands_are_known(typed, tmp_path, monkeypatch, capsys):
    with pytest.raises(SystemExit) as end:
        command_line.main([*typed, "--help"])
    assert end.value.code == 0


def test_a_partner_who_kept_a_head_proves_that_nothing_was_rewritten(
    app, bare_app, browser, ruled, issued, tmp_path, at, capsys
):
    stranger = browser()
    with transaction():
        services.sign_head(at=at)
    kept = stranger.get("/verify/log.json").json
    (tmp_path / "head.json").write_text(json.dumps(kept))
    with transaction():
        services.revoke(issued, reason="an error", at=at, by=ruled.director)
        services.sign_head(at=at)
    answer = stranger.get(f"/verify/log.json?from={kept['head']['size']}").json
    head, path = answer["head"], [bytes.fromhex(step) for step in answer["consistency"]["path"]]
    assert merkle.holds_consistency(
        1, head["size"], bytes.fromhex(kept["head"]["root"]), bytes.fromhex(head["root"]), path
    )
    signed = canonical_json({name: head[name] for name in ("at", "root", "size")})
    assert verify_ed25519(
        signed, bytes.fromhex(head["signature"]), public_key=bytes.fromhex(head["public_key"])
    )
    proof = stranger.get(f"/verify/{issued.serial}/proof.json").json
    assert "entry" not in proof
    proof = stranger.get(f"/verify/{issued.serial}/proof.json?k={issued.verify_key}").json
    leaf = merkle.leaf_hash(canonical_json(proof["entry"]))
    assert proof["entry"]["act"] == "revoke"
    assert merkle.holds_inclusion(
        leaf,
        proof["n"],
        proof["head"]["size"],
        [bytes.fromhex(step) for step in proof["path"]],
        bytes.fromhex(proof["head"]["root"]),
    )
    assert cli.log_verify(tmp_path / "head.json") == 0
    (tmp_path / "head.json").write_text(json.dumps({"head": {"size": 1, "root": "0" * 64}}))
    assert cli.log_verify(tmp_path / "head.json") == 1
    assert cli.log_verify(tmp_path / "none.json") == 2


def test_what_was_issued_before_there_was_a_log_joins_it(app, ruled, issued, at):
    from sqlalchemy import text

    from tests.certificates.test_states import unguard

    with transaction():
        unguard("certificate_log_entry", "delete")
        db.session.execute(text("DELETE FROM certificate_log_entry"))
        db.session.execute(text("DELETE FROM certificate_log_state"))
    with transaction():
        services.sign_daily_head(at)
    assert db.session.scalars(select(LogEntry.act)).all() == ["issue"]
    assert queries.check_log().broken == ()


def test_a_second_enrolment_in_the_programme_gives_no_second_certificate(
    app, bare_app, ruled, complete, issued, at
):
    issue_to(ruled, ruled.enrolment, at, uuid="another")
    assert len(now()) == 1
