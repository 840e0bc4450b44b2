"""Pages of assessments: the item bank; tests, sittings and results."""

from lms.assessments.views import (
    appeals,
    bank,
    cards,
    cuts,
    drilling,
    importing,
    invigilating,
    late,
    making,
    practice,
    questions,
    receipts,
    regrading,
    seb,
    statistics,
    tests,
)
from lms.assessments.views.blueprint import bp

__all__ = [
    "appeals",
    "bank",
    "bp",
    "cards",
    "cuts",
    "drilling",
    "importing",
    "invigilating",
    "late",
    "making",
    "practice",
    "questions",
    "receipts",
    "regrading",
    "seb",
    "statistics",
    "tests",
]
