"""Acts on published versions: a committee ratifies one, a cohort is given one."""

from datetime import date, datetime

from sqlalchemy import select
from sqlalchemy.exc import IntegrityError

from lms.core import audit, clock, deid
from lms.core.db import db
from lms.core.errors import RuleBroken
from lms.core.i18n import _
from lms.logbooks.models import Framework
from lms.logbooks.models.frameworks import CohortFramework, FrameworkRatification
from lms.logbooks.queries import frameworks as queries
from lms.logbooks.services.editions import note
from lms.policy import Actor, Permission, allows, require
from lms.programmes.models import Cohort


def ratify(
    framework: Framework, *, held_on: date, meeting: str, words: str, at: datetime, by: Actor
) -> FrameworkRatification:
    """Record that a committee stands behind a version. Twice is once.

    Raises RuleBroken ``meeting_missing``, ``future`` or ``ratified``.
    """
    require(by, Permission.FRAMEWORK_RATIFY, framework, see=Permission.FRAMEWORK_READ)
    meeting, words = meeting.strip(), words.strip()
    if not meeting:
        raise RuleBroken("meeting_missing", _("Name the committee and its minutes."), field="meeting")
    if held_on > clock.today(at):
        raise RuleBroken("future", _("This day has not come yet."), field="held_on")
    deid.require_clean(meeting, field="meeting")
    deid.require_clean(words, field="words")
    row = FrameworkRatification(
        framework_id=framework.id,
        held_on=held_on,
        meeting=meeting,
        words=words,
        person_id=by.person_id,
        account_id=by.account_id,
        at=at,
    )
    earlier = queries.ratifications([framework.id]).get(framework.id) or _added(row)
    if earlier is not None:
        if (earlier.person_id, earlier.held_on, earlier.meeting) == (by.person_id, held_on, meeting):
            return earlier
        raise RuleBroken("ratified", _("This version is ratified already."))
    note(
        "ratify",
        f"framework:{framework.public_id}",
        at=at,
        by=by,
        held_on=held_on.isoformat(),
        meeting=meeting,
    )
    return row


def _added(row: FrameworkRatification) -> FrameworkRatification | None:
    try:
        with db.session.begin_nested():
            db.session.add(row)
            db.session.flush()
    except IntegrityError:
        return queries.ratifications([row.framework_id]).get(row.framework_id)
    return None


def give(cohort: Cohort, framework: Framework, *, at: datetime, by: Actor) -> CohortFramework:
    """Let a cohort train by a version, as long as nothing was recorded by another one. The same twice is once.

    Raises RuleBroken ``framework_in_use`` or ``framework_unpublished``.
    """
    require(by, Permission.COHORT_MANAGE, cohort, see=Permission.COHORT_READ)
    if not allows(by, Permission.FRAMEWORK_READ, framework) or framework.state != "published":
        raise RuleBroken("framework_unpublished", _("Choose a published version."), field="version")
    db.session.scalars(select(Cohort.id).where(Cohort.id == cohort.id).with_for_update()).one()
    last = queries.pin_of(cohort.id, framework.code)
    if last is not None and last.framework_id == framework.id:
        return last
    now = next((one for one in queries.cohort_versions(cohort) if one.framework.code == framework.code), None)
    if now is not None and now.in_use and now.framework.id != framework.id:
        raise RuleBroken(
            "framework_in_use",
            _("Entries were made by the version that this cohort has; it stays until the cohort ends."),
            field="version",
        )
    row = CohortFramework(
        cohort_id=cohort.id,
        code=framework.code,
        number=last.number + 1 if last else 1,
        framework_id=framework.id,
        kind="chosen",
        person_id=by.person_id,
        account_id=by.account_id,
        at=at,
    )
    db.session.add(row)
    db.session.flush()
    audit.record(
        "logbooks.framework.give",
        scope=f"programme:{cohort.programme_id}",
        at=at,
        account_id=by.account_id,
        subject=f"cohort:{cohort.public_id}",
        framework=framework.public_id,
        code=framework.code,
        version=framework.version,
    )
    return row
