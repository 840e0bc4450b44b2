"""What the site counts of assessments."""

from datetime import datetime

from sqlalchemy import func, select

from lms.assessments.models import ResponseEvent, Sitting
from lms.core.db import db
from lms.core.figures import Figure, by_state
from lms.core.i18n import lazy


def figures(at: datetime) -> list[Figure]:  # noqa: ARG001 (the port's shape)
    """Sittings by state, and the answers that were saved; their numbers never go back, so the largest is how many there were."""
    saved = db.session.scalar(select(func.max(ResponseEvent.id))) or 0
    return [
        *by_state("sittings", lazy("Sittings"), Sitting.state),
        Figure("answers_saved", lazy("Answers saved"), saved),
    ]
