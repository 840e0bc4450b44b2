"""Fixtures of the logbook tests: the sample frameworks, entries on their way, a mentor who has just confirmed."""

from datetime import datetime, timedelta

import pytest
from sqlalchemy import select

from lms.accounts import services as accounts
from lms.accounts.models import Account, UserSession
from lms.accounts.queries import actor_of, actor_of_token, digest
from lms.accounts.services import sign_in
from lms.core import clock, ids
from lms.core.db import db, transaction
from lms.logbooks import queries, services
from lms.logbooks.models import Entry, Item
from lms.logbooks.rules import Content
from lms.policy import Actor, Role
from lms.programmes import queries as programmes
from tests.cast import Cast


@pytest.fixture
def desk(bare_app, cast: Cast, at: datetime) -> "Desk":
    """The cast with the sample frameworks loaded."""
    with bare_app.app_context(), transaction():
        services.add_sample_frameworks(at)
    return Desk(cast, at)


class Desk:
    """What tests do with entries, through the services (an application context must be open)."""

    def __init__(self, cast: Cast, at: datetime) -> None:
        self.cast = cast
        self.at = at
        self._unit_lead: Actor | None = None

    @property
    def unit_lead(self) -> Actor:
        """A unit lead of the programme, who is paired with nobody."""
        if self._unit_lead is None:
            long_before = self.at - timedelta(days=30)
            with transaction():
                person = accounts.add_person(name_zh="何主任", name_latin="He", at=long_before, by=None)
                account = accounts.add_account(person, login="he@example.org", at=long_before, by=None)
                scope = f"programme:{self.cast.programme.id}"
                accounts.grant(person, Role.UNIT_LEAD, scope, at=long_before, by=None)
            self._unit_lead = actor_of(account, at=self.at)
        return self._unit_lead

    def item(self, code: str = "N13") -> Item:
        """An item of the samples, its framework loaded."""
        return next(item for item in queries.items() if item.code == code)

    def log(
        self,
        *,
        code: str = "N13",
        by: Actor | None = None,
        ago: int = 0,
        client: str = "",
        as_draft: bool = False,
        signer: int | None = None,
        at: datetime | None = None,
        **facts,
    ) -> Entry:
        """Write an entry; the trainee's own unless somebody else is named."""
        by = by or self.cast.trainee
        with transaction():
            enrolment = programmes.own_enrolment(by)
            assert enrolment is not None
            entry, _new = services.log(
                enrolment,
                item=self.item(code),
                performed_on=clock.today(self.at) - timedelta(days=ago),
                content=Content(**{"operator_role": "A", "age_band": "7-28d", **facts}),
                signer_person_id=signer,
                client_uuid=client or ids.token(),
                as_draft=as_draft,
                at=at or self.at,
                by=by,
            )
        return entry

    def confirmed(self, who: Actor, *, at: datetime | None = None) -> Actor:
        """The same person, signed in on a device where they have just given their PIN."""
        at = at or self.at
        with transaction():
            token = sign_in(
                db.session.get_one(Account, who.account_id), at=at, user_agent="test", address="127.0.0.1"
            )
            session = db.session.scalars(
                select(UserSession).where(UserSession.token_sha256 == digest(token))
            ).one()
            session.confirmed_at, session.confirmed_by = at, "pin"
        found = actor_of_token(token, at=at)
        assert found is not None
        return found

    def sign(
        self,
        entry: Entry,
        *,
        by: Actor | None = None,
        level: int = 4,
        words: str = "",
        at: datetime | None = None,
    ):
        """The mentor signs, freshly confirmed."""
        at = at or self.at + timedelta(minutes=1)
        by = self.confirmed(by or self.cast.mentor, at=at)
        with transaction():
            return services.sign(
                queries.entry(entry.public_id, by, for_update=True),
                revision_no=entry.revision_no,
                level=level,
                words=words,
                at=at,
                by=by,
            )

    def give_back(
        self, entry: Entry, *, by: Actor | None = None, reason: str = "incomplete", words: str = ""
    ):
        """The mentor returns it."""
        by = by or self.cast.mentor
        with transaction():
            return services.give_back(
                queries.entry(entry.public_id, by, for_update=True),
                revision_no=entry.revision_no,
                reason=reason,
                words=words,
                at=self.at + timedelta(minutes=1),
                by=by,
            )
