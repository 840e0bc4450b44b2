"""The numbers of a test: asked for, computed by the worker, shown as far as each may see."""

import csv
import gzip
import io
import json
import random
from datetime import timedelta

import pytest
from sqlalchemy import select
from sqlalchemy.orm import joinedload

from lms.accounts import queries as accounts
from lms.accounts import services as people
from lms.accounts.models import Account
from lms.assessments import cli, models, queries, rules, services
from lms.assessments.psychometrics.report import report
from lms.core import clock
from lms.core.db import db, transaction
from lms.core.errors import NotFound, RuleBroken
from lms.core.jobs import Worker
from lms.policy import Role
from lms.programmes import services as programmes
from lms.programmes.models import Cohort
from tests.assessments.psychometrics.test_report import sat as answers_of_many


def words(text: str) -> dict[str, str]:
    """A text in Chinese."""
    return {"zh": text}


def options(letters: str) -> list[dict[str, str]]:
    """Options named by their letters."""
    return [{"id": one, "zh": f"选项{one}"} for one in letters]


CASE = {
    "stem": words("早产儿，呼吸窘迫"),
    "asks": [{"stem": words(f"第{n}步怎么做"), "options": options("abcdef")} for n in (1, 2, 3)],
}
ITEMS = [
    ("CASE", CASE, {"asks": [{"right": ["a", "c"]}, {"right": ["b"]}, {"right": ["d"]}]}),
    ("X", {"stem": words("多选"), "options": options("abcd")}, {"right": ["a", "b"]}),
    ("NUM", {"stem": words("剂量"), "units": ["mg", "g"]}, {"value": "12.5", "unit": "mg"}),
    ("SHORT", {"stem": words("首选药物")}, {"accepted": [{"text": "肾上腺素"}]}),
    ("ORDER", {"stem": words("排序"), "options": options("abc")}, {"order": ["c", "a", "b"]}),
    (
        "MATCH",
        {"stem": words("配对"), "rows": options("xy"), "options": options("ab"), "scoring": "each"},
        {"pairs": [["x", "a"], ["y", "b"]]},
    ),
    (
        "B1",
        {"options": options("abcde"), "asks": [{"stem": words("甲")}, {"stem": words("乙")}]},
        {"asks": [{"right": "a"}, {"right": "e"}]},
    ),
    ("SLIDER", {"stem": words("标尺"), "low": "0", "high": "10", "step": "1"}, {"value": "7"}),
]


@pytest.fixture
def sat(desk, at):
    """``sat(40)``: so many candidates of different ability sit the test and hand it in; answers their actors, the first who copies the second."""

    def make(n, *, copies=0, seed=1):
        chance = random.Random(seed)
        with desk.app.app_context(), transaction():
            cohort = db.session.get_one(Cohort, desk.cast.cohort.id)
            hospitals = [
                programmes.add_hospital(
                    code=f"R{number}", name_zh="某院", name_en="Some", region=region, at=at, by=None
                )
                for number, region in enumerate(("west", "east"))
            ]
            given = {}
            for number in range(n):
                person = people.add_person(
                    name_zh=f"考生{number}", name_latin=f"Candidate {number}", at=at, by=None
                )
                account = people.add_account(person, login=f"candidate{number}@example.org", at=at, by=None)
                programmes.enrol(
                    person,
                    cohort,
                    track=("PED", "GP")[number % 2],
                    home_hospital=hospitals[number // 2 % 2],
                    at=at,
                    by=None,
                )
                given[account.id] = _answers(desk, chance, ability=chance.gauss(0.8, 1.2))
        with desk.app.app_context():
            actors = [_actor(account_id, at) for account_id in given]
            answers = list(given.values())
            for slot in list(desk.keys)[:copies]:
                answers[0][slot] = answers[1][slot]
            for number, (actor, chosen) in enumerate(zip(actors, answers, strict=True)):
                sitting = desk.start(actor, at=at, uuid=f"click-{number}")
                _hand_in(sitting, actor, chosen, at + timedelta(minutes=5))
        return actors

    return make


def _answers(desk, chance, *, ability):
    """An option for each slot: the harder the later; wrong ones are not equally tempting; some are left blank."""
    found = {}
    for slot, right in desk.keys.items():
        if chance.random() < 1 / (1 + 2.718 ** -(ability - (slot - 5) / 3)):
            found[slot] = right
        elif chance.random() < 0.95:
            found[slot] = chance.choice([one for one in "abcde" if one != right][:3])
    return found


def _actor(account_id, at):
    with transaction():
        account = db.session.get_one(Account, account_id)
        token = people.sign_in(account, at=at, user_agent="test", address="")
    actor = accounts.actor_of_token(token, at=at)
    assert actor is not None
    return actor


def _hand_in(sitting, actor, chosen, at):
    """``chosen``: an option, or a whole response, for each slot."""
    with transaction():
        for number, (slot, said) in enumerate(chosen.items(), 1):
            db.session.add(
                models.ResponseHead(
                    sitting_id=sitting.id,
                    slot=slot,
                    kind="answer",
                    event_id=number,
                    epoch=1,
                    device="test",
                    client_seq=number,
                    body=said if isinstance(said, dict) else {"choice": said},
                )
            )
        db.session.flush()
        services.submit(queries.sitting(sitting.public_id, actor), by=actor, at=at)


@pytest.fixture
def computed(desk, cast, at):
    """Asks as an examiner and lets the worker work; answers the row."""

    def make(who=None):
        by = who or cast.examiner
        with desk.app.app_context():
            with transaction():
                services.request_statistics(queries.test(desk.test.public_id, by), by=by, at=at)
            Worker(desk.app).drain()
            found = queries.statistics(desk.test.id)
            assert found is not None
            return found

    return make


def address(desk, *more):
    return "/".join([f"/tests/{desk.test.public_id}/statistics", *map(str, more)])


# ---------------------------------------------------------------- computing


def test_numbers_are_those_of_the_marks(desk, sat, computed):
    sat(12)
    row = computed()
    assert (row.n, row.left_out, row.state, len(row.data_sha256)) == (12, 0, "done", 64)
    with desk.app.app_context():
        marks = db.session.execute(select(models.Mark.slot, models.Mark.score)).all()
        grades = db.session.scalars(select(models.Grade.score)).all()
    for asked in row.report["asked"]:
        scores = [score for slot, score in marks if slot == asked["slot"]]
        assert asked["facility"] == pytest.approx(float(sum(scores)) / 12)
    assert row.report["totals"]["mean"] == pytest.approx(float(sum(grades)) / 12)
    options = row.report["asked"][0]["options"]
    assert [one["id"] for one in options if one["is_right"]] == [desk.keys[1]]
    assert sum(one["count"] for one in options) + row.report["asked"][0]["omitted"] == 12


def test_nothing_can_be_computed_before_a_sitting_is_marked(desk, cast, at):
    desk.start(at=at)
    with desk.app.app_context(), pytest.raises(RuleBroken) as refusal, transaction():
        services.request_statistics(queries.test(desk.test.public_id, cast.examiner), by=cast.examiner, at=at)
    assert refusal.value.code == "no_results"


def test_asking_twice_for_the_same_results_is_once(desk, sat, computed, cast, at):
    sat(3)
    first = computed()
    assert computed().id == first.id
    with desk.app.app_context():
        assert len(db.session.scalars(select(models.TestStatistics)).all()) == 1


def test_the_same_results_have_the_same_digest_and_others_another(desk, sat, computed):
    sat(3)
    first = computed()
    with desk.app.app_context():
        run = queries.run_of(desk.test.id)
        assert queries.data_of(desk.test.id, run, first.last_grade_id).sha256 == first.data_sha256
        assert queries.data_of(desk.test.id, run, first.last_grade_id - 1).sha256 != first.data_sha256


def test_a_later_attempt_is_left_out(desk, sat, computed, at):
    sat(3)
    with desk.app.app_context():
        for number in (1, 2):
            sitting = desk.start(at=at + timedelta(minutes=number), uuid=f"attempt-{number}")
            _hand_in(sitting, desk.cast.trainee, {}, at + timedelta(minutes=number))
    row = computed()
    assert (row.n, row.left_out) == (4, 1)


def test_a_sitting_that_runs_is_left_out(desk, sat, computed, at):
    sat(3)
    desk.start(at=at)
    assert computed().n == 3


def test_results_that_came_later_make_the_numbers_old(desk, sat, computed, browser, cast, at):
    sat(6)
    computed()
    page = browser(cast.examiner, lang="en").get(address(desk)).text
    assert "have been added" not in page
    with desk.app.app_context():
        _hand_in(desk.start(at=at), cast.trainee, {1: "a"}, at + timedelta(minutes=1))
    assert "have been added" in browser(cast.examiner, lang="en").get(address(desk)).text
    assert computed().n == 7


def test_a_result_that_was_written_at_the_same_moment_is_not_forgotten(desk, sat, computed):
    """On PostgreSQL a smaller id may become visible after a larger one: the count tells."""
    sat(3)
    row = computed()
    with desk.app.app_context(), transaction():
        db.session.get_one(models.TestStatistics, row.id).n = 2
    again = computed()
    assert (again.id, again.n) == (row.id, 3)


def test_what_a_job_cannot_compute_is_failed_and_can_be_tried_again(desk, sat, cast, browser, at):
    sat(3)
    with desk.app.app_context(), transaction():
        row = services.request_statistics(
            queries.test(desk.test.public_id, cast.examiner), by=cast.examiner, at=at
        )
        services.fail_statistics(row.id, "no memory")
    page = browser(cast.examiner, lang="en").get(address(desk)).text
    assert "could not be computed" in page
    assert browser(cast.examiner, lang="en").post(address(desk)).status_code == 303
    Worker(desk.app).drain()
    assert "could not be computed" not in browser(cast.examiner, lang="en").get(address(desk)).text


def test_every_kind_of_question_is_counted(desk, cast, browser, at):
    """One candidate has everything right, one chooses the first option of all; a case has a line for each ask."""
    with desk.app.app_context():
        with transaction():
            cohort = db.session.scalars(
                select(Cohort).options(joinedload(Cohort.programme)).where(Cohort.id == cast.cohort.id)
            ).one()
            bank = db.session.scalars(select(models.ItemBank).where(models.ItemBank.purpose == "exam")).one()
            versions = [
                services.add_question(
                    bank, kind=kind, body=body, key=key, rationale={"zh": "因为"}, at=at, by=None
                )
                for kind, body, key in ITEMS
            ]
            test = services.make_test(
                cohort, versions, title_zh="各种题型", title_en="Mixed kinds", duration_s=3600,
                opens_at=at, closes_at=at + timedelta(days=1), cut_percent=60, at=at, by=None,
            )  # fmt: skip
            services.publish(test, at=at, by=None)
        form = queries.form_of(test.id)
        right, first = {}, {}
        keys = queries.newest_keys(slot["version"] for slot in form.slots)
        for item in queries.paper(form, None):
            key = queries.key_of(keys[item.version_id], item.index)
            right[item.slot] = rules.model_response(item.kind, item.body, key, {})
            if item.kind in {"choice", "multiple"}:
                one = item.options[0].id
                first[item.slot] = {"choice": one} if item.kind == "choice" else {"choices": [one]}
        for who, bodies in ((cast.trainee, right), (cast.other_trainee, first)):
            with transaction():
                sitting = services.start(queries.test(test.public_id, who), client_uuid="once", by=who, at=at)
            _hand_in(sitting, who, bodies, at + timedelta(minutes=1))
        with transaction():
            services.request_statistics(queries.test(test.public_id, cast.examiner), by=cast.examiner, at=at)
        Worker(desk.app).drain()
        found = queries.statistics(test.id).report
    assert [one["slot"] for one in found["asked"]] == [slot["slot"] for slot in form.slots]
    assert found["totals"]["highest"] == found["maximum"] == sum(slot["marks"] for slot in form.slots)
    assert all(one["facility"] >= 0.5 for one in found["asked"])
    has_options = [bool(one["options"]) for one in found["asked"]]
    assert has_options == [True, True, True, True, False, False, False, False, True, True, False]
    case, several = found["asked"][0], found["asked"][3]
    assert case["code"].endswith(".1")
    assert {one["id"] for one in case["options"] if one["is_right"]} == {"a", "c"}
    assert [one["count"] for one in several["options"]] == [2, 1, 0, 0]
    assert found["similarity"]["k"] == 8
    client = browser(cast.examiner, lang="en")
    for slot in form.slots:
        page = client.get(f"/tests/{test.public_id}/statistics/{slot['slot']}")
        assert page.status_code == 200
        assert "Who chose what" in page.text


# ---------------------------------------------------------------- who may see what


@pytest.mark.parametrize("who", ["examiner", "educator", "director"])
def test_staff_of_the_test_see_its_numbers(who, desk, sat, computed, browser, cast):
    sat(6)
    computed()
    page = browser(getattr(cast, who), lang="en").get(address(desk))
    assert page.status_code == 200
    assert "What to look at" in page.text
    assert (
        f'href="{address(desk)}"'
        in browser(getattr(cast, who), lang="en").get(f"/tests/{desk.test.public_id}").text
    )


@pytest.mark.parametrize("who", ["trainee", "mentor", "stranger", "coordinator", "auditor", "administrator"])
@pytest.mark.parametrize("more", [(), (1,)])
def test_to_all_others_the_page_does_not_exist(who, more, desk, browser, cast):
    assert browser(getattr(cast, who), lang="en").get(address(desk, *more)).status_code == 404
    with desk.app.app_context(), pytest.raises(NotFound):
        queries.test(desk.test.public_id, cast.stranger)


def test_an_educator_sees_neither_questions_nor_keys_nor_names(desk, sat, computed, browser, cast):
    sat(40, copies=10)
    row = computed()
    teacher, examiner = browser(cast.educator, lang="en"), browser(cast.examiner, lang="en")
    text = _stem(desk, 1)
    page = teacher.get(address(desk, 1)).text
    assert text not in page
    assert "Who chose what" not in page
    assert "may read the question bank" in page
    shown = examiner.get(address(desk, 1)).text
    assert text in shown
    assert "Who chose what" in shown
    told = teacher.get(address(desk) + ".csv").text
    assert "is_right" not in told
    assert "option" not in {line.split(",")[0] for line in told.splitlines()}
    assert "is_right" in examiner.get(address(desk) + ".csv").text
    whole = teacher.get(address(desk)).text
    assert "考生" not in whole
    assert not any(
        one in whole + told for pair in row.report["similarity"]["suggested"] for one in pair["sittings"]
    )


def _stem(desk, slot):
    with desk.app.app_context():
        item = next(one for one in queries.paper(desk.form, None) if one.slot == slot)
    return item.body["stem"]["en"][:30]


def test_who_copied_is_suggested_by_name_to_the_examiner_alone(desk, sat, computed, browser, cast):
    sat(40)
    row = computed()
    with desk.app.app_context():
        one, other = db.session.scalars(select(models.Sitting.public_id).order_by(models.Sitting.id)).all()[
            :2
        ]
        with transaction():
            kept = db.session.get_one(models.TestStatistics, row.id)
            pair = {
                "identical_wrong": 6, "both_wrong": 6, "expected": 1.2, "p": 1e-9, "q": 1e-6,
                "sittings": [one, other], "slots": [3, 4],
            }  # fmt: skip
            kept.report = {
                **kept.report, "similarity": {**kept.report["similarity"], "suggested": [pair]},
            }  # fmt: skip
    page = browser(cast.examiner, lang="en").get(address(desk)).text
    assert "never a verdict" in page
    assert "考生0" in page
    assert f'href="/sittings/{one}/result"' in page
    hidden = browser(cast.educator, lang="en").get(address(desk)).text
    assert "1 pair stands out" in hidden
    assert "考生" not in hidden
    assert one not in hidden


def test_of_few_people_only_those_see_numbers_who_may_read_results(desk, sat, computed, browser, cast):
    sat(4)
    computed()
    assert "What to look at" in browser(cast.examiner, lang="en").get(address(desk)).text
    teacher = browser(cast.educator, lang="en")
    page = teacher.get(address(desk)).text
    assert "What to look at" not in page
    assert "shown from five people on" in page
    assert teacher.get(address(desk, 1)).status_code == 404
    assert teacher.get(address(desk) + ".csv").status_code == 404
    assert teacher.get(address(desk, "questions.csv")).status_code == 404


# ---------------------------------------------------------------- pages


@pytest.mark.parametrize("lang", ["en", "zh"])
def test_pages_ask_a_fixed_number_of_questions(lang, desk, sat, computed, browser, cast, request):
    sat(40)
    computed()
    client = browser(cast.examiner, lang=lang)
    for path in (address(desk), address(desk, 3), address(desk) + ".csv"):
        with request.getfixturevalue("queries")() as seen:
            assert client.get(path).status_code == 200
        assert seen.count <= 12


def test_the_page_of_a_large_test_stays_small(desk, sat, computed, browser, cast):
    """A hundred questions, all models, all groups, pairs to review: 14 KB at most, as every page."""
    sat(3)
    row = computed()
    large = report(answers_of_many(600, 100, wrong_key=5, unequal=9, copied=[(7, 8, slice(0, 90))]))
    assert large["similarity"]["suggested"]
    with desk.app.app_context(), transaction():
        for pair in large["similarity"]["suggested"]:
            pair["sittings"] = db.session.scalars(select(models.Sitting.public_id).limit(2)).all()
        db.session.get_one(models.TestStatistics, row.id).report = large
    for lang in ("en", "zh"):
        client = browser(cast.examiner, lang=lang)
        for path in (address(desk), address(desk, 6)):
            client.get(path)  # the first visit carries the stylesheet
            page = client.get(path)
            assert page.status_code == 200
            assert len(gzip.compress(page.data, 6)) < 14 * 1024


def test_every_page_says_how_many_which_data_and_which_definitions(desk, sat, computed, browser, cast):
    sat(6)
    row = computed()
    for path in (address(desk), address(desk, 2)):
        page = browser(cast.examiner, lang="en").get(path).text
        assert row.data_sha256 in page
        assert "<dt>People counted</dt><dd>6</dd>" in page
        assert "Discrimination: facility in the upper 27 % less" in page


def test_too_few_people_for_a_model_say_so(desk, sat, computed, browser, cast):
    sat(6)
    computed()
    page = browser(cast.examiner, lang="en").get(address(desk)).text
    assert "fewer than 100 results" in page
    assert "fewer than 250 results" in page
    assert "fewer than 30 results" in page
    assert "hints at most" in page


def test_a_question_that_is_not_there_is_not_found(desk, sat, computed, browser, cast):
    sat(6)
    computed()
    client = browser(cast.examiner, lang="en")
    assert client.get(address(desk, 11)).status_code == 404
    assert client.get("/tests/AAAAAAAAAAAA/statistics").status_code == 404
    assert client.post("/tests/AAAAAAAAAAAA/statistics").status_code == 404


def test_the_file_holds_what_the_page_shows(desk, sat, computed, browser, cast):
    sat(12)
    row = computed()
    told = browser(cast.examiner, lang="en").get(address(desk) + ".csv").text
    lines = list(csv.DictReader(io.StringIO(told.removeprefix("\ufeff"))))
    found = {(one["part"], one["question"], one["of"], one["measure"]): one["value"] for one in lines}
    assert float(found["test", "", "", "alpha"]) == row.report["test"]["alpha"]
    assert float(found["question", "3", "", "facility"]) == row.report["asked"][2]["facility"]
    assert found["report", "", "", "data_sha256"] == row.data_sha256
    assert int(found["option", "1", desk.keys[1], "count"]) == round(12 * row.report["asked"][0]["facility"])
    reasons = {one["reason"] for one in lines if one["measure"] == "log_likelihood"}
    assert reasons == {"fewer_than_100", "fewer_than_250"}


def test_the_table_of_questions_has_a_line_for_each_and_shows_keys_only_to_the_examiner(
    desk, sat, computed, browser, cast
):
    sat(12)
    row = computed()
    tables = {}
    for who in (cast.examiner, cast.educator):
        told = browser(who).get(address(desk, "questions.csv")).text.removeprefix("\ufeff")
        tables[who.name] = list(csv.DictReader(io.StringIO(told)))
    shown, hidden = tables.values()
    assert [int(one["question"]) for one in shown] == list(range(1, 11))
    assert float(shown[4]["facility"]) == row.report["asked"][4]["facility"]
    assert [one["right"].lower() for one in shown] == list(desk.keys.values())
    assert sum(float(shown[0][f"share_{letter}"]) for letter in "ABCDE") <= 1
    assert not {"right", "share_A"} & hidden[0].keys()
    assert hidden[4]["facility"] == shown[4]["facility"]


def test_while_the_worker_works_the_page_says_so(desk, sat, browser, cast):
    sat(3)
    client = browser(cast.examiner, lang="en")
    assert client.post(address(desk)).headers["Location"] == address(desk)
    assert f'data-job="{address(desk)}"' in client.get(address(desk)).text
    state = client.get(address(desk), headers={"Accept": "application/json"}).json
    assert (state["done"], state["total"]) == (0, 1)
    with clock.travelled(timedelta(seconds=1)):
        Worker(desk.app).drain()
    assert client.get(address(desk), headers={"Accept": "application/json"}).json["done"] == 1


def test_every_act_stands_in_the_trail(desk, sat, computed):
    from lms.accounts.rules.trail import ACTS
    from lms.core.audit import AuditEvent

    sat(3)
    row = computed()
    with desk.app.app_context():
        found = {event.act: event for event in db.session.scalars(select(AuditEvent)).all()}
    assert {"assessments.statistics.request", "assessments.statistics.compute"} <= found.keys() & ACTS.keys()
    assert found["assessments.statistics.compute"].detail["data"] == row.data_sha256


def test_only_roles_of_the_policy_reach_the_numbers():
    from lms import policy

    allowed = {
        role
        for role in Role
        if policy.allows(
            policy.Actor(1, "x", 1, "x", grants=frozenset({(role, "site")})),
            policy.Permission.STATISTICS_READ,
        )
    }
    assert allowed == {Role.EXAMINER, Role.EDUCATOR, Role.DIRECTOR}


def test_the_command_line_prints_the_same_numbers(desk, sat, computed, capsys):
    sat(12)
    row = computed()
    with desk.app.app_context():
        assert cli.statistics(desk.test.public_id, as_csv=False) == 0
        told = json.loads(capsys.readouterr().out)
        assert cli.statistics(desk.test.public_id, as_csv=True) == 0
        table = list(csv.DictReader(io.StringIO(capsys.readouterr().out)))
        assert cli.statistics("AAAAAAAAAAAA", as_csv=False) == 2
    assert (told["data_sha256"], told["report"]) == (row.data_sha256, row.report)
    assert {one["value"] for one in table if one["measure"] == "data_sha256"} == {row.data_sha256}
