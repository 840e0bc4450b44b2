"""Pages of courses: lectures and their player, the desk, pages and files, release, calendar, discussion, search."""

from lms.courses.views import around, drafting, finding, lectures, packages, study, things, uploads
from lms.courses.views.blueprint import bp

__all__ = ["around", "bp", "drafting", "finding", "lectures", "packages", "study", "things", "uploads"]
