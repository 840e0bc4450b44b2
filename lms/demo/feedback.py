"""A round of multisource feedback for the demonstration: closed, read by the mentor, not yet released. Sample words."""

from collections.abc import Callable, Mapping
from datetime import datetime, timedelta

from lms.accounts.models import Person
from lms.logbooks.queries import multisource as queries
from lms.logbooks.rules import multisource as rules
from lms.logbooks.services import multisource as services
from lms.policy import Actor
from lms.programmes import queries as programmes

GROUPS = {
    "doctor": ("tashi", "aygul", "zhangwei", "cering", "he", "liu"),
    "nurse": ("ma", "yang", "sun", "zhao", "qian"),
    "other": ("zhou", "xu"),
}
WORDS = (
    ("交接班清楚，从不遗漏", ""),
    ("对家属有耐心", "忙的时候说话可以再慢一点"),
    ("", "遇到困难可以更早叫人"),
    ("愿意教低年资同事", ""),
)


def add_feedback(
    people: Mapping[str, Person], acting: Callable[[Person, datetime], Actor], *, at: datetime
) -> None:
    """The mentor asks the trainee's colleagues; whoever reads the result is none of them."""
    begun = at - timedelta(days=6)
    trainee, mentor = acting(people["li"], begun), acting(people["wang"], begun)
    enrolment = programmes.own_enrolment(trainee)
    if enrolment is None:
        return
    readers = programmes.mentor_ids(enrolment.id)
    chosen = {
        people[who].id: group
        for group, names in GROUPS.items()
        for who in names
        if people[who].id not in readers
    }
    made, _new = services.begin(enrolment, at=begun, by=mentor)
    services.choose(made, chosen, at=begun, by=mentor)
    services.open_round(made, at=begun, by=mentor)
    own = {"care": 4, "families": 3, "team": 4, "reliable": 4, "respect": 4, "limits": 4, "learning": 3}
    services.rate_self(made, ratings=own, at=begun, by=trainee)
    raters = [person for person in people.values() if person.id in chosen]
    for number, person in enumerate(raters):
        by = acting(person, begun)
        well, better = WORDS[number % len(WORDS)]
        services.answer(
            *queries.asked_round(made.public_id, by, for_update=True),
            ratings={
                code: 2 + (number + place) % 3 if code == "limits" else 3 + (number * place) % 2
                for place, code in enumerate(rules.QUESTIONS)
                if (number + place) % 9
            },
            well=well,
            better=better,
            at=begun,
            by=by,
        )
    services.close(made, at=at - timedelta(days=1), by=acting(people["wang"], at - timedelta(days=1)))
