"""The cast: always the same people, in one running cohort.

Li Siyuan is the trainee; Dr Wang is her mentor and Dr Rena her second assessor. Tashi is another trainee whose mentor
is Dr Dawa. Chen Jing administers; Zhou teaches; Zhao examines; Director Lin directs; Qian audits. Stranger Sun has an
account and no role at all.
"""

from dataclasses import dataclass, replace
from datetime import datetime, timedelta

from sqlalchemy import select
from sqlalchemy.orm import joinedload

from lms.accounts import queries, services
from lms.core import clock
from lms.core.db import db
from lms.core.passwords import hash_secret
from lms.policy import SITE, Actor, Role
from lms.programmes import services as programmes
from lms.programmes.models import Cohort, Enrolment, Hospital, Placement, Programme

PASSWORD = "ward night lamp"
PIN = "271828"
_PASSWORD_HASH = hash_secret(PASSWORD)
_PIN_HASH = hash_secret(PIN)


@dataclass
class Cast:
    """Everybody, as actors, and the places they work in."""

    trainee: Actor
    other_trainee: Actor
    mentor: Actor
    other_mentor: Actor
    second_assessor: Actor
    administrator: Actor
    coordinator: Actor
    educator: Actor
    examiner: Actor
    director: Actor
    auditor: Actor
    stranger: Actor
    hospital: Hospital
    home_hospital: Hospital
    programme: Programme
    cohort: Cohort
    enrolment: Enrolment
    other_enrolment: Enrolment
    placement: Placement

    def everyone(self) -> dict[str, Actor]:
        """All actors by their part."""
        return {name: value for name, value in vars(self).items() if isinstance(value, Actor)}


def build_cast(at: datetime) -> Cast:
    """Build everybody through the services; the cohort began five weeks ago and runs 26 weeks."""
    day = clock.today(at)

    def person(name_zh: str, name_latin: str, login: str):
        who = services.add_person(name_zh=name_zh, name_latin=name_latin, at=at, by=None)
        account = services.add_account(who, login=login, at=at, by=None)
        account.password_hash, account.pin_hash = _PASSWORD_HASH, _PIN_HASH
        return account

    accounts = {
        "trainee": person("李思远", "Li Siyuan", "siyuan@example.org"),
        "other_trainee": person("扎西顿珠", "Tashi Dhondup", "13800138000"),
        "mentor": person("王建国", "Wang Jianguo", "wang@example.org"),
        "other_mentor": person("达瓦卓玛", "Dawa Droma", "dawa@example.org"),
        "second_assessor": person("热娜·吐尔逊", "Rena Tursun", "rena@example.org"),
        "administrator": person("陈静", "Chen Jing", "chen@example.org"),
        "coordinator": person("吴敏", "Wu Min", "wu@example.org"),
        "educator": person("周立", "Zhou Li", "zhou@example.org"),
        "examiner": person("赵平", "Zhao Ping", "zhao@example.org"),
        "director": person("林海", "Lin Hai", "lin@example.org"),
        "auditor": person("钱方", "Qian Fang", "qian@example.org"),
        "stranger": person("孙一", "Sun Yi", "sun@example.org"),
    }
    hospital = programmes.add_hospital(
        code="BASE",
        name_zh="萤火儿童医院",
        name_en="Firefly Children's Hospital",
        relation="base",
        at=at,
        by=None,
    )
    home_hospital = programmes.add_hospital(
        code="HOME", name_zh="某县人民医院", name_en="A County People's Hospital", at=at, by=None
    )
    programme = programmes.add_programme(
        code="FFLY",
        title_zh="高级儿科培训",
        title_en="Advanced Pediatric Training",
        sponsor=hospital,
        director_name="林海",
        is_sample=True,
        at=at,
        by=None,
    )
    programme.mentor_cap = 2  # room for a colleague's trainee; tests of the cap say one
    start = day - timedelta(days=35)
    cohort = programmes.add_cohort(
        programme,
        code="2026A",
        name_zh="2026 秋季班",
        name_en="Autumn 2026",
        start_on=start,
        end_on=start + timedelta(days=181),
        hours=1040,
        at=at,
        by=None,
    )
    for name, role in (
        ("administrator", Role.ADMINISTRATOR),
        ("auditor", Role.AUDITOR),
    ):
        services.grant(accounts[name].person, role, SITE, at=at, by=None)
    for name, role in (
        ("coordinator", Role.COORDINATOR),
        ("educator", Role.EDUCATOR),
        ("examiner", Role.EXAMINER),
        ("director", Role.DIRECTOR),
    ):
        services.grant(accounts[name].person, role, f"programme:{programme.id}", at=at, by=None)

    def trainee(name: str, mentor: str, second: str | None) -> tuple[Enrolment, Placement]:
        enrolment = programmes.enrol(
            accounts[name].person, cohort, track="PED", home_hospital=home_hospital, at=at, by=None
        )
        placement = programmes.place(
            enrolment, unit="NICU", from_on=start, to_on=start + timedelta(days=90), at=at, by=None
        )
        programmes.place(
            enrolment,
            unit="PICU",
            from_on=start + timedelta(days=91),
            to_on=start + timedelta(days=181),
            at=at,
            by=None,
        )
        for who, kind in ((mentor, "primary"), (second, "second")):
            if who:
                programmes.pair(
                    enrolment,
                    placement,
                    accounts[who].person,
                    kind=kind,
                    from_on=placement.from_on,
                    to_on=placement.to_on,
                    at=at,
                    by=None,
                )
        return enrolment, placement

    enrolment, placement = trainee("trainee", "mentor", "second_assessor")
    other_enrolment, _other = trainee("other_trainee", "other_mentor", None)
    actors = {name: queries.actor_of(account, at=at) for name, account in accounts.items()}
    return Cast(
        **actors,
        hospital=hospital,
        home_hospital=home_hospital,
        programme=programme,
        cohort=cohort,
        enrolment=enrolment,
        other_enrolment=other_enrolment,
        placement=placement,
    )


def recall_cast(cast: Cast) -> Cast:
    """The same cast with rows of the current session: what a copy of its database holds."""
    session = db.session
    sponsor = joinedload(Cohort.programme).joinedload(Programme.sponsor)
    held = session.scalars(
        select(Cohort).options(sponsor)
    ).all()  # the session itself remembers only what somebody holds
    held += session.scalars(
        select(Enrolment).options(
            joinedload(Enrolment.cohort), joinedload(Enrolment.person), joinedload(Enrolment.home_hospital)
        )
    ).all()
    assert held
    return replace(
        cast,
        hospital=session.get_one(Hospital, cast.hospital.id),
        home_hospital=session.get_one(Hospital, cast.home_hospital.id),
        programme=session.get_one(Programme, cast.programme.id),
        cohort=session.get_one(Cohort, cast.cohort.id),
        enrolment=session.get_one(Enrolment, cast.enrolment.id),
        other_enrolment=session.get_one(Enrolment, cast.other_enrolment.id),
        placement=session.get_one(Placement, cast.placement.id),
    )
