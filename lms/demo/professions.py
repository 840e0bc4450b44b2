"""What the people of the demonstration are professionally: all of it made up, the licence numbers too."""

from collections.abc import Mapping
from datetime import datetime

from lms.accounts import services as accounts
from lms.accounts.models import Person
from lms.accounts.rules.profiles import ProfileFacts

EXAMPLE = "11010519491231002X"
"""The number that GB 11643 itself gives as its example: nobody's."""

_PROFESSIONS = {
    "li": ProfileFacts("000000000000101", "pediatrics", "resident", "儿科", "bachelor", 2021),
    "tashi": ProfileFacts("", "general", "attending", "全科", "bachelor", 2017),
    "aygul": ProfileFacts("000000000000103", "pediatrics", "attending", "儿科", "bachelor", 2016),
    "zhangwei": ProfileFacts("000000000000104", "pediatrics", "resident", "", "master", 2020),
    "wang": ProfileFacts("000000000000201", "pediatrics", "chief", "新生儿科", "doctor", 1998),
    "dawa": ProfileFacts("000000000000202", "pediatrics", "associate_chief", "小儿重症", "master", 2007),
    "rena": ProfileFacts("000000000203", "nursing", "charge_nurse", "新生儿重症护理", "bachelor", 2010),
    "lin": ProfileFacts("000000000000301", "pediatrics", "chief", "新生儿科", "doctor", 1994),
}


def add_professions(people: Mapping[str, Person], *, at: datetime) -> None:
    """Enter them; some are left out on purpose, so that the list has something to ask for."""
    for key, facts in _PROFESSIONS.items():
        accounts.enter_profile(people[key], facts, seen=None, at=at, by=None)
    accounts.enter_identity(people["li"], EXAMPLE, at=at, by=None)
