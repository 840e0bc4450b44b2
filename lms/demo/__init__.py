"""The demonstration programme: built through services only, so that what works here works for a hospital."""

import json
from collections.abc import Sequence
from datetime import datetime, timedelta
from importlib.resources import as_file, files

from flask import Flask
from sqlalchemy import select
from sqlalchemy.orm import joinedload

from lms.accounts import queries as accounts_queries
from lms.accounts import services as accounts
from lms.accounts.models import Person
from lms.assessments import queries as assessments_queries
from lms.assessments import rules as assessments_rules
from lms.assessments import services as assessments
from lms.assessments.models import KeyRevision, Test
from lms.assessments.writer import Writer
from lms.certificates import queries as certificates_queries
from lms.certificates import services as certificates
from lms.certificates.rules.crediting import Plan
from lms.core import clock, ids, signing
from lms.core.db import db, transaction
from lms.core.passwords import hash_secret
from lms.core.storage import storage
from lms.courses import queries as courses_queries
from lms.courses import services as courses
from lms.courses.models import Lecture, Video
from lms.demo.feedback import add_feedback
from lms.demo.frameworks import add_framework_draft
from lms.demo.pages import add_sample_pages
from lms.demo.people import HOSPITALS, MENTORS, SHOWN, STAFF, TRAINEES, account_of, known
from lms.demo.professions import add_professions
from lms.demo.standards import add_sample_panel
from lms.demo.ward import add_ward
from lms.demo.workplace import add_assessments
from lms.logbooks import services as logbooks
from lms.logbooks.models import Entry, Framework, Item
from lms.logbooks.rules import Content
from lms.migrations import build_schema
from lms.policy import Actor
from lms.programmes import services as programmes
from lms.programmes.models import Cohort, Enrolment, Programme
from lms.settings import Settings

PASSWORD = "firefly-by-night"  # noqa: S105 (the demonstration tells it to everybody)
PIN = "271828"
CODE = "FFLY"
SIGNED_ENTRIES = 3
"""What the demonstration's rule asks for: few, so that a visitor can walk the whole way in ten minutes."""


def accounts_shown() -> list[tuple[str, str, str, str]]:
    """(name, role, login, password) of the accounts that visitors use."""
    people = {one.key: one for one in (*TRAINEES, *MENTORS, *(row[0] for row in STAFF))}
    return [(people[key].name_zh, role, people[key].login, PASSWORD) for role, key in SHOWN]


def prepare(settings: Settings) -> None:
    """Schema and signing keys of a demonstration site; nothing happens where they stand."""
    settings.data_dir.mkdir(parents=True, exist_ok=True)
    build_schema(settings.database_url)
    if not (settings.keys_dir / "root.crt").exists():
        signing.create_authority(
            settings.keys_dir,
            organisation=settings.organisation,
            at=clock.now() - timedelta(days=1),
            passphrase=settings.keys_passphrase,
            address=settings.base_url,
        )


def build(app: Flask, *, at: datetime) -> bool:
    """Build the programme; False where it stands already. The worker makes the videos playable afterwards."""
    with app.app_context():
        if db.session.scalar(select(Programme.id).where(Programme.code == CODE)) is not None:
            return False
        lectures = json.loads(
            (files("lms") / "samples" / "lectures" / "lectures.json").read_text(encoding="utf-8")
        )
        with transaction():  # one for all: whoever is interrupted begins again, and never finds half of it
            cohort, people = _programme(at)
            add_professions(people, at=at - timedelta(days=60))
            frameworks = logbooks.add_sample_frameworks(at - timedelta(days=70))
            assessments.add_sample_test(cohort, at=at - timedelta(days=7))
            assessments.add_sample_practice(cohort.programme, at=at - timedelta(days=7))
            # Practice: the certificate asks for every exam, and nobody has to choose cases to get one.
            assessments.add_sample_test(cohort, at=at - timedelta(days=6), name="cases")
            _course(cohort, lectures, at=at)
            add_sample_pages(cohort, at=at)
            _logbooks(cohort, people, frameworks, at=at)
            judges = [people[one.key] for one in MENTORS[:3]]
            add_sample_panel(
                cohort,
                [(person, known(person, at=at)) for person in judges],
                at=at - timedelta(days=1),
                by=known(people["gao"], at=at),
            )
            add_framework_draft(frameworks[0], people["lin"], at=at - timedelta(days=2))
            pairs = [(trainee.key, mentor.key) for trainee, mentor in zip(TRAINEES, MENTORS, strict=True)]
            add_ward(cohort, people, pairs, at=at)
    return True


def _programme(at: datetime) -> tuple[Cohort, dict[str, Person]]:
    day = clock.today(at)
    start = day - timedelta(days=63)
    before = at - timedelta(days=70)
    people: dict[str, Person] = {}
    password, pin = hash_secret(PASSWORD), hash_secret(PIN)
    for one in (*TRAINEES, *MENTORS, *(row[0] for row in STAFF)):
        person = accounts.add_person(
            name_zh=one.name_zh,
            name_latin=one.name_latin,
            name_native=one.name_native,
            native_lang=one.native_lang,
            at=before,
            by=None,
        )
        account = accounts.add_account(person, login=one.login, at=before, by=None)
        account.password_hash, account.pin_hash = password, pin
        people[one.key] = person
    base = programmes.add_hospital(
        code="BASE",
        name_zh="萤火儿童医院（示范）",
        name_en="Firefly Children's Hospital (demonstration)",
        relation="base",
        tier="3",
        at=before,
        by=None,
    )
    homes = [
        programmes.add_hospital(
            code=code, name_zh=zh, name_en=en, tier="2", region="west", at=before, by=None
        )
        for code, zh, en in HOSPITALS
    ]
    programme = programmes.add_programme(
        code=CODE,
        title_zh="高级儿科培训（示范项目）",
        title_en="Advanced Pediatric Training (demonstration)",
        sponsor=base,
        director_name="林海",
        is_sample=True,
        at=before,
        by=None,
    )
    cohort = programmes.add_cohort(
        programme,
        code=f"{start.year}B",
        name_zh=f"{start.year} 秋季班",
        name_en=f"Autumn {start.year} cohort",
        start_on=start,
        end_on=start + timedelta(days=181),
        hours=1040,
        at=before,
        by=None,
    )
    for one, role, scope in STAFF:
        accounts.grant(people[one.key], role, scope or f"programme:{programme.id}", at=before, by=None)
    rule = certificates.publish_rule(
        programme,
        {
            "all": [
                {"fact": "lectures", "at_least": "all"},
                {"fact": "tests", "at_least": "all"},
                {"fact": "entries_signed", "at_least": SIGNED_ENTRIES},
            ]
        },
        at=before,
        by=None,
    )
    certificates.pin_rule(cohort, rule, at=before, by=None)
    certificates.set_plan(cohort, Plan(), at=before, by=None)
    for number, (trainee, mentor) in enumerate(zip(TRAINEES, MENTORS, strict=True)):
        enrolment = programmes.enrol(
            people[trainee.key],
            cohort,
            track=("PED", "GP", "NURSE")[number % 3],
            home_hospital=homes[number % 3],
            at=before,
            by=None,
        )
        units = ("NICU", "PICU") if number % 2 == 0 else ("PICU", "NICU")
        halves = (
            (start, start + timedelta(days=90)),
            (start + timedelta(days=91), start + timedelta(days=181)),
        )
        for unit, (from_on, to_on) in zip(units, halves, strict=True):
            placement = programmes.place(
                enrolment, unit=unit, from_on=from_on, to_on=to_on, at=before, by=None
            )
            second = MENTORS[(number + 7) % 8]
            for who, kind in ((mentor, "primary"), (second, "second")):
                programmes.pair(
                    enrolment,
                    placement,
                    people[who.key],
                    kind=kind,
                    from_on=from_on,
                    to_on=to_on,
                    at=before,
                    by=None,
                )
    return cohort, people


def _course(cohort: Cohort, lectures: Sequence[dict], *, at: datetime) -> None:  # type: ignore[type-arg]
    modules = {
        1: ("识别危重患儿", "Recognising the critically ill child"),
        2: ("新生儿复苏与黄金一小时", "Newborn resuscitation and the golden hour"),
        8: ("休克与脓毒症", "Shock and sepsis"),
    }
    course = courses.add_course(
        cohort,
        code="core",
        title_zh="儿科重症核心课程（样例）",
        title_en="Core course in pediatric critical care (sample)",
        at=at,
        by=None,
        is_sample=True,
    )
    made = {
        number: courses.add_module(course, number=number, title_zh=zh, title_en=en, at=at, by=None)
        for number, (zh, en) in modules.items()
    }
    for one in lectures:
        lecture = courses.add_lecture(
            made[one["module"]],
            code=one["code"],
            title_zh=one["title"]["zh"],
            title_en=one["title"]["en"],
            summary_zh=one["summary"]["zh"],
            summary_en=one["summary"]["en"],
            key_points=one["key_points"],
            is_sample=True,
            at=at,
            by=None,
        )
        folder = files("lms") / "samples" / "lectures"
        for lang, tag in (("zh", "zh-Hans"), ("en", "en")):
            courses.set_captions(
                lecture,
                lang=tag,
                text=(folder / one["captions"][lang]).read_text(encoding="utf-8"),
                at=at,
                by=None,
            )
        with as_file(folder / one["video"]) as path, path.open("rb") as stream:
            received = storage().receive(stream, limit_bytes=64 << 20)
        courses.receive_video(lecture, received, name=one["video"], client_uuid=None, at=at, by=None)
        courses.publish_lecture(lecture, at=at, by=None)
    courses.publish_course(course, at=at, by=None)


def _acting(person: Person, *, at: datetime) -> Actor:
    """A person who signed in and confirmed by PIN at ``at``."""
    token = accounts.sign_in(account_of(person), at=at, user_agent="demonstration", address="")
    actor = accounts_queries.actor_of_token(token, at=at)
    assert actor is not None
    accounts.confirm_by_pin(PIN, at=at, by=actor)
    return actor


def _logbooks(
    cohort: Cohort, people: dict[str, Person], frameworks: Sequence[Framework], *, at: datetime
) -> None:
    """A few weeks of entries: signed, waiting, returned."""
    items = {
        item.code: item
        for item in db.session.scalars(select(Item).where(Item.framework_id.in_([f.id for f in frameworks])))
    }
    enrolments = {
        e.person_id: e
        for e in db.session.scalars(
            select(Enrolment).options(joinedload(Enrolment.cohort)).where(Enrolment.cohort_id == cohort.id)
        )
    }

    def log(
        who: str,
        code: str,
        days_ago: int,
        *,
        role: str = "S_TU",
        age: str = "1-6d",
        note: str = "",
        signer: str | None = None,
    ) -> Entry:
        moment = at - timedelta(days=days_ago, hours=3)
        by = known(people[who], at=moment)
        entry, _new = logbooks.log(
            enrolments[people[who].id],
            item=items[code],
            performed_on=clock.today(moment),
            content=Content(operator_role=role, age_band=age, note=note),
            signer_person_id=people[signer].id if signer else None,
            client_uuid=ids.token(),
            at=moment,
            by=by,
        )
        return entry

    def sign(entry: Entry, mentor: str, level: int, words: str = "") -> None:
        moment = (entry.submitted_at or at) + timedelta(hours=2)

        logbooks.sign(
            entry,
            revision_no=entry.revision_no,
            level=level,
            words=words,
            at=moment,
            by=_acting(people[mentor], at=moment),
        )

    def give_back(entry: Entry, mentor: str, words: str) -> None:
        moment = (entry.submitted_at or at) + timedelta(hours=2)
        logbooks.give_back(
            entry,
            revision_no=entry.revision_no,
            reason="incomplete",
            words=words,
            at=moment,
            by=_acting(people[mentor], at=moment),
        )

    sign(log("li", "N02", 20, age="0-23h", note="面罩通气 30 秒后心率上升。"), "wang", 4)
    sign(log("li", "N06", 12, age="1-6d"), "wang", 3)
    give_back(
        log("li", "N13", 4, age="7-28d", note="第二次进针成功。"), "wang", "请补充镇静镇痛措施，其余都很好。"
    )
    log("tashi", "P03", 2, role="A", age="1-4y", signer="wang", note="学会了双手扣面罩。")
    log("tashi", "P10", 1, role="S_TU", age="1-11mo", signer="wang")
    for who, mentor in (("zhangwei", "liu"), ("cering", "sun"), ("he", "zhao")):
        for number, code in enumerate(("P03", "P05", "P14") if who != "cering" else ("N02", "N16", "N20")):
            sign(
                log(who, code, 30 - 7 * number, age="5-12y" if code[0] == "P" else "1-6d"),
                mentor,
                3 + number % 2,
            )
    log("aygul", "N12", 3, role="S_TU", age="7-28d")
    log("ma", "N16", 5, age="1-6d")
    add_assessments(
        lambda moment: _acting(people["li"], at=moment),
        lambda moment: _acting(people["wang"], at=moment),
        people["wang"],
        items,
        at=at,
    )
    add_feedback(people, lambda person, moment: _acting(person, at=moment), at=at)


def videos_ready(app: Flask) -> tuple[int, int]:
    """(playable videos, all that are not failed)."""
    with app.app_context():
        states = db.session.scalars(select(Video.state)).all()
        db.session.rollback()
    return sum(state == "ready" for state in states), sum(state != "failed" for state in states)


def enliven(app: Flask, *, at: datetime) -> bool:
    """Let three trainees have finished everything, and one certificate be issued; once, when all videos are playable."""
    with app.app_context():
        cohort = _cohort()
        if certificates_queries.certificates_of_cohort(cohort.id):
            return False
        for key in ("zhangwei", "cering", "he"):
            login = next(one.login for one in TRAINEES if one.key == key)
            account = accounts_queries.account_by_login(login)
            assert account is not None
            by = accounts_queries.actor_of(account, at=at)
            _watch_all(by, cohort, at=at)
            enrolment = courses_queries.enrolment_in(by, cohort.id)
            assert enrolment is not None
            if not assessments_queries.passed_tests(
                [enrolment.id]
            ):  # done before, if the start was cut short
                _pass_test(by, cohort, at=at)
        first = accounts_queries.account_by_login("zhangwei@firefly.example")
        chief = accounts_queries.account_by_login("chen@firefly.example")
        assert first is not None
        assert chief is not None
        enrolment_id = db.session.scalars(
            select(Enrolment.public_id).where(Enrolment.person_id == first.person_id)
        ).one()
        with transaction():
            cohort = _cohort()
            chosen = certificates_queries.chosen(cohort, [enrolment_id])
            certificates.issue(
                cohort, chosen, client_uuid="demonstration", at=at, by=accounts_queries.actor_of(chief, at=at)
            )
    return True


def _cohort() -> Cohort:
    """The demonstration's cohort with what surrounds it, as it stands now."""
    return db.session.scalars(
        select(Cohort)
        .options(joinedload(Cohort.programme).joinedload(Programme.sponsor))
        .order_by(Cohort.id)
        .execution_options(populate_existing=True)
    ).one()


def _watch_all(by: Actor, cohort: Cohort, *, at: datetime) -> None:
    """Report every lecture as played at normal speed over the last minutes."""
    enrolment = courses_queries.enrolment_in(by, cohort.id)
    assert enrolment is not None
    lectures = db.session.scalars(
        select(Lecture)
        .options(joinedload(Lecture.video), joinedload(Lecture.cohort))
        .where(Lecture.cohort_id == cohort.id, Lecture.video_id.is_not(None))
        .order_by(Lecture.id)
    ).all()
    moment = at - timedelta(
        seconds=sum(lecture.video.duration_s + 5 for lecture in lectures if lecture.video)
    )
    for lecture in lectures:
        assert lecture.video is not None
        opened, moment = moment, moment + timedelta(seconds=lecture.video.duration_s + 2)
        with transaction():
            courses.beat(
                lecture,
                enrolment,
                session=courses.player_session(lecture.video, enrolment, at=opened),
                seq=1,
                intervals=[[0.0, float(lecture.video.duration_s)]],
                again=[[4.0, 4.0 + 8.0 * (1 + by.person_id % 2)]],  # a part that was worth hearing twice
                position_s=float(lecture.video.duration_s),
                at=moment,
            )


def _pass_test(by: Actor, cohort: Cohort, *, at: datetime) -> None:
    """Sit the test and answer every item but one correctly, through the answer writer."""
    test_id = db.session.scalars(
        select(Test.public_id).where(
            Test.cohort_id == cohort.id,
            Test.state == assessments_rules.TestState.PUBLISHED,
            Test.purpose == assessments_rules.Purpose.EXAM,
        )
    ).one()
    began = at - timedelta(minutes=6)
    with transaction():
        sitting = assessments.start(
            assessments_queries.test(test_id, by), client_uuid=ids.token(), by=by, at=began
        )
    slots = (
        sitting.form.slots
        if "form" in sitting.__dict__
        else assessments_queries.form_of(sitting.test_id).slots
    )
    keys = {row.question_version_id: row.key.get("right") for row in db.session.scalars(select(KeyRevision))}
    writer = Writer(db.engine)
    ops = [
        assessments_rules.Op(
            device="demonstration",
            seq=number,
            slot=slot["slot"],
            kind="answer",
            body={"choice": keys[slot["version"]]},
        )
        for number, slot in enumerate(slots[1:], start=1)
    ]
    writer.save(sitting.id, ops, epoch=sitting.writer_epoch, at=began)
    with transaction():
        assessments.submit(assessments_queries.sitting(sitting.public_id, by), by=by, at=at)
