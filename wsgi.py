"""For any WSGI server: ``gunicorn wsgi:app``. Settings come from LMS_* variables (docs/settings.md)."""

from lms.app import configure_logging, create_app

configure_logging()
app = create_app()
