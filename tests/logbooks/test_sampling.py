"""The monthly audit sample: drawn once by a seed nobody chose, the same for everybody, checked by others than who signed."""

import hashlib
from datetime import date, datetime, time, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st
from sqlalchemy import select, text
from sqlalchemy.exc import DBAPIError

from lms.core import audit, clock
from lms.core.audit import AuditEvent, AuditRoot
from lms.core.db import db, transaction
from lms.core.errors import NotAllowed, NotFound, RuleBroken
from lms.core.notices import Notice
from lms.logbooks import queries as logbooks
from lms.logbooks.models.sampling import AuditSample, SampleCheck, SampleLine
from lms.logbooks.queries import sampling as queries
from lms.logbooks.rules import sampling as rules
from lms.logbooks.services import sampling as services

IDS = st.sets(st.text("abcdefgh", min_size=1, max_size=6), max_size=60)


@given(IDS, st.text("0123456789abcdef", min_size=4, max_size=8), st.randoms())
def test_the_sample_is_one_in_twenty_and_depends_on_no_order(entries, seed, dice):
    mixed = list(entries)
    dice.shuffle(mixed)
    chosen = rules.drawn(mixed, seed)
    assert chosen == rules.drawn(sorted(entries), seed)
    assert set(chosen) <= entries
    assert len(chosen) == -(-len(entries) // 20)
    assert rules.population_digest(mixed) == rules.population_digest(sorted(entries))


def test_every_entry_has_its_chance():
    entries = [f"e{number}" for number in range(40)]
    times = dict.fromkeys(entries, 0)
    for number in range(2000):
        for entry in rules.drawn(entries, f"{number}"):
            times[entry] += 1
    assert all(60 < count < 150 for count in times.values()), times


def test_months():
    assert rules.month_before(date(2026, 1, 31)) == date(2025, 12, 1)
    assert rules.month_before(date(2026, 3, 1)) == date(2026, 2, 1)


@pytest.fixture
def signed(desk, bare_app):
    """Three signed entries of this month and the moment after its end; an application context is open."""
    with bare_app.app_context():
        entries = [desk.log(code=code) for code in ("N13", "N14", "N15")]
        for entry in entries:
            desk.sign(entry, at=desk.at)
        following = rules.first_of(rules.first_of(clock.today(desk.at)) + timedelta(days=31))
        desk.next_month = datetime.combine(following, time(0, 10), tzinfo=clock.BEIJING)
        desk.entries = entries
        yield desk


def draw(desk, *, after=timedelta(0), seal=True):
    """The clock at the month's begin."""
    at = desk.next_month + after
    with transaction():
        if seal:
            audit.seal_yesterday(at)
        services.draw(at)


def the_sample(by):
    """The one sample with its lines."""
    db.session.expire_all()
    found = db.session.scalars(select(AuditSample)).one()
    found = queries.sample(found.public_id, by)
    return found, queries.rows(found, by)


def test_drawn_once_after_the_month_is_sealed_and_anybody_can_draw_it_again(signed):
    draw(signed, seal=False)
    assert db.session.scalars(select(AuditSample)).all() == [], "no seal, no seed"
    for _n in range(2):
        draw(signed)
    found, rows = the_sample(signed.cast.director)
    assert (found.population, found.drawn, len(rows)) == (3, 1, 1)
    root = db.session.scalars(select(AuditRoot)).one()
    assert (found.root_day, found.root) == (root.day, root.root)
    assert root.day == clock.today(signed.next_month) - timedelta(days=1)
    public = [entry.public_id for entry in signed.entries]
    seed = hashlib.sha256(
        f"audit sample\n{signed.cast.programme.public_id}\n{found.month:%Y-%m}\n{root.root}".encode()
    ).hexdigest()
    again = sorted(public, key=lambda one: hashlib.sha256(f"{seed}\n{one}".encode()).hexdigest())[:1]
    assert [row.line.entry.public_id for row in rows] == again
    event = db.session.scalars(select(AuditEvent).where(AuditEvent.act == "logbooks.sample.draw")).one()
    assert (event.detail["seed"], event.detail["root"]) == (seed, root.root)
    assert event.detail["population_sha256"] == rules.population_digest(public)
    assert event.detail["drawn"] == rules.population_digest(again)


def test_what_was_withdrawn_or_belongs_to_another_month_is_not_in_the_population(signed):
    month = rules.first_of(clock.today(signed.at))
    assert len(queries.population(signed.cast.programme.id, month)) == 3
    assert queries.population(signed.cast.programme.id, rules.month_before(month)) == {}
    assert queries.population(signed.cast.programme.id + 1, month) == {}


def check(desk, by, outcome="found", words="", at=None):
    """A check of the only line."""
    with transaction():
        found, rows = the_sample(by)
        return services.check(
            found, rows[0].line.public_id, outcome=outcome, words=words, at=at or desk.next_month, by=by
        )


def test_who_checks_and_what_is_refused(signed):
    draw(signed)
    lead = signed.unit_lead
    for who in (signed.cast.coordinator, signed.cast.auditor):
        with pytest.raises(NotAllowed):
            check(signed, who)
    for who in (signed.cast.mentor, signed.cast.trainee, signed.cast.stranger):
        with pytest.raises(NotFound):
            check(signed, who)
    for outcome, words, code in (
        ("", "", "outcome_missing"),
        ("lost", "", "outcome_missing"),
        ("differs", " ", "words_missing"),
        ("differs", "住院号123456写的是别人", "identifying"),
        ("found", "x" * 501, "words_long"),
    ):
        with pytest.raises(RuleBroken) as refusal:
            check(signed, lead, outcome, words)
        assert refusal.value.code == code
    for _n in range(2):
        check(signed, lead)
    check(signed, signed.cast.director, "differs", "登记的是另一天")
    rows = db.session.scalars(select(SampleCheck).order_by(SampleCheck.number)).all()
    assert [(row.number, row.outcome) for row in rows] == [(1, "found"), (2, "differs")]
    mentor = signed.cast.mentor.person_id
    (month,) = logbooks.sampled([mentor], [signed.cast.cohort.id], since=date(2000, 1, 1))[mentor]
    assert (month.drawn, month.found, month.differs, month.not_found, month.open) == (1, 0, 1, 0, 0)


def test_a_signer_does_not_check_their_own(signed):
    draw(signed)
    with transaction():
        line = db.session.scalars(select(SampleLine)).one()
        scope = queries.rows(*_arguments(signed))[0].line
    assert line.signer_person_id == signed.cast.mentor.person_id
    assert queries.LineScope(scope).signer_person_id == signed.cast.mentor.person_id


def _arguments(desk):
    return the_sample(desk.cast.director)[0], desk.cast.director


def test_reminders_come_every_week_until_all_is_checked(signed):
    assert signed.unit_lead
    draw(signed)

    def told(kind):
        return db.session.scalars(select(Notice.kind)).all().count(f"logbooks.sample_{kind}")

    assert told("drawn") == 2
    for days, expected in ((13, 0), (14, 2), (14, 2), (21, 4)):
        with transaction():
            services.remind(signed.next_month + timedelta(days=days))
        assert told("overdue") == expected, days
    check(signed, signed.unit_lead)
    with transaction():
        services.remind(signed.next_month + timedelta(days=28))
    assert told("overdue") == 4


@pytest.mark.parametrize("table", ["audit_sample", "audit_sample_line", "audit_sample_check"])
def test_the_database_refuses_changes(signed, table):
    draw(signed)
    check(signed, signed.unit_lead)
    for statement in (f"UPDATE {table} SET id = id", f"DELETE FROM {table}"):
        with pytest.raises(DBAPIError), transaction():
            db.session.execute(text(statement))
        db.session.rollback()


def test_the_pages(signed, browser, queries_of_page):
    cast = signed.cast
    assert browser(cast.mentor).get("/samples").status_code == 404
    director, lead = browser(cast.director, lang="en"), browser(signed.unit_lead, lang="en")
    assert "No sample yet" in director.get("/samples").text
    draw(signed)
    found, rows = the_sample(cast.director)
    here = f"/samples/{found.public_id}"
    assert here in lead.get("/samples").text
    assert "/samples" in lead.get("/bedside").text
    assert "/samples" in director.get("/mentors").text
    assert browser(cast.other_mentor).get(here).status_code == 404
    line = f"{here}/{rows[0].line.public_id}"
    refused = lead.post(line, data={"outcome": "differs", "words": ""})
    assert refused.status_code == 422
    assert 'value="differs" checked' in refused.text
    assert browser(cast.coordinator).post(line, data={"outcome": "found"}).status_code == 403
    assert lead.post(line, data={"outcome": "differs", "words": "另一位患儿"}).status_code == 303
    assert "另一位患儿" in director.get(here).text
    assert "differs: 1" in director.get("/mentors").text
    assert "另一位患儿" in director.get(f"{here}.csv").text
    assert lead.post(f"{here}/{found.public_id}", data={"outcome": "found"}).status_code == 404
    for url in (here, "/samples", "/mentors"):
        assert queries_of_page(cast.director, url) <= 12


@pytest.fixture
def queries_of_page(browser, queries):
    """How many statements a page takes, once it is warm."""

    def act(who, url):
        person = browser(who)
        person.get(url)
        with queries() as seen:
            assert person.get(url).status_code == 200
        return seen.count

    return act
