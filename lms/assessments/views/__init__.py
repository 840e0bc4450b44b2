"""Pages of assessments: the item bank; tests, sittings and results."""

from lms.assessments.views import (
    bank,
    cuts,
    drilling,
    importing,
    invigilating,
    making,
    questions,
    regrading,
    seb,
    statistics,
    tests,
)
from lms.assessments.views.blueprint import bp

__all__ = [
    "bank",
    "bp",
    "cuts",
    "drilling",
    "importing",
    "invigilating",
    "making",
    "questions",
    "regrading",
    "seb",
    "statistics",
    "tests",
]
