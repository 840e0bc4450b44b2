"""A database that does not answer: the page says so and when to come again, and asks it nothing more."""

import pytest
from sqlalchemy import event
from sqlalchemy.exc import OperationalError

from lms.core.db import db


@pytest.fixture
def away(bare_app):
    """The database stops answering; only this edge is faked."""
    bare_app.config["SHOW_ERROR_PAGES"] = True
    with bare_app.app_context():
        engine = db.engine

    def refuse(_connection, _cursor, statement, *_rest):
        raise OperationalError(statement, {}, Exception("server closed the connection"))

    event.listen(engine, "before_cursor_execute", refuse)
    yield
    event.remove(engine, "before_cursor_execute", refuse)


@pytest.mark.parametrize("lang", ["en", "zh_Hans"])
def test_a_page_without_its_database_asks_to_come_again(browser, cast, request, lang):
    visitor = browser(cast.trainee, lang=lang)
    request.getfixturevalue("away")
    answer = visitor.get("/tests")
    assert answer.status_code == 503
    assert int(answer.headers["Retry-After"]) > 0
    assert answer.mimetype == "text/html"


def test_a_script_without_its_database_gets_the_code(browser, cast, request):
    visitor = browser(cast.trainee)
    request.getfixturevalue("away")
    answer = visitor.get("/tests", headers={"X-Requested-With": "lms"})
    assert (answer.status_code, answer.json["code"]) == (503, "database_away")
