"""Tables of tests, sittings, answers and marks.

What was asked, answered, decided and marked is never changed; only heads (a cache of the events) and states move.
"""

from datetime import datetime
from fractions import Fraction
from typing import Any

from sqlalchemy import BigInteger, CheckConstraint, ForeignKey, Index, Integer, String, Text, UniqueConstraint
from sqlalchemy.orm import Mapped, mapped_column, relationship

from lms.accounts.models import Person
from lms.assessments.models.bank import ItemBank
from lms.assessments.models.exact import Exact
from lms.assessments.rules.papers import Limits
from lms.core.db import Base, WithId, append_only
from lms.core.jobs import Leased
from lms.programmes.models import Cohort, Enrolment


class Test(WithId, Base):
    """A test that a cohort takes: its terms. The paper is its form."""

    __tablename__ = "test"
    __table_args__ = (
        CheckConstraint("closes_at > opens_at", name="window"),
        CheckConstraint("cut_percent BETWEEN 1 AND 100", name="cut"),
        CheckConstraint("state IN ('draft', 'published')", name="state"),
        CheckConstraint("release IN ('at_once', 'held')", name="release"),
        CheckConstraint("purpose IN ('exam', 'practice')", name="purpose"),
        CheckConstraint("appeal_days BETWEEN 0 AND 60", name="appeal"),
        CheckConstraint("cooldown_days BETWEEN 0 AND 365", name="cooldown"),
    )

    cohort_id: Mapped[int] = mapped_column(ForeignKey("cohort.id"), index=True)
    title_zh: Mapped[str] = mapped_column(String(160))
    title_en: Mapped[str] = mapped_column(String(160))
    duration_s: Mapped[int]
    opens_at: Mapped[datetime]
    closes_at: Mapped[datetime]
    """Half-open: at this instant it is closed."""
    cut_percent: Mapped[int]
    attempts_allowed: Mapped[int] = mapped_column(default=1)
    appeal_days: Mapped[int] = mapped_column(default=7, server_default="7")
    """Days of 24 hours after a result could be seen in which its marking may be appealed; 0: not at all."""
    cooldown_days: Mapped[int] = mapped_column(default=0, server_default="0")
    """Days of 24 hours from the end of one attempt to the beginning of the next."""
    purpose: Mapped[str] = mapped_column(String(10), default="exam")
    """As that of the bank its questions come from; what is for practice counts for no certificate."""
    starts_until: Mapped[datetime | None]
    """Last moment to begin, half-open; None: until it closes."""
    release: Mapped[str] = mapped_column(String(10), default="at_once")
    released_at: Mapped[datetime | None]
    """When held results were released; None while they are held."""
    state: Mapped[str] = mapped_column(String(20), default="draft")
    seb: Mapped[dict[str, Any] | None]
    """None: any browser. Else Safe Exam Browser only: ``{"exam_keys": [hex], "quit_password_sha256": hex or ""}``."""
    is_sample: Mapped[bool] = mapped_column(default=False)
    created_at: Mapped[datetime]

    cohort: Mapped[Cohort] = relationship(lazy="raise")

    @property
    def programme_id(self) -> int:
        """The programme it belongs to (the shape that the policy asks for)."""
        return self.cohort.programme_id

    @property
    def last_start_at(self) -> datetime:
        """From this instant on nobody begins any more."""
        return self.starts_until or self.closes_at

    @property
    def is_released(self) -> bool:
        """Whether candidates may see results."""
        return self.release == "at_once" or self.released_at is not None


class TestPlan(Base):
    """How the papers of a test are drawn; a test whose questions were named one by one has none."""

    __tablename__ = "test_plan"

    test_id: Mapped[int] = mapped_column(ForeignKey("test.id"), primary_key=True, autoincrement=False)
    bank_id: Mapped[int] = mapped_column(ForeignKey("item_bank.id"))
    forms_wanted: Mapped[int] = mapped_column(default=1)
    max_shared: Mapped[int | None]
    """The most questions that two papers may share; None: any number."""
    max_exposure_percent: Mapped[int | None]
    """Questions that a larger share of the year's sittings showed are not drawn; None: no limit."""
    keeps_order: Mapped[bool] = mapped_column(default=False)
    """Whether everybody gets the questions in the order of the paper; options are shuffled in any case."""
    blueprint: Mapped[list[Any]] = mapped_column(default=list)
    """Lines as rules.papers writes them."""
    client_uuid: Mapped[str] = mapped_column(String(64), unique=True)
    """Of the form it was made with: two clicks make one test."""

    bank: Mapped[ItemBank] = relationship(lazy="raise")

    @property
    def limits(self) -> Limits:
        """What holds for all papers together."""
        return Limits(self.forms_wanted, self.max_shared, self.max_exposure_percent)


class ExamForm(Base):
    """The sealed paper of a test: which wordings, in which slots, for how many marks. Never changed."""

    __tablename__ = "exam_form"
    __table_args__ = (UniqueConstraint("test_id", "n"),)

    id: Mapped[int] = mapped_column(primary_key=True)
    test_id: Mapped[int] = mapped_column(ForeignKey("test.id"))
    n: Mapped[int]
    slots: Mapped[list[Any]]
    """``[{"slot", "version", "sha256", "type", "marks", "options": [ids], "ask"?: index, "fixed"?: true}]``, slots from 1; the
    asks of a group follow each other. ``fixed``: not shuffled."""
    sha256: Mapped[str] = mapped_column(String(64))
    """Of the canonical JSON of the slots."""
    drawn: Mapped[dict[str, Any] | None]
    """How it was drawn, as it was proved at sealing: ``{"blueprint", "picks", "items", "seed"}``; None: named one by one."""
    sealed_at: Mapped[datetime]


class DraftForm(Base):
    """A paper that was drawn and is not sealed yet; it changes until it is, and goes when it is."""

    __tablename__ = "draft_form"
    __table_args__ = (UniqueConstraint("test_id", "n"),)

    id: Mapped[int] = mapped_column(primary_key=True)
    test_id: Mapped[int] = mapped_column(ForeignKey("test.id"))
    n: Mapped[int]
    picks: Mapped[list[Any]]
    """``[[line of the blueprint from 0, question id]]``, in the order of the paper."""
    seed: Mapped[str] = mapped_column(String(64))
    """Of the drawing: the same seed and bank give the same papers."""


class Sitting(WithId, Leased, Base):
    """One attempt of one trainee at a test."""

    __tablename__ = "sitting"
    __table_args__ = (
        UniqueConstraint("test_id", "enrolment_id", "attempt"),
        UniqueConstraint("enrolment_id", "client_uuid"),
        CheckConstraint("state IN ('in_progress', 'submitted', 'auto_submitted')", name="state"),
        Index("ix_sitting_state", "state", "marked_at"),
        Index("ix_sitting_told", "told_at", "marked_at"),
    )

    test_id: Mapped[int] = mapped_column(ForeignKey("test.id"))
    form_id: Mapped[int] = mapped_column(ForeignKey("exam_form.id"))
    enrolment_id: Mapped[int] = mapped_column(ForeignKey("enrolment.id"), index=True)
    trainee_person_id: Mapped[int] = mapped_column(ForeignKey("person.id"))
    attempt: Mapped[int]
    """From 1; two clicks at once can make only one."""
    client_uuid: Mapped[str] = mapped_column(String(64))
    """Of the start button; a second click finds the first one's sitting."""
    seed: Mapped[str] = mapped_column(String(64))
    """32 random bytes, hexadecimal: the order of questions and options follows from it."""
    started_at: Mapped[datetime]
    writer_epoch: Mapped[int] = mapped_column(default=1)
    """Which of the browsers that opened it may write; grows at each take-over."""
    submitted_at: Mapped[datetime | None]
    state: Mapped[str] = mapped_column(String(20), default="in_progress")
    receipt: Mapped[str | None] = mapped_column(String(64))
    """SHA-256 over paper, candidate and the answers that were marked."""
    marked_at: Mapped[datetime | None]
    gave_up_at: Mapped[datetime | None]
    """When marking was given up; it is not tried again until an examiner says so."""
    marking_since: Mapped[datetime | None]
    """Since when it waits for markers, or waited; None: nothing in it is marked by people."""
    told_at: Mapped[datetime | None]
    """When the trainee saw the result, or was told that it is there."""

    test: Mapped[Test] = relationship(lazy="raise")
    form: Mapped[ExamForm] = relationship(lazy="raise")
    enrolment: Mapped[Enrolment] = relationship(lazy="raise")
    person: Mapped[Person] = relationship(lazy="raise")

    @property
    def cohort_id(self) -> int:
        """The cohort whose test it is (the shape that the policy asks for)."""
        return self.test.cohort_id

    @property
    def programme_id(self) -> int:
        """The programme it belongs to (the shape that the policy asks for)."""
        return self.test.programme_id


class ClockEvent(Base):
    """Something that moves a sitting's deadline; the deadline itself is stored nowhere."""

    __tablename__ = "clock_event"
    __table_args__ = (
        CheckConstraint("kind IN ('start', 'extend', 'pause', 'resume')", name="kind"),
        CheckConstraint("ms >= 0", name="ms"),
    )

    id: Mapped[int] = mapped_column(primary_key=True)
    sitting_id: Mapped[int] = mapped_column(ForeignKey("sitting.id"), index=True)
    kind: Mapped[str] = mapped_column(String(10))
    ms: Mapped[int] = mapped_column(default=0)
    reason: Mapped[str] = mapped_column(String(200), default="")
    account_id: Mapped[int | None]
    at: Mapped[datetime]


class Accommodation(Base):
    """More time for one trainee in every test of their cohort; the newest counts, and none is ever changed."""

    __tablename__ = "accommodation"
    __table_args__ = (CheckConstraint("percent >= 0 AND minutes >= 0", name="more"),)

    id: Mapped[int] = mapped_column(primary_key=True)
    enrolment_id: Mapped[int] = mapped_column(ForeignKey("enrolment.id"), index=True)
    percent: Mapped[int]
    """More, of the duration."""
    minutes: Mapped[int]
    """More, on top of that."""
    need: Mapped[str] = mapped_column(String(20))
    """``language``, ``reading``, ``breaks`` or ``other``; nothing about health."""
    account_id: Mapped[int]
    at: Mapped[datetime]


class SittingNote(WithId, Base):
    """Words of an invigilator: a message that candidates see, or an incident for the record. Never changed."""

    __tablename__ = "sitting_note"
    __table_args__ = (
        CheckConstraint("kind IN ('message', 'incident')", name="kind"),
        UniqueConstraint("account_id", "client_uuid"),
    )

    test_id: Mapped[int] = mapped_column(ForeignKey("test.id"), index=True)
    sitting_id: Mapped[int | None] = mapped_column(ForeignKey("sitting.id"), index=True)
    """None: everybody who sits it."""
    kind: Mapped[str] = mapped_column(String(10))
    words: Mapped[str] = mapped_column(String(500))
    client_uuid: Mapped[str] = mapped_column(String(64))
    """Of the form; pressed twice it is said once."""
    account_id: Mapped[int]
    at: Mapped[datetime]


class Presence(Base):
    """When the server last heard of a sitting's page: a fact for the invigilator, not evidence."""

    __tablename__ = "sitting_presence"

    sitting_id: Mapped[int] = mapped_column(ForeignKey("sitting.id"), primary_key=True)
    seen_at: Mapped[datetime]


class ResponseEvent(Base):
    """One operation of a candidate's device, kept whether or not it counted."""

    __tablename__ = "response_event"
    __table_args__ = (UniqueConstraint("sitting_id", "device", "client_seq"),)

    id: Mapped[int] = mapped_column(BigInteger().with_variant(Integer, "sqlite"), primary_key=True)
    sitting_id: Mapped[int] = mapped_column(ForeignKey("sitting.id"))
    device: Mapped[str] = mapped_column(String(64))
    client_seq: Mapped[int]
    slot: Mapped[int | None]
    kind: Mapped[str] = mapped_column(String(10))
    body: Mapped[dict[str, Any]]
    epoch: Mapped[int]
    """The writer epoch of the page that sent it."""
    mono_ms: Mapped[int | None] = mapped_column(BigInteger)
    """The device's own monotonic clock: evidence only."""
    at: Mapped[datetime]
    """When it reached the server."""
    late_ms: Mapped[int] = mapped_column(BigInteger, default=0)
    """How far after the deadline; up to the grace it still counts."""
    applied: Mapped[bool]
    reason: Mapped[str | None] = mapped_column(String(20))
    """Why it does not count."""


class ResponseHead(Base):
    """What stands now for one slot of a sitting: a cache, rebuilt from the events at any time."""

    __tablename__ = "response_head"

    sitting_id: Mapped[int] = mapped_column(ForeignKey("sitting.id"), primary_key=True)
    slot: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    kind: Mapped[str] = mapped_column(String(10), primary_key=True)
    event_id: Mapped[int] = mapped_column(BigInteger)
    epoch: Mapped[int]
    device: Mapped[str] = mapped_column(String(64))
    client_seq: Mapped[int]
    body: Mapped[dict[str, Any]]


class SittingReceipt(Base):
    """What a candidate was given at hand-in, byte for byte. Never changed."""

    __tablename__ = "sitting_receipt"

    sitting_id: Mapped[int] = mapped_column(ForeignKey("sitting.id"), primary_key=True, autoincrement=False)
    document: Mapped[str] = mapped_column(Text)
    """Canonical JSON with its signature; see rules.receipts."""
    at: Mapped[datetime]


class GradeRun(WithId, Base):
    """One marking of a test by stated keys and a stated engine. A regrade is a further run."""

    __tablename__ = "grade_run"
    __table_args__ = (UniqueConstraint("test_id", "n"),)

    test_id: Mapped[int] = mapped_column(ForeignKey("test.id"))
    n: Mapped[int]
    keys: Mapped[dict[str, Any]]
    """Question version id (as text) → key revision id."""
    keys_sha256: Mapped[str] = mapped_column(String(64))
    engine_version: Mapped[int]
    cut_percent: Mapped[int]
    reason: Mapped[str] = mapped_column(String(200), default="")
    created_at: Mapped[datetime]


class Mark(Base):
    """The marks of one response in one run."""

    __tablename__ = "mark"

    grade_run_id: Mapped[int] = mapped_column(ForeignKey("grade_run.id"), primary_key=True)
    sitting_id: Mapped[int] = mapped_column(ForeignKey("sitting.id"), primary_key=True)
    slot: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    key_revision_id: Mapped[int] = mapped_column(ForeignKey("key_revision.id"))
    response: Mapped[dict[str, Any]]
    """What was marked; empty: no answer."""
    score: Mapped[Fraction] = mapped_column(Exact)
    maximum: Mapped[Fraction] = mapped_column(Exact)


class Grade(Base):
    """The result of one sitting in one run."""

    __tablename__ = "grade"
    __table_args__ = (
        UniqueConstraint("grade_run_id", "sitting_id"),
        CheckConstraint("decision IN ('pass', 'fail')", name="decision"),
    )

    id: Mapped[int] = mapped_column(primary_key=True)
    grade_run_id: Mapped[int] = mapped_column(ForeignKey("grade_run.id"))
    sitting_id: Mapped[int] = mapped_column(ForeignKey("sitting.id"), index=True)
    score: Mapped[Fraction] = mapped_column(Exact)
    maximum: Mapped[Fraction] = mapped_column(Exact)
    cut_percent: Mapped[int]
    decision: Mapped[str] = mapped_column(String(10))
    at: Mapped[datetime]


class TestStatistics(WithId, Leased, Base):
    """The numbers of a test over all results that stood at one moment; computed by a job, then never changed."""

    __tablename__ = "test_statistics"
    __table_args__ = (
        UniqueConstraint(
            "test_id", "grade_run_id", "last_grade_id", "engine_version", name="uq_test_statistics_data"
        ),
        CheckConstraint("state IN ('waiting', 'done', 'failed')", name="state"),
    )

    test_id: Mapped[int] = mapped_column(ForeignKey("test.id"))
    grade_run_id: Mapped[int] = mapped_column(ForeignKey("grade_run.id"))
    last_grade_id: Mapped[int]
    """Results of the run up to this one; a result is never changed, so this says which data they are."""
    engine_version: Mapped[int]
    state: Mapped[str] = mapped_column(String(10), default="waiting")
    account_id: Mapped[int | None]
    requested_at: Mapped[datetime]
    computed_at: Mapped[datetime | None]
    n: Mapped[int] = mapped_column(default=0)
    """Sittings that were counted."""
    left_out: Mapped[int] = mapped_column(default=0)
    """Results that were not: later attempts, and sittings of another form."""
    data_sha256: Mapped[str] = mapped_column(String(64), default="")
    """Of what went in: form, keys, engine of marking, and the receipt and groups of each sitting."""
    report: Mapped[dict[str, Any]] = mapped_column(default=dict)
    """See ``psychometrics.report``."""


for _table in (
    "exam_form",
    "clock_event",
    "accommodation",
    "sitting_note",
    "response_event",
    "sitting_receipt",
    "grade_run",
    "mark",
    "grade",
):
    append_only(_table)
