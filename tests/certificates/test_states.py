"""The states of a certificate: suspended, lifted, replaced, revoked; by whom, why, and never two that count."""

from datetime import timedelta

import pytest
from sqlalchemy import select, text
from sqlalchemy.exc import DBAPIError, IntegrityError

from lms.certificates import queries, services
from lms.certificates.models import Certificate, LogEntry, LogHead, RuleVersion, Waiver
from lms.core import approvals, ports
from lms.core.db import db, transaction
from lms.core.errors import NotAllowed, RuleBroken
from lms.core.jobs import Worker
from lms.core.notices import Notice
from lms.courses.models import LectureCompletion
from tests.certificates.conftest import issue_to


def the(serial):
    db.session.rollback()
    db.session.expire_all()
    return db.session.scalars(select(Certificate).where(Certificate.serial == serial)).one()


def cohort_of(cast):
    return queries.enrolment_to_issue(cast.enrolment.id).cohort


def unguard(table, verb):
    """What no act of the product can do: without the trigger, history can be changed."""
    db.session.execute(
        text(
            f"DROP TRIGGER {table}_no_{verb}"
            if db.engine.dialect.name == "sqlite"
            else f"ALTER TABLE {table} DISABLE TRIGGER USER"
        )
    )


def lose(enrolment, at):
    """The counted lecture is gone, and the port says so in the same transaction."""
    with transaction():
        unguard("lecture_completion", "delete")
        rows = db.session.scalars(
            select(LectureCompletion).where(LectureCompletion.enrolment_id == enrolment.id)
        )
        for row in rows:
            db.session.delete(row)
        db.session.flush()
        ports.fact_changed.tell(ports.FactChanged("lectures", enrolment.id, at))


def test_a_fact_that_goes_suspends_the_certificate_in_the_same_transaction_and_lifts_it_when_it_returns(
    app, ruled, complete, issued, at
):
    lose(ruled.enrolment, at)
    row = the(issued.serial)
    assert (row.state, row.suspended_for) == ("suspended", "facts")
    with pytest.raises(RuleBroken) as refused, transaction():
        services.lift(row, reason="please", at=at, by=ruled.director)
    assert refused.value.code == "facts_gone"
    complete(ruled.enrolment)
    assert the(issued.serial).state == "good"
    assert [entry.act for entry in queries.history(issued.id)] == ["issue", "suspend", "lift"]


def test_what_is_asked_anew_takes_no_certificate_away(app, bare_app, ruled, complete, issued, at):
    with transaction():
        rule = services.publish_rule(
            ruled.programme, {"all": [{"fact": "lectures", "at_least": 9}]}, at=at, by=None
        )
        pinned = queries.cohort_rule(ruled.cohort.id)
        pinned.rule_id, pinned.rule = rule.id, rule
        services.restand(pinned, at=at)
    assert not queries.standing(queries.enrolment_to_issue(ruled.enrolment.id)).met
    assert the(issued.serial).state == "good"


def test_a_fact_that_goes_while_the_file_is_made_suspends_it_at_once(
    app, bare_app, ruled, complete, keys, at
):
    complete(ruled.enrolment)
    issue_to(ruled, ruled.enrolment, at)
    lose(ruled.enrolment, at)
    Worker(bare_app).drain()
    db.session.rollback()
    db.session.expire_all()
    assert db.session.scalars(select(Certificate)).one().state == "suspended"


def test_suspending_and_lifting_are_acts_of_the_director_with_a_reason_and_the_holder_is_told(
    app, ruled, issued, at
):
    for who in (ruled.coordinator, ruled.auditor):
        with pytest.raises(NotAllowed), transaction():
            services.suspend(issued, reason="a doubt", at=at, by=who)
    with pytest.raises(RuleBroken) as refused, transaction():
        services.suspend(issued, reason=" ", at=at, by=ruled.director)
    assert refused.value.code == "reason_missing"
    for _press in range(2):
        with transaction():
            services.suspend(issued, reason="a doubt", at=at, by=ruled.director)
    assert the(issued.serial).state == "suspended"
    kinds = list(db.session.scalars(select(Notice.kind).where(Notice.kind.like("certificates.%"))))
    assert kinds.count("certificates.suspended") == 1
    for _press in range(2):
        with transaction():
            services.lift(issued, reason="cleared up", at=at, by=ruled.director)
    assert the(issued.serial).state == "good"
    with transaction():
        services.suspend(issued, reason="a doubt", at=at, by=ruled.director)
        services.revoke(issued, reason="it was true", at=at, by=ruled.director)
    assert the(issued.serial).state == "revoked"
    with pytest.raises(RuleBroken) as refused, transaction():
        services.lift(issued, reason="no", at=at, by=ruled.director)
    assert refused.value.code == "certificate_state"


def test_a_corrected_certificate_supersedes_the_old_one_when_its_file_is_made_and_not_before(
    app, bare_app, ruled, issued, at
):
    with transaction():
        person = queries.enrolment_to_issue(ruled.enrolment.id).person
        person.name_zh = "李思源"
    for _press in range(2):
        with transaction():
            services.replace(the(issued.serial), reason="the name was wrong", at=at, by=ruled.director)
    assert the(issued.serial).state == "good"
    Worker(bare_app).drain()
    db.session.rollback()
    db.session.expire_all()
    old, new = db.session.scalars(select(Certificate).order_by(Certificate.id)).all()
    assert (old.state, old.reason, new.state, new.supersedes) == (
        "superseded",
        "the name was wrong",
        "good",
        old.serial,
    )
    assert (new.edition, new.facts["name_zh"], old.facts["name_zh"]) == (2, "李思源", "李思远")
    assert queries.public_certificate(old.serial, key="").superseded_by == new.serial


def test_a_replacement_of_one_that_is_revoked_meanwhile_is_born_revoked(app, bare_app, ruled, issued, at):
    with transaction():
        services.replace(issued, reason="renewal", at=at, by=ruled.director)
    with transaction():
        services.revoke(the(issued.serial), reason="fraud", at=at, by=ruled.director)
    Worker(bare_app).drain()
    db.session.rollback()
    db.session.expire_all()
    assert list(db.session.scalars(select(Certificate.state))) == ["revoked", "revoked"]


def test_the_database_refuses_a_second_one_that_counts(app, issued):
    columns = [one.name for one in Certificate.__table__.columns if one.name != "id"]
    other = {"serial": "'X'", "public_id": "'another'", "edition": "2"}
    for state in ("'good'", "'suspended'"):
        picked = ", ".join({**other, "state": state}.get(name, name) for name in columns)
        with pytest.raises(IntegrityError), transaction():
            db.session.execute(
                text(f"INSERT INTO certificate ({', '.join(columns)}) SELECT {picked} FROM certificate")
            )


@pytest.mark.parametrize(
    "statement",
    [
        "UPDATE certificate SET supersedes = 'X'",
        "UPDATE certificate_log_entry SET act = 'lift'",
        "DELETE FROM certificate_log_entry",
    ],
)
def test_history_cannot_be_rewritten(app, issued, statement):
    with pytest.raises(DBAPIError), transaction():
        db.session.execute(text(statement))


def test_before_the_end_of_the_cohort_a_certificate_speaks_of_the_time_up_to_its_issue(app, issued, at):
    facts = issued.facts
    assert facts["from_on"] <= facts["to_on"] <= facts["issued_on"]


# The rule of a cohort


def test_until_somebody_is_issued_the_rule_changes_at_once_and_then_by_two_people(
    app, bare_app, ruled, complete, keys, at
):
    def change(entries, reason="", by=ruled.coordinator):
        with transaction():
            return services.set_rule(
                cohort_of(ruled), lectures=True, tests=False, entries=entries, reason=reason, at=at, by=by
            )

    change(2)
    change(0)  # back to what the trainee meets
    assert db.session.scalars(select(RuleVersion.number).order_by(RuleVersion.number)).all() == [1, 2, 3]
    complete(ruled.enrolment)
    issue_to(ruled, ruled.enrolment, at)
    Worker(bare_app).drain()
    with pytest.raises(RuleBroken) as refused:
        change(4)
    assert refused.value.code == "reason_missing"
    waiting = change(4, "the committee wants more", by=ruled.director)
    assert isinstance(waiting, approvals.Approval)
    decide = {"outcome": "approved", "seen_sha256": waiting.payload_sha256, "words": "", "at": at}
    with pytest.raises(RuleBroken) as refused, transaction():
        services.decide(waiting, cohort_of(ruled), by=ruled.director, **decide)
    assert refused.value.code == "same_person"
    with transaction():
        services.decide(waiting, cohort_of(ruled), by=ruled.administrator, **decide)
    Worker(bare_app).drain()
    db.session.rollback()
    db.session.expire_all()
    assert queries.cohort_rule(ruled.cohort.id).rule.expression["all"][1]["at_least"] == 4
    assert db.session.scalars(select(Certificate)).one().state == "good"


def test_a_waiver_takes_two_people_and_a_reason_and_then_counts(app, bare_app, ruled, keys, at):
    def enrolment():
        return queries.enrolment_to_issue(ruled.enrolment.id)

    with pytest.raises(RuleBroken) as refused, transaction():
        services.propose_waiver(enrolment(), "lectures", reason=" ", by=ruled.coordinator, at=at)
    assert refused.value.code == "reason_missing"
    with pytest.raises(RuleBroken) as refused, transaction():
        services.propose_waiver(enrolment(), "tests", reason="x", by=ruled.coordinator, at=at)
    assert refused.value.code == "nothing_open"
    with transaction():
        waiting = services.propose_waiver(
            enrolment(), "lectures", reason="taught it herself", by=ruled.coordinator, at=at
        )
    with transaction():
        services.decide(
            waiting,
            enrolment().cohort,
            outcome="approved",
            seen_sha256=waiting.payload_sha256,
            words="",
            by=ruled.director,
            at=at,
        )
    assert db.session.scalars(select(Waiver)).one().reason == "taught it herself"
    trace = queries.standing(queries.enrolment_to_issue(ruled.enrolment.id))
    assert trace.met
    assert trace.clauses[0].waived
    issue_to(ruled, ruled.enrolment, at)
    Worker(bare_app).drain()
    db.session.rollback()
    db.session.expire_all()
    assert db.session.scalars(select(Certificate)).one().state == "good"


# The public log


def test_the_log_is_signed_daily_and_any_rewriting_is_caught(app, ruled, issued, at):
    with transaction():
        services.sign_daily_head(at)
        services.sign_daily_head(at + timedelta(minutes=1))
    head = db.session.scalars(select(LogHead)).one()
    with transaction():
        services.revoke(issued, reason="an error", at=at, by=ruled.director)
        services.sign_daily_head(at + timedelta(days=1))
    verdict = queries.check_log((head.size, head.root))
    assert (verdict.size, verdict.heads, verdict.broken) == (2, 2, ())
    assert queries.check_log((1, "0" * 64)).broken
    with transaction():  # somebody with the keys of the database and without its triggers
        unguard("certificate_log_entry", "update")
        entry = db.session.scalars(select(LogEntry).order_by(LogEntry.n)).first()
        entry.document = {**entry.document, "facts_sha256": "0" * 64}
    db.session.rollback()
    db.session.expire_all()
    assert len(queries.check_log().broken) >= 2
