"""Pages of logbooks: the trainee's own, the mentor's inbox, one trainee for their mentors."""

from lms.logbooks.views import (
    acts,
    committee,
    entrustment,
    ledger,
    multisource,
    own,
    progress,
    sampling,
    signing,
    trainees,
    workplace,
)
from lms.logbooks.views.blueprint import bp

__all__ = [
    "acts",
    "bp",
    "committee",
    "entrustment",
    "ledger",
    "multisource",
    "own",
    "progress",
    "sampling",
    "signing",
    "trainees",
    "workplace",
]
