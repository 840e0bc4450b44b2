"""Cohorts and their rolls; enrol, place, pair; without scripts, with refusals in words, within the budget."""

import csv
import io
import re
from datetime import timedelta

import pytest
from sqlalchemy import func, select

from lms.accounts.models import Account, Grant, Person
from lms.core import clock
from lms.core.db import db, transaction
from lms.programmes import queries as programmes
from lms.programmes import services
from lms.programmes.models import Cohort, Enrolment, Hospital, Pairing, Placement, Programme


def rows(model):
    """Every row of a table as the database has it now (the test's own session may hold an older view)."""
    db.session.rollback()
    return db.session.scalars(
        select(model).order_by(model.id).execution_options(populate_existing=True)
    ).all()


@pytest.fixture
def ids(cast, app):
    """Public ids, read before any page changes what the session has seen."""
    return {
        "programme": cast.programme.public_id,
        "cohort": cast.cohort.public_id,
        "enrolment": cast.enrolment.public_id,
        "placement": cast.placement.public_id,
        "home": cast.home_hospital.public_id,
    }


# ---------------------------------------------------------------- looking


@pytest.mark.parametrize(
    ("part", "status"),
    [
        ("coordinator", 200),
        ("director", 200),
        ("administrator", 200),
        ("auditor", 200),
        ("educator", 200),
        ("trainee", 404),
        ("mentor", 404),
        ("stranger", 404),
    ],
)
def test_who_sees_a_cohort(cast, ids, browser, part, status):
    client = browser(getattr(cast, part), lang="en")
    assert client.get("/cohorts").status_code == status
    assert client.get(f"/cohorts/{ids['cohort']}").status_code == status
    assert client.get(f"/cohorts/{ids['cohort']}/roll.csv").status_code == status


def test_the_list_shows_dates_week_and_how_many(cast, ids, browser):
    page = browser(cast.coordinator, lang="en").get("/cohorts").text
    for words in ("Autumn 2026", "Week 6 of 26", "2 trainees", "2026A"):
        assert words in page


def test_the_roll_shows_unit_and_mentor_of_today(cast, ids, browser):
    page = browser(cast.coordinator, lang="en").get(f"/cohorts/{ids['cohort']}").text
    for words in ("李思远", "扎西顿珠", "A County People", "NICU", "王建国", "达瓦卓玛"):
        assert words in page
    assert "热娜" not in page


def test_the_roll_is_searched_by_any_name_and_a_percent_sign_is_only_itself(cast, ids, browser):
    client = browser(cast.coordinator, lang="en")
    url = f"/cohorts/{ids['cohort']}?q="
    assert "扎西顿珠" in client.get(url + "tashi").text
    assert "李思远" not in client.get(url + "tashi").text
    assert "李思远" in client.get(url + "某县").text
    assert "Nobody fits “%”" in client.get(url + "%25").text


def test_the_export_opens_in_a_spreadsheet_and_no_cell_is_a_formula(cast, ids, browser, app):
    with transaction():
        person = db.session.get_one(Person, cast.trainee.person_id)
        person.name_latin = "=HYPERLINK(1)"
    answer = browser(cast.coordinator, lang="en").get(f"/cohorts/{ids['cohort']}/roll.csv")
    assert answer.data.startswith(b"\xef\xbb\xbf")
    found = list(csv.reader(io.StringIO(answer.data.decode("utf-8-sig"))))
    assert found[0][:3] == ["Name", "Name in Latin letters", "Track"]
    mine = next(row for row in found if row[0] == "李思远")
    assert mine[1] == "'=HYPERLINK(1)"
    assert mine[4:7] == ["NICU", "王建国", "热娜·吐尔逊"]


def test_a_stranger_s_cohort_is_404_and_so_are_broken_ids(cast, ids, browser):
    client = browser(cast.coordinator)
    for address in (
        "/cohorts/aaaaaaaaaaaa",
        "/cohorts/1",
        f"/cohorts/{ids['enrolment']}",
        "/trainees/1/place",
        "/trainees/aaaaaaaaaaaa/pair",
    ):
        assert client.get(address).status_code == 404, address


def test_the_coordinator_of_another_programme_sees_nothing(cast, ids, browser, app, at):
    from lms.accounts import services as accounts
    from lms.accounts.models import Person
    from lms.policy import Role

    with transaction():
        other = services.add_programme(
            code="OTHER",
            title_zh="另一项目",
            title_en="Another",
            sponsor=programmes.hospitals()[0],
            director_name="",
            is_sample=True,
            at=at,
            by=None,
        )
        accounts.grant(
            db.session.get_one(Person, cast.stranger.person_id),
            Role.COORDINATOR,
            f"programme:{other.id}",
            at=at,
            by=None,
        )
    client = browser(cast.stranger, lang="en")
    assert "No cohort yet" in client.get("/cohorts").text
    assert client.get(f"/cohorts/{ids['cohort']}").status_code == 404
    assert client.get(f"/cohorts/{ids['cohort']}/enrol").status_code == 404
    assert client.get(f"/trainees/{ids['enrolment']}/place").status_code == 404


# ---------------------------------------------------------------- doing


def cohort_data(ids, **more):
    return {
        "programme": ids["programme"],
        "code": "2027A",
        "name_zh": "2027 春季班",
        "name_en": "Spring 2027",
        "start_on": "2027-03-01",
        "end_on": "2027-08-29",
        "hours": "1040",
        **more,
    }


def test_a_cohort_is_opened_once_however_often_the_button_is_pressed(cast, ids, browser):
    client = browser(cast.coordinator, lang="en")
    answers = [client.post("/cohorts/new", data=cohort_data(ids)) for _ in range(2)]
    assert [answer.status_code for answer in answers] == [303, 303]
    assert answers[0].headers["Location"] == answers[1].headers["Location"]
    assert [row.code for row in rows(Cohort)] == ["2026A", "2027A"]
    assert "Nobody is enrolled yet" in client.get(answers[0].headers["Location"]).text


@pytest.mark.parametrize(
    ("field", "value", "sentence"),
    [
        ("code", "", "Give a code."),
        ("code", "2026A", "Another cohort of this programme already has this code."),
        ("code", "2027 A/B", "The code has up to 20 letters, digits or hyphens."),
        ("end_on", "2027-02-01", "The last day lies before the first."),
        ("start_on", "soon", "Not a valid date value."),
        ("name_zh", "", "Give the name in Chinese."),
        ("programme", "aaaaaaaaaaaa", "Not a valid choice."),
    ],
)
def test_a_refused_cohort_keeps_what_was_typed(cast, ids, browser, field, value, sentence):
    answer = browser(cast.coordinator, lang="en").post(
        "/cohorts/new", data=cohort_data(ids, **{field: value})
    )
    assert answer.status_code == 422
    assert sentence in answer.text
    assert "Spring 2027" in answer.text
    for target in re.findall(r'<a href="#([^"]+)" data-error', answer.text):
        assert f'id="{target}"' in answer.text
    assert len(rows(Cohort)) == 1


def test_a_person_is_enrolled_placed_and_paired_and_then_has_a_logbook(cast, ids, browser):
    client = browser(cast.coordinator, lang="en")
    answer = client.post(
        f"/cohorts/{ids['cohort']}/enrol",
        data={"login": " Sun@Example.org ", "track": "NURSE", "home_hospital": ids["home"]},
    )
    assert answer.status_code == 303
    trainee = answer.headers["Location"]
    assert "No placement yet" in client.get(trainee).text
    cohort = rows(Cohort)[0]
    first, last = cohort.start_on, cohort.start_on + timedelta(days=90)
    answer = client.post(
        f"{trainee}/place", data={"unit": "PICU", "from_on": first.isoformat(), "to_on": last.isoformat()}
    )
    assert answer.status_code == 303
    page = client.get(answer.headers["Location"]).text
    assert f'value="{first.isoformat()}"' in page
    assert f'value="{last.isoformat()}"' in page
    wang = re.search(r'value="(\w+)"[^>]*>王建国', page)[1]
    placement = re.search(r"placement=(\w+)", answer.headers["Location"])[1]
    answer = client.post(
        f"{trainee}/pair",
        data={
            "placement": placement,
            "kind": "primary",
            "mentor": wang,
            "from_on": first.isoformat(),
            "to_on": last.isoformat(),
        },
    )
    assert (answer.status_code, answer.headers["Location"]) == (303, trainee)
    page = client.get(trainee).text
    assert "PICU" in page
    assert "王建国" in page
    stranger = browser(cast.stranger)
    assert stranger.get("/logbook").status_code == 200


def test_enrolling_placing_and_pairing_twice_is_once(cast, ids, browser):
    client = browser(cast.coordinator)
    cohort = rows(Cohort)[0]
    before = [len(rows(model)) for model in (Enrolment, Placement, Pairing)]
    for _ in range(2):
        assert (
            client.post(
                f"/cohorts/{ids['cohort']}/enrol", data={"login": "siyuan@example.org", "track": "PED"}
            ).status_code
            == 303
        )
        first = cohort.start_on
        same = {
            "unit": "NICU",
            "from_on": first.isoformat(),
            "to_on": (first + timedelta(days=90)).isoformat(),
        }
        assert client.post(f"/trainees/{ids['enrolment']}/place", data=same).status_code == 303
        pair = {
            "placement": ids["placement"],
            "kind": "second",
            "login": "rena@example.org",
            "from_on": same["from_on"],
            "to_on": same["to_on"],
        }
        assert client.post(f"/trainees/{ids['enrolment']}/pair", data=pair).status_code == 303
    assert [len(rows(model)) for model in (Enrolment, Placement, Pairing)] == before


def test_enrolling_again_gives_back_the_role_that_was_ended_by_mistake(cast, ids, browser, app, at):
    with transaction():
        for grant in db.session.scalars(select(Grant).where(Grant.person_id == cast.trainee.person_id)):
            grant.to_on = at.date() - timedelta(days=2)
    client = browser(cast.coordinator)
    for _ in range(2):
        client.post(f"/cohorts/{ids['cohort']}/enrol", data={"login": "siyuan@example.org", "track": "PED"})
    db.session.rollback()
    held = db.session.scalars(
        select(Grant).where(Grant.person_id == cast.trainee.person_id, Grant.to_on.is_(None))
    ).all()
    assert [(grant.role, grant.scope) for grant in held] == [("trainee", f"cohort:{cast.cohort.id}")]


def test_placements_and_pairings_are_refused_in_plain_words(cast, ids, browser):
    client = browser(cast.coordinator, lang="en")
    start = rows(Cohort)[0].start_on
    day = lambda n: (start + timedelta(days=n)).isoformat()  # noqa: E731
    place, pair = f"/trainees/{ids['enrolment']}/place", f"/trainees/{ids['enrolment']}/pair"
    base = {"placement": ids["placement"], "from_on": day(0), "to_on": day(90)}
    for url, data, sentence in (
        (place, {"unit": "PICU", "from_on": day(80), "to_on": day(100)}, "already placed elsewhere"),
        (
            place,
            {"unit": "PICU", "from_on": day(170), "to_on": day(300)},
            "These days lie outside the span they belong to.",
        ),
        (place, {"unit": "PICU", "from_on": day(9), "to_on": day(3)}, "The last day lies before the first."),
        (place, {"from_on": day(9), "to_on": day(30)}, "Choose a unit."),
        (pair, {**base, "kind": "primary", "login": "dawa@example.org"}, "already has a primary mentor"),
        (pair, {**base, "kind": "deputy", "login": "siyuan@example.org"}, "Nobody can be their own mentor."),
        (
            pair,
            {**base, "kind": "deputy", "login": "nobody@example.org"},
            "No account has this e-mail address or phone number.",
        ),
        (pair, {**base, "kind": "deputy"}, "Choose a colleague, or give an e-mail address or phone number."),
        (pair, {**base, "login": "dawa@example.org"}, "Choose what the colleague will be."),
    ):
        answer = client.post(url, data=data)
        assert answer.status_code == 422, sentence
        assert sentence in answer.text
        for target in re.findall(r'<a href="#([^"]+)" data-error', answer.text):
            assert f'id="{target}"' in answer.text, (sentence, target)


@pytest.mark.parametrize(
    ("part", "status"),
    [
        ("auditor", 404),
        ("educator", 404),
        ("mentor", 404),
        ("trainee", 404),
        ("director", 200),
        ("administrator", 200),
    ],
)
def test_only_managers_enrol_place_and_pair(cast, ids, browser, part, status):
    client = browser(getattr(cast, part))
    for address in (
        "/cohorts/new",
        f"/cohorts/{ids['cohort']}/enrol",
        f"/trainees/{ids['enrolment']}/place",
        f"/trainees/{ids['enrolment']}/pair",
    ):
        assert client.get(address).status_code == status, address


# ---------------------------------------------------------------- many


@pytest.fixture
def two_thousand(cast, app, at):
    """A cohort of two thousand, each placed and paired today."""
    day = clock.today(at)
    with transaction():
        cohort = db.session.scalars(select(Cohort)).one()
        people = [
            Person(name_zh=f"学员{n:04d}", name_latin=f"Trainee {n:04d}", created_at=at) for n in range(2000)
        ]
        db.session.add_all(people)
        db.session.flush()
        enrolments = [
            Enrolment(cohort_id=cohort.id, person_id=person.id, track="PED", enrolled_at=at)
            for person in people
        ]
        db.session.add_all(enrolments)
        db.session.flush()
        placements = [
            Placement(enrolment_id=row.id, unit="NICU", from_on=day, to_on=day) for row in enrolments
        ]
        db.session.add_all(placements)
        db.session.flush()
        db.session.add_all(
            Pairing(
                placement_id=row.id,
                mentor_person_id=cast.mentor.person_id,
                kind="primary",
                from_on=day,
                to_on=day,
            )
            for row in placements
        )
    db.session.remove()


def test_cohort_pages_stay_within_twelve_queries_with_two_thousand_trainees(
    two_thousand, cast, ids, browser, queries
):
    client = browser(cast.coordinator, lang="en")
    for address in (
        "/cohorts",
        f"/cohorts/{ids['cohort']}",
        f"/cohorts/{ids['cohort']}?page=40&q=trainee",
        f"/cohorts/{ids['cohort']}/roll.csv",
        f"/trainees/{ids['enrolment']}",
    ):
        client.get(address)
        with queries() as seen:
            answer = client.get(address)
        assert answer.status_code == 200
        assert seen.count <= 12, (address, seen.count)
    assert "Page 40 of 40" in client.get(f"/cohorts/{ids['cohort']}?page=40&q=trainee").text
    assert len(client.get(f"/cohorts/{ids['cohort']}/roll.csv").data.splitlines()) == 2003


def test_somebody_without_account_is_no_person_to_enrol(cast, ids, browser, app):
    with transaction():
        account = db.session.get_one(Account, cast.stranger.account_id)
        account.disabled_at = clock.now()
    answer = browser(cast.coordinator, lang="en").post(
        f"/cohorts/{ids['cohort']}/enrol", data={"login": "sun@example.org", "track": "GP"}
    )
    assert answer.status_code == 422
    assert db.session.scalar(select(func.count()).select_from(Enrolment)) == 2


# ---------------------------------------------------------------- a site that begins


PROGRAMME = {
    "code": "NEO",
    "title_zh": "新生儿培训",
    "title_en": "Neonatal training",
    "hospital_zh": "某市儿童医院",
    "hospital_en": "City Children's Hospital",
    "director_name": "林海",
}


def test_an_administrator_opens_a_programme_and_comes_to_its_first_cohort(cast, browser):
    client = browser(cast.administrator, lang="en")
    answer = client.post("/programmes/new", data=PROGRAMME)
    assert (answer.status_code, answer.location) == (303, "/cohorts/new")
    assert "Neonatal training" in client.get("/cohorts/new").text


def test_the_same_programme_twice_is_once_and_its_code_is_not_given_again(app, cast, browser):
    client = browser(cast.administrator, lang="en")
    before = len(rows(Programme)), len(rows(Hospital))
    assert client.post("/programmes/new", data=PROGRAMME).status_code == 303
    assert client.post("/programmes/new", data=PROGRAMME).status_code == 303
    assert (len(rows(Programme)), len(rows(Hospital))) == (before[0] + 1, before[1] + 1)
    refused = client.post("/programmes/new", data=PROGRAMME | {"title_en": "Something else"})
    assert refused.status_code == 422
    assert "Something else" in refused.text
    assert client.post("/programmes/new", data=PROGRAMME | {"code": "neo!"}).status_code == 422


def test_a_programme_of_a_known_hospital_uses_that_hospital(app, cast, browser):
    name = cast.hospital.name_zh
    browser(cast.administrator).post("/programmes/new", data=PROGRAMME | {"hospital_zh": name})
    assert [row.name_zh for row in rows(Hospital)].count(name) == 1


@pytest.mark.parametrize(
    ("part", "status"), [("coordinator", 403), ("director", 403), ("trainee", 404), ("auditor", 404)]
)
@pytest.mark.parametrize("url", ["/programmes/new", "/hospitals"])
def test_whoever_runs_one_programme_opens_no_other_and_names_no_hospital(
    app, cast, browser, url, part, status
):
    client = browser(getattr(cast, part), lang="en")
    before = len(rows(Programme)), len(rows(Hospital))
    assert client.get(url).status_code == status
    both = PROGRAMME | {"name_zh": "某县医院", "name_en": "Some hospital"}
    assert client.post(url, data=both).status_code == status
    assert (len(rows(Programme)), len(rows(Hospital))) == before


def test_a_hospital_added_once_or_twice_can_be_chosen_at_enrolment(cast, ids, browser):
    client = browser(cast.administrator, lang="en")
    for _press in range(2):
        answer = client.post("/hospitals", data={"name_zh": "红原县藏医院", "name_en": "Hongyuan Hospital"})
        assert answer.status_code == 303
    assert client.get("/hospitals").text.count("Hongyuan Hospital") == 1
    assert "Hongyuan Hospital" in client.get(f"/cohorts/{ids['cohort']}/enrol").text
    assert client.post("/hospitals", data={"name_zh": "", "name_en": "X"}).status_code == 422
