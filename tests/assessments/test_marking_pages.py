"""Pages of human marking: files of candidates, the marker's pages, stations, the overview."""

import io
import re
from datetime import timedelta

import pytest
from PIL import Image
from sqlalchemy import select

from lms.assessments import models, services
from lms.assessments import queries as assessments
from lms.assessments.queries import markers as query
from lms.core import clock, jobs
from lms.core.db import db, transaction
from lms.core.storage import storage
from lms.policy import Role
from tests.assessments.conftest import Candidate
from tests.assessments.test_human_marking import WORDS, make_hall

PDF = b"%PDF-1.7\n%%EOF"


def png() -> bytes:
    out = io.BytesIO()
    Image.new("RGB", (40, 30), "teal").save(out, "PNG", pnginfo=None)
    return out.getvalue()


def upload(client, url, slot, data, name, *, script=True):
    headers = {"X-Requested-With": "lms"} if script else {}
    return client.post(
        f"{url}/slots/{slot}/file",
        data={f"slot-{slot}": (io.BytesIO(data), name)},
        content_type="multipart/form-data",
        headers=headers,
    )


@pytest.fixture
def hall(bare_app, cast, at):
    with bare_app.app_context():
        found = make_hall(cast, at)
        for kind in ("ESSAY", "UPLOAD", "OSCE"):
            found.ask(kind, *found.markers)
        found.slots = {kind: found.slot(kind) for kind in ("A1", "ESSAY", "UPLOAD", "OSCE")}
        found.station = f"/tests/{found.test.public_id}/stations/{found.question('OSCE')}"
        db.session.remove()
    return found


@pytest.fixture
def sitter(hall, browser, cast):
    found = Candidate(browser(cast.trainee, lang="en"))
    found.start(hall.test)
    return found


def files_of(app) -> list[models.SlotFile]:
    with app.app_context():
        return list(db.session.scalars(select(models.SlotFile).order_by(models.SlotFile.id)))


# ---------------------------------------------------------------- files


def test_a_file_becomes_the_answer_and_its_candidate_gets_it_back(hall, sitter, bare_app):
    slot = hall.slots["UPLOAD"]
    answer = upload(sitter.client, sitter.url, slot, PDF, "曲线.pdf")
    assert answer.status_code == 200, answer.text
    assert answer.json["name"] == "曲线.pdf"
    assert sitter.client.get(f"{sitter.url}/slots/{slot}/file").status_code == 404
    assert sitter.send(sitter.op(slot, answer.json)).json["rejected"] == []
    got = sitter.client.get(f"{sitter.url}/slots/{slot}/file")
    assert got.data == PDF
    assert "attachment" in got.headers["Content-Disposition"]
    assert "曲线.pdf" in sitter.client.get(sitter.url).text


def test_without_scripts_a_file_is_sent_with_the_page_and_saved_as_the_answer(hall, sitter, bare_app):
    slot = hall.slots["UPLOAD"]
    answer = sitter.client.post(
        f"{sitter.url}/slots/{slot}/file",
        data={
            f"slot-{slot}": (io.BytesIO(PDF), "curve.pdf"),
            f"slot-{hall.slots['ESSAY']}": "words",
        },
        content_type="multipart/form-data",
    )
    assert answer.status_code == 303
    with bare_app.app_context():
        sitting = db.session.scalars(select(models.Sitting)).one()
        stands = assessments.standing(sitting.id).answers
    assert stands[slot]["name"] == "curve.pdf"
    assert stands[hall.slots["ESSAY"]] == {"text": "words"}


def test_a_replaced_file_stays_as_history(hall, sitter, bare_app):
    slot = hall.slots["UPLOAD"]
    for data in (PDF, PDF + b"2"):
        body = upload(sitter.client, sitter.url, slot, data, "a.pdf").json
        sitter.send(sitter.op(slot, body))
    rows = files_of(bare_app)
    assert len(rows) == 2
    assert sitter.client.get(f"{sitter.url}/slots/{slot}/file").data == PDF + b"2"
    with bare_app.app_context():
        assert storage().read(rows[0].storage_key) == PDF


def test_a_picture_loses_what_it_says_of_place_and_person(hall, sitter, bare_app):
    out = io.BytesIO()
    picture = Image.new("RGB", (40, 30), "teal")
    exif = Image.Exif()
    exif[0x010E] = "Zhang San"
    picture.save(out, "PNG", exif=exif)
    upload(sitter.client, sitter.url, hall.slots["UPLOAD"], out.getvalue(), "a.png")
    (row,) = files_of(bare_app)
    with bare_app.app_context():
        assert b"Zhang San" not in storage().read(row.storage_key)


@pytest.mark.parametrize(
    ("data", "name", "code"),
    [
        (PDF, "a.exe", "file_format"),
        (PDF, "pdf", "file_format"),
        (b"MZ", "a.pdf", "file_content"),
        (b"", "a.pdf", "file_empty"),
        (PDF + b"0" * 200_000, "a.pdf", "file_large"),
        (PDF, "a.png", "file_content"),
    ],
)
def test_a_file_that_is_not_taken_is_refused_by_name(hall, sitter, bare_app, data, name, code):
    answer = upload(sitter.client, sitter.url, hall.slots["UPLOAD"], data, name)
    assert answer.status_code in {409, 422}
    assert answer.json["code"] == code
    assert files_of(bare_app) == []


def test_no_file_is_taken_where_none_is_asked_for_or_by_anybody_else(hall, sitter, browser, cast):
    assert upload(sitter.client, sitter.url, hall.slots["ESSAY"], PDF, "a.pdf").status_code == 404
    assert upload(sitter.client, sitter.url, 99, PDF, "a.pdf").status_code == 404
    for who in (cast.other_trainee, cast.examiner):
        assert upload(browser(who), sitter.url, hall.slots["UPLOAD"], PDF, "a.pdf").status_code == 404
        assert browser(who).get(f"{sitter.url}/slots/{hall.slots['UPLOAD']}/file").status_code == 404


def test_after_the_time_no_file_is_taken(hall, sitter, bare_app, later):
    with later(minutes=31):
        answer = upload(sitter.client, sitter.url, hall.slots["UPLOAD"], PDF, "a.pdf")
    assert answer.json["code"] == "late"
    assert files_of(bare_app) == []


def test_a_file_of_another_candidate_is_no_answer(hall, sitter, browser, cast, bare_app):
    body = upload(sitter.client, sitter.url, hall.slots["UPLOAD"], PDF, "a.pdf").json
    thief = Candidate(browser(cast.other_trainee, lang="en"), "device-2")
    thief.start(hall.test, uuid="click-0002")
    thief.send(thief.op(hall.slots["UPLOAD"], body))
    assert thief.client.get(f"{thief.url}/slots/{hall.slots['UPLOAD']}/file").status_code == 404
    thief.send(thief.op(None, {"submit": True}))
    with bare_app.app_context():
        sitting = db.session.scalars(
            select(models.Sitting).where(models.Sitting.trainee_person_id == cast.other_trainee.person_id)
        ).one()
        slots = db.session.scalars(
            select(models.MarkedResponse.slot).where(models.MarkedResponse.sitting_id == sitting.id)
        ).all()
    assert slots == [hall.slots["OSCE"]]


# ---------------------------------------------------------------- the marker


@pytest.fixture
def handed_in(hall, sitter):
    sitter.send(sitter.op(hall.slots["ESSAY"], WORDS))
    body = upload(sitter.client, sitter.url, hall.slots["UPLOAD"], PDF, "李思远.pdf").json
    sitter.send(sitter.op(hall.slots["UPLOAD"], body))
    sitter.send(sitter.op(None, {"submit": True}))
    return sitter


def seats_of(app, kind=None):
    with app.app_context():
        rows = db.session.execute(
            select(models.MarkerSeat.public_id, models.MarkerSeat.person_id, models.QuestionVersion.type)
            .join(models.MarkedResponse, models.MarkedResponse.id == models.MarkerSeat.response_id)
            .join(
                models.QuestionVersion, models.QuestionVersion.id == models.MarkedResponse.question_version_id
            )
            .order_by(models.MarkerSeat.id)
        ).all()
    return [row for row in rows if kind in {None, row.type}]


def person(hall, row):
    return next(one for one in hall.markers if one.person_id == row.person_id)


def test_a_marker_sees_a_code_and_the_answer_and_never_a_name(hall, handed_in, browser, bare_app):
    for row in seats_of(bare_app):
        client = browser(person(hall, row), lang="en")
        page = client.get(f"/marking/{row.public_id}")
        assert page.status_code == 200
        for name in ("李思远", "Siyuan", handed_in.url.rsplit("/", 1)[1]):
            assert name not in page.text
    upload_seat = seats_of(bare_app, "UPLOAD")[0]
    got = browser(person(hall, upload_seat)).get(f"/marking/{upload_seat.public_id}/file")
    assert got.data == PDF
    assert "%" not in got.headers["Content-Disposition"]


def test_the_pages_of_a_seat_exist_for_its_marker_only(hall, handed_in, browser, cast, bare_app):
    row = seats_of(bare_app, "UPLOAD")[0]
    others = [one for one in hall.markers if one.person_id != row.person_id]
    for who in (*others, cast.examiner, cast.coordinator, cast.trainee, cast.stranger):
        client = browser(who)
        assert client.get(f"/marking/{row.public_id}").status_code == 404
        assert client.get(f"/marking/{row.public_id}/file").status_code == 404
        assert client.post(f"/marking/{row.public_id}", data={"line-a": "1"}).status_code == 404


def test_save_and_next_leads_through_the_queue(hall, handed_in, browser, bare_app):
    row = seats_of(bare_app, "ESSAY")[0]
    client = browser(person(hall, row), lang="en")
    assert "1 waits" in client.get("/marking").text
    saved = client.post(
        f"/marking/{row.public_id}",
        data={"client_uuid": "mark-0001", "line-a": "3.5", "line-b": "6", "note": "Well done."},
    )
    assert saved.headers["Location"].endswith("/marking")
    page = client.get(f"/marking/{row.public_id}").text
    assert 'value="3.5"' in page
    assert "Well done." in page


def test_marks_that_cannot_be_read_are_named_at_their_line(hall, handed_in, browser, bare_app):
    row = seats_of(bare_app, "ESSAY")[0]
    client = browser(person(hall, row), lang="en")
    page = client.post(
        f"/marking/{row.public_id}", data={"client_uuid": "mark-0001", "line-a": "7", "line-b": ""}
    )
    assert page.status_code == 422
    assert 'href="#line-a"' in page.text
    assert 'href="#line-b"' in page.text
    assert 'value="7"' in page.text


def test_a_paper_that_waits_says_so_and_shows_its_marks_after_the_release(
    hall, handed_in, browser, cast, bare_app, at
):
    assert "waits for its markers" in handed_in.client.get(f"{handed_in.url}/result").text
    for number, row in enumerate(seats_of(bare_app)):
        browser(person(hall, row)).post(
            f"/marking/{row.public_id}",
            data={
                "client_uuid": f"mark-000{number}",
                "line-a": "4",
                "line-b": "5",
                "note": "Think of the airway.",
            },
        )
    sitting = handed_in.url.rsplit("/", 1)[1]
    client = browser(hall.markers[0], lang="en")
    assert "Li Siyuan" in client.get(hall.station).text or "李思远" in client.get(hall.station).text
    saved = client.post(
        f"{hall.station}/{sitting}", data={"client_uuid": "osce-0001", "line-a": "2", "line-b": "0"}
    )
    assert saved.status_code == 303
    coordinator = browser(cast.coordinator, lang="en")
    page = coordinator.get(f"/tests/{hall.test.public_id}/marking")
    assert page.status_code == 200
    assert "李思远" not in page.text
    assert coordinator.post(f"/tests/{hall.test.public_id}/marking/settle").status_code == 303
    with later_than_closing():
        shown = handed_in.client.get(f"{handed_in.url}/result").text
    assert "Think of the airway." in shown
    assert re.search(r"4 / 4", shown)
    assert "How it was marked" not in shown
    codes = re.findall(
        r"/marking/responses/(\w+)", browser(cast.examiner, lang="en").get(f"{handed_in.url}/result").text
    )
    assert len(codes) == 3
    essay = next(
        code
        for code in codes
        if "Have it marked once more" in coordinator.get(f"/marking/responses/{code}").text
    )
    refused = coordinator.post(f"/marking/responses/{essay}/remark", data={"reason": "An appeal was upheld."})
    assert refused.status_code == 422
    assert "Ask more people first" in refused.text
    assert "An appeal was upheld." in refused.text
    assert any("90%" in coordinator.get(f"/marking/responses/{code}").text for code in codes)


def later_than_closing():
    return clock.travelled(timedelta(days=3))


def test_the_candidate_of_a_station_cannot_be_its_examiner_nor_seen_by_others(hall, handed_in, browser, cast):
    sitting = handed_in.url.rsplit("/", 1)[1]
    for who in (cast.trainee, cast.examiner, cast.coordinator, cast.stranger):
        assert browser(who).get(hall.station).status_code == 404
        assert browser(who).get(f"{hall.station}/{sitting}").status_code == 404


def test_only_whoever_manages_the_marking_finds_its_pages(hall, handed_in, browser, cast, bare_app):
    with bare_app.app_context():
        code = db.session.scalars(select(models.MarkedResponse.public_id)).first()
    for who in (cast.trainee, hall.markers[0], cast.mentor, cast.auditor, cast.stranger):
        client = browser(who)
        assert client.get(f"/tests/{hall.test.public_id}/marking").status_code == 404
        assert client.post(f"/tests/{hall.test.public_id}/marking/settle").status_code == 404
        assert client.get(f"/marking/responses/{code}").status_code == 404


def test_a_coordinator_asks_markers_and_sets_terms_on_the_page(hall, browser, cast, bare_app):
    client = browser(cast.coordinator, lang="en")
    url = f"/tests/{hall.test.public_id}/marking"
    with bare_app.app_context():
        question = hall.question("ESSAY")
        people = [db.session.get_one(query.Person, one.person_id).public_id for one in hall.markers[:2]]
    assert client.post(f"{url}/markers", data={"question": question, "people": people}).status_code == 303
    with bare_app.app_context():
        assert len(query.markers_of(hall.test.id)[hall.version("ESSAY").id]) == 2
    assert (
        client.post(f"{url}/plan", data={"markers": "1", "examiners": "2", "apart_percent": "10"}).status_code
        == 303
    )
    refused = client.post(f"{url}/plan", data={"markers": "3", "examiners": "2", "apart_percent": "10"})
    assert refused.status_code == 422
    assert client.post(f"{url}/markers", data={"question": "nothing", "people": people}).status_code == 404


def test_a_marker_who_is_asked_is_told_and_sees_it_at_home(hall, handed_in, browser, bare_app):
    row = seats_of(bare_app, "ESSAY")[0]
    client = browser(person(hall, row), lang="en")
    assert "for your marks" in client.get("/").text
    assert "Answers wait for your marks" in client.get("/notices").text
    assert Role.MARKER in {role for role, _scope in person(hall, row).grants}


def test_the_pages_of_marking_keep_to_their_budget_of_queries(
    hall, handed_in, browser, cast, bare_app, queries
):
    row = seats_of(bare_app, "ESSAY")[0]
    pages = [
        (person(hall, row), "/marking"),
        (person(hall, row), f"/marking/{row.public_id}"),
        (hall.markers[0], hall.station),
        (cast.coordinator, f"/tests/{hall.test.public_id}/marking"),
    ]
    for who, url in pages:
        client = browser(who)
        with queries() as counted:
            assert client.get(url).status_code == 200
        assert counted.count <= 14, (url, counted.count)


def test_the_job_leaves_a_sitting_alone_that_waits_for_its_markers(hall, handed_in, bare_app):
    with bare_app.app_context():
        sitting = db.session.scalars(select(models.Sitting)).one()
        ready = jobs.JOBS[services.MARK_JOB].ready()
        assert db.session.scalars(select(models.Sitting.id).where(ready)).all() == []
        with transaction():
            services.mark_sitting(sitting.id, at=clock.now())
        assert len(seats_of(bare_app)) == 4
