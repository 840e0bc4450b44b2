"""Issuing to a whole class: few statements each, and everybody's certificate stands or falls by itself."""

from datetime import timedelta

import pytest
from sqlalchemy import event, func, select
from sqlalchemy.engine.interfaces import ExecuteStyle

from lms.accounts import services as accounts
from lms.certificates import jobs as making
from lms.certificates import queries, rules, services
from lms.certificates.models import Certificate, CertificateFile, LogEntry, SerialCounter
from lms.core import audit, clock, jobs, pdf, signing
from lms.core.db import db, transaction
from lms.core.digests import sha256_hex
from lms.core.jobs import Worker
from lms.core.notices import Notice, NoticeDelivery
from lms.core.storage import storage
from lms.programmes import services as programmes
from lms.programmes.models import Cohort, Hospital
from tests.certificates.test_states import lose

CLASS = 30
MOST = 5
"""Statements for each certificate of a large batch: its share of the request, and of the worker who makes it."""
FAMILIES, GIVEN = "王李张刘陈杨赵黄周吴", ("明", "芳", "强")


@pytest.fixture
def enrolled(app, ruled, complete, at):
    """A class whose members all may have a certificate; they have accounts, and read what they are told."""
    with transaction():
        cohort = db.session.get_one(Cohort, ruled.cohort.id)
        home = db.session.get_one(Hospital, ruled.enrolment.home_hospital_id)
        found = []
        for number in range(CLASS):
            name = FAMILIES[number % 10] + GIVEN[number // 10]
            person = accounts.add_person(name_zh=name, name_latin=f"Trainee {number}", at=at, by=None)
            accounts.add_account(person, login=f"trainee{number}@example.org", at=at, by=None)
            found.append(programmes.enrol(person, cohort, track="PED", home_hospital=home, at=at, by=None))
    for one in found:
        complete(one)
    return found


class Sent:
    """Counts what the database is sent: a statement with many rows of values once, one that is run for each of many rows
    as often as it is run."""

    def __init__(self):
        self.count = 0

    def __enter__(self):
        event.listen(db.engine, "before_cursor_execute", self._note)
        return self

    def __exit__(self, *_problem):
        event.remove(db.engine, "before_cursor_execute", self._note)

    def _note(self, _connection, _cursor, statement, parameters, context, _many):
        if not statement.startswith(("BEGIN", "PRAGMA", "ROLLBACK", "COMMIT")):
            is_run_for_each = context and context.execute_style is ExecuteStyle.EXECUTEMANY
            self.count += len(parameters) if is_run_for_each else 1


def issue_to_all(cast, enrolled, at, *, uuid="all"):
    chosen = queries.chosen(cast.cohort, [one.public_id for one in enrolled])
    with transaction():
        return services.issue(cast.cohort, chosen, client_uuid=uuid, at=at, by=cast.administrator)


def make_all(app):
    """What the worker does for the certificates, the letters to their holders left out."""
    return sum(iter(lambda: jobs.run_one(app, services.ISSUE, 1), 0))


def register():
    db.session.rollback()
    db.session.expire_all()
    return db.session.scalars(select(Certificate).order_by(Certificate.id)).all()


def stands(rows):
    """Serials without a gap, each good file there and right, the log and the trail whole."""
    numbers = [int(row.serial.split("-")[2]) for row in rows]
    assert sorted(numbers) == list(range(1, len(rows) + 1))
    assert db.session.scalars(select(SerialCounter.last)).one() == len(rows)
    assert all(rules.read_serial(row.serial) == row.serial for row in rows)
    good = [row for row in rows if row.state == "good"]
    assert len({row.person_id for row in good}) == len(good)
    for row in good:
        data = storage().read(row.pdf_key)
        assert sha256_hex(data) == row.pdf_sha256
        assert queries.inspect_here(data).code == "genuine"
        assert [file.sha256 for file in queries.files_of(row.id)] == [row.pdf_sha256]
    assert queries.unlogged() == []
    assert queries.check_log().broken == ()
    assert audit.verify().broken == ()


def test_a_class_costs_few_statements_each_and_has_what_each_alone_would_have(
    bare_app, ruled, enrolled, keys, at, monkeypatch
):
    # Two seconds hold many on a quiet machine and few on a busy one; `./run bench` counts with them.
    monkeypatch.setattr(jobs, "KEEP_S", 1000.0)
    with Sent() as request:
        batch = issue_to_all(ruled, enrolled, at)
    with Sent() as worker:
        assert make_all(bare_app) == CLASS
    assert (request.count + worker.count) / CLASS <= MOST, (request.count, worker.count)
    rows = register()
    assert [row.state for row in rows] == ["good"] * CLASS
    stands(rows)
    told = db.session.execute(
        select(Notice.account_id, Notice.url).where(Notice.kind == "certificates.ready")
    )
    assert sorted(url for _account, url in told) == sorted(f"/certificates/{row.serial}" for row in rows)
    assert db.session.scalar(select(func.count()).select_from(NoticeDelivery)) == CLASS
    items = queries.batch(batch.public_id, ruled.administrator).items
    assert [item.certificate.enrolment_id for item in items] == [item.enrolment_id for item in items]
    assert issue_to_all(ruled, enrolled, at).id == batch.id
    issue_to_all(ruled, enrolled, at, uuid="once more")
    assert len(register()) == CLASS, "who has one gets no second one"


def test_one_that_cannot_be_made_stops_no_other_of_its_group(
    bare_app, ruled, enrolled, keys, at, monkeypatch, browser
):
    batch = issue_to_all(ruled, enrolled[:6], at)
    bad, broken = register()[1:4:2]
    render = making.render_face

    def rendered(face, **more):
        if face.serial == bad.serial:
            raise pdf.MissingGlyphs(["U+E000"])
        if face.serial == broken.serial:
            raise OSError("disk full")
        return render(face, **more)

    monkeypatch.setattr(making, "render_face", rendered)  # the disk and the fonts of a machine at fault
    assert make_all(bare_app) >= 6
    rows = register()
    assert [row.state for row in rows] == ["good", "reserved", "good", "reserved", "good", "good"]
    assert [bool(row.gave_up_at) for row in rows] == [False, True] + [False] * 4
    assert rows[3].failure == "OSError: disk full"
    page = browser(ruled.administrator, lang="en").get(f"/certificates/batches/{batch.public_id}").text
    assert page.count("Could not be made") == 1
    assert f"/certificates/{bad.serial}/retry" in page
    stands(rows)
    monkeypatch.undo()
    with transaction():
        services.retry(register()[1], at=clock.now(), by=ruled.administrator)
    with clock.travelled(timedelta(minutes=10)):
        Worker(bare_app).drain()
    assert {row.state for row in register()} == {"good"}


def test_a_register_that_refuses_one_of_a_group_keeps_the_others(
    bare_app, ruled, enrolled, keys, at, monkeypatch
):
    issue_to_all(ruled, enrolled[:4], at)
    finish = services.finish
    refused = register()[2].id

    def strict(files, **more):
        finish(files, **more)
        if refused in files:
            raise ValueError("refused")

    monkeypatch.setattr(
        services, "finish", strict
    )  # the real one, undone afterwards as by a database that refuses
    make_all(bare_app)
    rows = register()
    assert [row.state for row in rows] == ["good", "good", "reserved", "good"]
    assert rows[2].failure == "ValueError: refused"
    assert db.session.scalar(select(func.count()).select_from(LogEntry)) == 3
    stands(rows)


def test_whoever_looks_sees_how_far_a_group_is(bare_app, ruled, enrolled, keys, at, monkeypatch, browser):
    monkeypatch.setattr(jobs, "KEEP_S", 0.0)  # no waiting: each is written down before the next is begun
    batch = issue_to_all(ruled, enrolled[:3], at)
    client = browser(ruled.administrator, lang="en")
    sign, told = signing.sign_pdf, []

    def signed(*given, **named):
        page = client.get(f"/certificates/batches/{batch.public_id}", headers={"Accept": "application/json"})
        told.append(page.get_json()["done"])
        return sign(*given, **named)

    monkeypatch.setattr(signing, "sign_pdf", signed)  # signs as ever, and looks at the page meanwhile
    make_all(bare_app)
    assert told == [0, 1, 2]


def test_a_group_whose_worker_died_is_taken_up_without_a_second_file(
    bare_app, ruled, enrolled, keys, at, monkeypatch
):
    issue_to_all(ruled, enrolled[:4], at)
    monkeypatch.setattr(jobs, "KEEP_S", 0.0)  # no waiting: each is written down before the next is begun
    sign, signed = signing.sign_pdf, []

    def dies(*given, **named):
        if len(signed) == 2:
            raise KeyboardInterrupt
        signed.append(sign(*given, **named))
        return signed[-1]

    monkeypatch.setattr(
        signing, "sign_pdf", dies
    )  # a death at a known moment; test_kills has real ones at any
    with pytest.raises(KeyboardInterrupt):
        jobs.run_one(bare_app, services.ISSUE, register()[0].id)
    monkeypatch.undo()
    rows = register()
    assert [row.state for row in rows] == ["good", "good", "reserved", "reserved"]
    assert all(row.lease_until for row in rows[2:])
    with clock.travelled(timedelta(seconds=jobs.LEASE_S + 1)):
        Worker(bare_app).drain()
    rows = register()
    assert [(row.state, row.attempts) for row in rows] == [("good", 1)] * 2 + [("good", 2)] * 2
    assert db.session.scalar(select(func.count()).select_from(CertificateFile)) == 4
    assert sum(1 for one in storage().everything() if one.name.startswith("certificates/")) == 4
    stands(rows)


def test_a_fact_that_went_while_the_group_was_made_suspends_that_one(bare_app, ruled, enrolled, keys, at):
    issue_to_all(ruled, enrolled[:3], at)
    lose(enrolled[1], at)
    make_all(bare_app)
    assert [row.state for row in register()] == ["good", "suspended", "good"]
    assert queries.check_log().size == 4
