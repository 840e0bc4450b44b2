"""Clinical work where it is heaviest: a mentor with five hundred open entries, a logbook of a thousand signatures, a cohort
seen week by week, and a phone that comes back with sixty entries.

It is laid over a site that was measured already, so that its other figures stay what they are.
"""

import time
from collections.abc import Iterator
from dataclasses import replace

from flask import Flask
from sqlalchemy import select
from sqlalchemy.orm import joinedload

from lms.accounts import queries as accounts_queries
from lms.bench.figures import Figure, Meter, Target
from lms.bench.site import Member, Site
from lms.bench.walk import Walk
from lms.core import clock, ids
from lms.core.db import db, transaction
from lms.logbooks import queries, services
from lms.logbooks.models import Item
from lms.logbooks.rules import Content
from lms.policy import Actor
from lms.programmes.models import Enrolment

OPEN, SIGNED, QUEUED, TOGETHER = 500, 1000, 60, 20
PAGE = Target(15, 12)
SYNC = Target(300)
PROOF = Target(2000)
BATCH = 50
"""Entries written in one transaction."""


def figures(app: Flask, site: Site, walk: Walk, *, rounds: int) -> Iterator[Figure]:
    """Lay the entries over the site, then measure who has to do with them."""
    with app.app_context():
        trainee, mentor = _actor(site.probes[0]), _actor(site.mentors[0])
        enrolment_id = _write(site, trainee, mentor)
        db.session.remove()
    busy, full = walk.mentors[:1], walk.probes[:1]
    yield walk.page("home over 1,500 entries", walk.visits(full, "/"), PAGE)
    yield walk.page("inbox of 500", walk.visits(busy, "/to-sign"), PAGE)
    yield walk.page("progress over 1,500 entries", walk.visits(full, "/progress"), PAGE)
    board = f"/cohorts/{site.cohort}/board"
    yield walk.page("cohort board", walk.visits([walk.administrator], board), PAGE)
    yield _sync(walk, rounds=rounds)
    yield _proof(app, enrolment_id)


def _actor(member: Member) -> Actor:
    found = accounts_queries.actor_of_token(member.token, at=clock.now())
    assert found is not None
    return found


def _write(site: Site, trainee: Actor, mentor: Actor) -> int:
    """The thousand that are signed and the five hundred that wait, all of one trainee with one mentor."""
    at = clock.now()
    enrolment_id = db.session.scalars(
        select(Enrolment.id).where(Enrolment.public_id == site.probes[0].enrolment)
    ).one()
    for first in range(0, SIGNED + OPEN, BATCH):
        with transaction():
            enrolment = db.session.scalars(
                select(Enrolment)
                .options(joinedload(Enrolment.cohort), joinedload(Enrolment.person))
                .where(Enrolment.id == enrolment_id)
            ).one()
            items = db.session.scalars(
                select(Item).options(joinedload(Item.framework)).order_by(Item.id)
            ).all()
            for number in range(first, first + BATCH):
                entry, _new = services.log(
                    enrolment,
                    item=items[number % len(items)],
                    performed_on=clock.today(at),
                    content=Content(operator_role="S_TU", age_band="1-6d"),
                    signer_person_id=mentor.person_id,
                    client_uuid=ids.token(),
                    at=at,
                    by=trainee,
                )
                if number < SIGNED:
                    services.sign(
                        entry, revision_no=entry.revision_no, level=3 + number % 3, words="", at=at, by=mentor
                    )
        db.session.expunge_all()
    return enrolment_id


def _sync(walk: Walk, *, rounds: int) -> Figure:
    """What a phone sends that was without a network for a night: twenty entries in each delivery, as the outbox does."""
    meter: Meter = walk.meter("sync of 60 entries", SYNC)
    times, parts = max(2, rounds // QUEUED), QUEUED // TOGETHER
    deliveries = [walk.queue(number, TOGETHER, at=clock.now()) for number in range(times * parts)]
    for reply in meter.run(deliveries):
        reply.expect(200)
    one = meter.figure()
    return replace(
        one,
        n=times,
        cpu_ms=parts * one.cpu_ms,
        cpu_best_ms=parts * one.cpu_best_ms,
        queries=parts * one.queries,
        queries_most=parts * one.queries_most,
        wall_p50_ms=parts * one.wall_p50_ms,
        wall_p95_ms=parts * one.wall_p95_ms,
        bytes=parts * one.bytes,
    )


def _proof(app: Flask, enrolment_id: int) -> Figure:
    """A logbook checked signature by signature, in this process."""
    with app.app_context():
        began, cpu = time.perf_counter(), time.process_time()
        verdict = queries.verify(enrolment_id)
        spent_ms, wall_ms = 1000 * (time.process_time() - cpu), 1000 * (time.perf_counter() - began)
        db.session.remove()
    assert not verdict.broken, verdict.broken
    return Figure(
        job="proof of 1,000 signatures",
        trainees=0,
        n=verdict.signatures,
        cpu_ms=spent_ms,
        cpu_best_ms=spent_ms,
        queries=0,
        queries_most=0,
        wall_p50_ms=wall_ms,
        wall_p95_ms=wall_ms,
        bytes=0,
        target=PROOF,
    )
