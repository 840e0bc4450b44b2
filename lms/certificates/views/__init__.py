"""Pages of certificates: for trainees and staff, and the public verification."""

from lms.certificates.views import crediting, pages, saved, verification
from lms.certificates.views.blueprint import bp

__all__ = ["bp", "crediting", "pages", "saved", "verification"]
