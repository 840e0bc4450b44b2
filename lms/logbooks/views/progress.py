"""How far a trainee is, item by item: the count with its facets, what is missing, and the learning curve."""

from collections.abc import Sequence

from flask import render_template
from flask.typing import ResponseReturnValue

from lms.core import clock
from lms.core.errors import NotFound
from lms.core.i18n import _, pick
from lms.logbooks import queries
from lms.logbooks.views.blueprint import bp
from lms.programmes import queries as programmes
from lms.programmes.models import Enrolment, Placement
from lms.programmes.rules.roster import SHIFTS, Chance
from lms.web.filters import day
from lms.web.guard import actor, members


def chance_words(chance: Chance) -> str:
    """When the trainee is next in a unit, in one sentence."""
    words = {
        "unit": _("Other unit") if chance.unit == "other" else chance.unit,
        "day": day(chance.day, weekday=True),
        "shift": pick(*SHIFTS[chance.shift]) if chance.shift else "",
        "mentor": chance.mentor,
    }
    if not chance.shift:
        return _("In %(unit)s from %(day)s on; the roster says no more yet.", **words)
    if not chance.mentor:
        return _("Next duty in %(unit)s: %(day)s, %(shift)s.", **words)
    if chance.is_mentor_there:
        return _("Next duty in %(unit)s: %(day)s, %(shift)s, with %(mentor)s.", **words)
    return _("Next duty in %(unit)s: %(day)s, %(shift)s; mentor: %(mentor)s.", **words)


def _readable(public_id: str) -> tuple[Enrolment, Sequence[Placement]]:
    """The enrolment and its placements, for whoever may read its entries."""
    by = actor()
    enrolment = programmes.enrolment(public_id, by)
    placements = programmes.placements(enrolment.id)
    if not queries.may_read_entries(by, enrolment, placements):
        raise NotFound
    return enrolment, placements


@bp.get("/trainees/<public_id>/items")
@members
def items_of(public_id: str) -> ResponseReturnValue:
    """Every item that the framework asks of the trainee's track."""
    enrolment, placements = _readable(public_id)
    own = enrolment.person_id == actor().person_id
    return render_template(
        "logbooks/items.html",
        tab="logbook" if own else "trainees",
        enrolment=enrolment,
        own=own,
        chance_words=chance_words,
        page=queries.progress_page(enrolment, placements, today=clock.today(clock.now())),
    )


@bp.get("/trainees/<public_id>/items/<code>")
@members
def item_of(public_id: str, code: str) -> ResponseReturnValue:
    """One item: each tally, and the learning curve with its table."""
    enrolment, placements = _readable(public_id)
    own = enrolment.person_id == actor().person_id
    row = queries.item_progress(enrolment, placements, code, today=clock.today(clock.now()))
    if row is None:
        raise NotFound
    return render_template(
        "logbooks/item.html",
        tab="logbook" if own else "trainees",
        enrolment=enrolment,
        own=own,
        row=row,
        chance_words=chance_words,
    )
