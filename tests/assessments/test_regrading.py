"""Regrading: a dry run, two people, a further run; nothing is overwritten."""

import pytest
from sqlalchemy import func, select

from lms.assessments import models, queries, services
from lms.core import approvals
from lms.core.db import db, transaction
from lms.core.errors import RuleBroken


@pytest.fixture
def marked(desk, candidate):
    """A sitting that was handed in with the first question wrong; the others are empty."""
    person = candidate()
    person.start(desk.test)
    person.choose(1, desk.wrong(1))
    person.client.post(f"{person.url}/submit")
    return person.url.split("/")[-1]


def correct_key(desk, at, right):
    """Let the first question have another right answer (two people have approved it)."""
    version = desk.form.slots[0]["version"]
    old = queries.newest_keys([version])[version]
    with transaction():
        db.session.add(
            models.KeyRevision(
                question_version_id=version,
                n=old.n + 1,
                key={**old.key, "right": right},
                rationale=old.rationale,
                reason="NRP",
                created_at=at,
            )
        )


def newer(desk):
    """How many newer keys the page of the test speaks of."""
    (form,), marked_by = queries.papers_and_keys(desk.test.id)
    return queries.newer_keys(queries.staff_items(form), marked_by)


def propose(desk, cast, at, cut=None):
    """Propose what the dry run shows."""
    test = queries.test(desk.test.public_id, cast.examiner)
    diff = queries.regrade(test, cut)
    with transaction():
        return services.propose_regrade(
            test,
            cut_percent=diff.cut_percent,
            seen_sha256=approvals.digest(diff.payload(test)),
            reason="Key 1 was wrong",
            by=cast.examiner,
            at=at,
        )


def decide(desk, who, approval, at):
    """Approve what was proposed."""
    with transaction():
        services.decide_regrade(
            queries.test(desk.test.public_id, who),
            outcome="approved",
            seen_sha256=approval.payload_sha256,
            words="",
            by=who,
            at=at,
        )


def test_unchanged_inputs_give_an_empty_diff_that_cannot_be_proposed(desk, marked, cast, at):
    with desk.app.app_context():
        diff = queries.regrade(desk.test)
        assert len(diff.grades) == 1
        assert not diff.changed
        with pytest.raises(RuleBroken) as refusal:
            propose(desk, cast, at)
        assert refusal.value.code == "nothing_changes"


def test_a_regrade_is_a_further_run_that_a_second_person_approved(desk, marked, cast, at):
    with desk.app.app_context():
        before = db.session.scalar(select(func.count()).select_from(models.Mark))
        correct_key(desk, at, desk.wrong(1))
        assert newer(desk) == 1
        approval = propose(desk, cast, at)
        assert db.session.scalar(select(func.count()).select_from(models.GradeRun)) == 1
        with pytest.raises(RuleBroken) as refusal:
            decide(desk, cast.examiner, approval, at)
        assert refusal.value.code == "same_person"
        decide(desk, cast.director, approval, at)
        assert db.session.scalar(select(func.count()).select_from(models.Mark)) == 2 * before
        sitting = queries.sitting(marked, cast.examiner)
        assert queries.result(sitting, at, for_staff=True).score == 1
        assert queries.staff_sittings(desk.test, at)[0].score == 1
        assert newer(desk) == 0
        assert not queries.regrade(desk.test).changed


def test_what_changed_since_it_was_proposed_is_not_written(desk, marked, cast, at):
    with desk.app.app_context():
        correct_key(desk, at, desk.wrong(1))
        approval = propose(desk, cast, at)
        correct_key(desk, at, desk.keys[1])
        with pytest.raises(RuleBroken) as refusal:
            decide(desk, cast.director, approval, at)
        assert refusal.value.code == "stale"
        assert db.session.scalar(select(func.count()).select_from(models.GradeRun)) == 1


def test_a_regrade_is_proposed_and_approved_in_the_browser(desk, marked, cast, at, browser):
    with desk.app.app_context():
        correct_key(desk, at, desk.wrong(1))
        diff = queries.regrade(desk.test, 1)
        seen = approvals.digest(diff.payload(desk.test))
    url = f"/tests/{desk.test.public_id}/regrade"
    examiner, director = browser(cast.examiner, lang="en"), browser(cast.director, lang="en")
    assert "newer key" in examiner.get(f"/tests/{desk.test.public_id}/manage").text
    assert seen in examiner.get(f"{url}?cut=1").text
    assert f"{marked},1,1,0,1,1" in examiner.get(f"{url}.csv").text
    refused = examiner.post(url, data={"cut": "1", "seen": seen, "reason": ""})
    assert refused.status_code == 422
    assert "Say why" in refused.text
    assert examiner.post(url, data={"cut": "1", "seen": seen, "reason": "Key"}).status_code == 303
    assert "Approve and regrade" not in examiner.get(url).text
    assert "Approve and regrade" in director.get(url).text
    assert director.post(f"{url}/decide", data={"outcome": "approved", "seen": seen}).status_code == 303
    assert browser(cast.trainee).get(url).status_code == 404
    own = browser(cast.trainee, lang="en").get(f"/sittings/{marked}/result").text
    assert "The result was changed by a regrade" in own
    assert "0% → 10%" in own
    with desk.app.app_context():
        assert queries.passed_of(desk.test, queries.regrade(desk.test).grades[0].enrolment_id)
