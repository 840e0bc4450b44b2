"""Issuing, the register, verification: real database, real PDFs, real signatures."""

from datetime import timedelta

import pytest
from sqlalchemy import func, select, text
from sqlalchemy.exc import DBAPIError

from lms.certificates import cli, queries, rules, services
from lms.certificates.models import Certificate, RuleVersion, Standing
from lms.core import clock, signing
from lms.core.db import db, transaction
from lms.core.errors import NotAllowed, NotFound, RuleBroken
from lms.core.jobs import Worker
from lms.core.storage import storage
from lms.programmes.models import Cohort, Enrolment, Placement
from tests.certificates.conftest import issue_to


def test_a_changed_fact_renews_the_standing_at_once(app, ruled, complete):
    complete(ruled.enrolment)
    assert db.session.get_one(Standing, ruled.enrolment.id).met


def test_a_new_lecture_opens_the_standing_of_the_whole_cohort(app, bare_app, ruled, complete, at):
    from lms.courses import services as courses
    from lms.courses.models import Course, Module, Video
    from lms.programmes.models import Cohort

    complete(ruled.enrolment)
    with transaction():
        module = db.session.scalars(select(Module)).one()
        module.course = db.session.get_one(Course, module.course_id)
        module.course.cohort = db.session.get_one(Cohort, ruled.cohort.id)
        lecture = courses.add_lecture(module, title_zh="新", title_en="New", at=at, by=None)
        video = Video(
            lecture_id=lecture.id,
            version=1,
            source_key="y",
            source_bytes=1,
            source_sha256="0" * 64,
            uploaded_at=at,
            state="ready",
            duration_s=30,
        )
        db.session.add(video)
        db.session.flush()
        lecture.video_id = video.id
        courses.publish_lecture(lecture, at=at, by=None)
    Worker(bare_app).drain()
    db.session.expire_all()
    assert not db.session.get_one(Standing, ruled.enrolment.id).met
    assert db.session.get_one(Standing, ruled.other_enrolment.id).trace["clauses"][0]["need"] == 2


def test_an_issued_certificate_is_a_signed_pdf_that_holds(app, issued, settings):
    assert issued.state == "good"
    data = storage().read(issued.pdf_key)
    check = signing.check_pdf(data, root=(settings.keys_dir / "root.crt").read_bytes())
    assert check.code == "valid"
    assert issued.facts["name_zh"] == "李思远"


def test_each_unit_stands_once_and_none_that_has_not_begun(app, bare_app, ruled, complete, keys, at):
    day = clock.today(at)
    with bare_app.app_context(), transaction():
        enrolment = db.session.get_one(Enrolment, ruled.enrolment.id)
        last = db.session.scalar(
            select(func.max(Placement.to_on)).where(Placement.enrolment_id == enrolment.id)
        )
        for place in range(2):  # the same unit once more within the past, and one that is to come
            db.session.add(
                Placement(
                    enrolment_id=enrolment.id,
                    unit="NICU" if place == 0 else "other",
                    from_on=day - timedelta(days=300) if place == 0 else last + timedelta(days=1),
                    to_on=day - timedelta(days=290) if place == 0 else last + timedelta(days=9),
                )
            )
    complete(ruled.enrolment)
    issue_to(ruled, ruled.enrolment, at)
    db.session.expire_all()
    facts = db.session.scalars(select(Certificate)).one().facts
    assert [zh for zh, _en in facts["units"]] == ["新生儿重症监护室"]


def test_serials_have_no_gap(app, bare_app, ruled, complete, keys, at):
    for number, enrolment in enumerate((ruled.enrolment, ruled.other_enrolment)):
        complete(enrolment)
        issue_to(ruled, enrolment, at, uuid=f"u{number}")
    serials = sorted(db.session.scalars(select(Certificate.serial)))
    assert [serial.split("-")[2] for serial in serials] == ["000001", "000002"]


def test_two_presses_and_two_people_make_one_certificate(app, ruled, complete, keys, at):
    complete(ruled.enrolment)
    first = issue_to(ruled, ruled.enrolment, at, uuid="a")
    assert issue_to(ruled, ruled.enrolment, at, uuid="a").id == first.id
    issue_to(ruled, ruled.enrolment, at, uuid="b")
    assert db.session.scalars(select(Certificate)).one().edition == 1


def test_who_has_open_requirements_gets_a_reason_and_no_number(app, ruled, at):
    batch = issue_to(ruled, ruled.enrolment, at)
    item = queries.batch(batch.public_id, ruled.administrator).items[0]
    assert item.refusal == "open"
    assert db.session.scalar(select(Certificate)) is None


def test_a_name_that_no_font_can_draw_is_refused_by_its_character(app, ruled, complete, at):
    complete(ruled.enrolment)
    with transaction():
        ruled.enrolment.person.name_zh = "李\ue863"
        db.session.merge(ruled.enrolment.person)
    batch = issue_to(ruled, ruled.enrolment, at)
    item = queries.batch(batch.public_id, ruled.administrator).items[0]
    assert item.refusal == "name_glyphs"
    assert "E863" in item.detail.upper()


def test_only_those_who_run_the_programme_may_issue(app, ruled, complete, at):
    complete(ruled.enrolment)
    chosen = queries.chosen(ruled.cohort, [ruled.enrolment.public_id])
    for who in (ruled.trainee, ruled.mentor, ruled.stranger, ruled.auditor, ruled.examiner):
        with pytest.raises((NotFound, NotAllowed)), transaction():
            services.issue(ruled.cohort, chosen, client_uuid=who.name, at=at, by=who)


def test_a_missing_key_gives_up_with_the_reason_and_a_retry_mends_it(
    app, bare_app, ruled, complete, settings, authority, at
):
    complete(ruled.enrolment)
    issue_to(ruled, ruled.enrolment, at)
    Worker(bare_app).drain()
    db.session.expire_all()
    row = db.session.scalars(select(Certificate)).one()
    assert row.gave_up_at is not None
    assert "signing key" in (row.failure or "")
    settings.keys_dir.symlink_to(authority)
    with transaction():
        services.retry(row, at=at, by=ruled.administrator)
    Worker(bare_app).drain()
    db.session.expire_all()
    assert db.session.scalars(select(Certificate)).one().state == "good"


@pytest.mark.parametrize(
    "statement",
    [
        "UPDATE certificate SET facts = '{}'",
        "UPDATE certificate SET serial = 'X'",
        "UPDATE certificate SET pdf_sha256 = 'x'",
        "UPDATE certificate SET state = 'reserved', pdf_sha256 = NULL",
        "DELETE FROM certificate",
        "UPDATE certificate_rule_version SET number = 9",
        "DELETE FROM certificate_rule_version",
    ],
)
def test_the_database_itself_refuses_to_rewrite_the_register(app, issued, statement):
    with pytest.raises(DBAPIError), transaction():
        db.session.execute(text(statement))


def test_revoking_needs_a_reason_and_is_for_good(app, ruled, issued, at):
    with pytest.raises(RuleBroken), transaction():
        services.revoke(issued, reason=" ", at=at, by=ruled.director)
    with transaction():
        services.revoke(issued, reason="issued in error", at=at, by=ruled.director)
    assert queries.public_certificate(issued.serial, key="").state == "revoked"
    with pytest.raises(DBAPIError), transaction():
        db.session.execute(text("UPDATE certificate SET state = 'good'"))


def test_a_coordinator_issues_but_does_not_revoke(app, ruled, issued, at):
    with pytest.raises(NotAllowed), transaction():
        services.revoke(issued, reason="no", at=at, by=ruled.coordinator)


def test_after_a_revocation_the_next_one_is_a_new_edition(app, bare_app, ruled, issued, at):
    with transaction():
        services.revoke(issued, reason="wrong name", at=at, by=ruled.director)
    issue_to(ruled, ruled.enrolment, at, uuid="again")
    assert sorted(db.session.scalars(select(Certificate.edition))) == [1, 2]


def test_the_verification_page_shows_the_full_name_only_with_the_key_of_the_paper(app, browser, issued):
    page = browser(lang="en").get(f"/verify/{issued.serial}").text
    assert "genuine and valid" in page
    assert "李*远" in page
    assert "李思远" not in page
    assert "李思远" in browser().get(f"/verify/{issued.serial}?k={issued.verify_key}").text


@pytest.mark.parametrize("serial", ["FFLY-2026-000001-0", "nonsense", "%27%3B", "x" * 300])
def test_an_unknown_number_says_so(browser, cast, serial):
    answer = browser(lang="en").get(f"/verify/{serial}")
    assert answer.status_code == 404
    assert "No certificate has this number" in answer.text


def test_the_file_is_for_its_holder_and_the_staff(app, browser, ruled, issued):
    address = f"/certificates/{issued.serial}/{issued.serial}.pdf"
    for who in (ruled.trainee, ruled.administrator, ruled.coordinator, ruled.director, ruled.auditor):
        answer = browser(who).get(address)
        assert answer.status_code == 200
        assert answer.data.startswith(b"%PDF-")
    for who in (ruled.other_trainee, ruled.other_mentor, ruled.mentor, ruled.stranger, ruled.examiner):
        assert browser(who).get(address).status_code == 404


def test_the_whole_way_through_the_pages(app, bare_app, browser, ruled, complete, keys, queries):
    complete(ruled.enrolment)
    client = browser(ruled.administrator, lang="en")
    address = f"/certificates/cohorts/{ruled.cohort.public_id}"
    with queries() as seen:
        page = client.get(address)
    assert page.status_code == 200
    assert seen.count <= 12, seen.statements
    assert "Ready to issue" in page.text
    check = client.post(f"{address}/check", data={"id": [ruled.enrolment.public_id]})
    assert "Issue 1 certificate?" in check.text
    uuid = check.text.split('name="client_uuid" value="')[1].split('"')[0]
    first = client.post(f"{address}/issue", data={"id": [ruled.enrolment.public_id], "client_uuid": uuid})
    again = client.post(f"{address}/issue", data={"id": [ruled.enrolment.public_id], "client_uuid": uuid})
    assert first.status_code == again.status_code == 303
    assert first.location == again.location
    Worker(bare_app).drain()
    batch = client.get(first.location)
    assert "FFLY-" in batch.text
    assert client.get(first.location, headers={"X-Requested-With": "lms"}).json["done"] == 1


def test_the_same_words_for_trainee_mentor_and_administrator(bare_app, browser, ruled):
    Worker(bare_app).drain()
    words = "1 lecture still to watch"
    assert words in browser(ruled.trainee, lang="en").get("/progress").text
    assert words in browser(ruled.mentor, lang="en").get(f"/progress/{ruled.enrolment.public_id}").text
    page = browser(ruled.administrator, lang="en").get(
        f"/certificates/cohorts/{ruled.cohort.public_id}?state=open"
    )
    assert words in page.text


def test_a_trainee_s_way_is_closed_to_strangers(browser, ruled):
    for who in (ruled.other_trainee, ruled.other_mentor, ruled.stranger):
        assert browser(who).get(f"/progress/{ruled.enrolment.public_id}").status_code == 404


def test_export_and_offline_verification(app, issued, settings, tmp_path, capsys):
    to = tmp_path / "out"
    assert cli.export(to, settings=settings) == 0
    pdf = to / f"{issued.serial}.pdf"
    assert cli.verify(pdf, root=to / "root.crt") == 0
    broken = to / "broken.pdf"
    data = bytearray(pdf.read_bytes())
    data[len(data) // 3] ^= 1
    broken.write_bytes(bytes(data))
    assert cli.verify(broken, root=to / "root.crt") == 1
    assert cli.verify(to / "missing.pdf", root=to / "root.crt") == 2


def test_a_cohort_without_a_rule_gets_one_on_its_page_and_the_same_twice_is_once(bare_app, cast, browser):
    cohort_id = cast.cohort.public_id
    client = browser(cast.coordinator, lang="en")
    url = f"/certificates/cohorts/{cohort_id}/rule"
    assert f'href="{url}"' in client.get(f"/certificates/cohorts/{cohort_id}").text
    assert client.post(url, data={}).status_code == 422
    asked = {"lectures": "y", "entries": "3"}
    for _press in range(2):
        assert client.post(url, data=asked).status_code == 303
    with bare_app.app_context():
        pinned = queries.cohort_rule(db.session.scalars(select(Cohort.id)).first())
        assert pinned.rule.expression == rules.expression(lectures=True, tests=False, entries=3)
        assert db.session.scalar(select(func.count()).select_from(RuleVersion)) == 1
    page = client.get(f"/certificates/cohorts/{cohort_id}").text
    assert "Signed log entries: at least 3" in page
    assert client.post(url, data={"tests": "y"}).status_code == 303  # nobody was issued: changed at once
    assert "Tests passed: all" in client.get(f"/certificates/cohorts/{cohort_id}").text


def test_only_who_runs_the_cohort_sets_its_rule(cast, browser):
    url = f"/certificates/cohorts/{cast.cohort.public_id}/rule"
    for part in ("trainee", "mentor", "auditor", "educator", "stranger"):
        client = browser(getattr(cast, part))
        assert client.get(url).status_code == 404
        assert client.post(url, data={"lectures": "y"}).status_code == 404
