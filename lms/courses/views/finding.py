"""Pages that find: search across courses; for an author, where a lecture loses its viewers."""

from flask import render_template, request
from flask.typing import ResponseReturnValue

from lms.core import clock, i18n
from lms.courses import queries
from lms.courses.queries import attention, finding
from lms.courses.views.blueprint import bp
from lms.policy import Permission, Role
from lms.web.guard import actor, members, staff

LONGEST_QUERY = 100


@bp.get("/search")
@members
def search() -> ResponseReturnValue:
    """Look for words in lectures, transcripts and pages."""
    by = actor()
    query = request.args.get("q", "").strip()[:LONGEST_QUERY]
    return render_template(
        "courses/search.html",
        tab="learn",
        query=query,
        hits=finding.find(query, by, at=clock.now()) if query else [],
    )


@bp.get("/lectures/<lecture_id>/attention")
@staff(Role.EDUCATOR)
def lecture_attention(lecture_id: str) -> ResponseReturnValue:
    """Where a lecture loses its viewers."""
    found = queries.lecture(lecture_id, actor(), permission=Permission.COURSE_EDIT)
    return render_template(
        "courses/attention.html",
        tab="learn",
        lecture=found,
        course=found.module.course,
        found=attention.attention(found, at=clock.now(), english=i18n.locale() == "en"),
    )
