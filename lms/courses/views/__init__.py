"""Pages of courses: lectures and their player, the desk, pages and files, release, calendar, discussion, search."""

from lms.courses.views import lectures, things
from lms.courses.views.blueprint import bp

__all__ = ["bp", "lectures", "things"]
