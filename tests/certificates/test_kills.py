"""Real processes issue, replace and revoke, and are killed at random moments: the register stays whole (slow suite)."""

import contextlib
import json
import multiprocessing
import os
import random
import signal
import time
from collections import Counter
from datetime import timedelta

import pytest
from sqlalchemy import func, select

from lms.accounts import queries as accounts
from lms.accounts import services as people_services
from lms.certificates import queries, services
from lms.certificates.models import Certificate, SerialCounter
from lms.core import clock, ids, jobs
from lms.core.db import db, transaction
from lms.core.digests import sha256_hex
from lms.core.errors import RuleBroken
from lms.core.storage import storage
from lms.programmes import queries as programmes
from lms.programmes import services as programme_services
from lms.programmes.models import Cohort, Enrolment, Hospital

KILLS = int(os.environ.get("KILLS", "120"))
WHO = ("chen@example.org", "lin@example.org")
"""Administrator and director of the cast; each works in a process of their own."""
LEASE_S = 2
"""A killed worker's work is taken up by the next one after so long, so that the loop need not wait a minute."""


def nursery(settings, pipe) -> None:
    """A process with the product loaded that forks one worker for each message, so that none loses time with starting."""
    from lms.app import create_app

    signal.signal(signal.SIGCHLD, signal.SIG_IGN)
    jobs.LEASE_S = LEASE_S
    app = create_app(settings)
    churn(app, WHO[0], 0, turns=12)  # what is done first takes a second, in which every child would be killed
    pipe.send(os.getpid())
    while True:
        who, seed = pipe.recv()
        child = os.fork()
        if child == 0:
            kept = app.extensions["lms_queue"]  # the nursery's connections: neither used nor closed here
            jobs.init_app(app, settings)
            with app.app_context():
                db.engine.dispose(close=False)
            with contextlib.suppress(KeyboardInterrupt):
                churn(app, who, seed)
            os._exit(kept is None)
        pipe.send(child)


def churn(app, who, seed, *, turns=1_000_000) -> None:
    """Press every button and work off what follows, until killed."""
    chance = random.Random(seed)
    worker = jobs.Worker(app)
    with app.app_context():
        by = accounts.actor_of(accounts.account_by_login(who), at=clock.now())
        people = list(db.session.scalars(select(Enrolment.public_id).where(Enrolment.cohort_id == 1)))
        people = [one.public_id for one in queries.chosen(db.session.get_one(Cohort, 1), people)]
        db.session.rollback()
    for _turn in range(turns):
        with app.app_context():
            act_once(people, chance, by)
            db.session.remove()
        worker.sweep_once()


def act_once(people, chance, by) -> None:
    """Issue to some, or replace, revoke or try again one that is there; what the rules refuse is refused."""
    at = clock.now()
    try:
        with transaction():
            cohort = programmes.cohort(db.session.scalars(select(Cohort.public_id)).one(), by)
            act = chance.choice(
                ("issue", "issue", "replace", "replace", "replace", "replace", "revoke", "retry")
            )
            if act == "issue":
                chosen = queries.chosen(cohort, chance.sample(people, min(4, len(people))))
                services.issue(cohort, chosen, client_uuid=ids.public_id(), at=at, by=by)
                return
            state = "reserved" if act == "retry" else "good"
            rows = db.session.scalars(select(Certificate.serial).where(Certificate.state == state)).all()
            if rows:
                found = queries.certificate(chance.choice(rows), by)
                if act == "retry":
                    services.retry(found, at=at, by=by)
                else:
                    {"replace": services.replace, "revoke": services.revoke}[act](
                        found, reason="the loop", at=at, by=by
                    )
    except RuleBroken:
        db.session.rollback()


def doubles() -> list[int]:
    """People who have two certificates that count, or two that are being made."""
    found = []
    for states in (("good", "suspended"), ("reserved",)):
        found += db.session.scalars(
            select(Certificate.person_id)
            .where(Certificate.state.in_(states))
            .group_by(Certificate.person_id, Certificate.programme_id, Certificate.kind)
            .having(func.count() > 1)
        ).all()
    db.session.rollback()
    return found


def classmates(cast, at, *, many=4):
    """More trainees of the cast's cohort: what is issued together is made and killed together."""
    with transaction():
        cohort = db.session.get_one(Cohort, cast.cohort.id)
        found = []
        for number in range(many):
            person = people_services.add_person(
                name_zh="王李张刘"[number] + "明", name_latin="", at=at, by=None
            )
            home = db.session.get_one(Hospital, cast.enrolment.home_hospital_id)
            found.append(
                programme_services.enrol(person, cohort, track="PED", home_hospital=home, at=at, by=None)
            )
    return found


@pytest.mark.slow
def test_the_register_stays_whole_under_a_hundred_kills(
    app, bare_app, ruled, complete, keys, settings, at, monkeypatch
):
    complete(ruled.enrolment)
    complete(ruled.other_enrolment)
    for one in classmates(ruled, at):
        complete(one)
    db.session.remove()
    monkeypatch.setattr(jobs, "LEASE_S", LEASE_S)
    context = multiprocessing.get_context("spawn")
    ours, theirs = context.Pipe()
    mother = context.Process(target=nursery, args=(settings, theirs), daemon=True)
    mother.start()
    chance = random.Random(20261127)
    alive: dict[str, int] = {}
    kills, began = 0, time.monotonic()
    try:
        assert ours.poll(60)
        ours.recv()
        while kills < KILLS:
            for who in WHO:
                if who not in alive:
                    ours.send((who, chance.random()))
                    assert ours.poll(60)
                    alive[who] = ours.recv()
            # Mostly soon after the birth of one, now and then after a stretch of undisturbed work.
            time.sleep(chance.choice((0.1, 0.6, 2.5)) * chance.random())
            os.kill(alive.pop(chance.choice(WHO)), signal.SIGKILL)
            kills += 1
            assert doubles() == []
        for pid in alive.values():
            os.kill(pid, signal.SIGKILL)
            kills += 1
    finally:
        mother.kill()
        mother.join()
    took = time.monotonic() - began

    # Nothing is *reserved* for ever: the sweep finds it, or a person sees why not and tries it again.
    given_up = 0
    with clock.travelled(
        timedelta(minutes=10)
    ):  # leases of the dead have run out, pauses between attempts too
        for _round in range(3):
            jobs.Worker(bare_app).drain()
            db.session.expire_all()
            left = db.session.scalars(select(Certificate).where(Certificate.state == "reserved")).all()
            assert all(row.gave_up_at for row in left), [vars(row) for row in left]
            with transaction():
                for row in left:
                    services.retry(row, at=clock.now(), by=ruled.administrator)
            given_up += len(left)
    db.session.expire_all()

    rows = db.session.scalars(select(Certificate).order_by(Certificate.id)).all()
    states = Counter(row.state for row in rows)
    print(
        json.dumps(
            {
                "kills": kills,
                "certificates": len(rows),
                "states": states,
                "given_up": given_up,
                "seconds": round(took),
            }
        )
    )
    assert doubles() == []
    assert states["reserved"] == 0
    assert len(rows) >= KILLS / 10
    # Serials: every number from one to the last.
    numbers = [int(row.serial.split("-")[2]) for row in rows]
    assert sorted(numbers) == list(range(1, len(rows) + 1))
    assert db.session.scalars(select(SerialCounter.last)).one() == len(rows)
    # Files: each is there, is what the register says, and proves itself.
    for row in rows:
        data = storage().read(row.pdf_key)
        assert sha256_hex(data) == row.pdf_sha256
        found = queries.inspect_here(data)
        assert (found.code, found.serial) == (
            "genuine" if row.state == "good" else "withdrawn",
            row.serial,
        )
        assert len(queries.files_of(row.id)) == 1
    # What was replaced has exactly one successor.
    followed = Counter(row.supersedes for row in rows if row.supersedes)
    assert all(followed[row.serial] == 1 for row in rows if row.state == "superseded")
    # The log: every leaf and the root computed anew.
    assert queries.unlogged() == []
    verdict = queries.check_log()
    assert verdict.broken == ()
    assert verdict.size == sum(2 if row.state in {"revoked", "superseded"} else 1 for row in rows)
