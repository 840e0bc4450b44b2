# ruff: noqa: F811 (fixtures of other modules)
"""The ledger of credits and the certificate that states it: counted, corrected, issued, suspended, superseded."""

import io
from datetime import timedelta
from fractions import Fraction

import openpyxl
import pytest
from sqlalchemy import func, select, text
from sqlalchemy.exc import DBAPIError

from lms.assessments import models as exams
from lms.certificates import checking, cli, queries, services
from lms.certificates.models import Certificate
from lms.certificates.rules import crediting as rules
from lms.core import clock, ports, signing
from lms.core.db import db, transaction
from lms.core.errors import NotAllowed, NotFound, RuleBroken
from lms.core.jobs import Worker
from lms.core.ports import Attended
from lms.core.storage import storage
from lms.programmes.models import Attendance, Placement
from tests.assessments.conftest import candidate, desk  # noqa: F401 (a real sitting)
from tests.cast import PIN

PLAN = rules.Plan(project_number="2026-06-01-012")
HOUR = 3600


@pytest.fixture
def sessions():
    """What a feature of sessions would say: enrolment → sessions attended."""
    kept: dict[int, list[Attended]] = {}
    ports.attended[:] = [lambda enrolment_id: kept.get(enrolment_id, [])]
    yield kept
    ports.attended[:] = []


@pytest.fixture
def attend(app, cast, sessions, at):
    """Let a trainee have been at sessions, hours each; the port says so in the same transaction."""

    def act(*hours, enrolment=None, role="learner"):
        enrolment = enrolment or cast.enrolment
        sessions[enrolment.id] = [
            Attended(
                f"s{n}",
                f"病例讨论{n}",
                f"Case conference {n}",
                clock.today(at) - timedelta(days=n),
                int(HOUR * one),
                role,
            )
            for n, one in enumerate(hours, start=1)
        ]
        with transaction():
            ports.fact_changed.tell(ports.FactChanged("sessions", enrolment.id, at))

    return act


@pytest.fixture
def planned(app, cast, at):
    """The cohort is counted as a project in China."""
    with transaction():
        services.set_plan(cohort(cast), PLAN, at=at, by=cast.administrator)
    return cast


def cohort(cast):
    return queries.enrolment_to_issue(cast.enrolment.id).cohort


def own(cast):
    return queries.enrolment_to_issue(cast.enrolment.id)


def ledger(cast):
    db.session.rollback()
    db.session.expire_all()
    return queries.ledger(cast.enrolment.id)


def sum_of(cast):
    years = queries.sums(ledger(cast), PLAN)
    return sum(one.credits for one in years), sum(one.hours for one in years)


def the(serial):
    db.session.rollback()
    db.session.expire_all()
    return db.session.scalars(select(Certificate).where(Certificate.serial == serial)).one()


def issue(cast, at, *, uuid="credits", by=None, **period):
    chosen = queries.chosen(cohort(cast), [cast.enrolment.public_id])
    today = clock.today(at)
    with transaction():
        return services.issue_credits(
            cohort(cast),
            chosen,
            first=period.get("first", cast.cohort.start_on),
            last=period.get("last", today),
            client_uuid=uuid,
            at=at,
            by=by or cast.administrator,
        )


@pytest.fixture
def certified(planned, bare_app, attend, keys, at):
    """Li Siyuan's certificate of two credits and six hours."""
    attend(3, 3)
    issue(planned, at)
    Worker(bare_app).drain()
    db.session.expire_all()
    return db.session.scalars(select(Certificate)).one()


# The ledger


def test_nothing_is_counted_before_somebody_says_by_whose_rules(app, cast, attend):
    attend(3)
    assert not ledger(cast)


def test_setting_the_rules_counts_what_was_done_before_and_the_same_twice_is_once(app, cast, attend, at):
    attend(3, 1.5)
    for _press in range(2):
        with transaction():
            services.set_plan(cohort(cast), PLAN, at=at, by=cast.coordinator)
    assert sum_of(cast) == (Fraction(3, 2), Fraction(9, 2))
    assert len(ledger(cast)) == 2


def test_counting_again_writes_nothing(planned, attend, at):
    attend(3, 2)
    before = [one.id for one in ledger(planned)]
    for _time in range(3):
        with transaction():
            assert services.count(own(planned), at=at) == 0
    assert [one.id for one in ledger(planned)] == before


def test_what_changes_is_taken_back_and_written_again(planned, attend):
    attend(3)
    attend(2)
    found = ledger(planned)
    assert [(one.number, one.seconds, one.reason) for one in found] == [
        (1, 3 * HOUR, ""),
        (2, -3 * HOUR, "changed"),
        (3, 2 * HOUR, ""),
    ]
    assert found[1].counters_id == found[0].id
    assert sum(one.credits for one in found) == Fraction(2, 3)
    attend()
    assert ledger(planned)[-1].reason == "gone"
    assert sum_of(planned) == (0, 0)
    attend(2)
    assert [one.number for one in ledger(planned)] == [1, 2, 3, 4, 5]


def test_other_rules_count_everybody_anew(planned, attend, at):
    attend(3)
    with transaction():
        services.set_plan(cohort(planned), rules.Plan("AMA", "A-1"), at=at, by=planned.administrator)
    assert [one.table_code for one in ledger(planned)] == ["CN-2024", "CN-2024", "AMA"]
    (year,) = queries.sums(ledger(planned), None)
    assert (year.table, year.credits) == ("AMA", 3)


def test_no_line_is_ever_changed_or_removed(planned, attend):
    attend(3)
    for statement in ("UPDATE credit_entry SET seconds = 1", "DELETE FROM credit_entry"):
        with pytest.raises(DBAPIError), transaction():
            db.session.execute(text(statement))
    assert sum_of(planned) == (1, 3)


def test_a_line_struck_by_hand_stays_struck_until_it_is_put_back(planned, attend, at):
    attend(3, 3)
    line = ledger(planned)[0]
    for who in (planned.coordinator, planned.auditor):
        with pytest.raises(NotAllowed), transaction():
            services.strike(own(planned), line.public_id, reason="not there", at=at, by=who)
    with pytest.raises(RuleBroken) as refused, transaction():
        services.strike(own(planned), line.public_id, reason=" ", at=at, by=planned.director)
    assert refused.value.code == "reason_missing"
    for _press in range(2):
        with transaction():
            services.strike(own(planned), line.public_id, reason="not there", at=at, by=planned.director)
    assert sum_of(planned) == (1, 3)
    attend(3, 3)
    assert (sum_of(planned), len(ledger(planned))) == ((1, 3), 3)
    for _press in range(2):
        with transaction():
            services.put_back(own(planned), line.public_id, reason="was there", at=at, by=planned.director)
    assert (sum_of(planned), len(ledger(planned))) == ((2, 6), 4)


def test_a_struck_line_that_is_worth_something_else_now_comes_back_as_it_is_now(planned, attend, at):
    attend(3)
    line = ledger(planned)[0]
    with transaction():
        services.strike(own(planned), line.public_id, reason="a doubt", at=at, by=planned.director)
    attend(1.5)
    with transaction():
        services.put_back(own(planned), line.public_id, reason="cleared up", at=at, by=planned.director)
    assert sum_of(planned) == (Fraction(1, 2), Fraction(3, 2))


def test_a_watched_lecture_counts_once_a_test_is_passed_and_no_longer_after_a_regrade(
    app, bare_app, ruled, desk, candidate, complete, at
):
    with transaction():
        services.set_plan(cohort(ruled), rules.Plan(), at=at, by=ruled.administrator)
    complete(ruled.enrolment)
    assert not ledger(ruled)
    assert queries.own_credits(ruled.trainee).untested == 1
    trainee = candidate()
    trainee.start(desk.test)
    for slot, right in desk.keys.items():
        trainee.choose(slot, right)
    trainee.client.post(f"{trainee.url}/submit")
    Worker(bare_app).drain()
    db.session.expire_all()
    (line,) = ledger(ruled)
    assert (line.kind, line.seconds, line.category) == ("lecture", 30, "self_study")
    run = db.session.scalars(select(exams.GradeRun)).one()
    grade = db.session.scalars(select(exams.Grade)).one()
    with transaction():  # a further run in which nothing was right
        again = exams.GradeRun(
            test_id=run.test_id, n=2, keys=run.keys, keys_sha256=run.keys_sha256,
            engine_version=run.engine_version, cut_percent=run.cut_percent, created_at=at,
        )  # fmt: skip
        db.session.add(again)
        db.session.flush()
        db.session.add(
            exams.Grade(
                grade_run_id=again.id, sitting_id=grade.sitting_id, score=0, maximum=grade.maximum,
                cut_percent=60, decision="fail", at=at,
            )
        )  # fmt: skip
        db.session.flush()
        ports.fact_changed.tell(ports.FactChanged("tests", ruled.enrolment.id, at))
    assert len(ledger(ruled)) == 2
    assert sum(one.seconds for one in ledger(ruled)) == 0


def test_a_placement_that_lasted_counts_when_its_days_are_confirmed_and_goes_with_them(planned, at):
    from lms.programmes.queries import attendance as attendance_queries
    from lms.programmes.services import attendance

    today = clock.today(at)
    with transaction():
        enrolment = own(planned)
        placement = Placement(
            enrolment_id=enrolment.id,
            unit="other",
            from_on=today - timedelta(days=120),
            to_on=today - timedelta(days=36),
        )
        db.session.add(placement)
        db.session.flush()
        for n in range(30, 120):
            day = today - timedelta(days=n)
            inside = db.session.scalars(
                select(Placement).where(
                    Placement.enrolment_id == enrolment.id, Placement.from_on <= day, Placement.to_on >= day
                )
            ).first()
            if day.weekday() < 5:
                db.session.add(
                    Attendance(
                        placement_id=inside.id,
                        day=day,
                        kind="duty",
                        confirmed_by=planned.mentor.person_id,
                        confirmed_at=at,
                    )
                )
    assert not ledger(planned)
    ahead = [today - timedelta(days=n) for n in range(1, 30) if (today - timedelta(days=n)).weekday() < 5]

    def say(seen, kind):
        db.session.expunge_all()
        enrolment, placements = attendance_queries.enrolment(planned.enrolment.public_id, planned.coordinator)
        days = dict.fromkeys(ahead, (seen, kind))
        with transaction():
            attendance.confirm(enrolment, placements, days, at=at, by=planned.coordinator)

    say("", "duty")
    assert sum_of(planned) == (25, 90)
    assert [one.kind for one in ledger(planned)] == ["placement"]
    say("duty", "absent")
    assert sum_of(planned) == (0, 0)


# The certificate


def test_a_certificate_of_credits_states_the_ledger_and_stands_beside_the_other(certified, planned, settings):
    assert (certified.kind, certified.state, certified.rule_id) == ("credit", "good", None)
    assert (certified.facts["credits"], certified.facts["study_hours"], certified.facts["minutes"]) == (
        "2",
        "6",
        360,
    )
    data = storage().path(certified.pdf_key).read_bytes()
    root = (settings.keys_dir / "root.crt").read_bytes()
    assert signing.check_pdf(data, root=root).code == signing.VALID
    assert queries.inspect_here(data).code == checking.GENUINE
    assert checking.kind_in(data) == "credit"
    assert queries.credential_of(certified)["credentialSubject"]["creditsEarned"] == 2.0
    enrolment = own(planned)
    assert queries.way(enrolment.public_id, planned.coordinator).certificate is None
    assert not queries.holders([enrolment.id])
    assert not queries.has_issued(enrolment.cohort_id)


def test_pressing_twice_gives_one_and_no_credits_give_none(planned, bare_app, attend, keys, at):
    empty = issue(planned, at, uuid="empty")
    assert [item.refusal for item in queries.batch(empty.public_id, planned.administrator).items] == [
        "no_credits"
    ]
    attend(3)
    first = issue(planned, at)
    assert issue(planned, at).id == first.id
    issue(planned, at, uuid="another press")
    Worker(bare_app).drain()
    issue(planned, at, uuid="and once more")
    assert db.session.scalar(select(func.count()).select_from(Certificate)) == 1


@pytest.mark.parametrize(("first", "last", "code"), [(0, -1, "period_order"), (0, 1, "period_future")])
def test_a_period_ends_after_it_begins_and_not_in_the_future(planned, attend, at, first, last, code):
    attend(3)
    today = clock.today(at)
    with pytest.raises(RuleBroken) as refused:
        issue(planned, at, first=today + timedelta(days=first), last=today + timedelta(days=last))
    assert refused.value.code == code


def test_only_the_period_is_stated(planned, bare_app, attend, keys, at):
    attend(3, 3, 3)
    issue(planned, at, last=clock.today(at) - timedelta(days=2))
    assert db.session.scalars(select(Certificate)).one().facts["credits"] == "2"


def test_others_may_not_issue(planned, attend, at):
    attend(3)
    for who in (planned.trainee, planned.mentor, planned.auditor, planned.stranger):
        with pytest.raises(NotFound):
            issue(planned, at, by=who)


def test_the_whole_way(certified, planned, bare_app, attend, browser, settings, capsys, at):
    """Issue, verify, a correction suspends it, a put-back lifts it, a lasting correction is superseded by a new one."""
    serial = certified.serial
    page = browser(None).get(f"/verify/{serial}?lang=en").get_data(as_text=True)
    assert "学分证明" in page
    assert browser(None).get(f"/verify/{serial}?format=json").json["kind"] == "credit"
    assert cli.status(serial) == 0
    assert '"kind": "credit"' in capsys.readouterr().out
    file = settings.data_dir / "shown.pdf"
    file.write_bytes(storage().path(certified.pdf_key).read_bytes())
    assert cli.verify(file, root=settings.keys_dir / "root.crt") == 0
    assert "certificate of credits" in capsys.readouterr().out

    line = ledger(planned)[0]
    with transaction():
        services.strike(own(planned), line.public_id, reason="not there", at=at, by=planned.director)
    row = the(serial)
    assert (row.state, row.suspended_for) == ("suspended", "facts")
    with pytest.raises(RuleBroken) as refused, transaction():
        services.lift(row, reason="please", at=at, by=planned.director)
    assert refused.value.code == "facts_gone"
    with transaction():
        services.put_back(own(planned), line.public_id, reason="was there", at=at, by=planned.director)
    assert the(serial).state == "good"

    attend(3, 2)
    assert the(serial).state == "suspended"
    for _press in range(2):
        with transaction():
            services.replace(the(serial), reason="minutes corrected", at=at, by=planned.director)
    Worker(bare_app).drain()
    db.session.rollback()
    db.session.expire_all()
    old, new = db.session.scalars(select(Certificate).order_by(Certificate.id)).all()
    assert (old.state, new.state, new.kind, new.edition) == ("superseded", "good", "credit", 2)
    assert (new.facts["credits"], new.facts["study_hours"]) == ("1.5", "5")
    assert [one.act for one in queries.history(old.id)] == [
        "issue",
        "suspend",
        "lift",
        "suspend",
        "supersede",
    ]
    answer = browser(None).get(f"/verify/{serial}?format=json").json
    assert answer["superseded_by"] == new.serial
    assert not queries.check_log().broken


def test_more_in_the_ledger_makes_no_certificate_wrong(certified, planned, attend):
    attend(3, 3, 3)
    assert the(certified.serial).state == "good"


def test_a_correction_while_the_file_is_made_suspends_it_at_once(planned, bare_app, attend, keys, at):
    attend(3, 3)
    issue(planned, at)
    attend(3)
    Worker(bare_app).drain()
    db.session.expire_all()
    assert db.session.scalars(select(Certificate)).one().state == "suspended"


def test_both_kinds_take_numbers_of_one_register(ruled, complete, attend, bare_app, keys, at):
    from tests.certificates.conftest import issue_to

    complete(ruled.enrolment)
    issue_to(ruled, ruled.enrolment, at)
    with transaction():
        services.set_plan(cohort(ruled), PLAN, at=at, by=ruled.administrator)
    attend(3)
    issue(ruled, at)
    Worker(bare_app).drain()
    rows = db.session.execute(
        select(Certificate.serial, Certificate.kind, Certificate.state).order_by(Certificate.id)
    ).all()
    assert [(row.kind, row.state) for row in rows] == [("completion", "good"), ("credit", "good")]
    assert [row.serial[10:16] for row in rows] == ["000001", "000002"]
    page = queries.matrix(cohort(ruled), state="all", search="", page=1, per_page=50)
    assert page.counts["issued"] == 1
    mine = next(row for row in page.rows if row.enrolment.id == ruled.enrolment.id)
    assert (mine.certificate.kind, mine.successor) == ("completion", None)


# Pages


def test_the_trainee_reads_their_own_ledger_and_nobody_elses(planned, attend, browser):
    attend(3, role="learner")
    page = browser(planned.trainee).get("/credits")
    assert page.status_code == 200
    assert "病例讨论1" in page.get_data(as_text=True)
    assert "病例讨论1" in browser(planned.trainee).get("/credits.csv").data.decode("utf-8-sig")
    assert "/credits" in browser(planned.trainee).get("/progress").get_data(as_text=True)
    for who in (planned.trainee, planned.other_trainee, planned.stranger):
        assert browser(who).get(f"/credits/{planned.enrolment.public_id}").status_code in {403, 404}
    assert browser(planned.auditor).get(f"/credits/{planned.enrolment.public_id}").status_code == 200


def test_the_office_sets_the_rules_issues_and_exports(planned, attend, browser, bare_app, keys, at):
    attend(3, 3)
    client = browser(planned.administrator)
    address = f"/certificates/cohorts/{planned.cohort.public_id}/credits"
    assert "病例" not in client.get(address).get_data(as_text=True)
    book = openpyxl.load_workbook(io.BytesIO(client.get(f"{address}.xlsx").data))
    sums, every = book.worksheets
    assert [cell.value for cell in sums[2]][-2:] == [2, 6]
    assert every.max_row == 3
    assert client.get(f"{address}.csv").status_code == 200
    period = {"first": planned.cohort.start_on, "last": clock.today(at)}
    wrong = client.post(
        f"{address}/check", data={**period, "last": "2000-01-01", "id": planned.enrolment.public_id}
    )
    assert wrong.status_code == 422
    assert "2000-01-01" in wrong.get_data(as_text=True)
    assert client.post(f"{address}/check", data=period).status_code == 422
    checked = client.post(f"{address}/check", data={**period, "everyone": "1"})
    assert checked.status_code == 200
    drawn = client.get(f"{address}/preview/{planned.enrolment.public_id}.pdf", query_string=period)
    assert drawn.data.startswith(b"%PDF")
    sent = client.post(
        f"{address}/issue", data={**period, "id": planned.enrolment.public_id, "client_uuid": "x"}
    )
    assert sent.status_code == 303
    Worker(bare_app).drain()
    row = db.session.scalars(select(Certificate)).one()
    assert client.get(f"/certificates/{row.serial}").status_code == 200
    assert row.serial in client.get(address).get_data(as_text=True)
    assert client.get(sent.headers["Location"]).status_code == 200


def test_a_plan_that_counts_nothing_is_refused_and_what_was_typed_is_kept(app, cast, browser):
    client = browser(cast.administrator)
    address = f"/certificates/cohorts/{cast.cohort.public_id}/credits/plan"
    answer = client.post(address, data={"jurisdiction": "AMA", "level": "national", "project_cap": "12"})
    assert answer.status_code == 422
    assert 'value="12"' in answer.get_data(as_text=True)
    good = client.post(address, data={"jurisdiction": "CN", "level": "national", "project_number": "7"})
    assert good.status_code == 303


def test_striking_needs_a_reason_and_a_pin(planned, attend, browser):
    attend(3)
    line = ledger(planned)[0]
    address = f"/credits/{planned.enrolment.public_id}/{line.public_id}/strike"
    client = browser(planned.director)
    assert client.get(address).status_code == 200
    assert client.post(address, data={"reason": "not there"}).status_code == 422
    assert client.post(address, data={"reason": "", "pin": PIN}).status_code == 422
    assert client.post(address, data={"reason": "not there", "pin": PIN}).status_code == 303
    page = client.get(f"/credits/{planned.enrolment.public_id}").get_data(as_text=True)
    assert "put-back" in page
    assert "not there" in page
    assert browser(planned.coordinator).get(address).status_code in {403, 404}
    assert client.get(f"/credits/{planned.enrolment.public_id}/nothing/strike").status_code == 404
