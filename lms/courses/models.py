"""Tables of courses, lectures, their videos and the evidence of watching."""

from datetime import datetime
from typing import Any

from sqlalchemy import BigInteger, ForeignKey, Index, LargeBinary, String, UniqueConstraint
from sqlalchemy.orm import Mapped, mapped_column, relationship

from lms.core.db import Base, WithId, append_only
from lms.core.jobs import Leased
from lms.programmes.models import Cohort


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

    module: Mapped[Module] = relationship(back_populates="lectures", lazy="raise")
    cohort: Mapped[Cohort] = relationship(lazy="raise")
    video: Mapped["Video | None"] = relationship(foreign_keys=[video_id], lazy="raise", post_update=True)
    captions: Mapped[list["Caption"]] = relationship(lazy="raise", order_by="Caption.lang.desc()")

    @property
    def programme_id(self) -> int:
        """The programme it is taught in (cohort loaded)."""
        return self.cohort.programme_id


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

    id: Mapped[int] = mapped_column(primary_key=True)
    nonce: Mapped[str] = mapped_column(String(40), unique=True)
    enrolment_id: Mapped[int] = mapped_column(ForeignKey("enrolment.id"), index=True)
    video_id: Mapped[int] = mapped_column(ForeignKey("video.id"))
    opened_at: Mapped[datetime]
    last_seq: Mapped[int] = mapped_column(default=0)
    credited_s: Mapped[int] = mapped_column(default=0)


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
