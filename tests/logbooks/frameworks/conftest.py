"""Fixtures: people who write, review and ratify frameworks, and drafts on their way."""

from datetime import datetime, timedelta

import pytest

from lms.accounts import services as accounts
from lms.accounts.queries import actor_of
from lms.core import approvals, ids
from lms.core.db import db, transaction
from lms.logbooks import services
from lms.logbooks.models import Framework
from lms.logbooks.models.frameworks import FrameworkDraft
from lms.logbooks.queries import frameworks as queries
from lms.logbooks.services import editions
from lms.policy import Actor, Role
from tests.cast import Cast


@pytest.fixture
def room(bare_app, cast: Cast, at: datetime) -> "Room":
    """The cast with the samples, a clinical reviewer and a chair of the committee."""
    with bare_app.app_context():
        with transaction():
            services.add_sample_frameworks(at)
        return Room(cast, at)


class Room:
    """What tests do with frameworks, through the services."""

    def __init__(self, cast: Cast, at: datetime) -> None:
        self.cast, self.at = cast, at
        self.director = cast.director
        self.reviewer = self._join("郑敏", "zheng@example.org", Role.CLINICAL_REVIEWER)
        self.chair = self._join("马院士", "ma@example.org", Role.COMMITTEE_CHAIR)

    def _join(self, name: str, login: str, role: Role) -> Actor:
        before = self.at - timedelta(days=30)
        with transaction():
            person = accounts.add_person(name_zh=name, name_latin="", at=before, by=None)
            account = accounts.add_account(person, login=login, at=before, by=None)
            accounts.grant(person, role, f"programme:{self.cast.programme.id}", at=before, by=None)
        return actor_of(account, at=self.at)

    def version(self, code: str = "NICU") -> Framework:
        """The newest version of a unit, items loaded."""
        found = queries.latest(code)
        return queries.version(found.public_id, self.director)

    def begin(self, code: str = "NICU", *, empty: bool = False) -> FrameworkDraft:
        """A draft by the director: a copy of the newest version."""
        with transaction():
            return editions.begin(
                code,
                None if empty else self.version(code),
                client_uuid=ids.token(),
                at=self.at,
                by=self.director,
            )

    def held(self, draft: FrameworkDraft, by: Actor | None = None) -> FrameworkDraft:
        """The draft as it is now, held."""
        return queries.draft(draft.public_id, by or self.director, for_update=True)

    def save(self, draft: FrameworkDraft, code: str, *, by: Actor | None = None, seen: str = "", **values):
        """Change an item of a draft; ``seen`` as it stands now unless said."""
        with transaction():
            held = self.held(draft)
            row = editions.row_of(held.document, "item", code)
            editions.save_row(
                held,
                "item",
                code,
                {**{name: value for name, value in row.items() if name != "key"}, **values},
                seen=seen or editions.seen_of(row),
                at=self.at,
                by=by or self.director,
            )

    def submit(self, draft: FrameworkDraft, words: str = "") -> approvals.Approval:
        """The director submits."""
        with transaction():
            return editions.submit(self.held(draft), words=words, at=self.at, by=self.director)

    def review(
        self,
        draft: FrameworkDraft,
        outcome: str = approvals.APPROVED,
        words: str = "",
        by: Actor | None = None,
    ):
        """The reviewer decides on what waits."""
        by = by or self.reviewer
        with transaction():
            held = self.held(draft, by)
            last = queries.reviews(held)[0]
            return editions.review(
                held, outcome=outcome, seen_sha256=last.payload_sha256, words=words, at=self.at, by=by
            )

    def publish(self, draft: FrameworkDraft) -> Framework:
        """Submitted and approved; the version, items loaded."""
        self.submit(draft)
        made = self.review(draft)
        db.session.expire_all()
        return queries.version(made.public_id, self.director)
