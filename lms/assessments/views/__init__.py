"""Pages of assessments: the item bank; tests, sittings and results."""

from lms.assessments.views import (
    appeals,
    bank,
    cards,
    cuts,
    drilling,
    importing,
    invigilating,
    making,
    marking,
    practice,
    questions,
    receipts,
    regrading,
    seb,
    sending,
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
    "making",
    "marking",
    "practice",
    "questions",
    "receipts",
    "regrading",
    "seb",
    "sending",
    "statistics",
    "tests",
]
