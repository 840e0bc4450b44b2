"""What the site counts of logbooks."""

from datetime import datetime

from sqlalchemy import func, select

from lms.core.db import db
from lms.core.figures import Figure, by_state
from lms.core.i18n import lazy
from lms.logbooks.models import Entry, Signature


def figures(at: datetime) -> list[Figure]:  # noqa: ARG001 (the port's shape)
    """Entries by state, and signatures."""
    signed = db.session.scalar(select(func.count()).select_from(Signature)) or 0
    return [
        *by_state("entries", lazy("Logbook entries"), Entry.state),
        Figure("signatures", lazy("Signatures"), signed),
    ]
