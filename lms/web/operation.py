"""What whoever keeps the site looks at: does everything work, what waits, what was given up; and the same for Prometheus."""

import hmac
import shutil
import time

from flask import Blueprint, Flask, Response, flash, g, redirect, render_template, request
from flask.typing import ResponseReturnValue

from lms import policy
from lms.core import clock, failed, figures, jobs, signer
from lms.core.db import transaction
from lms.core.errors import NotFound
from lms.core.i18n import _
from lms.core.site import settings
from lms.core.storage import Away, storage
from lms.policy import Permission, Role
from lms.web.guard import actor, public, staff

bp = Blueprint("operation", __name__)
operators = staff(Role.ADMINISTRATOR)


def init_app(app: Flask) -> None:
    """Count every answer."""

    @app.before_request
    def _begin() -> None:
        g.began = time.perf_counter()

    @app.after_request
    def _count(response: Response) -> Response:
        began = g.pop("began", None)
        if began is not None:
            figures.count_request(
                request.endpoint or "unknown", response.status_code, time.perf_counter() - began
            )
        return response


@bp.get("/metrics")
@public
def metrics() -> ResponseReturnValue:
    """The figures of the site for Prometheus, for who shows the token of the settings; without one there is no such page."""
    wanted = settings().metrics_token
    shown = request.headers.get("Authorization", "").removeprefix("Bearer ")
    if not wanted or not hmac.compare_digest(shown.encode(), wanted.encode()):
        raise NotFound
    return Response(
        figures.exposition(clock.now()),
        content_type=figures.CONTENT_TYPE,
        headers={"Cache-Control": "no-store"},
    )


@bp.get("/operation")
@operators
def operation() -> ResponseReturnValue:
    """The same in plain words, with the work that was given up."""
    by, at = actor(), clock.now()
    policy.require(by, Permission.SITE_OPERATE, None)
    seen = jobs.workers(at)
    site = settings()
    return render_template(
        "operation.html",
        workers=seen,
        is_working=bool(seen) and seen[0].seen_at > at - jobs.WORKER_REST,
        signer=signer.state(at),
        reads_keys=signer.readable_keys(),
        messages=_messages(),
        figures=figures.of_site(at),
        names={job.name: job.label for job in jobs.JOBS.values()},
        failed=failed.failed(),
        free_bytes=shutil.disk_usage(site.data_dir).free,
        database="PostgreSQL" if site.database_url.startswith("postgresql") else "SQLite",
        queue="Redis" if site.queue_url else "SQLite",
        bucket=site.media_url,
        are_files_away=bool(site.media_url) and _are_files_away(),
        tab="people",
    )


def _messages() -> int | None:
    """How many messages wait in the queue; None where it does not answer."""
    try:
        return jobs.queue().length()
    except Exception:  # noqa: BLE001 (whatever ails the queue, the page says that it does not answer)
        return None


def _are_files_away() -> bool:
    """Whether the bucket answers, asked for a file that nobody has."""
    try:
        storage().exists("operation/probe")
    except Away:
        return True
    return False


@bp.post("/operation/jobs/<name>/<int:row_id>/retry")
@operators
def retry(name: str, row_id: int) -> ResponseReturnValue:
    """Let a worker try once more."""
    by = actor()
    policy.require(by, Permission.SITE_OPERATE, None)
    with transaction():
        failed.retry(name, row_id, by=by, at=clock.now())
    flash(_("A worker tries it again."), "success")
    return redirect("/operation", 303)


@bp.post("/operation/jobs/<name>/<int:row_id>/put-away")
@operators
def put_away(name: str, row_id: int) -> ResponseReturnValue:
    """List it no more."""
    by = actor()
    policy.require(by, Permission.SITE_OPERATE, None)
    with transaction():
        failed.put_away(name, row_id, by=by, at=clock.now())
    flash(_("Put away."), "success")
    return redirect("/operation", 303)
