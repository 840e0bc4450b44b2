"""What the worker does with meetings that wait."""

from lms.core.jobs import EVERY
from lms.programmes.services import meetings


def register() -> None:
    """Make the chores known to the worker; called from ``app.py``."""
    if meetings.remind not in EVERY:
        EVERY.append(meetings.remind)
