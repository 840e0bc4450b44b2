"""A published sample test in the cast's cohort, and the few steps that many tests take."""

from dataclasses import dataclass
from datetime import timedelta

import pytest
from sqlalchemy import select

from lms.assessments import models, queries, services
from lms.core import clock
from lms.core.db import db, transaction
from tests.assessments.papers import asked


@dataclass
class Desk:
    """The test of the cast's cohort and shortcuts to what it holds."""

    app: object
    cast: object
    test: models.Test
    form: models.ExamForm
    keys: dict[int, str]
    """Slot → id of the right option."""

    def wrong(self, slot: int) -> str:
        """Some option that is not right."""
        return next(option for option in "abcde" if option != self.keys[slot])

    def start(self, who=None, *, at, uuid="click-0001") -> models.Sitting:
        """A started sitting, with everything that queries load."""
        who = who or self.cast.trainee
        with self.app.app_context():
            with transaction():
                sitting = services.start(
                    queries.test(self.test.public_id, who), client_uuid=uuid, by=who, at=at
                )
            return queries.sitting(sitting.public_id, who)

    def events(self, sitting) -> list[models.ResponseEvent]:
        """The sitting's events in the server's order."""
        with self.app.app_context():
            return list(
                db.session.scalars(
                    select(models.ResponseEvent)
                    .where(models.ResponseEvent.sitting_id == sitting.id)
                    .order_by(models.ResponseEvent.id)
                )
            )

    def heads(self, sitting) -> dict[int, dict]:
        """Slot → what stands."""
        with self.app.app_context():
            return dict(queries.standing(sitting.id).answers)


@pytest.fixture
def desk(bare_app, cast, at) -> Desk:
    """The sample test, open since an hour."""
    with bare_app.app_context():
        with transaction():
            from sqlalchemy.orm import joinedload

            from lms.programmes.models import Cohort

            cohort = db.session.scalars(
                select(Cohort).options(joinedload(Cohort.programme)).where(Cohort.id == cast.cohort.id)
            ).one()
            test = services.add_sample_test(cohort, at=at, opens_at=at - timedelta(hours=1))
        form = queries.form_of(test.id)
        revisions = queries.newest_keys(slot["version"] for slot in form.slots)
        keys = {slot["slot"]: revisions[slot["version"]].key["right"] for slot in form.slots}
        return Desk(bare_app, cast, test, form, keys)


@pytest.fixture
def later():
    """``with later(minutes=16): …`` walks the server's clock."""
    return lambda **span: clock.travelled(timedelta(**span))


class Candidate:
    """A candidate's browser that speaks the protocol of exam.js."""

    def __init__(self, client, device: str = "device-1") -> None:
        self.client, self.device, self.seq, self.epoch = client, device, 0, 1
        self.url = ""

    def start(self, test, *, uuid: str = "click-0001"):
        """Press the start button."""
        answer = self.client.post(f"/tests/{test.public_id}/start", data={"client_uuid": uuid})
        assert answer.status_code == 303, answer.text
        self.url = answer.headers["Location"]
        return answer

    def op(self, slot, body, **more) -> dict:
        """The next operation of this device."""
        self.seq += 1
        return {
            "device": self.device,
            "seq": self.seq,
            "slot": slot,
            "body": body,
            "mono_ms": 1000 * self.seq,
            **more,
        }

    def send(self, *ops, epoch=None):
        """Post operations (none: a heartbeat)."""
        return self.client.post(
            f"{self.url}/ops", json={"epoch": self.epoch if epoch is None else epoch, "ops": list(ops)}
        )

    def choose(self, slot: int, choice: str | None):
        """Choose an option and wait for the server's word."""
        answer = self.send(self.op(slot, {"choice": choice}))
        assert answer.status_code == 200, answer.text
        return answer.json


@pytest.fixture
def candidate(browser, cast):
    """Makes candidates: ``candidate(cast.trainee)``."""
    return lambda who=None, device="device-1", lang="en": Candidate(
        browser(who or cast.trainee, lang=lang), device
    )


@pytest.fixture
def stocked_bank(app, cast, at):
    """An exam bank of eight questions on shock and eight on airways."""
    with transaction():
        made = services.create_bank(
            cast.programme, purpose="exam", title_zh="题库", title_en="Bank", at=at, by=None
        )
        for number in range(16):
            asked(
                bank=made,
                number=number,
                at=at,
                topic=("shock", "airway")[number % 2],
                difficulty=40 + 2 * number,
            )
    return made
