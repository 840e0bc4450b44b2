"""The site of a drill: a cohort of candidates and one test, made through services on a database of its own."""

import json
import secrets
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime, timedelta
from importlib.resources import files
from pathlib import Path

from sqlalchemy import create_engine, make_url, text
from sqlalchemy.pool import NullPool

from lms import demo
from lms.accounts import services as accounts
from lms.app import create_app
from lms.assessments import rules
from lms.assessments import services as assessments
from lms.core import clock
from lms.core.db import db, transaction
from lms.core.passwords import hash_secret
from lms.programmes import services as programmes
from lms.programmes.models import Cohort, Hospital
from lms.settings import Settings, load

PASSWORD = "rehearsed at noon"  # noqa: S105 (of people who exist for some minutes on a temporary site)
BATCH = 50
"""Candidates made in one transaction."""
CHOSEN_CASES = 2
"""Of the three sample cases."""
LONGEST_S = 4 * 3600
"""Time of the test: longer than any drill."""


@dataclass(frozen=True)
class Site:
    """Where the candidates go."""

    settings: Settings
    test: str
    """Public id."""
    logins: tuple[str, ...]


def settings_of(folder: Path, database_url: str = "") -> Settings:
    """Settings of a drill, whatever the surroundings say; behind one proxy, which tells whose request it is."""
    return load(
        {},
        env="demo",
        data_dir=folder,
        base_url="http://localhost",
        trusted_proxies=1,
        database_url=database_url or None,
    )


@contextmanager
def place(database_url: str = "", *, beside: Path | None = None) -> Iterator[Settings]:
    """A temporary folder, and with a PostgreSQL address a database of its own on that server; both are gone afterwards.

    The database that the address names is never touched: it only says where, and as whom, another may be made.
    ``beside``: the folder is made in this one, so that it lies on the same disk.
    """
    with tempfile.TemporaryDirectory(prefix="firefly-drill-", dir=beside) as folder:
        if not database_url or database_url.startswith("sqlite"):
            yield settings_of(Path(folder))
            return
        with _own_database(database_url) as url:
            yield settings_of(Path(folder), url)


@contextmanager
def _own_database(database_url: str) -> Iterator[str]:
    name = f"firefly_drill_{secrets.token_hex(6)}"
    server = create_engine(database_url, isolation_level="AUTOCOMMIT", poolclass=NullPool)
    with server.connect() as connection:
        connection.execute(text(f'CREATE DATABASE "{name}"'))
    try:
        yield make_url(database_url).set(database=name).render_as_string(hide_password=False)
    finally:
        with server.connect() as connection:
            connection.execute(text(f'DROP DATABASE "{name}" WITH (FORCE)'))


def build(settings: Settings, *, users: int, questions: int, at: datetime) -> Site:
    """Make the site: ``users`` candidates, and a test that is open now: ``questions`` single choices, then cases to choose."""
    demo.prepare(settings)
    app = create_app(settings)
    with app.app_context():
        with transaction():
            cohort, sponsor = _cohort(at)
        with transaction():
            test = _test(cohort, questions, at)
        password = hash_secret(PASSWORD)
        logins = [f"candidate{number}@drill.example" for number in range(users)]
        for first in range(0, users, BATCH):
            with transaction():
                for number in range(first, min(first + BATCH, users)):
                    person = accounts.add_person(
                        name_zh=f"考生{number}", name_latin=f"Candidate {number}", at=at, by=None
                    )
                    account = accounts.add_account(person, login=logins[number], at=at, by=None)
                    account.password_hash = password
                    programmes.enrol(person, cohort, track="PED", home_hospital=sponsor, at=at, by=None)
            db.session.expunge_all()
            db.session.add_all([cohort, sponsor])
        db.session.remove()
        db.engine.dispose()
    return Site(settings, test, tuple(logins))


def _cohort(at: datetime) -> tuple[Cohort, Hospital]:
    sponsor = programmes.add_hospital(
        code="BASE", name_zh="演练医院", name_en="Hospital of the drill", relation="base", at=at, by=None
    )
    programme = programmes.add_programme(
        code="DRILL",
        title_zh="考试演练",
        title_en="Exam drill",
        sponsor=sponsor,
        director_name="林海",
        is_sample=True,
        at=at,
        by=None,
    )
    today = clock.today(at)
    cohort = programmes.add_cohort(
        programme,
        code="DRILL",
        name_zh="演练班",
        name_en="Cohort of the drill",
        start_on=today - timedelta(days=1),
        end_on=today + timedelta(days=30),
        hours=8,
        at=at,
        by=None,
    )
    return cohort, sponsor


def _test(cohort: Cohort, questions: int, at: datetime) -> str:
    """The questions of the sample test, as often as it takes, and after them the sample cases, of which some are chosen."""
    sample = json.loads((files("lms") / "samples" / "tests" / "first-hour.json").read_text("utf-8"))
    bank = assessments.create_bank(
        cohort.programme,
        purpose=rules.Purpose.EXAM,
        title_zh="演练题库",
        title_en="Bank of the drill",
        at=at,
        by=None,
    )
    cases = [
        assessments.add_sample_question(bank, case, at=at, by=None)
        for case in json.loads((files("lms") / "samples" / "tests" / "cases.json").read_text("utf-8"))[
            "items"
        ]
    ]
    items = sample["items"]
    versions = [
        assessments.add_question(
            bank,
            code=f"D-{number:04}",
            kind=item["type"],
            body={"stem": item["stem"], "options": item["options"]},
            key={"right": item["right"]},
            rationale=item["rationale"],
            source=item["source"],
            is_sample=True,
            at=at,
            by=None,
        )
        for number, item in ((number, items[number % len(items)]) for number in range(questions))
    ]
    test = assessments.make_test(
        cohort,
        versions,
        cases=cases,
        choose=CHOSEN_CASES,
        title_zh="演练",
        title_en="Drill",
        duration_s=LONGEST_S,
        opens_at=at,
        closes_at=at + timedelta(days=1),
        cut_percent=60,
        release=rules.Release.HELD,
        is_sample=True,
        at=at,
        by=None,
    )
    return assessments.publish(test, at=at, by=None).public_id
