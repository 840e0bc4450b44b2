"""Tables of credits: how a cohort's activities are counted, and the ledger of what they brought. Both append-only."""

from datetime import date, datetime
from fractions import Fraction

from sqlalchemy import CheckConstraint, Date, ForeignKey, String, UniqueConstraint
from sqlalchemy.orm import Mapped, mapped_column, relationship

from lms.assessments.models.exact import Exact
from lms.certificates.rules import crediting as rules
from lms.core.db import Base, WithId, append_only
from lms.programmes.models import Cohort, Enrolment


class CreditPlan(Base):
    """By whose rules a cohort's activities are counted; the plan with the highest number counts."""

    __tablename__ = "credit_plan"
    __table_args__ = (
        UniqueConstraint("cohort_id", "number"),
        CheckConstraint("jurisdiction IN ('CN', 'EACCME', 'AMA')", name="jurisdiction"),
        CheckConstraint("level IN ('national', 'provincial')", name="level"),
        CheckConstraint("project_cap IS NULL OR project_cap > 0", name="cap"),
    )

    id: Mapped[int] = mapped_column(primary_key=True)
    cohort_id: Mapped[int] = mapped_column(ForeignKey("cohort.id"))
    number: Mapped[int]
    jurisdiction: Mapped[str] = mapped_column(String(10))
    project_number: Mapped[str] = mapped_column(String(60), default="")
    """项目编号, or the number of an accreditation; empty where there is none."""
    level: Mapped[str] = mapped_column(String(12), default="national")
    project_cap: Mapped[int | None]
    """Credits that the project brings one person at most."""
    account_id: Mapped[int | None]
    at: Mapped[datetime]

    cohort: Mapped[Cohort] = relationship(lazy="raise")

    @property
    def rules(self) -> rules.Plan:
        """What the rules need to know of it."""
        return rules.Plan(self.jurisdiction, self.project_number, self.level, self.project_cap)


class CreditEntry(WithId, Base):
    """One line of a trainee's ledger: what an activity brought, in credits and in hours, or a line that takes it back.

    Never changed. The lines of one activity are numbered: odd ones bring, even ones take back the line before.
    """

    __tablename__ = "credit_entry"
    __table_args__ = (
        UniqueConstraint("enrolment_id", "activity", "number"),
        CheckConstraint("kind IN ('lecture', 'placement', 'session')", name="kind"),
        CheckConstraint("role IN ('learner', 'speaker')", name="role"),
        CheckConstraint("(number % 2 = 0) = (counters_id IS NOT NULL)", name="counter"),
        CheckConstraint("(number % 2 = 1 AND seconds > 0) OR (number % 2 = 0 AND seconds < 0)", name="sign"),
    )

    enrolment_id: Mapped[int] = mapped_column(ForeignKey("enrolment.id"))
    activity: Mapped[str] = mapped_column(String(80))
    """What was done, the same for ever: ``lecture:<public id>``, ``placement``, ``session:<key>``."""
    number: Mapped[int]
    kind: Mapped[str] = mapped_column(String(12))
    role: Mapped[str] = mapped_column(String(10))
    title_zh: Mapped[str] = mapped_column(String(200))
    title_en: Mapped[str] = mapped_column(String(200))
    day: Mapped[date] = mapped_column(Date)
    """Day of the activity, in Beijing; the table valid on it counts."""
    seconds: Mapped[int]
    """Seconds attended; negative in a line that takes back."""
    table_code: Mapped[str] = mapped_column(String(20))
    category: Mapped[str] = mapped_column(String(12))
    credits: Mapped[Fraction] = mapped_column(Exact)
    hours: Mapped[Fraction] = mapped_column(Exact)
    """学时; never derived from the credits."""
    counters_id: Mapped[int | None] = mapped_column(ForeignKey("credit_entry.id"), unique=True)
    """The line that this one takes back."""
    account_id: Mapped[int | None]
    """Who corrected the ledger by hand; None: the product counted."""
    reason: Mapped[str] = mapped_column(String(300), default="")
    """Why by hand; else ``changed`` or ``gone`` in a line that takes back."""
    at: Mapped[datetime]

    enrolment: Mapped[Enrolment] = relationship(lazy="raise")

    @property
    def line(self) -> rules.Line:
        """What sums need of it."""
        return rules.Line(self.table_code, self.category, self.day, self.seconds, self.credits, self.hours)

    @property
    def is_counter(self) -> bool:
        """Whether it takes back another line."""
        return self.counters_id is not None


append_only("credit_plan")
append_only("credit_entry")
