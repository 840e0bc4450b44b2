"""Tables of courses, lectures, their videos and the evidence of watching."""

from datetime import date, datetime
from typing import Any

from sqlalchemy import (
    BigInteger,
    CheckConstraint,
    Date,
    ForeignKey,
    Index,
    LargeBinary,
    String,
    UniqueConstraint,
    false,
    text,
)
from sqlalchemy.orm import Mapped, mapped_column, relationship

from lms.accounts.models import Person
from lms.core.db import Base, WithId, append_only
from lms.core.jobs import Leased
from lms.programmes.models import Cohort

WORDS = {
    "lecture": ("title_zh", "title_en", "summary_zh", "summary_en", "key_points"),
    "unit": ("title_zh", "title_en", "body_zh", "body_en"),
}
"""What a wording of each kind of thing holds: the columns it becomes when it is published."""


class Course(WithId, Base):
    """What a cohort learns online."""

    __tablename__ = "course"
    __table_args__ = (UniqueConstraint("cohort_id", "code"),)

    cohort_id: Mapped[int] = mapped_column(ForeignKey("cohort.id"), index=True)
    code: Mapped[str] = mapped_column(String(40))
    title_zh: Mapped[str] = mapped_column(String(160))
    title_en: Mapped[str] = mapped_column(String(160))
    summary_zh: Mapped[str] = mapped_column(default="")
    summary_en: Mapped[str] = mapped_column(default="")
    state: Mapped[str] = mapped_column(String(12), default="draft")
    is_sample: Mapped[bool] = mapped_column(default=False)
    """Not yet reviewed by a named clinician; its pages say so."""
    client_uuid: Mapped[str | None] = mapped_column(String(80), unique=True)
    """Key of the form that made it: a second click makes no second one."""
    needs_review: Mapped[bool] = mapped_column(default=False, server_default=false())
    """Whether a clinical reviewer must have approved the words before they are published."""
    archived_at: Mapped[datetime | None]
    """Lists no longer show it; it stays readable, and what was learnt in it counts."""

    cohort: Mapped[Cohort] = relationship(lazy="raise")
    modules: Mapped[list["Module"]] = relationship(
        back_populates="course", lazy="raise", order_by="Module.number"
    )

    @property
    def programme_id(self) -> int:
        """The programme it is taught in (cohort loaded)."""
        return self.cohort.programme_id


class Module(WithId, Base):
    """A part of a course."""

    __tablename__ = "module"
    __table_args__ = (UniqueConstraint("course_id", "number"),)

    course_id: Mapped[int] = mapped_column(ForeignKey("course.id"))
    number: Mapped[int]
    title_zh: Mapped[str] = mapped_column(String(160))
    title_en: Mapped[str] = mapped_column(String(160))
    client_uuid: Mapped[str | None] = mapped_column(String(80), unique=True)

    course: Mapped[Course] = relationship(back_populates="modules", lazy="raise")
    lectures: Mapped[list["Lecture"]] = relationship(
        back_populates="module", lazy="raise", order_by="Lecture.number"
    )


class Lecture(WithId, Base):
    """A lecture on video."""

    __tablename__ = "lecture"
    __table_args__ = (UniqueConstraint("module_id", "number"), UniqueConstraint("cohort_id", "code"))

    module_id: Mapped[int] = mapped_column(ForeignKey("module.id"), index=True)
    cohort_id: Mapped[int] = mapped_column(ForeignKey("cohort.id"), index=True)
    """The cohort of its course, kept here for counting."""
    number: Mapped[int]
    code: Mapped[str] = mapped_column(String(60))
    title_zh: Mapped[str] = mapped_column(String(160))
    title_en: Mapped[str] = mapped_column(String(160))
    summary_zh: Mapped[str] = mapped_column(default="")
    summary_en: Mapped[str] = mapped_column(default="")
    key_points: Mapped[list[Any]] = mapped_column(default=list)
    """``[{"zh": …, "en": …}, …]``."""
    state: Mapped[str] = mapped_column(String(12), default="draft")
    is_sample: Mapped[bool] = mapped_column(default=False)
    client_uuid: Mapped[str | None] = mapped_column(String(80), unique=True)
    video_id: Mapped[int | None] = mapped_column(ForeignKey("video.id", use_alter=True))
    """The version that learners see: always a ready one."""
    chapters: Mapped[list[Any]] = mapped_column(default=list, server_default="[]")
    """``[{"at_s": …, "zh": …, "en": …}, …]`` in the order of the film."""
    release: Mapped[dict[str, Any] | None]
    """When it opens for a learner (rules/release.py); None: at once."""
    reviewed_at: Mapped[datetime | None]
    review_due_on: Mapped[date | None] = mapped_column(Date)
    """Past this day its pages say that a review is due."""

    module: Mapped[Module] = relationship(back_populates="lectures", lazy="raise")
    cohort: Mapped[Cohort] = relationship(lazy="raise")
    video: Mapped["Video | None"] = relationship(foreign_keys=[video_id], lazy="raise", post_update=True)
    captions: Mapped[list["Caption"]] = relationship(lazy="raise", order_by="Caption.lang.desc()")

    @property
    def programme_id(self) -> int:
        """The programme it is taught in (cohort loaded)."""
        return self.cohort.programme_id

    @property
    def content(self) -> dict[str, Any]:
        """The words that learners see, as a wording keeps them."""
        return {name: getattr(self, name) for name in WORDS["lecture"]}


class Video(WithId, Leased, Base):
    """One version of a lecture's video; the worker makes it playable."""

    __tablename__ = "video"
    __table_args__ = (UniqueConstraint("lecture_id", "version"), Index("ix_video_state", "state"))

    lecture_id: Mapped[int] = mapped_column(ForeignKey("lecture.id"))
    version: Mapped[int]
    client_uuid: Mapped[str | None] = mapped_column(String(80), unique=True)
    state: Mapped[str] = mapped_column(String(12), default="uploaded")
    """``uploaded`` → ``transcoding`` → ``ready`` | ``failed``."""
    source_key: Mapped[str] = mapped_column(String(160))
    source_name: Mapped[str] = mapped_column(String(160), default="")
    """The name on the educator's computer, for showing only."""
    source_bytes: Mapped[int] = mapped_column(BigInteger)
    source_sha256: Mapped[str] = mapped_column(String(64))
    progress_percent: Mapped[int] = mapped_column(default=0)
    refusal: Mapped[str] = mapped_column(String(40), default="")
    """Why it failed, as a code of ``core.video.REASONS`` or ``transcode``."""
    folder_key: Mapped[str | None] = mapped_column(String(160))
    manifest: Mapped[dict[str, Any] | None]
    duration_s: Mapped[int] = mapped_column(default=0)
    """Whole seconds: the length of the evidence bitmap."""
    lite_bytes: Mapped[int] = mapped_column(BigInteger, default=0)
    """Size of the small whole film for download and for browsers without scripts."""
    audio_bytes: Mapped[int] = mapped_column(BigInteger, default=0)
    """Size of the sound alone; 0 for a silent film."""
    uploaded_at: Mapped[datetime]
    uploaded_by: Mapped[int | None]
    ready_at: Mapped[datetime | None]


class VideoUpload(WithId, Base):
    """A file that is still coming in, perhaps over several days; its row goes when it has become a video."""

    __tablename__ = "video_upload"

    lecture_id: Mapped[int] = mapped_column(ForeignKey("lecture.id"), index=True)
    account_id: Mapped[int] = mapped_column(index=True)
    name: Mapped[str] = mapped_column(String(160))
    size_bytes: Mapped[int] = mapped_column(BigInteger)
    modified_ms: Mapped[int] = mapped_column(BigInteger)
    """When the file was last changed on the educator's computer: with name and size it tells that this is the same one."""
    began_at: Mapped[datetime]
    touched_at: Mapped[datetime]


class Caption(Base):
    """Captions of a lecture in one language, WebVTT; the transcript page is made from them."""

    __tablename__ = "caption"
    __table_args__ = (UniqueConstraint("lecture_id", "lang"),)

    id: Mapped[int] = mapped_column(primary_key=True)
    lecture_id: Mapped[int] = mapped_column(ForeignKey("lecture.id"))
    lang: Mapped[str] = mapped_column(String(12))
    """``zh-Hans`` or ``en``."""
    text: Mapped[str]


class CaptionDraft(WithId, Leased, Base):
    """Captions that a speech recogniser writes; only the lecture's authors see them, until one has put them right.

    One row for a lecture and a language, used again: its fencing token must never begin anew.
    """

    __tablename__ = "caption_draft"
    __table_args__ = (UniqueConstraint("lecture_id", "lang"),)

    lecture_id: Mapped[int] = mapped_column(ForeignKey("lecture.id"))
    video_id: Mapped[int] = mapped_column(ForeignKey("video.id"))
    """The version whose sound is written down."""
    lang: Mapped[str] = mapped_column(String(12))
    state: Mapped[str] = mapped_column(String(12), default="asked", index=True)
    """``asked`` → ``drafting`` → ``ready`` | ``failed``; ``closed`` when it was published or discarded."""
    text: Mapped[str] = mapped_column(default="")
    progress_percent: Mapped[int] = mapped_column(default=0)
    refusal: Mapped[str] = mapped_column(String(40), default="")
    """Why it failed, as a code of ``services.drafting.REASONS``."""
    asked_at: Mapped[datetime]
    asked_by: Mapped[int | None]


class Watch(Base):
    """What one trainee has seen of one version of a video: one bit for each second."""

    __tablename__ = "watch"
    __table_args__ = (UniqueConstraint("enrolment_id", "video_id"),)

    id: Mapped[int] = mapped_column(primary_key=True)
    enrolment_id: Mapped[int] = mapped_column(ForeignKey("enrolment.id"))
    lecture_id: Mapped[int] = mapped_column(ForeignKey("lecture.id"), index=True)
    video_id: Mapped[int] = mapped_column(ForeignKey("video.id"))
    bitmap: Mapped[bytes] = mapped_column(LargeBinary, default=b"")
    watched_s: Mapped[int] = mapped_column(default=0)
    position_s: Mapped[float] = mapped_column(default=0.0)
    updated_at: Mapped[datetime]


class WatchSession(Base):
    """One player on one page: its reports are numbered, and its clock bounds what it may claim."""

    __tablename__ = "watch_session"
    __table_args__ = (
        Index(
            "ix_watch_session_with_parts",
            "opened_at",
            sqlite_where=text("known_bins IS NOT NULL OR again_bins IS NOT NULL"),
            postgresql_where=text("known_bins IS NOT NULL OR again_bins IS NOT NULL"),
        ),
    )

    id: Mapped[int] = mapped_column(primary_key=True)
    nonce: Mapped[str] = mapped_column(String(40), unique=True)
    enrolment_id: Mapped[int] = mapped_column(ForeignKey("enrolment.id"), index=True)
    video_id: Mapped[int] = mapped_column(ForeignKey("video.id"))
    opened_at: Mapped[datetime]
    last_seq: Mapped[int] = mapped_column(default=0)
    credited_s: Mapped[int] = mapped_column(default=0)
    known_bins: Mapped[bytes | None] = mapped_column(LargeBinary)
    """Parts of ten seconds that had been watched before this player opened (rules/replays.py)."""
    again_bins: Mapped[bytes | None] = mapped_column(LargeBinary)
    """Parts that this player has already had counted as watched again."""


class Replay(Base):
    """How often ten seconds of one version of a video were watched again, by anybody: a number without names."""

    __tablename__ = "replay"

    video_id: Mapped[int] = mapped_column(ForeignKey("video.id"), primary_key=True)
    bin: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    """Which ten seconds, from 0."""
    times: Mapped[int]


class WatchPurse(Base):
    """Media seconds that one person may still claim, over all tabs, devices and lectures."""

    __tablename__ = "watch_purse"

    person_id: Mapped[int] = mapped_column(ForeignKey("person.id"), primary_key=True)
    filled_at: Mapped[datetime]
    seconds: Mapped[float]
    counted_s: Mapped[int] = mapped_column(BigInteger, default=0, server_default="0")
    """All seconds ever counted for this person: an offline lease states what it was when it was given."""


class LectureNote(WithId, Base):
    """What a person wrote for themselves at a moment of a lecture; nobody else reads it."""

    __tablename__ = "lecture_note"
    __table_args__ = (UniqueConstraint("person_id", "client_uuid"),)

    lecture_id: Mapped[int] = mapped_column(ForeignKey("lecture.id"), index=True)
    person_id: Mapped[int] = mapped_column(ForeignKey("person.id"), index=True)
    client_uuid: Mapped[str | None] = mapped_column(String(80))
    at_s: Mapped[int]
    text: Mapped[str]
    made_at: Mapped[datetime]


class LectureCompletion(Base):
    """A trainee has watched a lecture; stays when the video is replaced."""

    __tablename__ = "lecture_completion"
    __table_args__ = (UniqueConstraint("enrolment_id", "lecture_id"),)

    id: Mapped[int] = mapped_column(primary_key=True)
    enrolment_id: Mapped[int] = mapped_column(ForeignKey("enrolment.id"))
    lecture_id: Mapped[int] = mapped_column(ForeignKey("lecture.id"), index=True)
    video_id: Mapped[int] = mapped_column(ForeignKey("video.id"))
    watched_s: Mapped[int]
    at: Mapped[datetime]


append_only("lecture_completion")


class CourseFile(WithId, Base):
    """A picture or a file that belongs to a course; its content never changes."""

    __tablename__ = "course_file"

    course_id: Mapped[int] = mapped_column(ForeignKey("course.id"), index=True)
    kind: Mapped[str] = mapped_column(String(8))
    """``picture`` (cleaned by the de-identification gate) or ``file``."""
    name: Mapped[str] = mapped_column(String(160))
    key: Mapped[str] = mapped_column(String(160))
    size_bytes: Mapped[int] = mapped_column(BigInteger)
    sha256: Mapped[str] = mapped_column(String(64))
    alt_zh: Mapped[str] = mapped_column(String(300), default="")
    alt_en: Mapped[str] = mapped_column(String(300), default="")
    account_id: Mapped[int | None]
    at: Mapped[datetime]

    course: Mapped[Course] = relationship(lazy="raise")


class Unit(WithId, Base):
    """What a module holds beside lectures: a page, a file, a test or a checkpoint. Numbered together with the lectures."""

    __tablename__ = "unit"
    __table_args__ = (
        UniqueConstraint("module_id", "number"),
        CheckConstraint("kind IN ('page', 'file', 'test', 'checkpoint')", name="kind"),
        CheckConstraint("state IN ('draft', 'published')", name="state"),
    )

    module_id: Mapped[int] = mapped_column(ForeignKey("module.id"), index=True)
    cohort_id: Mapped[int] = mapped_column(ForeignKey("cohort.id"), index=True)
    number: Mapped[int]
    kind: Mapped[str] = mapped_column(String(12))
    title_zh: Mapped[str] = mapped_column(String(160))
    title_en: Mapped[str] = mapped_column(String(160))
    body_zh: Mapped[str] = mapped_column(default="")
    body_en: Mapped[str] = mapped_column(default="")
    """Markdown."""
    state: Mapped[str] = mapped_column(String(12), default="draft")
    test_ref: Mapped[str] = mapped_column(String(12), default="")
    """Public id of the test it leads to: an exam for ``test``, a practice test for ``checkpoint``."""
    file_id: Mapped[int | None] = mapped_column(ForeignKey("course_file.id"))
    is_sample: Mapped[bool] = mapped_column(default=False)
    client_uuid: Mapped[str | None] = mapped_column(String(80), unique=True)
    release: Mapped[dict[str, Any] | None]
    reviewed_at: Mapped[datetime | None]
    review_due_on: Mapped[date | None] = mapped_column(Date)

    module: Mapped[Module] = relationship(lazy="raise")
    cohort: Mapped[Cohort] = relationship(lazy="raise")
    file: Mapped[CourseFile | None] = relationship(lazy="raise")

    @property
    def programme_id(self) -> int:
        """The programme it is taught in (cohort loaded)."""
        return self.cohort.programme_id

    @property
    def content(self) -> dict[str, Any]:
        """The words that learners see, as a wording keeps them."""
        return {name: getattr(self, name) for name in WORDS["unit"]}


class UnitDone(Base):
    """A learner's own mark: read."""

    __tablename__ = "unit_done"
    __table_args__ = (UniqueConstraint("enrolment_id", "unit_id"),)

    id: Mapped[int] = mapped_column(primary_key=True)
    enrolment_id: Mapped[int] = mapped_column(ForeignKey("enrolment.id"))
    unit_id: Mapped[int] = mapped_column(ForeignKey("unit.id"), index=True)
    at: Mapped[datetime]


class Wording(Base):
    """What an author saved for a lecture or a unit; never changed. The newest that is not published is the draft."""

    __tablename__ = "wording"
    __table_args__ = (
        UniqueConstraint("lecture_id", "number"),
        UniqueConstraint("unit_id", "number"),
        CheckConstraint("(lecture_id IS NULL) <> (unit_id IS NULL)", name="thing"),
    )

    id: Mapped[int] = mapped_column(primary_key=True)
    lecture_id: Mapped[int | None] = mapped_column(ForeignKey("lecture.id"))
    unit_id: Mapped[int | None] = mapped_column(ForeignKey("unit.id"))
    number: Mapped[int]
    content: Mapped[dict[str, Any]]
    account_id: Mapped[int | None]
    person_id: Mapped[int | None]
    at: Mapped[datetime]

    reviews: Mapped[list["WordingReview"]] = relationship(lazy="raise", order_by="WordingReview.id")


class WordingReview(Base):
    """One step of the review of a wording; never changed."""

    __tablename__ = "wording_review"
    __table_args__ = (CheckConstraint("act IN ('submit', 'approve', 'return')", name="act"),)

    id: Mapped[int] = mapped_column(primary_key=True)
    wording_id: Mapped[int] = mapped_column(ForeignKey("wording.id"), index=True)
    act: Mapped[str] = mapped_column(String(8))
    words: Mapped[str] = mapped_column(String(600), default="")
    due_on: Mapped[date | None] = mapped_column(Date)
    """With an approval: the day of the next review."""
    account_id: Mapped[int | None]
    person_id: Mapped[int | None]
    at: Mapped[datetime]


class Source(WithId, Base):
    """What content rests on: a guideline, a textbook, a leaflet."""

    __tablename__ = "source"

    programme_id: Mapped[int] = mapped_column(ForeignKey("programme.id"), index=True)
    title: Mapped[str] = mapped_column(String(240))
    edition: Mapped[str] = mapped_column(String(80), default="")
    url: Mapped[str] = mapped_column(String(400), default="")
    changed_at: Mapped[datetime | None]
    """When a new edition was noted: whatever rests on it and was reviewed before is marked."""
    change: Mapped[str] = mapped_column(String(400), default="")
    """What changed, in a sentence."""


class SourceUse(Base):
    """A lecture or a unit rests on a source."""

    __tablename__ = "source_use"
    __table_args__ = (
        UniqueConstraint("source_id", "lecture_id"),
        UniqueConstraint("source_id", "unit_id"),
        CheckConstraint("(lecture_id IS NULL) <> (unit_id IS NULL)", name="thing"),
    )

    id: Mapped[int] = mapped_column(primary_key=True)
    source_id: Mapped[int] = mapped_column(ForeignKey("source.id"))
    lecture_id: Mapped[int | None] = mapped_column(ForeignKey("lecture.id"), index=True)
    unit_id: Mapped[int | None] = mapped_column(ForeignKey("unit.id"), index=True)

    source: Mapped[Source] = relationship(lazy="raise")


class Feed(WithId, Base):
    """A person's secret calendar address; revoked ones stay, so that they are known to lead nowhere."""

    __tablename__ = "calendar_feed"

    account_id: Mapped[int] = mapped_column(ForeignKey("account.id"), index=True)
    secret_sha256: Mapped[str] = mapped_column(String(64), unique=True)
    made_at: Mapped[datetime]
    revoked_at: Mapped[datetime | None]


class Announcement(WithId, Base):
    """What a teacher tells a cohort; everybody enrolled gets a notice."""

    __tablename__ = "announcement"

    cohort_id: Mapped[int] = mapped_column(ForeignKey("cohort.id"), index=True)
    title: Mapped[str] = mapped_column(String(160))
    text: Mapped[str]
    """Markdown."""
    client_uuid: Mapped[str | None] = mapped_column(String(80), unique=True)
    person_id: Mapped[int] = mapped_column(ForeignKey("person.id"))
    at: Mapped[datetime]

    cohort: Mapped[Cohort] = relationship(lazy="raise")
    person: Mapped[Person] = relationship(lazy="raise")


class Post(WithId, Base):
    """A question or an answer under a lecture. Words are never changed; a hidden one stays, with the reason."""

    __tablename__ = "post"
    __table_args__ = (Index("ix_post_lecture", "lecture_id", "id"),)

    lecture_id: Mapped[int] = mapped_column(ForeignKey("lecture.id"))
    parent_id: Mapped[int | None] = mapped_column(ForeignKey("post.id"))
    at_s: Mapped[int | None]
    """The moment of the film it is about."""
    text: Mapped[str]
    client_uuid: Mapped[str | None] = mapped_column(String(80), unique=True)
    person_id: Mapped[int] = mapped_column(ForeignKey("person.id"))
    account_id: Mapped[int]
    at: Mapped[datetime]
    answer_marked_at: Mapped[datetime | None]
    """A teacher said: this answers the question."""
    hidden_at: Mapped[datetime | None]
    hidden_why: Mapped[str] = mapped_column(String(200), default="")

    person: Mapped[Person] = relationship(lazy="raise")


class SearchEntry(Base):
    """A text that can be found: a lecture, its transcript in one language, a unit. The words' pieces are terms."""

    __tablename__ = "search_entry"
    __table_args__ = (UniqueConstraint("kind", "thing_id", "lang"),)

    id: Mapped[int] = mapped_column(primary_key=True)
    kind: Mapped[str] = mapped_column(String(12))
    """``lecture``, ``transcript`` or ``unit``."""
    thing_id: Mapped[int]
    lang: Mapped[str] = mapped_column(String(12), default="")
    course_id: Mapped[int] = mapped_column(ForeignKey("course.id"), index=True)
    title: Mapped[str] = mapped_column(String(330))
    text: Mapped[str]
    """As it is searched: plain words."""


class SearchTerm(Base):
    """A piece of a text (core/search.py) and where it stands."""

    __tablename__ = "search_term"
    __table_args__ = (Index("ix_search_term_entry_id", "entry_id"),)

    term: Mapped[str] = mapped_column(String(40), primary_key=True)
    entry_id: Mapped[int] = mapped_column(ForeignKey("search_entry.id"), primary_key=True)
    weight: Mapped[int]
    """How much it says: pieces of a title count more."""


append_only("wording")
append_only("wording_review")
append_only("unit_done")
