"""Hospitals: what is true of them, what was, and what contradicts itself."""

import csv
import io

import pytest
from sqlalchemy import select, text

from lms.core.db import db, transaction
from lms.core.errors import RuleBroken
from lms.programmes.models import Hospital, HospitalVersion
from lms.programmes.rules.places import REGION_OF_PROVINCE, HospitalFacts, region_of, settled

FACTS = {
    "name_zh": "红原县藏医院",
    "name_en": "Hongyuan Hospital",
    "code": "HY-1",
    "relation": "trainee-source",
    "tier": "2",
    "grade": "乙",
    "county_code": "513233",
    "region": "",
}


def kept(model):
    """Every row as the database has it now."""
    db.session.rollback()
    return db.session.scalars(
        select(model).order_by(model.id).execution_options(populate_existing=True)
    ).all()


@pytest.fixture
def office(cast, browser):
    """The administrator at work."""
    return browser(cast.administrator, lang="en")


@pytest.fixture
def added(office, app):
    """Address of a hospital that was just added."""
    return office.post("/hospitals", data=FACTS).location


def versions(added):
    """The versions of a hospital."""
    hospital = db.session.scalar(select(Hospital).where(Hospital.public_id == added.rsplit("/", 1)[1]))
    return [row for row in kept(HospitalVersion) if row.hospital_id == hospital.id]


def test_the_thirty_one_provinces_lie_in_four_regions():
    counts = {
        region: list(REGION_OF_PROVINCE.values()).count(region) for region in REGION_OF_PROVINCE.values()
    }
    assert counts == {"east": 10, "central": 6, "west": 12, "northeast": 3}


@pytest.mark.parametrize(
    ("county", "region"), [("513233", "west"), ("310104", "east"), ("230102", "northeast"), ("810001", "")]
)
def test_the_region_follows_from_the_county(county, region):
    assert region_of(county) == region


@pytest.mark.parametrize(
    "county", ["51323", "5132333", "51323X", "５１３２３３", "990101", "510000", " 51323"]
)
def test_what_is_no_county_code_is_refused(county):
    with pytest.raises(RuleBroken) as refusal:
        region_of(county)
    assert (refusal.value.code, refusal.value.field) == ("county", "county_code")


def test_a_region_that_contradicts_the_county_is_refused():
    with pytest.raises(RuleBroken) as refusal:
        settled(HospitalFacts("A", "甲", "A", county_code="513233", region="east"))
    assert refusal.value.code == "region"


def test_a_hospital_has_all_its_facts_and_the_same_twice_is_once(office, added, app):
    assert office.post("/hospitals", data=FACTS).location == added
    found = [row for row in kept(Hospital) if row.code == "HY-1"]
    assert [(row.tier, row.grade, row.region) for row in found] == [("2", "乙", "west")]
    assert [row.number for row in versions(added)] == [1]


@pytest.mark.parametrize(
    ("field", "value", "sentence"),
    [
        ("county_code", "12", "six digits"),
        ("region", "east", "another region"),
        ("tier", "", "A grade needs a tier"),
        ("tier", "9", "Not a valid choice"),
        ("name_zh", "", "name in Chinese"),
        ("code", "a b", "letters, digits or hyphens"),
        ("code", "BASE", "already has this code"),
    ],
)
def test_a_refused_hospital_keeps_what_was_typed(office, cast, app, field, value, sentence):
    base = db.session.get_one(Hospital, cast.hospital.id).code
    before = len(kept(Hospital))
    answer = office.post("/hospitals", data=FACTS | {field: base if value == "BASE" else value})
    assert answer.status_code == 422
    assert sentence in answer.text
    assert "Hongyuan Hospital" in answer.text
    assert len(kept(Hospital)) == before


def test_a_change_is_a_new_version_and_the_same_again_is_none(office, added, app):
    for _press in range(2):  # the second press still says that it saw version 1
        assert office.post(added, data=FACTS | {"seen": "1", "tier": "3"}).status_code == 303
    assert [(row.number, row.tier) for row in versions(added)] == [(1, "2"), (2, "3")]
    page = office.get(added).text
    assert "Version 2" in page
    assert "Version 1" in page


def test_a_change_by_somebody_else_meanwhile_is_refused_and_shown(office, added, app):
    office.post(added, data=FACTS | {"seen": "1", "tier": "3"})
    answer = office.post(added, data=FACTS | {"seen": "1", "name_en": "Typed by me"})
    assert answer.status_code == 422
    assert "Somebody else changed this hospital" in answer.text
    assert "Typed by me" in answer.text
    assert "What stands now" in answer.text
    assert 'value="2"' in answer.text
    assert office.post(added, data=FACTS | {"seen": "2", "name_en": "Typed by me"}).status_code == 303
    assert [row.number for row in versions(added)] == [1, 2, 3]


@pytest.mark.parametrize("seen", ["", "-1", "x", "99999999999999999999", "²"])
def test_a_broken_number_of_what_was_seen_is_an_answer_in_words(office, added, app, seen):
    assert office.post(added, data=FACTS | {"seen": seen, "tier": "3"}).status_code == 422
    assert len(versions(added)) == 1


def test_a_closed_hospital_is_offered_no_more_until_it_opens_again(office, cast, added, app):
    enrol = f"/cohorts/{cast.cohort.public_id}/enrol"
    assert "Hongyuan Hospital" in office.get(enrol).text
    for _press in range(2):
        assert office.post(f"{added}/close").status_code == 303
    assert "Hongyuan Hospital" not in office.get(enrol).text
    assert "closed" in office.get("/hospitals?q=hongyuan").text
    assert office.post(f"{added}/reopen").status_code == 303
    assert "Hongyuan Hospital" in office.get(enrol).text
    assert [row.closed_on is None for row in versions(added)] == [True, False, True]


def test_the_history_cannot_be_rewritten(office, added, app):
    for act in ("UPDATE hospital_version SET tier = '1'", "DELETE FROM hospital_version"):
        with pytest.raises(Exception, match="append-only"), transaction():
            db.session.execute(text(act))


def test_the_list_is_searched_sorted_and_exported(office, added, app):
    assert "Hongyuan" in office.get("/hospitals?q=5132&sort=tier").text
    assert "No hospital fits “%”" in office.get("/hospitals?q=%25&sort=nothing").text
    answer = office.get("/hospitals.csv?q=hongyuan")
    found = list(csv.reader(io.StringIO(answer.data.decode("utf-8-sig"))))
    assert found[1][:7] == ["HY-1", "红原县藏医院", "Hongyuan Hospital", "2", "乙", "513233", "West"]


@pytest.mark.parametrize(("part", "status"), [("coordinator", 403), ("trainee", 404), ("auditor", 404)])
def test_who_does_not_keep_the_list_does_not_come_in(cast, browser, added, app, part, status):
    client = browser(getattr(cast, part))
    for address in ("/hospitals", "/hospitals.csv", "/hospitals/new", added):
        assert client.get(address).status_code == status, address
    for address in (added, f"{added}/close", f"{added}/reopen", "/hospitals"):
        assert client.post(address, data=FACTS | {"seen": "1", "tier": "3"}).status_code == status, address
    assert [row.closed_on for row in versions(added)] == [None]


def test_a_broken_address_is_404(office, app):
    assert office.get("/hospitals/aaaaaaaaaaaa").status_code == 404
    assert office.post("/hospitals/1/close").status_code == 404


def test_the_pages_stay_within_twelve_queries(office, added, app, queries):
    for address in ("/hospitals", "/hospitals.csv", added):
        office.get(address)
        with queries() as seen:
            assert office.get(address).status_code == 200
        assert seen.count <= 12
