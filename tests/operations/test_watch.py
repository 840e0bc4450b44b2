"""What whoever keeps the machine reads: readiness, the log, and the number that a person in trouble can tell."""

import dataclasses
import io
import json
import logging
import re

import pytest
from sqlalchemy import event, func, select, text

from lms.app import create_app
from lms.core import audit, clock, ids, logs
from lms.core.db import db, transaction
from lms.core.storage import storage
from lms.logbooks import services as logbooks
from lms.logbooks.models import Entry
from tests.conftest import POSTGRES

GONE = ["sqlite:////nowhere/at/all.sqlite3", "postgresql+psycopg://nobody@127.0.0.1:1/nothing"]
HERE = {"Sec-Fetch-Site": "same-origin"}


@pytest.fixture
def log():
    """What is logged, line by line, as the server writes it."""
    written, handler = io.StringIO(), None
    handler = logging.StreamHandler(written)
    handler.setFormatter(logs.JsonLines())
    logging.getLogger().addHandler(handler)
    yield lambda: [json.loads(line) for line in written.getvalue().splitlines()]
    logging.getLogger().removeHandler(handler)


def test_a_site_is_ready_when_schema_and_folder_are(bare_app, browser):
    assert browser().get("/readyz").json == {"ready": True, "why": []}
    with bare_app.app_context(), db.engine.begin() as connection:
        connection.execute(text("UPDATE alembic_version SET version_num = '0001'"))
    reply = browser().get("/readyz")
    assert (reply.status_code, reply.json["ready"]) == (503, False)
    assert "0001" in reply.json["why"][0]


def test_a_media_folder_that_is_gone_is_named(bare_app, browser):
    temporary = storage()._temp
    temporary.rename(temporary.with_name("elsewhere"))
    reply = browser().get("/readyz")
    assert reply.status_code == 503
    assert reply.json["why"][0].startswith("media folder: No such file")


@pytest.mark.parametrize("url", GONE)
def test_without_its_database_the_site_says_so_and_gives_a_number(settings, log, url):
    app = create_app(dataclasses.replace(settings, database_url=url))
    app.config["SHOW_ERROR_PAGES"] = True
    client = app.test_client()
    for path in ("/healthz", "/readyz", "/verify/FFLY-2026-000001-M"):
        reply = client.get(path, headers={"Accept": "text/html", "Accept-Language": "en"})
        assert reply.status_code == 503
        assert "Nothing you saved is lost" in reply.text
        number = re.search(r"keeps the site: (\w{12})", reply.text)[1]
        assert log()[-1]["number"] == number
        assert "OperationalError" in log()[-1]["trouble"]
    assert client.get("/sign-in").status_code == 200  # a page that needs no data still comes
    reply = client.post(
        "/sign-in",
        data={"login": "li@example.org", "password": "typed"},
        headers=HERE | {"Accept": "application/json"},
    )
    assert reply.status_code == 503
    assert reply.json["code"] == "database_away"
    assert "typed" not in json.dumps(log())


@pytest.mark.skipif(POSTGRES != "", reason="a SQLite file can be told how large it may grow")
def test_on_a_full_disk_what_was_called_saved_is_saved_and_the_rest_is_not_called_so(
    bare_app, cast, browser, at
):
    with bare_app.app_context(), transaction():
        logbooks.add_sample_frameworks(at)
    client = browser(cast.trainee, lang="en")
    bare_app.config["SHOW_ERROR_PAGES"] = True
    with bare_app.app_context():
        engine = db.engine
        pages = db.session.scalar(text("PRAGMA page_count"))
        db.session.remove()

    def full(raw, _record):
        raw.execute(f"PRAGMA max_page_count={pages}")

    def entries():
        with bare_app.app_context():
            return db.session.scalar(select(func.count()).select_from(Entry))

    def log_one():
        fields = {
            "item": "N01", "operator_role": "S_TU", "age_band": "1-6d", "performed_on": clock.today(at).isoformat(),
            "note": "面罩通气 30 秒后心率上升。" * 20, "client_uuid": ids.token(),
        }  # fmt: skip
        return client.post(
            "/logbook/new", data=fields, headers={"X-Requested-With": "lms", "Accept": "application/json"}
        )

    event.listen(engine, "connect", full)
    engine.dispose()
    before, saved = entries(), 0
    while (reply := log_one()).status_code == 201:
        saved += 1
        assert saved < 500, "the disk never became full"
    assert (reply.status_code, reply.json["code"]) == (503, "database_away")
    event.remove(engine, "connect", full)
    engine.dispose()
    assert entries() == before + saved
    assert log_one().status_code == 201  # there is room again, and nobody had to mend anything
    with bare_app.app_context():
        assert audit.verify().broken == ()


def test_the_log_holds_no_typed_text(bare_app, cast, log):
    with bare_app.app_context():
        try:
            db.session.execute(
                text("INSERT INTO account (id, email) VALUES (:id, :email)"),
                {"id": 1, "email": "secret@example.org"},
            )
        except Exception:
            logging.getLogger("lms.test").exception("as a request would")
        db.session.rollback()
    assert "trouble" in log()[-1]
    assert "secret@example.org" not in json.dumps(log())


def test_a_line_is_whole_whatever_is_said(log):
    logging.getLogger("lms.test").warning("two\nlines, “quotes” and 中文 %s", "x")
    (line,) = log()
    assert (line["level"], line["logger"], line["says"]) == (
        "warning",
        "lms.test",
        "two\nlines, “quotes” and 中文 x",
    )
    assert line["at"].endswith("+00:00")
