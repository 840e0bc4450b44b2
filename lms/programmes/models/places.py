"""What was said of a hospital, and when."""

from datetime import date, datetime

from sqlalchemy import Date, ForeignKey, String, UniqueConstraint
from sqlalchemy.orm import Mapped, mapped_column

from lms.core.db import Base, append_only


class HospitalVersion(Base):
    """The facts of a hospital as somebody wrote them down; the latest are those of the hospital itself."""

    __tablename__ = "hospital_version"
    __table_args__ = (UniqueConstraint("hospital_id", "number"),)

    id: Mapped[int] = mapped_column(primary_key=True)
    hospital_id: Mapped[int] = mapped_column(ForeignKey("hospital.id"))
    number: Mapped[int]
    """From 1, without gaps."""
    at: Mapped[datetime]
    account_id: Mapped[int | None] = mapped_column(ForeignKey("account.id"))
    """None: written by the product itself (the demonstration, a list taken over from before)."""
    code: Mapped[str] = mapped_column(String(40))
    name_zh: Mapped[str] = mapped_column(String(120))
    name_en: Mapped[str] = mapped_column(String(160))
    tier: Mapped[str] = mapped_column(String(10))
    grade: Mapped[str] = mapped_column(String(10))
    county_code: Mapped[str] = mapped_column(String(6))
    region: Mapped[str] = mapped_column(String(12))
    relation: Mapped[str] = mapped_column(String(20))
    closed_on: Mapped[date | None] = mapped_column(Date)


append_only("hospital_version")
