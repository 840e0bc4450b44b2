"""People: who may look, what the administrator can do, what the page shows."""

import re
from datetime import timedelta

import pytest
from sqlalchemy import func, select

from lms.accounts import queries, services
from lms.accounts.models import Account, Grant, Person
from lms.core import clock
from lms.core.audit import AuditEvent
from lms.core.db import db, transaction
from lms.core.errors import NotAllowed, NotFound, RuleBroken
from lms.core.jobs import Worker
from lms.policy import SITE, Role
from lms.programmes.models import Enrolment
from tests.accounts.test_links import letters
from tests.cast import PASSWORD


@pytest.fixture
def office(browser, cast):
    """The administrator's browser, in English."""
    return browser(cast.administrator, lang="en")


def person_of(app, actor):
    """Public id of the person behind an actor."""
    with app.app_context():
        return db.session.get_one(Person, actor.person_id).public_id


def new_person(client, **changes):
    """Send the form for a new person."""
    form = {
        "name_zh": "古丽",
        "name_latin": "Guli",
        "login": "guli@example.org",
        "locale": "zh_Hans",
        "client_uuid": "k" * 43,
        "name_native": "",
        "native_lang": "",
        "scope": "",
        "track": "PED",
    }
    return client.post("/people/new", data={**form, **changes})


PAGES = ["/people", "/people/new", "/people.csv", "/people/{person}"]


@pytest.mark.parametrize("page", PAGES)
def test_people_are_the_administrators_alone(bare_app, browser, cast, page):
    path = page.format(person=person_of(bare_app, cast.trainee))
    for name, actor in cast.everyone().items():
        expected = 200 if name == "administrator" else 404
        assert browser(actor).get(path).status_code == expected, name
    assert browser().get(path).status_code == 303


def test_no_act_on_people_is_open_to_others(bare_app, browser, cast):
    person = person_of(bare_app, cast.trainee)
    with bare_app.app_context():
        account = db.session.get_one(Account, cast.trainee.account_id).public_id
        grant = db.session.scalars(select(Grant).where(Grant.person_id == cast.trainee.person_id)).first()
        grant_id = grant.public_id
    paths = [
        "/people/new",
        f"/people/{person}/names",
        f"/people/{person}/accounts",
        f"/people/{person}/accounts/{account}/invite",
        f"/people/{person}/accounts/{account}/shut",
        f"/people/{person}/accounts/{account}/open",
        f"/people/{person}/roles",
        f"/people/{person}/roles/{grant_id}/end",
    ]
    for name, actor in cast.everyone().items():
        if name == "administrator":
            continue
        client = browser(actor)
        assert {client.post(path, data={}).status_code for path in paths} == {404}, name
    assert {browser().post(path).status_code for path in paths} == {401}


def test_an_administrator_of_one_programme_does_not_manage_people(app, browser, cast, at):
    with transaction():
        services.grant(
            db.session.get_one(Person, cast.stranger.person_id),
            Role.ADMINISTRATOR,
            f"programme:{cast.programme.id}",
            at=at,
            by=None,
        )
    assert browser(cast.stranger).get("/people").status_code == 403


def test_the_list_is_searched_by_names_and_logins_and_paged(app, cast, office, queries, at):
    with transaction():
        for number in range(60):
            person = services.add_person(name_zh=f"学员{number:02}", name_latin="", at=at, by=None)
            services.add_account(person, login=f"many{number}@example.org", at=at, by=None)
    with queries() as seen:
        page = office.get("/people").text
    assert seen.count <= 12
    assert "72 people" in page
    assert "Page 1 of 2" in page
    for search in ("思远", "siyuan", "SIYUAN@", "li si"):
        found = office.get("/people", query_string={"q": search}).text
        assert "1 person" in found
        assert "李思远" in found
    assert "1 person" in office.get("/people?q=138-0013-8000").text
    for nobody in ("%", "_", "zzz", "'; drop", "zzz\x00"):
        assert "Nobody found" in office.get("/people", query_string={"q": nobody}).text


def test_one_form_makes_a_person_an_account_roles_and_an_invitation(
    bare_app, cast, office, browser, settings
):
    scope = f"cohort:{cast.cohort.id}"
    answer = new_person(office, roles=["mentor", "second_assessor"], scope=scope)
    assert answer.status_code == 303
    page = office.get(answer.headers["Location"])
    assert page.headers["Cache-Control"] == "no-store"
    (link,) = re.findall(r'value="http://localhost(/invitation/[^"]+)"', page.text)
    for text in ("古丽", "guli@example.org", "Second assessor", "Autumn 2026 (2026A)", "invited"):
        assert text in page.text
    assert "/invitation/" not in office.get(answer.headers["Location"]).text
    Worker(bare_app).drain()
    ((to, text),) = letters(settings)
    assert to == "guli@example.org"
    mailed = re.findall(r"/invitation/\S+", text)[0]
    assert mailed != link
    assert browser().get(link).status_code == browser().get(mailed).status_code == 200


def test_a_double_click_makes_one_person_and_leads_to_the_same_page(bare_app, cast, office):
    first, second = new_person(office), new_person(office)
    assert first.headers["Location"] == second.headers["Location"]
    with bare_app.app_context():
        found = select(func.count()).select_from(Person).where(Person.name_zh == "古丽")
        assert db.session.scalar(found) == 1


def test_a_new_trainee_is_enrolled(bare_app, cast, office):
    scope = f"cohort:{cast.cohort.id}"
    assert new_person(office, roles=["trainee"], scope=scope, track="NURSE").status_code == 303
    with bare_app.app_context():
        row = db.session.scalars(select(Enrolment).order_by(Enrolment.id.desc()).limit(1)).one()
        assert row.track == "NURSE"
        person = db.session.get_one(Person, row.person_id)
        assert person.name_zh == "古丽"
        assert queries.grants_of(person.id, on=clock.today()) == {(Role.TRAINEE, scope)}


@pytest.mark.parametrize(
    ("changes", "says"),
    [
        ({"login": "not a login"}, "Give an e-mail address or a mobile phone number."),
        ({"login": ""}, "Give an e-mail address or a mobile phone number."),
        ({"login": "siyuan@example.org"}, "Another account already has"),
        ({"name_zh": "", "name_latin": ""}, "Give the name in Chinese or in Latin letters."),
        ({"name_native": "گۈلى"}, "Choose the language of the name"),
        ({"roles": ["mentor"]}, "Choose where the roles are held."),
        ({"roles": ["trainee"], "scope": SITE}, "This role cannot be held there."),
        ({"roles": ["trainee"], "scope": "cohort", "track": "PED"}, "Not a valid choice"),
    ],
)
def test_a_refused_form_keeps_what_was_typed_and_makes_nobody(bare_app, cast, office, changes, says):
    before = count(bare_app)
    answer = new_person(office, **changes)
    assert answer.status_code == 422
    assert says in answer.text
    if changes.get("name_zh") != "":
        assert "古丽" in answer.text
    assert count(bare_app) == before


def count(app):
    """How many people, accounts and roles there are."""
    with app.app_context():
        return [db.session.scalar(select(func.count()).select_from(m)) for m in (Person, Account, Grant)]


def test_several_accounts_of_one_person_are_one_person(bare_app, cast, office, browser):
    path = f"/people/{person_of(bare_app, cast.mentor)}"
    assert office.post(f"{path}/accounts", data={"login": "13700137000"}).status_code == 303
    page = office.get(path).text
    assert "wang@example.org" in page
    assert "13700137000" in page
    assert "same person" in page
    (link,) = re.findall(r'value="http://localhost(/invitation/[^"]+)"', page)
    client = browser()
    client.post(link, data={"password": PASSWORD, "again": PASSWORD})
    with bare_app.app_context():
        accounts = db.session.scalars(select(Account).where(Account.person_id == cast.mentor.person_id)).all()
        assert len(accounts) == 2
        second = queries.actor_of(queries.account_by_login("13700137000"), at=clock.now())
    assert second.person_id == cast.mentor.person_id
    assert second.grants == cast.mentor.grants
    assert office.post(f"{path}/accounts", data={"login": "wang@example.org"}).status_code == 422


def test_an_account_is_shut_and_opened(bare_app, cast, office, browser):
    path = f"/people/{person_of(bare_app, cast.trainee)}"
    with bare_app.app_context():
        account = db.session.get_one(Account, cast.trainee.account_id).public_id
    inside = browser(cast.trainee)
    assert office.post(f"{path}/accounts/{account}/shut").status_code == 303
    assert inside.get("/account").status_code == 303
    assert "shut" in office.get(path).text
    assert office.post(f"{path}/accounts/{account}/invite").status_code == 409
    assert office.post(f"{path}/accounts/{account}/open").status_code == 303
    assert inside.get("/account").status_code == 303
    login = {"login": "siyuan@example.org", "password": PASSWORD}
    assert browser().post("/sign-in", data=login).status_code == 303


def test_an_administrator_shuts_neither_their_own_account_nor_their_own_role(bare_app, cast, office):
    path = f"/people/{person_of(bare_app, cast.administrator)}"
    with bare_app.app_context():
        account = db.session.get_one(Account, cast.administrator.account_id).public_id
        grant = db.session.scalars(select(Grant).where(Grant.person_id == cast.administrator.person_id)).one()
    assert office.post(f"{path}/accounts/{account}/shut").status_code == 409
    assert office.post(f"{path}/roles/{grant.public_id}/end").status_code == 422
    assert office.get("/people").status_code == 200


def test_an_account_or_role_of_another_person_is_not_found_under_this_one(bare_app, cast, office):
    path = f"/people/{person_of(bare_app, cast.mentor)}"
    with bare_app.app_context():
        account = db.session.get_one(Account, cast.trainee.account_id).public_id
        grant = db.session.scalars(select(Grant).where(Grant.person_id == cast.trainee.person_id)).first()
        grant_id = grant.public_id
    assert office.post(f"{path}/accounts/{account}/shut").status_code == 404
    assert office.post(f"{path}/roles/{grant_id}/end").status_code == 404
    assert office.get("/people/aaaaaaaaaaaa").status_code == 404
    assert office.post("/people/aaaaaaaaaaaa/names", data={}).status_code == 404


def test_roles_begin_today_end_at_once_and_stay_in_the_history(bare_app, cast, office, browser):
    path = f"/people/{person_of(bare_app, cast.stranger)}"
    scope = f"programme:{cast.programme.id}"
    assert office.post(f"{path}/roles", data={"role": "examiner", "scope": scope}).status_code == 303
    assert office.post(f"{path}/roles", data={"role": "examiner", "scope": scope}).status_code == 303
    page = office.get(path).text
    assert page.count("<b>Examiner</b>") == 1
    assert "Advanced Pediatric Training (FFLY)" in page
    with bare_app.app_context():
        assert queries.grants_of(cast.stranger.person_id, on=clock.today()) == {(Role.EXAMINER, scope)}
    (end,) = re.findall(r'action="(/people/\w+/roles/\w+/end)"', page)
    assert office.post(end).status_code == 303
    assert office.post(end).status_code == 303
    with bare_app.app_context():
        assert not queries.grants_of(cast.stranger.person_id, on=clock.today())
    assert "Held before" in office.get(path).text
    assert office.post(f"{path}/roles", data={"role": "examiner", "scope": scope}).status_code == 303


def test_a_role_is_given_for_some_days_and_the_page_says_which(bare_app, cast, office):
    path = f"/people/{person_of(bare_app, cast.stranger)}"
    scope, today = f"programme:{cast.programme.id}", clock.today()
    form = {"role": "examiner", "scope": scope}

    def given(first, last):
        days = {
            "from_on": (today + timedelta(first)).isoformat(),
            "to_on": (today + timedelta(last)).isoformat(),
        }
        return office.post(f"{path}/roles", data={**form, **days})

    def held(day):
        with bare_app.app_context():
            return bool(queries.grants_of(cast.stranger.person_id, on=today + timedelta(day)))

    assert [given(*days).status_code for days in ((-1, 5), (5, 4))] == [422, 422]
    assert 'href="#from_on"' in given(-1, 5).text
    assert 'href="#to_on"' in given(5, 4).text
    assert [given(3, 5).status_code for _click in range(2)] == [303, 303]
    assert given(4, 9).status_code == 422
    assert [held(day) for day in (0, 2, 3, 5, 6)] == [False, False, True, True, False]
    page = office.get(path).text
    assert re.search(r"from \d.* · until \d", page)
    (end,) = re.findall(r'action="(/people/\w+/roles/\w+/end)"', page)
    late = office.post(end, data={"last_day": (today + timedelta(2)).isoformat()})
    target = end.split("/")[-2]
    assert late.status_code == 422
    assert f'href="#last-day-{target}"' in late.text
    assert f' id="last-day-{target}"' in late.text
    assert office.post(end, data={"last_day": "x"}).status_code == 422
    assert office.post(end, data={"last_day": (today + timedelta(4)).isoformat()}).status_code == 303
    assert [held(day) for day in (3, 4, 5)] == [True, True, False]


def test_a_role_that_ends_now_ends_now_and_its_last_day_is_today(bare_app, cast, office, browser):
    path = f"/people/{person_of(bare_app, cast.educator)}"
    inside = browser(cast.educator)
    assert inside.get("/learn/new").status_code == 200
    (end,) = re.findall(r'action="(/people/\w+/roles/\w+/end)"', office.get(path).text)
    assert office.post(end).status_code == 303
    assert inside.get("/learn/new").status_code == 404
    with bare_app.app_context():
        row = db.session.scalars(select(Grant).where(Grant.person_id == cast.educator.person_id)).one()
        assert row.to_on == clock.today()
        assert abs(row.ended_at - clock.now()) < timedelta(minutes=1)
    assert re.search(r"· ended ", office.get(path).text)
    assert "Educator" not in office.get("/people?q=Zhou").text


@pytest.mark.parametrize(
    "form",
    [{}, {"role": "king", "scope": SITE}, {"role": "mentor"}, {"role": "mentor", "scope": "cohort:999"}],
)
def test_odd_roles_are_refused(bare_app, cast, office, form):
    path = f"/people/{person_of(bare_app, cast.stranger)}"
    assert office.post(f"{path}/roles", data=form).status_code == 422
    with bare_app.app_context():
        assert not queries.grants_of(cast.stranger.person_id, on=clock.today())


def test_names_are_put_right_with_their_script(bare_app, cast, office):
    path = f"/people/{person_of(bare_app, cast.second_assessor)}"
    form = {
        "name_zh": " 热娜•吐尔逊 ",
        "name_latin": "Rena  Tursun",
        "name_native": "رەنا تۇرسۇن",
        "native_lang": "ug",
    }
    assert office.post(f"{path}/names", data=form).status_code == 303
    page = office.get(path).text
    assert 'lang="ug" dir="auto">رەنا تۇرسۇن</bdi>' in page
    with bare_app.app_context():
        person = db.session.get_one(Person, cast.second_assessor.person_id)
        assert (person.name_zh, person.name_latin) == ("热娜·吐尔逊", "Rena Tursun")
    assert office.post(f"{path}/names", data={**form, "name_zh": "", "name_latin": ""}).status_code == 422


def test_the_list_leaves_as_csv_and_the_trail_knows(bare_app, cast, office):
    answer = office.get("/people.csv")
    assert answer.data.startswith(b"\xef\xbb\xbf")
    lines = answer.data.decode("utf-8-sig").splitlines()
    assert (
        lines[0]
        == "Name in Chinese,Name in Latin letters,Name in its own script,Login,Role,Cohort,Account,Professional title,Specialty"
    )
    assert "李思远,Li Siyuan,,siyuan@example.org,Trainee,2026A,open,," in lines
    assert "陈静,Chen Jing,,chen@example.org,Administrator,site,open,," in lines
    with bare_app.app_context():
        event = db.session.scalars(select(AuditEvent).where(AuditEvent.act == "accounts.people.export")).one()
        assert (event.account_id, event.detail) == (cast.administrator.account_id, {"count": 12})
    found = office.get("/people.csv?q=siyuan").data.decode("utf-8-sig").splitlines()
    assert len(found) == 2


def test_the_pages_of_people_cost_few_queries(bare_app, cast, office, queries):
    path = f"/people/{person_of(bare_app, cast.trainee)}"
    for page in (path, "/people/new"):
        with queries() as seen:
            assert office.get(page).status_code == 200
        assert seen.count <= 12, page


def test_services_ask_the_policy_themselves(app, cast, at):
    person = db.session.get_one(Person, cast.stranger.person_id)
    account = db.session.get_one(Account, cast.stranger.account_id)
    for name, by in cast.everyone().items():
        if name == "administrator":
            continue
        acts = [
            lambda by=by: services.add_person(name_zh="甲", name_latin="", at=at, by=by),
            lambda by=by: services.add_account(person, login="x@example.org", at=at, by=by),
            lambda by=by: services.disable_account(account, at=at, by=by),
            lambda by=by: services.enable_account(account, at=at, by=by),
            lambda by=by: services.grant(person, Role.AUDITOR, SITE, at=at, by=by),
            lambda by=by: services.assign(person, Role.AUDITOR, SITE, track="", at=at, by=by),
            lambda by=by: services.note_export(count=1, at=at, by=by),
            lambda by=by: queries.people(by, on=clock.today(at)),
            lambda by=by: queries.person(person.public_id, by),
        ]
        for act in acts:
            with pytest.raises((NotAllowed, NotFound)):
                act()


def test_a_role_that_has_ended_counts_no_more_and_one_of_tomorrow_not_yet(app, cast, at):
    with transaction():
        person = db.session.get_one(Person, cast.stranger.person_id)
        row = services.grant(person, Role.AUDITOR, SITE, at=at, by=cast.administrator)
    today = clock.today(at)
    assert queries.grants_of(person.id, on=today) == {(Role.AUDITOR, SITE)}
    assert queries.grants_of(person.id, on=today - timedelta(days=1)) == set()
    with transaction():
        services.end_grant(row, at=at, by=cast.administrator)
    assert queries.grants_of(person.id, on=today) == set()


def test_an_administrator_grants_no_role_in_a_place_where_it_makes_no_sense(app, cast, at):
    person = db.session.get_one(Person, cast.stranger.person_id)
    for role, scope in (
        (Role.TRAINEE, SITE),
        (Role.ADMINISTRATOR, "cohort:1"),
        (Role.MENTOR, "cohort:x"),
        (Role.MENTOR, ""),
    ):
        with pytest.raises(RuleBroken) as refusal, transaction():
            services.grant(person, role, scope, at=at, by=cast.administrator)
        assert refusal.value.code == "scope"
