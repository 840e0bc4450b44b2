"""The site that is measured: one cohort of any size, built through services only, the same people in every size.

Everybody who acts in a measurement (the *probes*, the trainees who are *ready* for their certificate, their mentors)
stands in every cohort with the same number of entries; a larger cohort only adds others around them. So a difference
between two sizes is the price of the others.
"""

import itertools
import json
import shutil
import subprocess
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from importlib.resources import as_file, files
from pathlib import Path

from flask import Flask
from sqlalchemy import select
from sqlalchemy.orm import joinedload

from lms.accounts import queries as accounts_queries
from lms.accounts import services as accounts
from lms.accounts.models import Account, Person
from lms.assessments import queries as assessments_queries
from lms.assessments import rules as assessments_rules
from lms.assessments import services as assessments
from lms.assessments.models import KeyRevision, Test
from lms.assessments.writer import Writer
from lms.certificates import services as certificates
from lms.core import clock, ids, notices, video
from lms.core.db import db, transaction
from lms.core.jobs import Worker
from lms.core.passwords import hash_secret
from lms.core.storage import storage
from lms.courses import services as courses
from lms.courses.models import Lecture
from lms.logbooks import services as logbooks
from lms.logbooks.models import Entry, Item
from lms.logbooks.rules import Content
from lms.policy import SITE, Actor, Role
from lms.programmes import services as programmes
from lms.programmes.models import Cohort, Enrolment, Hospital, Placement
from lms.settings import Settings, load

PASSWORD = "measured at night"  # noqa: S105 (of people who exist for some minutes on a temporary site)
PIN = "271828"

MOST_PROBES = 20
"""Trainees whose pages are asked for."""
MOST_READY = 20
"""Trainees who have everything and get their certificate."""
TRAINEES_OF_A_MENTOR = 8
LECTURES = 12
FILM_S = 6
ENTRIES_OF_A_PROBE = 12
"""Of which two wait for the mentor: an inbox of sixteen cards."""
SIGNED_ENTRIES = 3
"""What the rule asks for, and what those who are ready have."""
ATTEMPTS = 10
"""Attempts at the test, so that twenty people can start it two hundred times."""

BATCH = 50
"""Trainees built in one transaction."""


def settings_of(data_dir: Path) -> Settings:
    """Settings of a measured site, whatever the surroundings say: a demonstration on SQLite behind one proxy."""
    return load({}, env="demo", data_dir=data_dir, base_url="http://localhost", trusted_proxies=1)


@dataclass(frozen=True)
class Member:
    """Somebody who is measured, signed in."""

    login: str
    token: str
    """Of their session."""
    enrolment: str = ""
    """Public id of a trainee's enrolment."""


@dataclass
class Site:
    """Whom and what the measurements ask for; public ids."""

    trainees: int
    cohort: str = ""
    course: str = ""
    lectures: list[str] = field(default_factory=list)
    test: str = ""
    keys: dict[int, str] = field(default_factory=dict)
    """Slot of the test → its right option. Who passes may not sit again, so the measured answers are wrong on purpose."""
    items: list[str] = field(default_factory=list)
    """Codes of what can be logged."""
    administrator: Member | None = None
    probes: list[Member] = field(default_factory=list)
    ready: list[Member] = field(default_factory=list)
    mentors: list[Member] = field(default_factory=list)


@dataclass(frozen=True)
class Film:
    """A lecture that was transcoded once and stands in for every lecture."""

    source: Path
    folder: Path
    manifest: video.Manifest


@contextmanager
def filmed(settings: Settings) -> Iterator[Film]:
    """Transcode the first seconds of a real sample lecture."""
    sample = files("lms") / "samples" / "lectures" / "m01-critically-ill-child.mp4"
    with tempfile.TemporaryDirectory(prefix="firefly-film-") as name, as_file(sample) as whole:
        source, folder = Path(name) / whole.name, Path(name) / "out"
        program = video.find_ffmpeg(settings.ffmpeg)
        subprocess.run(  # noqa: S603 (our own program on our own file)
            [program, "-v", "error", "-t", str(FILM_S), "-i", str(whole), "-c", "copy", str(source)],
            check=True,
        )
        yield Film(source, folder, video.transcode(source, folder, ffmpeg=settings.ffmpeg))


def build(app: Flask, film: Film, *, trainees: int, at: datetime) -> Site:
    """Build a cohort of ``trainees`` in a prepared, empty site, and let the worker finish what it left to do."""
    with app.app_context():
        found = _Builder(app, film, trainees=trainees, at=at).build()
        db.session.remove()
    Worker(app).drain(rounds=1000)
    with app.app_context():
        db.session.remove()
        db.engine.dispose()
    return found


@dataclass(frozen=True)
class _Hand:
    """A mentor at work: the person, and the actor in a confirmed session."""

    person: Person
    actor: Actor


class _Builder:
    """One build: what its steps share."""

    def __init__(self, app: Flask, film: Film, *, trainees: int, at: datetime) -> None:
        self.app, self.film, self.at = app, film, at
        self.before = at - timedelta(days=70)
        self.start = clock.today(at) - timedelta(days=63)
        self.site = Site(trainees)
        self.probes = min(MOST_PROBES, max(1, trainees // 2))
        self.ready = min(MOST_READY, trainees - self.probes)
        self.password, self.pin = hash_secret(PASSWORD), hash_secret(PIN)

    def build(self) -> Site:
        """All steps in their order."""
        with transaction():
            cohort, homes = self._programme()
        with transaction():
            test = self._test(cohort)
            logbooks.add_sample_frameworks(self.before)
            items = db.session.scalars(
                select(Item).options(joinedload(Item.framework)).order_by(Item.id)
            ).all()
        with transaction():
            lectures = self._course(cohort)
        with transaction():
            mentors = self._mentors()
        self.site.cohort, self.site.test = cohort.public_id, test.public_id
        self.site.items = [item.code for item in items]
        for first in range(0, self.site.trainees, BATCH):
            with transaction():
                for number in range(first, min(first + BATCH, self.site.trainees)):
                    self._trainee(number, cohort, homes[number % len(homes)], mentors, items, lectures)
            db.session.expunge_all()
            # What the next batch goes on with; everybody of the last one may be forgotten.
            db.session.add_all([cohort, *homes, *items, *lectures, *(one.person for one in mentors)])
        self._finish_ready(test)
        with transaction():
            self._letters([one.actor for one in mentors], wanted=True)
        return self.site

    def _programme(self) -> tuple[Cohort, list[Hospital]]:
        base = programmes.add_hospital(
            code="BASE",
            name_zh="萤火儿童医院",
            name_en="Firefly Children's Hospital",
            relation="base",
            at=self.before,
            by=None,
        )
        homes = [
            programmes.add_hospital(
                code=f"HOME-{number}",
                name_zh=f"第{number}县人民医院",
                name_en=f"County Hospital {number}",
                at=self.before,
                by=None,
            )
            for number in range(1, 9)
        ]
        programme = programmes.add_programme(
            code="FFLY",
            title_zh="高级儿科培训",
            title_en="Advanced Pediatric Training",
            sponsor=base,
            director_name="林海",
            is_sample=True,
            at=self.before,
            by=None,
        )
        cohort = programmes.add_cohort(
            programme,
            code="BENCH",
            name_zh="测量班",
            name_en="Measured cohort",
            start_on=self.start,
            end_on=self.start + timedelta(days=181),
            hours=1040,
            at=self.before,
            by=None,
        )
        rule = certificates.publish_rule(
            programme,
            {
                "all": [
                    {"fact": "lectures", "at_least": "all"},
                    {"fact": "tests", "at_least": "all"},
                    {"fact": "entries_signed", "at_least": SIGNED_ENTRIES},
                ]
            },
            at=self.before,
            by=None,
        )
        certificates.pin_rule(cohort, rule, at=self.before, by=None)
        person, account = self._person("陈静", "Chen Jing", "chen@bench.example")
        accounts.grant(person, Role.ADMINISTRATOR, SITE, at=self.before, by=None)
        self.site.administrator = Member("chen@bench.example", self._sign_in(account))
        return cohort, homes

    def _person(self, name_zh: str, name_latin: str, login: str) -> tuple[Person, Account]:
        person = accounts.add_person(name_zh=name_zh, name_latin=name_latin, at=self.before, by=None)
        account = accounts.add_account(person, login=login, at=self.before, by=None)
        account.password_hash, account.pin_hash = self.password, self.pin
        return person, account

    def _sign_in(self, account: Account) -> str:
        return accounts.sign_in(account, at=self.at, user_agent="bench", address="")

    def _test(self, cohort: Cohort) -> Test:
        """The sample test, with as many attempts as the product allows."""
        sample = assessments.add_sample_test(cohort, at=self.before)
        sample.attempts_allowed, sample.closes_at = ATTEMPTS, self.at + timedelta(days=30)
        return sample

    def _course(self, cohort: Cohort) -> Sequence[Lecture]:
        content = json.loads(
            (files("lms") / "samples" / "lectures" / "lectures.json").read_text(encoding="utf-8")
        )
        captions = (files("lms") / "samples" / "lectures" / content[0]["captions"]["zh"]).read_text(
            encoding="utf-8"
        )
        course = courses.add_course(
            cohort,
            code="core",
            title_zh="儿科重症核心课程（样例）",
            title_en="Core course in pediatric critical care (sample)",
            at=self.before,
            by=None,
            is_sample=True,
        )
        made: list[Lecture] = []
        for number in range(LECTURES):
            if number % 4 == 0:
                part = number // 4 + 1
                module = courses.add_module(
                    course, title_zh=f"第{part}单元", title_en=f"Part {part}", at=self.before, by=None
                )
            words = content[number % len(content)]
            lecture = courses.add_lecture(
                module,
                code=f"bench-{number}",
                title_zh=words["title"]["zh"],
                title_en=words["title"]["en"],
                summary_zh=words["summary"]["zh"],
                summary_en=words["summary"]["en"],
                key_points=words["key_points"],
                is_sample=True,
                at=self.before,
                by=None,
            )
            courses.set_captions(lecture, lang="zh-Hans", text=captions, at=self.before, by=None)
            self._film(lecture)
            courses.publish_lecture(lecture, at=self.before, by=None)
            made.append(lecture)
        courses.publish_course(course, at=self.before, by=None)
        self.site.course, self.site.lectures = course.public_id, [one.public_id for one in made]
        return db.session.scalars(
            select(Lecture)
            .options(joinedload(Lecture.video), joinedload(Lecture.cohort))
            .where(Lecture.id.in_([one.id for one in made]))
            .order_by(Lecture.id)
            .execution_options(populate_existing=True)
        ).all()

    def _film(self, lecture: Lecture) -> None:
        """The same upload for every lecture, and the folder that the worker would make of it."""
        with self.film.source.open("rb") as stream:
            received = storage().receive(stream, limit_bytes=64 << 20)
        row = courses.receive_video(
            lecture, received, name=self.film.source.name, client_uuid=None, at=self.before, by=None
        )
        courses.start_transcode(row)
        key = f"{courses.FOLDERS}/{row.public_id}/1"
        with storage().temporary() as folder:
            shutil.copytree(self.film.folder, folder / "out")
            storage().publish(folder / "out", key)
        courses.finish_transcode(
            row,
            folder_key=key,
            manifest=self.film.manifest,
            document=json.loads(self.film.manifest.to_json()),
            at=self.before,
        )

    def _mentors(self) -> list[_Hand]:
        found = []
        measured = -(-(self.probes + self.ready) // TRAINEES_OF_A_MENTOR)
        for number in range(max(2, -(-self.site.trainees // TRAINEES_OF_A_MENTOR))):
            login = f"mentor{number}@bench.example"
            person, account = self._person(f"带教{number}", f"Mentor {number}", login)
            token = self._sign_in(account)
            actor = accounts_queries.actor_of_token(token, at=self.at)
            assert actor is not None
            accounts.note_pin(at=self.at, by=actor)
            if number < measured:
                self.site.mentors.append(Member(login, token))
            found.append(_Hand(person, actor))
        self._letters([one.actor for one in found], wanted=False)
        return found

    def _letters(self, mentors: Sequence[Actor], *, wanted: bool) -> None:
        """Mentors get no letters while the site is built: the worker would send thousands."""
        for one in mentors:
            notices.prefer(one.account_id, logbooks.SUBMITTED, by_mail=wanted, by_webhook=False)

    def _trainee(
        self,
        number: int,
        cohort: Cohort,
        home: Hospital,
        mentors: Sequence[_Hand],
        items: Sequence[Item],
        lectures: Sequence[Lecture],
    ) -> None:
        login = f"trainee{number}@bench.example"
        person, account = self._person(f"学员{number}", f"Trainee {number}", login)
        enrolment = programmes.enrol(
            person,
            cohort,
            track=("PED", "GP", "NURSE")[number % 3],
            home_hospital=home,
            at=self.before,
            by=None,
        )
        place = number // TRAINEES_OF_A_MENTOR
        primary, second = mentors[place], mentors[(place + 1) % len(mentors)]
        placements = self._placements(enrolment, number)
        signers = [(primary, "primary"), (second, "second")]
        if number >= self.probes + self.ready:  # nobody will sign for the others but their first mentor
            placements, signers = placements[:1], signers[:1]
        for placement, (hand, kind) in itertools.product(placements, signers):
            programmes.pair(
                enrolment,
                placement,
                hand.person,
                kind=kind,
                from_on=placement.from_on,
                to_on=placement.to_on,
                at=self.before,
                by=None,
            )
        by = accounts_queries.actor_of(account, at=self.at)
        if number < self.probes:
            self.site.probes.append(Member(login, self._sign_in(account), enrolment.public_id))
        elif number < self.probes + self.ready:
            self.site.ready.append(Member(login, self._sign_in(account), enrolment.public_id))
            self._watch(enrolment, lectures)
        written, signed = self._entries(number)
        for count in range(written):
            entry = self._log(enrolment, items[(number + count) % len(items)], count, by)
            if count < signed:
                logbooks.sign(
                    entry,
                    revision_no=entry.revision_no,
                    level=3 + count % 3,
                    words="",
                    at=self.at,
                    by=primary.actor,
                )

    def _entries(self, number: int) -> tuple[int, int]:
        """How many entries a trainee has written, and how many of them are signed."""
        if number < self.probes:
            return ENTRIES_OF_A_PROBE, ENTRIES_OF_A_PROBE - 2
        if number < self.probes + self.ready:
            return SIGNED_ENTRIES, SIGNED_ENTRIES
        return 1, number % 2

    def _placements(self, enrolment: Enrolment, number: int) -> list[Placement]:
        units = ("NICU", "PICU") if number % 2 == 0 else ("PICU", "NICU")
        middle = self.start + timedelta(days=91)
        spans = (
            (self.start, middle - timedelta(days=1)),
            (middle, self.start + timedelta(days=181)),
        )
        return [
            programmes.place(enrolment, unit=unit, from_on=first, to_on=last, at=self.before, by=None)
            for unit, (first, last) in zip(units, spans, strict=True)
        ]

    def _log(self, enrolment: Enrolment, item: Item, number: int, by: Actor) -> Entry:
        entry, _new = logbooks.log(
            enrolment,
            item=item,
            performed_on=clock.today(self.at) - timedelta(days=number % 6),
            content=Content(operator_role="S_TU", age_band="1-6d", note="第二次进针成功。"),
            signer_person_id=None,
            client_uuid=ids.token(),
            at=self.at,
            by=by,
        )
        return entry

    def _watch(self, enrolment: Enrolment, lectures: Sequence[Lecture]) -> None:
        """Report every lecture as played at normal speed over the last minutes."""
        length = self.film.manifest.seconds
        moment = self.at - timedelta(seconds=len(lectures) * (length + 5))
        for lecture in lectures:
            assert lecture.video is not None
            opened, moment = moment, moment + timedelta(seconds=length + 2)
            courses.beat(
                lecture,
                enrolment,
                session=courses.player_session(lecture.video, enrolment, at=opened),
                seq=1,
                intervals=[[0.0, float(length)]],
                position_s=float(length),
                at=moment,
            )

    def _finish_ready(self, test: Test) -> None:
        """Everybody who is to get a certificate passes the test, through the answer writer."""
        keys = {row.question_version_id: row.key["right"] for row in db.session.scalars(select(KeyRevision))}
        slots = assessments_queries.form_of(test.id).slots
        self.site.keys = {slot["slot"]: keys[slot["version"]] for slot in slots}
        ops = [
            assessments_rules.Op("bench", number, slot, "answer", {"choice": right})
            for number, (slot, right) in enumerate(self.site.keys.items(), start=1)
        ]
        writer = Writer(db.engine)
        for one in self.site.ready:
            by = accounts_queries.actor_of_token(one.token, at=self.at)
            assert by is not None
            with transaction():
                sitting = assessments.start(
                    assessments_queries.test(test.public_id, by), client_uuid=ids.token(), by=by, at=self.at
                )
            writer.save(sitting.id, ops, epoch=sitting.writer_epoch, at=self.at)
            with transaction():
                assessments.submit(
                    assessments_queries.sitting(sitting.public_id, by),
                    by=by,
                    at=self.at + timedelta(minutes=6),
                )
