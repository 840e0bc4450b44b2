"""What the worker does with entries that wait."""

from lms.core.jobs import EVERY
from lms.logbooks import services
from lms.logbooks.services import multisource, sampling, workplace


def register() -> None:
    """Make the chores known to the worker; called from ``app.py``."""
    for chore in (
        services.escalate,
        services.lapse,
        workplace.remind,
        multisource.watch,
        sampling.draw,
        sampling.remind,
    ):
        if chore not in EVERY:
            EVERY.append(chore)
