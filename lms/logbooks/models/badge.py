"""The table of badges: the code on a trainee's badge, and every code that it had before."""

from datetime import datetime

from sqlalchemy import ForeignKey, String, UniqueConstraint
from sqlalchemy.orm import Mapped, mapped_column

from lms.core import ids
from lms.core.db import Base, append_only


class Badge(Base):
    """A badge that was made for a trainee, never changed; only the code with the highest number is known at the bedside."""

    __tablename__ = "entrustment_badge"
    __table_args__ = (UniqueConstraint("enrolment_id", "number"),)

    id: Mapped[int] = mapped_column(primary_key=True)
    enrolment_id: Mapped[int] = mapped_column(ForeignKey("enrolment.id"))
    number: Mapped[int]
    code: Mapped[str] = mapped_column(String(ids.LENGTH), unique=True, default=ids.public_id)
    person_id: Mapped[int] = mapped_column(ForeignKey("person.id"))
    account_id: Mapped[int] = mapped_column(ForeignKey("account.id"))
    at: Mapped[datetime]


append_only("entrustment_badge")
