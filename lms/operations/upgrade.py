"""``lms upgrade``: a copy first, then the new version rehearsed on that copy, and only then the site itself; back again if anything fails.

The site stands still meanwhile (its units are stopped). The rehearsal migrates a copy of the real rows and does there what people do: sign
in, read pages, answer a question of an exam, verify a certificate. The site's own schema changes in one transaction afterwards.
"""

import dataclasses
import secrets
import tempfile
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

from flask import Flask
from flask.testing import FlaskClient
from sqlalchemy import create_engine
from sqlalchemy.pool import NullPool

from lms.core import audit, clock, copies, ids, signing, storage
from lms.core.db import db, transaction, unguarded_tables
from lms.core.errors import LmsError, RuleBroken
from lms.migrations import build_schema, is_known, missing, newest, revision_of
from lms.operations import backup
from lms.settings import Settings

Says = Callable[[str], None]
Tells = Callable[[str, int, int], None]
"""Which step is being done, how much of it is done, of how much."""

COPY, REHEARSAL, MIGRATION, CHECKS = STEPS = ("copy", "rehearsal", "migration", "checks")


class NotUpgraded(LmsError):
    """The site stands where it stood; the text says what failed."""


@dataclass(frozen=True)
class Upgraded:
    """How the schema moved, and where the copy from before is."""

    before: str
    after: str
    copy: Path


def upgrade(
    settings: Settings,
    to: Path,
    *,
    passphrase: str,
    at: datetime,
    says: Says,
    tells: Tells = lambda _step, _done, _of: None,
) -> Upgraded:
    """Bring a site up to this version; ``tells`` hears each step of STEPS. Raises RuleBroken for what should not be begun, NotUpgraded after everything is as before."""
    before = standing(settings.database_url)
    if not is_known(before):
        raise RuleBroken(
            "newer",
            f"The schema {before or 'of an empty database'} is not one that this version can upgrade.",
        )
    tells(COPY, 0, 1)
    snapshot = backup.make(settings, to, revision=before, passphrase=passphrase, at=at, says=says)
    says("Rehearsing on the copy …")
    tells(REHEARSAL, 0, 1)
    with tempfile.TemporaryDirectory() as name:
        try:
            _rehearsed(snapshot, settings, Path(name), at=at)
        except Exception as problem:
            raise NotUpgraded(
                f"The rehearsal failed, the site was not touched: {_said(problem)}"
            ) from problem
    says("Upgrading the site …")
    try:
        _migrated(settings.database_url, missing(before), tells)
        tells(CHECKS, 0, 1)
        _require_sound(settings)
    except Exception as problem:
        says("Putting the site back …")
        copies.replace(snapshot.database, settings.database_url)
        raise NotUpgraded(
            f"The upgrade failed and the site was put back as it was: {_said(problem)}"
        ) from problem
    return Upgraded(before, newest(), snapshot.folder)


def _migrated(database_url: str, number: int, tells: Tells) -> None:
    done = 0
    tells(MIGRATION, done, number)

    def applied() -> None:
        nonlocal done
        done += 1
        tells(MIGRATION, done, number)

    build_schema(database_url, applied=applied)


def standing(database_url: str) -> str:
    """The revision that a database stands at. Raises RuleBroken where there is no database."""
    if copies.is_empty(database_url):
        raise RuleBroken("none", "There is no site to upgrade.")
    with create_engine(database_url, poolclass=NullPool).connect() as connection:
        return revision_of(connection)


def _said(problem: Exception) -> str:
    return str(problem).strip().partition("\n")[0][:300] or type(problem).__name__


def _app(settings: Settings) -> Flask:
    from lms.app import create_app

    return create_app(settings)


def _require_sound(settings: Settings) -> None:
    """What must hold of the site itself after its migration."""
    with _app(settings).app_context():
        try:
            if unguarded := unguarded_tables():
                raise NotUpgraded(f"history could be rewritten: no trigger on {', '.join(unguarded)}")
            if broken := audit.verify().broken:
                raise NotUpgraded(f"the audit trail is broken: {broken[0].scope} at {broken[0].seq}")
        finally:
            db.session.remove()
            db.engine.dispose()


# ---------------------------------------------------------------- the rehearsal


def _rehearsed(snapshot: backup.Snapshot, settings: Settings, folder: Path, *, at: datetime) -> None:
    with copies.scratch(settings.database_url, folder) as url:
        copies.put_back(snapshot.database, url)
        build_schema(url)
        trial = dataclasses.replace(settings, database_url=url, queue_url="", data_dir=folder, mail_url="")
        _require_sound(trial)
        app = _app(trial)
        try:
            person = _somebody(app, at=at)
            client = app.test_client()
            _pages(client, trial, person)
            _exam(client, trial, person)
            with app.app_context():
                _certificate(client, trial)
        finally:
            with app.app_context():
                db.session.remove()
                db.engine.dispose()


@dataclass(frozen=True)
class _Somebody:
    """A trainee who exists in the rehearsal only, with a test to sit."""

    login: str
    password: str
    test: str


def _somebody(app: Flask, *, at: datetime) -> _Somebody:
    from lms.accounts import services as accounts
    from lms.assessments import services as assessments
    from lms.core.passwords import hash_secret
    from lms.programmes import services as programmes

    login, password, code = (
        f"{ids.public_id()}@rehearsal.invalid",
        secrets.token_urlsafe(12),
        f"R{secrets.randbelow(10**6):06}",
    )
    with app.app_context(), transaction():
        sponsor = programmes.add_hospital(code=code, name_zh="排练", name_en="Rehearsal", at=at, by=None)
        programme = programmes.add_programme(
            code=code,
            title_zh="排练",
            title_en="Rehearsal",
            sponsor=sponsor,
            director_name="",
            is_sample=True,
            at=at,
            by=None,
        )
        today = clock.today(at)
        cohort = programmes.add_cohort(
            programme, code=code, name_zh="排练", name_en="Rehearsal", start_on=today, end_on=today + timedelta(days=30),
            hours=None, at=at, by=None,
        )  # fmt: skip
        test = assessments.add_sample_test(cohort, at=at)
        person = accounts.add_person(name_zh="排练", name_latin="", at=at, by=None)
        account = accounts.add_account(person, login=login, at=at, by=None)
        account.password_hash = hash_secret(password)
        programmes.enrol(person, cohort, track="PED", home_hospital=None, at=at, by=None)
        found = test.public_id
    return _Somebody(login, password, found)


def _ask(client: FlaskClient, settings: Settings, path: str, *, wanted: int, **given: Any) -> Any:
    method = client.post if given else client.get
    reply = method(
        path,
        base_url=settings.base_url,
        headers={"Sec-Fetch-Site": "same-origin", "Accept": "text/html"},
        **given,
    )
    if reply.status_code != wanted:
        raise NotUpgraded(f"{path} answers {reply.status_code}")
    return reply


def _pages(client: FlaskClient, settings: Settings, person: _Somebody) -> None:
    _ask(client, settings, "/sign-in", wanted=200)
    _ask(client, settings, "/sign-in", wanted=303, data={"login": person.login, "password": person.password})
    for path in (
        "/",
        "/learn",
        "/tests",
        "/logbook",
        "/progress",
        "/account",
        "/verify",
        f"/tests/{person.test}",
    ):
        _ask(client, settings, path, wanted=200)


def _exam(client: FlaskClient, settings: Settings, person: _Somebody) -> None:
    started = _ask(
        client, settings, f"/tests/{person.test}/start", wanted=303, data={"client_uuid": ids.token()}
    )
    paper = started.headers["Location"]
    _ask(client, settings, paper, wanted=200)
    operation = {"device": "rehearsal", "seq": 1, "slot": 1, "body": {"choice": "a"}, "mono_ms": 1}
    saved = _ask(client, settings, f"{paper}/ops", wanted=200, json={"epoch": 1, "ops": [operation]})
    if saved.get_json()["acked"] != 1 or saved.get_json()["rejected"]:
        raise NotUpgraded("an answer of an exam was not kept")


def _certificate(client: FlaskClient, settings: Settings) -> None:
    """The newest certificate of the site, where there is one."""
    from lms.certificates import queries as certificates

    issued = certificates.issued()
    if not issued:
        return
    newest_ = issued[-1]
    assert newest_.pdf_key is not None
    root = (settings.keys_dir / signing.ROOT).read_bytes()
    if (code := signing.check_pdf(storage.storage().read(newest_.pdf_key), root=root).code) != "valid":
        raise NotUpgraded(f"the certificate {newest_.serial} is found {code}")
    _ask(client, settings, f"/verify/{newest_.serial}", wanted=200)
