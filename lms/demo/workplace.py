"""Assessments in the workplace for the demonstration: one that waits, one that was signed. Sample words."""

from collections.abc import Callable, Mapping
from datetime import datetime, timedelta

from lms.accounts.models import Person
from lms.core import clock, ids
from lms.logbooks.models import Item
from lms.logbooks.queries import workplace as queries
from lms.logbooks.rules import workplace as rules
from lms.logbooks.services import workplace as services
from lms.policy import Actor
from lms.programmes import queries as programmes


def add_assessments(
    trainee: Callable[[datetime], Actor],
    mentor: Callable[[datetime], Actor],
    mentor_person: Person,
    items: Mapping[str, Item],
    *,
    at: datetime,
) -> None:
    """The trainee asks their mentor twice; the first one is assessed, the second waits."""
    for kind, code, days_ago, focus in (
        ("dops", "N13", 4, "请看无菌操作和进针前的定位"),
        ("family_talk", "N02", 1, "第一次独立告知病情"),
    ):
        moment = at - timedelta(days=days_ago, hours=2)
        by = trainee(moment)
        enrolment = programmes.own_enrolment(by)
        if enrolment is None:
            return
        asked, _new = services.ask(
            enrolment,
            kind=kind,
            item=items[code],
            assessor_person_id=mentor_person.id,
            happened_on=clock.today(moment),
            setting="NICU",
            age_band="7-28d",
            focus=focus,
            client_uuid=ids.token(),
            at=moment,
            by=by,
        )
        if kind != "dops":
            continue
        later = moment + timedelta(hours=3)
        assessor = mentor(later)
        services.assess(
            queries.assessment(asked.public_id, assessor, for_update=True),
            rules.Filled(
                level=3,
                ratings={"preparation": 2, "asepsis": 3, "technique": 2, "comfort": 1},
                strength="铺巾和无菌操作有序，与护士配合清楚。",
                improvement="镇痛要在操作前就说出来。",
                plan="两周内在我面前再做一次，先说镇痛方案。",
            ),
            at=later,
            by=assessor,
        )
