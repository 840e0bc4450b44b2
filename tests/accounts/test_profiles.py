"""Professional details and identity numbers: what is kept, who may, and that no whole number is ever lying about."""

import logging
from datetime import date, timedelta

import pytest
from sqlalchemy import func, select, text, update
from sqlalchemy.exc import DatabaseError

from lms import policy
from lms.accounts import services
from lms.accounts.models import IdentityNumber, Person, PersonProfile, UserSession
from lms.accounts.queries import profiles as queries
from lms.accounts.rules import profiles as rules
from lms.accounts.rules.profiles import ProfileFacts
from lms.core.audit import AuditEvent
from lms.core.db import db, transaction
from lms.core.deid import identity_check_character
from lms.core.errors import NeedsConfirmation, NotAllowed, NotFound, RuleBroken
from lms.core.notices import Notice
from lms.policy import SITE, Permission, Role
from tests.cast import PIN
from tests.conftest import POSTGRES

TODAY = date(2026, 9, 1)
STANDARD = "11010519491231002X"
"""The example of GB 11643 itself: nobody's number."""


def made_up(born="19900307", county="110101", order="999"):
    """A well-formed number."""
    digits = county + born + order
    return digits + identity_check_character(digits)


def person_of(actor):
    """The person behind an actor."""
    return db.session.get_one(Person, actor.person_id)


def confirm(actor, at):
    """A session of an actor with a fresh confirmation; the actor in it."""
    from dataclasses import replace

    row = UserSession(
        account_id=actor.account_id,
        token_sha256="f" * 64,
        started_at=at,
        seen_at=at,
        confirmed_at=at,
        confirmed_by="pin",
    )
    db.session.add(row)
    db.session.flush()
    return replace(actor, session_id=row.id)


# ---------------------------------------------------------------- rules


@pytest.mark.parametrize(
    ("given", "kept"),
    [
        (STANDARD, STANDARD),
        ("11010519491231002x", STANDARD),
        (" 110105 19491231 002X ", STANDARD),
        ("１１０１０５１９４９１２３１００２Ｘ", STANDARD),
        ("110105-19491231-002X", STANDARD),
    ],
)
def test_an_identity_number_is_kept_in_one_form(given, kept):
    assert rules.clean_identity_number(given, today=TODAY) == kept


@pytest.mark.parametrize(
    ("given", "code"),
    [
        ("", "identity_shape"),
        ("110105491231002", "identity_shape"),
        ("1101051949123100", "identity_shape"),
        ("11010519491231X02X", "identity_shape"),
        ("110105194912310021", "identity_check"),
        ("440524188001010014", "identity_birthday"),
        (made_up("19900230"), "identity_birthday"),
        (made_up("20200101"), "identity_birthday"),
        (made_up("20270101"), "identity_birthday"),
        (made_up(county="990101"), "identity_region"),
        (made_up(county="110000"), "identity_region"),
    ],
)
def test_a_number_that_is_on_no_card_is_refused_in_words_that_do_not_repeat_it(given, code):
    with pytest.raises(RuleBroken) as refused:
        rules.clean_identity_number(given, today=TODAY)
    assert refused.value.code == code
    assert not given or given not in str(refused.value)


def test_working_age_begins_with_the_sixteenth_birthday():
    assert rules.clean_identity_number(made_up("20100901"), today=TODAY)
    with pytest.raises(RuleBroken):
        rules.clean_identity_number(made_up("20100902"), today=TODAY)


def test_only_six_and_four_characters_are_shown():
    assert rules.masked("110101199003071234") == "110101********1234"


@pytest.mark.parametrize(
    ("given", "kept"),
    [
        ("", ""),
        (" 2019-1101 0012 3456 ", "2019110100123456"),
        ("１１０１１０１０００１２３４５", "110110100012345"),
    ],
)
def test_a_licence_number_is_kept_without_blanks(given, kept):
    assert rules.clean_licence(given) == kept


@pytest.mark.parametrize(
    ("given", "code"),
    [
        ("12345", "licence"),
        ("1" * 21, "licence"),
        ("一二三四五六七", "licence"),
        (STANDARD, "licence_identity"),
        (f"2015111{STANDARD[:6]} {STANDARD[6:]}", "licence_identity"),
    ],
)
def test_a_licence_number_is_no_identity_number_nor_holds_one(given, code):
    with pytest.raises(RuleBroken) as refused:
        rules.clean_licence(given)
    assert (refused.value.code, refused.value.field) == (code, "licence_number")


def test_a_title_is_known_by_its_code_and_by_its_name_in_both_languages(app):
    for word in ("attending", "主治医师", "Attending physician", " 主治 医师 ", "主治医生"):
        assert rules.title_of(word) == "attending"
    assert rules.title_of("主管护师") == "charge_nurse"
    assert rules.title_of("院长") is None


@pytest.mark.parametrize(
    ("facts", "field"),
    [
        (ProfileFacts(title="king"), "title"),
        (ProfileFacts(practice_scope="magic"), "practice_scope"),
        (ProfileFacts(degree="phd"), "degree"),
        (ProfileFacts(practising_since=2027), "practising_since"),
        (ProfileFacts(practising_since=1900), "practising_since"),
        (ProfileFacts(specialty="新" * 61), "specialty"),
        (ProfileFacts(specialty=f"儿科 {STANDARD}"), "specialty"),
        (ProfileFacts(licence_number="x"), "licence_number"),
    ],
)
def test_what_cannot_be_is_refused_at_its_field(facts, field):
    with pytest.raises(RuleBroken) as refused:
        rules.settled(facts, today=TODAY)
    assert refused.value.field == field


def test_years_in_practice_follow_from_the_year():
    assert rules.years_in_practice(2014, today=TODAY) == 12
    assert rules.years_in_practice(None, today=TODAY) is None


# ---------------------------------------------------------------- professional details

FACTS = ProfileFacts("110110100012345", "pediatrics", "attending", "新生儿科", "master", 2014)


def test_a_new_row_supersedes_and_the_same_facts_make_none(app, cast, at):
    who, office = person_of(cast.mentor), cast.administrator
    with transaction():
        first = services.enter_profile(who, FACTS, seen=0, at=at, by=office)
        assert services.enter_profile(who, FACTS, seen=0, at=at, by=office) is first
        changed = ProfileFacts(**{**vars(FACTS), "title": "chief"})
        services.enter_profile(who, changed, seen=1, at=at, by=cast.mentor)
    said = queries.history(who.id)
    assert [(one.profile.number, one.profile.title, one.name, one.is_own) for one in said] == [
        (2, "chief", "王建国", True),
        (1, "attending", "陈静", False),
    ]
    assert queries.facts_of(queries.newest(who.id)) == changed
    acts = db.session.scalars(select(AuditEvent).where(AuditEvent.act == "accounts.profile.enter")).all()
    assert [event.detail["changed"] for event in acts][1] == ["title"]
    assert "110110100012345" not in str([event.detail for event in acts])


def test_who_had_an_older_page_is_told_and_overwrites_nothing(app, cast, at):
    who = person_of(cast.mentor)
    with transaction():
        services.enter_profile(who, FACTS, seen=0, at=at, by=cast.administrator)
    with pytest.raises(RuleBroken) as refused:
        services.enter_profile(who, ProfileFacts(title="chief"), seen=0, at=at, by=cast.mentor)
    assert refused.value.code == "changed_meanwhile"


def test_the_database_refuses_change_and_deletion(app, cast, at):
    with transaction():
        services.enter_profile(person_of(cast.mentor), FACTS, seen=0, at=at, by=None)
        services.enter_identity(person_of(cast.mentor), STANDARD, at=at, by=None)
    for statement in (
        "UPDATE person_profile SET title = 'chief'",
        "DELETE FROM person_profile",
        "UPDATE identity_number SET person_id = 1",
        "UPDATE identity_number SET digest = 'x'",
        "UPDATE identity_number SET sealed = NULL, digest = NULL",
        "DELETE FROM identity_number",
    ):
        with pytest.raises(DatabaseError), transaction():
            db.session.execute(text(statement))


WRITERS = {"administrator", "coordinator", "trainee"}
READERS = WRITERS | {"director", "officer"}


@pytest.fixture
def everybody(app, cast, at):
    """The cast, with a data-protection officer and with people of another programme."""
    with transaction():
        services.grant(person_of(cast.stranger), Role.DATA_PROTECTION_OFFICER, SITE, at=at, by=None)
        other = services.grant(
            person_of(cast.second_assessor), Role.DIRECTOR, "programme:999", at=at, by=None
        )
        services.grant(person_of(cast.second_assessor), Role.COORDINATOR, "cohort:999", at=at, by=None)
    assert other.id
    found = {name: actor for name, actor in cast.everyone().items() if name != "stranger"}
    from lms.accounts import queries as accounts
    from lms.accounts.models import Account

    for name, actor in (("officer", cast.stranger), ("elsewhere", cast.second_assessor)):
        account = db.session.get_one(Account, actor.account_id)
        found[name] = accounts.actor_of(accounts.account_for_update(account.id), at=at)
    return found


def outcome(act):
    """How an act ended, undone."""
    try:
        with db.session.begin_nested() as point:
            act()
            point.rollback()
    except (NotFound, NotAllowed, NeedsConfirmation, RuleBroken) as refused:
        return type(refused).__name__
    return "done"


def test_each_of_the_cast_may_what_the_table_says_and_no_more(app, cast, at, everybody):
    who = person_of(cast.trainee)
    with transaction():
        services.enter_identity(who, STANDARD, at=at, by=None)
        for name, actor in everybody.items():
            found = {
                "write": outcome(lambda a=actor: services.enter_profile(who, FACTS, seen=0, at=at, by=a)),
                "enter": outcome(lambda a=actor: services.enter_identity(who, STANDARD, at=at, by=a)),
                "replace": outcome(lambda a=actor: services.enter_identity(who, made_up(), at=at, by=a)),
                "remove": outcome(lambda a=actor: services.remove_identity(who, at=at, by=a)),
                "reveal": outcome(
                    lambda a=actor: services.reveal_identity(who, reason="credits", at=at, by=a)
                ),
            }
            refused = "NotAllowed" if name in READERS else "NotFound"
            expected = dict.fromkeys(found, refused)
            if name in WRITERS:
                expected["write"] = "done"
            if name in ("administrator", "trainee"):
                expected["enter"] = "done"
                expected["replace"] = "done" if name == "administrator" else "RuleBroken"
            if name in ("administrator", "officer"):
                expected["remove"] = "done"
            if name in ("director", "officer"):
                expected["reveal"] = "NeedsConfirmation"
            assert found == expected, name


def test_whoever_left_the_cohort_is_read_by_its_staff_no_more(app, cast, at):
    who = person_of(cast.trainee)
    public_id, day = who.public_id, at.date()
    assert queries.person_with_profile(public_id, cast.coordinator, on=day)[0] is who
    later = day + timedelta(days=400)
    with transaction():
        db.session.execute(
            text("UPDATE grant_ SET to_on = :day WHERE person_id = :id"), {"day": day, "id": who.id}
        )
    with pytest.raises(NotFound):
        queries.person_with_profile(public_id, cast.coordinator, on=later)
    assert queries.person_with_profile(public_id, cast.administrator, on=later)


# ---------------------------------------------------------------- identity numbers


def test_the_same_number_again_changes_nothing_and_another_replaces_it(app, cast, at):
    who, number = person_of(cast.trainee), made_up()
    with transaction():
        row = services.enter_identity(who, STANDARD, at=at, by=cast.trainee)
        assert services.enter_identity(who, STANDARD.lower(), at=at, by=cast.trainee) is row
        assert services.enter_identity(who, STANDARD, at=at, by=cast.administrator) is row
        with pytest.raises(RuleBroken) as refused:
            services.enter_identity(who, number, at=at, by=cast.trainee)
        assert refused.value.code == "identity_known"
        services.enter_identity(who, number, at=at, by=cast.administrator)
    assert (row.sealed, row.digest, row.ended_by) == (None, None, cast.administrator.account_id)
    kept = queries.identity(who.id)
    assert kept.masked == rules.masked(number)
    assert [(one.entered_by, one.ended_by) for one in kept.events] == [("陈静", ""), ("李思远", "陈静")]
    with transaction():
        services.remove_identity(who, at=at, by=cast.administrator)
        services.remove_identity(who, at=at, by=cast.administrator)
    assert queries.identity(who.id).masked == ""
    assert db.session.scalars(select(IdentityNumber.sealed)).all() == [None, None]
    acts = db.session.scalars(select(AuditEvent.act).where(AuditEvent.act.like("accounts.identity.%"))).all()
    assert acts == ["accounts.identity.enter", "accounts.identity.replace", "accounts.identity.remove"]


def test_two_people_never_have_one_number_until_it_is_free_again(app, cast, at):
    mine, other = person_of(cast.trainee), person_of(cast.other_trainee)
    with transaction():
        services.enter_identity(mine, STANDARD, at=at, by=cast.trainee)
        with pytest.raises(RuleBroken) as refused:
            services.enter_identity(other, STANDARD, at=at, by=cast.other_trainee)
        assert (refused.value.code, refused.value.field) == ("identity_taken", "identity_number")
        assert "李思远" not in refused.value.message
        assert not refused.value.details
    assert db.session.scalar(select(func.count()).select_from(IdentityNumber)) == 1
    with transaction():
        services.remove_identity(mine, at=at, by=cast.administrator)
        services.enter_identity(other, STANDARD, at=at, by=cast.other_trainee)
    assert queries.identity(other.id).masked == rules.masked(STANDARD)


def test_a_refused_replacement_leaves_the_number_that_stood(app, cast, at):
    mine, other, number = person_of(cast.trainee), person_of(cast.other_trainee), made_up()
    with transaction():
        services.enter_identity(mine, STANDARD, at=at, by=None)
        services.enter_identity(other, number, at=at, by=None)
        with pytest.raises(RuleBroken):
            services.enter_identity(other, STANDARD, at=at, by=cast.administrator)
    assert queries.identity(other.id).masked == rules.masked(number)


def test_a_sealed_number_in_another_row_is_opened_by_nobody(app, cast, at):
    with transaction():
        row = services.enter_identity(person_of(cast.trainee), STANDARD, at=at, by=None)
    stolen = IdentityNumber(person_id=cast.other_trainee.person_id, sealed=row.sealed)
    with pytest.raises(RuleBroken) as refused:
        queries.opened(stolen)
    assert refused.value.code == "identity_sealed"
    assert queries.opened(row) == STANDARD


def test_what_travels_through_a_page_is_taken_back_by_the_same_account_alone(app):
    carried = queries.carried(STANDARD, 7)
    assert STANDARD not in carried
    assert carried != queries.carried(STANDARD, 7)
    assert queries.taken_back(carried, 7) == STANDARD
    assert queries.taken_back(carried, 8) == carried
    assert queries.taken_back("sealed:nonsense", 7) == "sealed:nonsense"
    assert queries.taken_back(STANDARD, 7) == STANDARD


def test_a_reveal_asks_for_a_confirmation_and_a_reason_and_tells_the_person(app, cast, at):
    who = person_of(cast.trainee)
    with transaction():
        services.enter_identity(who, STANDARD, at=at, by=None)
        with pytest.raises(NeedsConfirmation):
            services.reveal_identity(who, reason="credits", at=at, by=cast.director)
        sure = confirm(cast.director, at)
        with pytest.raises(RuleBroken):
            services.reveal_identity(who, reason="curiosity", at=at, by=sure)
        with pytest.raises(NeedsConfirmation):
            services.reveal_identity(who, reason="credits", at=at + timedelta(minutes=6), by=sure)
        assert services.reveal_identity(who, reason="credits", at=at, by=sure) == STANDARD
    event = db.session.scalars(select(AuditEvent).where(AuditEvent.act == "accounts.identity.reveal")).one()
    assert event.detail == {"reason": "credits", "confirmed": "pin"}
    assert event.subject == f"person:{who.public_id}"
    told = db.session.scalars(select(Notice).where(Notice.kind == "accounts.identity_revealed")).one()
    assert (told.account_id, told.values) == (cast.trainee.account_id, {"name": "林海"})


# ---------------------------------------------------------------- pages


@pytest.fixture
def office(browser, cast):
    """The administrator's browser, in English."""
    return browser(cast.administrator, lang="en")


@pytest.fixture
def siyuan(app, cast):
    """Public id of the trainee's person."""
    return person_of(cast.trainee).public_id


PROFILE = {
    "title": "attending",
    "specialty": "Neonatology",
    "licence_number": "1101 1010 0012 345",
    "practice_scope": "pediatrics",
    "degree": "master",
    "practising_since": "2014",
    "seen": "0",
}


def test_the_office_enters_and_a_person_enters_their_own(bare_app, browser, cast, office, siyuan):
    path = f"/people/{siyuan}/profile"
    assert "Nothing" not in office.get(path).text
    assert office.post(path, data=PROFILE).status_code == 303
    page = office.get(path)
    assert page.headers["Cache-Control"] == "no-store"
    for words in ("110110100012345", "Neonatology", "Attending physician", "years in practice", "Version 1"):
        assert words in page.text, words
    own = browser(cast.trainee, lang="en")
    assert 'value="110110100012345"' in own.get("/account/profile").text
    stale = own.post("/account/profile", data={**PROFILE, "title": "chief"})
    assert stale.status_code == 422
    assert "What stands now" in stale.text
    assert own.post("/account/profile", data={**PROFILE, "title": "chief", "seen": "1"}).status_code == 303
    assert "by themselves" in office.get(path).text
    assert "/account/profile" in own.get("/account").text
    assert path in office.get(f"/people/{siyuan}").text


def test_a_refusal_keeps_what_was_typed(office, siyuan):
    answer = office.post(
        f"/people/{siyuan}/profile", data={**PROFILE, "licence_number": "12", "practising_since": "now"}
    )
    assert answer.status_code == 422
    assert 'value="now"' in answer.text
    answer = office.post(f"/people/{siyuan}/profile", data={**PROFILE, "licence_number": "12"})
    assert 'value="12"' in answer.text
    assert 'value="Neonatology"' in answer.text


def test_pages_open_to_readers_alone(bare_app, browser, everybody, siyuan):
    for name, actor in everybody.items():
        client = browser(actor, lang="en")
        is_reader = name in READERS - {"trainee"}
        assert client.get(f"/people/{siyuan}/profile").status_code == (200 if is_reader else 404), name
        expected = 200 if name in ("director", "officer") else 403 if is_reader else 404
        assert client.get(f"/people/{siyuan}/identity/reveal").status_code == expected, name
        expected = 200 if name in ("administrator", "officer") else 403 if is_reader else 404
        assert client.get(f"/people/{siyuan}/identity/remove").status_code == expected, name
        own = client.get("/account/profile")
        assert own.status_code == 200, name
    assert browser().get(f"/people/{siyuan}/profile").status_code == 303
    reader = browser(everybody["director"], lang="en").get(f"/people/{siyuan}/profile").text
    assert "Nothing was entered yet." in reader
    assert "<textarea" not in reader
    assert 'name="licence_number"' not in reader


def test_a_taken_number_is_refused_and_only_the_administrator_learns_whose_it_is(
    browser, cast, office, siyuan, app, at
):
    with transaction():
        services.enter_identity(person_of(cast.other_trainee), STANDARD, at=at, by=None)
        other = person_of(cast.other_trainee).public_id
    own = browser(cast.trainee, lang="en").post("/account/identity", data={"identity_number": STANDARD})
    assert own.status_code == 422
    assert "known here already" in own.text
    assert "扎西顿珠" not in own.text
    assert other not in own.text
    told = office.post(f"/people/{siyuan}/identity", data={"identity_number": STANDARD})
    assert told.status_code == 422
    assert f"/people/{other}/profile" in told.text
    assert STANDARD not in own.text + told.text


def test_numbers_cannot_be_tried_out_one_after_the_other(browser, cast):
    own = browser(cast.trainee, lang="en")
    for n in range(rules.IDENTITY_TRIES[0]):
        assert own.post("/account/identity", data={"identity_number": str(n)}).status_code == 422
    last = own.post("/account/identity", data={"identity_number": STANDARD})
    assert last.status_code == 422
    assert "Too many tries" in last.text
    assert "110105" not in own.get("/account/profile").text


def test_a_whole_number_lies_nowhere_but_on_the_page_that_shows_it_once(
    bare_app, browser, cast, office, siyuan, settings, caplog
):
    caplog.set_level(logging.DEBUG)
    seen = []
    own = browser(cast.trainee, lang="en")
    director = browser(cast.director, lang="en")
    seen.append(own.post("/account/identity", data={"identity_number": STANDARD}).text)
    seen.append(browser().post("/account/identity", data={"identity_number": STANDARD}).text)
    expired = own.post("/account/identity", data={"identity_number": made_up()})
    assert expired.status_code == 422
    seen.append(expired.text)
    path = f"/people/{siyuan}/identity/reveal"
    for data in ({}, {"reason": "credits"}, {"reason": "credits", "pin": "000000"}, {"pin": PIN}):
        refused = director.post(path, data=data)
        assert refused.status_code == 422
        seen.append(refused.text)
    with bare_app.app_context():
        assert not db.session.scalar(select(func.count()).where(AuditEvent.act == "accounts.identity.reveal"))
        db.session.execute(update(UserSession).values(confirmed_at=None))
        db.session.commit()
    assert director.post(path, data={"reason": "credits"}).status_code == 422
    shown = director.post(path, data={"reason": "credits", "pin": PIN})
    assert shown.status_code == 200
    assert shown.headers["Cache-Control"] == "no-store"
    assert STANDARD in shown.text
    for client in (own, office, director):
        for page in (
            f"/people/{siyuan}/profile",
            "/account/profile",
            "/account",
            f"/people/{siyuan}",
            "/people",
            "/people.csv",
            "/notices",
            path,
            "/audit",
        ):
            shown_now = client.get(page).text
            seen.append(shown_now)
    assert "110105********002X" in seen[0] + "".join(seen)
    for text_seen in seen:
        assert STANDARD not in text_seen
        assert made_up() not in text_seen
        assert "19491231" not in text_seen
    assert STANDARD not in caplog.text
    if not POSTGRES:
        files = [file for file in settings.data_dir.iterdir() if file.is_file()]
        assert {"firefly.sqlite3", "firefly.sqlite3-wal"} <= {file.name for file in files}
        for file in files:
            assert STANDARD.encode() not in file.read_bytes(), file
            assert made_up().encode() not in file.read_bytes(), file


def test_the_page_asks_few_questions_however_much_was_entered(app, cast, office, siyuan, queries, at):
    who = person_of(cast.trainee)
    with transaction():
        for year in range(2000, 2020):
            services.enter_profile(who, ProfileFacts(practising_since=year), seen=None, at=at, by=None)
        services.enter_identity(who, STANDARD, at=at, by=None)
    with queries() as seen:
        assert office.get(f"/people/{siyuan}/profile").status_code == 200
    assert seen.count <= 12, seen.statements


def test_title_and_specialty_are_in_the_exported_list(app, cast, office, at):
    with transaction():
        services.enter_profile(person_of(cast.mentor), FACTS, seen=0, at=at, by=None)
        services.enter_identity(person_of(cast.mentor), STANDARD, at=at, by=None)
    text_of = office.get("/people.csv").get_data(as_text=True)
    line = next(line for line in text_of.splitlines() if "王建国" in line)
    assert "Attending physician" in line
    assert "新生儿科" in line
    assert "110110100012345" not in text_of
    assert db.session.scalar(select(func.count()).select_from(PersonProfile)) == 1


# ---------------------------------------------------------------- the list


def test_the_list_holds_whom_the_table_admits(app, everybody, at):
    day = at.date()
    for name, actor in everybody.items():
        allowed = {
            person.id
            for person in db.session.scalars(select(Person))
            if policy.allows(actor, Permission.PROFILE_READ, queries.scope_of(person.id, on=day))
        }
        if not actor.is_any(*queries.READERS):
            with pytest.raises(NotAllowed):
                queries.roll(actor, on=day)
            continue
        rows, total = queries.roll(actor, on=day, per_page=None)
        assert {row.person.id for row in rows} == allowed - ({actor.person_id} - _listed(rows)), name
        assert total == len(rows)


def _listed(rows):
    return {row.person.id for row in rows}


def test_the_list_says_what_is_missing_and_leaves_as_a_file(app, browser, cast, everybody, at, queries):
    with transaction():
        services.enter_profile(person_of(cast.mentor), FACTS, seen=None, at=at, by=None)
        changed = ProfileFacts(**{**vars(FACTS), "title": ""})
        services.enter_profile(person_of(cast.mentor), changed, seen=None, at=at, by=None)
        services.enter_identity(person_of(cast.trainee), STANDARD, at=at, by=None)
    wu = browser(cast.coordinator, lang="en")
    with queries() as seen:
        page = wu.get("/people/profiles").text
    assert seen.count <= 12
    assert "王建国" in page
    assert "陈静" not in page
    assert "王建国" not in wu.get("/people/profiles?lack=licence").text
    assert "王建国" in wu.get("/people/profiles?lack=title").text
    missing = wu.get("/people/profiles?lack=identity").text
    assert "李思远" not in missing
    assert "王建国" in missing
    assert "Nobody found" in wu.get("/people/profiles?q=zzz").text
    table = wu.get("/people/profiles.csv").get_data(as_text=True)
    assert "王建国,Wang Jianguo,,新生儿科,110110100012345,Pediatrics,Master’s degree,2014,no" in table
    assert STANDARD not in table + page
    with app.app_context():
        assert db.session.scalars(
            select(AuditEvent.detail).where(AuditEvent.act == "accounts.profiles.export")
        ).all() == [{"count": table.count("\n") - 1}]
    assert browser(cast.trainee).get("/people/profiles").status_code == 404
    assert "/people/profiles" in browser(everybody["officer"]).get("/audit").text
