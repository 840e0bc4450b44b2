"""Saving answers: the one address that a whole cohort asks several times a minute.

Lean on purpose: no actor, no ORM, no transaction of its own. A cookie of the sitting, signed when the paper was opened and
good only together with the session that it was given to, says who may write what; that the session still stands the writer
asks beside the sitting itself. SameSite and the Origin check stand as everywhere. Where the cookie does not fit (signed in anew, expired), the full door is asked once and gives a new one.
"""

import hashlib
import hmac
import json
import random
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from flask import Blueprint, Response, abort, current_app, request, session
from flask.typing import ResponseReturnValue

from lms.accounts import queries as accounts
from lms.assessments import queries, rules, services
from lms.assessments.models import Sitting, Test
from lms.assessments.rules.seb import CONFIG_HEADER, EXAM_HEADER, config_key, is_genuine, settings_for
from lms.assessments.writer import Ack, Overloaded, SignedOut, Writer
from lms.core import clock, site
from lms.core.db import db, transaction
from lms.core.i18n import _
from lms.policy import Actor, Permission
from lms.web import login
from lms.web.errors import problem
from lms.web.guard import lean, public

bp = Blueprint("api", __name__)

COOKIE = "sitting"
_LASTS = timedelta(hours=8)
_MAX_BYTES = 1_000_000


def writer() -> Writer:
    """The answer writer of this process."""
    found = current_app.extensions.get("lms_answer_writer")
    if found is None:
        found = current_app.extensions.setdefault("lms_answer_writer", Writer(db.engine))
    assert isinstance(found, Writer)
    return found


# ---------------------------------------------------------------- the sitting's cookie


@dataclass(frozen=True)
class Pass:
    """What the cookie says: this browser may write in this sitting since this take-over."""

    sitting_id: int
    epoch: int
    is_fresh: bool
    """Whether it belongs to the present session and has not expired; else the full door decides."""
    seb: str = ""
    """Config Key that each save has to come with; empty: none."""


def give_pass(response: Response, sitting: Sitting, test: Test, *, epoch: int, at: datetime) -> None:
    """Let this browser write: it started the sitting or took it over."""
    seb = "" if test.seb is None else config_key(seb_settings(test))
    content = f"{sitting.id}.{epoch}.{int(at.timestamp())}.{_session_mark()}.{seb}"
    response.set_cookie(
        COOKIE,
        f"{content}.{_sign(sitting.public_id, content)}",
        path=f"/sittings/{sitting.public_id}",
        max_age=_LASTS,
        httponly=True,
        samesite="Lax",
        secure=current_app.config["SESSION_COOKIE_SECURE"],
    )


def read_pass(public_id: str, at: datetime) -> Pass | None:
    """The pass that this browser brought for this sitting; None if there is none or it is not ours."""
    content, _dot, signature = request.cookies.get(COOKIE, "").rpartition(".")
    if not content or not hmac.compare_digest(signature.encode(), _sign(public_id, content).encode()):
        return None
    parts = content.split(".")
    if len(parts) != 5:  # of an earlier version
        return None
    sitting_id, epoch, issued, mark, seb = parts
    is_fresh = 0 <= at.timestamp() - int(issued) + 60 < _LASTS.total_seconds() and mark == _session_mark()
    return Pass(int(sitting_id), int(epoch), is_fresh, seb)


# ---------------------------------------------------------------- Safe Exam Browser


def seb_settings(test: Test) -> dict[str, Any]:
    """What Safe Exam Browser is told for a test that asks for it."""
    assert test.seb is not None
    password = test.seb["quit_password_sha256"]
    return settings_for(test.public_id, base_url=_base_url(), quit_password_sha256=password)


def is_barred(test: Test) -> bool:
    """Whether the test asks for Safe Exam Browser, and this request does not come from it."""
    if test.seb is None:
        return False
    return not _is_from_seb(config_key(seb_settings(test)), test.seb["exam_keys"])


def _is_from_seb(config: str, exam_keys: Sequence[str] = ()) -> bool:
    return is_genuine(
        _base_url() + request.full_path.rstrip("?"),
        config=config,
        exam_keys=exam_keys,
        config_hash=request.headers.get(CONFIG_HEADER, ""),
        exam_hash=request.headers.get(EXAM_HEADER, ""),
    )


def _base_url() -> str:
    return site.settings().base_url


def _sign(public_id: str, content: str) -> str:
    key = str(current_app.secret_key).encode()
    return hmac.digest(key, f"sitting|{public_id}|{content}".encode(), hashlib.sha256).hex()


def _session_mark() -> str:
    """A short digest of the sign-in that the browser has; not the token itself."""
    return hashlib.sha256(str(session.get("_user_id", "")).encode()).hexdigest()[:16]


# ---------------------------------------------------------------- operations


@bp.post("/sittings/<public_id>/ops")
@public
@lean
def ops(public_id: str) -> ResponseReturnValue:
    """Write operations down, then say up to which number they are safe, what does not count, and how much time is left."""
    at = clock.now()
    if (request.content_length or 0) > _MAX_BYTES:
        abort(413)
    payload = request.get_json(silent=True)
    if not isinstance(payload, dict):
        abort(400)
    epoch, given, device = payload.get("epoch"), payload.get("ops", []), payload.get("device", "")
    if (
        not isinstance(epoch, int)
        or not isinstance(given, list)
        or not isinstance(device, str)
        or len(given) > rules.MAX_OPS
    ):
        abort(400)
    operations = [rules.read_op(raw, device) for raw in given]
    readable = [op for op in operations if op is not None]
    device = device or (readable[0].device if readable else "")
    known = read_pass(public_id, at)
    renewed, its_test, standing = None, None, ""
    if (
        known is not None
        and known.is_fresh
        and session.get("_user_id")
        and (not known.seb or _is_from_seb(known.seb))
    ):
        sitting_id = known.sitting_id
        standing = accounts.digest(str(session["_user_id"]))
    else:
        _by, renewed = _through_the_full_door(public_id)
        its_test = renewed.test
        if is_barred(its_test):
            return problem(403, "seb_needed", _("This test needs Safe Exam Browser"))
        sitting_id = renewed.id
        db.session.rollback()
    try:
        ack = writer().save(sitting_id, readable, epoch=epoch, at=at, device=device, session=standing)
    except Overloaded:
        return _come_again()
    except SignedOut:
        abort(401)  # the client asks to sign in, and keeps what it has
    state = ack.state
    if ack.hands_in and state == rules.SittingState.IN_PROGRESS:
        by, sitting = _through_the_full_door(public_id)
        with transaction():
            state = services.submit(sitting, by=by, at=at).state
    answer = dict(_answer(ack, state, device))
    if state != rules.SittingState.IN_PROGRESS and any(op.kind == "submit" for op in readable):
        answer["receipt"] = queries.receipt(sitting_id)  # a lost reply asks again, and gets the same
    response = Response(json.dumps(answer), mimetype="application/json")
    if renewed is not None and its_test is not None and epoch == ack.epoch:
        give_pass(response, renewed, its_test, epoch=epoch, at=at)
    return response


def _through_the_full_door(public_id: str) -> tuple[Actor, Sitting]:
    """Who asks, by their session, and their sitting by the policy. 401 for a stranger, NotFound for another's."""
    by = login.load_actor()
    if by is None:
        abort(401)
    return by, queries.sitting(public_id, by, permission=Permission.SITTING_ANSWER)


def _answer(ack: Ack, state: str, device: str) -> Mapping[str, Any]:
    is_open = state == rules.SittingState.IN_PROGRESS
    return {
        "acked": ack.acked.get(device, 0),
        "devices": ack.acked,
        "rejected": [{"device": name, "seq": seq, "reason": reason} for name, seq, reason in ack.rejected],
        "remaining_ms": ack.remaining_ms if is_open else 0,
        "epoch": ack.epoch,
        "state": state if not is_open else "paused" if ack.is_paused else "open",
        "news": ack.news,
    }


def _come_again() -> ResponseReturnValue:
    """503 with a spread of waiting times, so that not everybody comes back at once; the client keeps its outbox."""
    wait_s = 2 + random.randrange(6)  # noqa: S311 (spreads load, guards nothing)
    response = Response(json.dumps({"code": "overloaded"}), status=503, mimetype="application/problem+json")
    response.headers["Retry-After"] = str(wait_s)
    return response


def save_form(
    sitting: Sitting,
    answers: Mapping[int, Mapping[str, Any]],
    *,
    chosen: Mapping[int, Sequence[int]] | None = None,
    locks: int | None = None,
    at: datetime,
) -> Ack:
    """Save what the plain page holds, through the same writer; only answers that differ from what stands make an operation.

    ``chosen``: of each choice of cases those that are ticked; ``locks``: what to close after that, the slot of a serial case,
    a choice or a part. Must be called before the request opens a transaction. Raises
    Overloaded.
    """
    known = read_pass(sitting.public_id, at)
    stands = queries.standing(sitting.id)
    changed = [
        rules.Op(rules.FORM_DEVICE, None, slot, "answer", body)
        for slot, body in sorted(answers.items())
        if slot not in stands.locked
        and body != stands.answers.get(slot)
        and (slot in stands.answers or rules.is_answered(body))
    ]
    picked = chosen or {}
    changed += [
        rules.Op(rules.FORM_DEVICE, None, slot, "choose", {"choose": list(cases)})
        for slot, cases in sorted(picked.items())
        if list(cases) != list(stands.chosen.get(slot, ())) and slot not in stands.locked and slot != locks
    ]
    if locks is not None:
        body = {"lock": list(picked[locks]) if locks in picked else True}
        changed.append(rules.Op(rules.FORM_DEVICE, None, locks, "lock", body))
    sitting_id = sitting.id
    db.session.rollback()
    return writer().save(sitting_id, changed, epoch=known.epoch if known else 0, at=at)


def is_writer(sitting: Sitting, at: datetime) -> bool:
    """Whether this browser is the one that may write now."""
    known = read_pass(sitting.public_id, at)
    return known is not None and known.sitting_id == sitting.id and known.epoch == sitting.writer_epoch
