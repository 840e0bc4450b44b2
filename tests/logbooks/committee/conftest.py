"""A competence committee of the cast's programme: a chair and three members."""

from collections.abc import Sequence
from datetime import datetime, timedelta

import pytest

from lms.accounts import services as accounts
from lms.accounts.models import Person
from lms.accounts.queries import actor_of
from lms.core import clock, ids
from lms.core.db import db, transaction
from lms.logbooks.models.committee import Meeting
from lms.logbooks.queries import committee as queries
from lms.logbooks.services import committee as services
from lms.policy import Actor, Role
from tests.logbooks.conftest import Desk


class Board:
    """What tests do with meetings, through the services (an application context must be open)."""

    def __init__(self, desk: Desk) -> None:
        self.desk, self.cast, self.at = desk, desk.cast, desk.at
        self.chair = self._person("许主席", "Xu", Role.COMMITTEE_CHAIR)
        self.members = [
            self._person(f"委员{name}", f"Member {name}", Role.COMMITTEE_MEMBER) for name in "甲乙丙"
        ]

    def _person(self, zh: str, latin: str, role: Role) -> Actor:
        long_before = self.at - timedelta(days=30)
        with transaction():
            person = accounts.add_person(name_zh=zh, name_latin=latin, at=long_before, by=None)
            account = accounts.add_account(
                person, login=f"{ids.public_id()}@example.org", at=long_before, by=None
            )
            accounts.grant(person, role, f"programme:{self.cast.programme.id}", at=long_before, by=None)
        return actor_of(account, at=self.at)

    def grant(self, who: Actor, role: Role) -> Actor:
        """Give one of the cast a role in the programme from long ago."""
        with transaction():
            person = db.session.get_one(Person, who.person_id)
            long_before = self.at - timedelta(days=30)
            accounts.grant(person, role, f"programme:{self.cast.programme.id}", at=long_before, by=None)
        return Actor(**{**vars(who), "grants": who.grants | {(role, f"programme:{self.cast.programme.id}")}})

    def call(
        self,
        *,
        codes: Sequence[str] = ("N13",),
        others: Sequence[Actor] | None = None,
        by: Actor | None = None,
        client: str = "",
        at: datetime | None = None,
    ) -> Meeting:
        """A meeting of today with items of the trainee on its agenda."""
        at, by = at or self.at, by or self.cast.coordinator
        with transaction():
            made = services.convene(
                self.cast.cohort,
                held_on=clock.today(at),
                chair=db.session.get_one(Person, self.chair.person_id),
                others=[
                    db.session.get_one(Person, one.person_id)
                    for one in (self.members if others is None else others)
                ],
                client_uuid=client or ids.token(),
                at=at,
                by=by,
            )
            if codes:
                services.add_lines(
                    queries.meeting(made.public_id, by), self.cast.enrolment, codes, at=at, by=by
                )
        return made

    def do(self, act: str, meeting: Meeting, by: Actor | None = None, *, at: datetime | None = None, **more):
        """Any act on a meeting: open, cancel, vote on its first line, close with words for each line."""
        at = at or self.at
        with transaction():
            called = queries.meeting(meeting.public_id, by or self.cast.coordinator, for_update=True)
            agenda = queries.lines(called)
            by = by or self.cast.coordinator
            if act == "open":
                return services.open_meeting(called, at=at, by=by)
            if act == "cancel":
                return services.cancel_meeting(called, at=at, by=by)
            if act == "vote":
                given = {"choice": "approve", "level": 3, "words": "", **more}
                return services.vote(called, agenda[0], at=at, by=by, **given)
            words = more.get("words", "Discussed.")
            return services.close_meeting(
                called, {line.agenda.public_id: words for line in agenda}, at=at, by=by
            )

    def decide(self, *levels: int, at: datetime | None = None, code: str = "N13") -> Meeting:
        """A whole meeting in which the members vote for these levels; 0 is a vote to defer."""
        meeting = self.call(codes=[code], at=at)
        self.do("open", meeting, at=at)
        for member, level in zip(self.members, levels, strict=False):
            choice = {"choice": "approve", "level": level} if level else {"choice": "defer", "words": "No."}
            self.do("vote", meeting, member, at=at, **choice)
        self.do("close", meeting, self.chair, at=at)
        return meeting

    def record(self, at: datetime | None = None):
        """The trainee's record, as (code, number, level, standing)."""
        db.session.expire_all()
        rows = queries.entrustments(self.cast.enrolment, today=clock.today(at or self.at))
        return [(one.record.item_code, one.record.number, one.record.level, one.standing) for one in rows]


@pytest.fixture
def board(desk: Desk, app) -> Board:
    """The committee, with an application context open."""
    return Board(desk)
