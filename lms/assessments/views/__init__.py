"""Pages of assessments: the item bank; tests, sittings and results."""

from lms.assessments.views import (
    bank,
    cards,
    cuts,
    importing,
    invigilating,
    making,
    practice,
    questions,
    regrading,
    statistics,
    tests,
)
from lms.assessments.views.blueprint import bp

__all__ = [
    "bank",
    "bp",
    "cards",
    "cuts",
    "importing",
    "invigilating",
    "making",
    "practice",
    "questions",
    "regrading",
    "statistics",
    "tests",
]
