"""Public verification: by number, by file, and by the log; no sign-in."""

import re

from flask import jsonify, make_response, redirect, render_template, request
from flask.typing import ResponseReturnValue
from werkzeug.datastructures import FileStorage

from lms.certificates import checking, queries, rules, summary
from lms.certificates.forms import FileForm, SerialForm
from lms.certificates.views.blueprint import bp
from lms.core import clock, i18n, limits
from lms.core.errors import NotFound, RuleBroken
from lms.core.i18n import _
from lms.web.guard import public, reads_first, wants_json

SHA256 = re.compile(r"[0-9a-f]{64}")
VERIFY_LIMIT = (120, 60)
"""Checks and seconds per address: an office checking a pile by hand never meets it, a robot counting serials does."""
FILE_LIMIT = (30, 60)
"""Files and seconds per address: each costs some 20 ms of work."""


SAID_BY_SCRIPT = (
    checking.GENUINE,
    "revoked",
    "suspended",
    "superseded",
    checking.OVERLAID,
    checking.APPENDED,
    checking.CHANGED,
    checking.STRIPPED,
    checking.LOOKALIKE,
    checking.REVOKED_SIGNER,
    checking.UNREGISTERED,
    checking.FOREIGN,
    checking.UNREADABLE,
    "extended",
    "unasked",
    *summary.SAID,
)
"""What verify.js may find: the judgements of ``checking``, a withdrawn one by its state, and what only the site can weigh."""
MOST_STATES = 8
"""Digests in one question: a file and what it was before each time stamp."""


@bp.get("/verify")
@public
def verify_form() -> ResponseReturnValue:
    """Type a number."""
    typed = request.args.get("serial", "")
    form = SerialForm(request.args if typed else None)
    if typed and form.validate():
        proper = rules.read_serial(typed)
        return redirect(f"/verify/{proper or typed.strip().replace('/', '')}", 303)
    return _form_page(form, FileForm())


def _form_page(form: SerialForm, file_form: FileForm) -> ResponseReturnValue:
    return render_template(
        "certificates/verify_form.html",
        form=form,
        file_form=file_form,
        trust=_trust(),
        codes=SAID_BY_SCRIPT,
    ), 422 if form.failed or file_form.failed else 200


def _trust() -> dict[str, object] | None:
    """What verify.js needs to judge a file; None where the site has no authority."""
    trust = queries.published_trust()
    return dict(trust, register="/verify/states.json", kinds=rules.kinds_in_words()) if trust else None


@bp.get("/verify/states.json")
@public
def states() -> ResponseReturnValue:
    """What the register says of a file, asked by the digests of its states only; nobody's full name."""
    _limit()
    digests = [one for one in request.args.getlist("sha256")[:MOST_STATES] if SHA256.fullmatch(one)]
    known = queries.registered(digests) if digests else None
    found = queries.public_certificate(known.serial, key="") if known else None
    if found is None:
        answer = jsonify(serial=None, state="unknown")
    else:
        own = "en" if i18n.locale() == "en" else "zh"
        answer = jsonify(
            _verdict(found, "")
            | {
                "programme": found.facts[f"programme_{own}"],
                "issued_by": found.facts[f"sponsor_{own}"],
                "sample": bool(found.facts.get("demo")),
            }
        )
    answer.headers["Cache-Control"] = "no-store"
    return answer


@bp.post("/verify")
@public
@reads_first
def verify_file() -> ResponseReturnValue:
    """What a PDF is that somebody was handed; it is looked at in memory and forgotten."""
    limit, per_s = FILE_LIMIT
    limits.hit(f"verify-file:{request.remote_addr}", limit=limit, per_s=per_s, at=clock.now())
    form = FileForm.of_request()
    finding = _inspect(form)
    if finding is None:
        if wants_json():
            return jsonify(file="unreadable", serial=None, state=None), 422
        return _form_page(SerialForm(), form)
    known = None
    if finding.registered:
        # Who shows the file has read the name in it: the register's words can be compared with the page.
        key = queries.verify_key(finding.registered.serial)
        known = queries.public_certificate(finding.registered.serial, key=key)
    if wants_json():
        answer = jsonify(
            file=finding.code,
            serial=finding.serial,
            state=known.state if known else None,
            signer_sha256=finding.check.signer_fingerprint,
            root_sha256=queries.root_fingerprint(),
        )
    else:
        answer = make_response(
            render_template(
                "certificates/verify_file.html",
                finding=finding,
                found=known,
                checked_at=clock.now(),
                fingerprint=queries.root_fingerprint(),
            )
        )
    answer.headers["Cache-Control"] = "no-store"
    return answer


def _inspect(form: FileForm) -> checking.Finding | None:
    """What the chosen file is; None where there is no PDF to look at, and the form says so."""
    if not form.validate():
        return None
    given = form.file.data
    if not isinstance(given, FileStorage) or not given.filename:
        form.refuse(RuleBroken("file_missing", _("Choose the PDF of a certificate."), field="file"))
        return None
    with given.stream as stream:
        data = stream.read(checking.MOST_BYTES + 1)
    if len(data) > checking.MOST_BYTES:
        words = _("The file is larger than 2 MB; no certificate of ours is. Choose the PDF as it was issued.")
        form.refuse(RuleBroken("file_large", words, field="file"))
        return None
    finding = queries.inspect_here(data)
    if finding is None:
        raise NotFound
    if finding.code == checking.UNREADABLE:
        words = _("This is no readable PDF. A photo or a scan cannot be checked; type the number instead.")
        form.refuse(RuleBroken("file_unreadable", words, field="file"))
        return None
    return finding


@bp.get("/verify/<serial>")
@public
def verify(serial: str) -> ResponseReturnValue:
    """One sentence for anyone: valid, revoked, corrected, or unknown."""
    _limit()
    found = queries.public_certificate(serial, key=request.args.get("k", ""))
    status = 200 if found else 404
    if wants_json() or request.args.get("format") == "json":
        return jsonify(_verdict(found, serial)), status
    return (
        render_template(
            "certificates/verify.html",
            found=found,
            serial=found.serial if found else serial[:60],
            kind=rules.kind_words(found.kind) if found else "",
            slipped=found is None and rules.read_serial(serial) is None,
            checked_at=clock.now(),
            key=request.args.get("k", ""),
            fingerprint=queries.root_fingerprint(),
        ),
        status,
    )


def _verdict(found: queries.PublicCertificate | None, serial: str) -> dict[str, object]:
    """The page for programs."""
    if found is None:
        return {"serial": serial[:60], "state": "unknown", "name": None}
    return {
        "serial": found.serial,
        "kind": found.kind,
        "state": found.state,
        "name": found.name,
        "programme": found.facts["programme_zh"],
        "issued_on": found.facts["issued_on"],
        "closed_at": found.closed_at.isoformat() if found.closed_at else None,
        "superseded_by": found.superseded_by,
        "pdf_sha256": found.pdf_sha256,
        "history": [{"n": one.n, "act": one.act, "at": one.at.isoformat()} for one in found.history],
        "root_sha256": queries.root_fingerprint(),
    }


def _limit() -> None:
    limit, per_s = VERIFY_LIMIT
    limits.hit(f"verify:{request.remote_addr}", limit=limit, per_s=per_s, at=clock.now())


@bp.get("/verify/<serial>/proof.json")
@public
def proof(serial: str) -> ResponseReturnValue:
    """That the newest act on a certificate is in the public log (RFC 9162)."""
    _limit()
    document = queries.inclusion_document(serial, request.args.get("k", ""))
    if document is None:
        raise NotFound
    return jsonify(document)


@bp.get("/verify/log.json")
@public
def log_head() -> ResponseReturnValue:
    """The newest signed head of the public log; with ``from``, the proof that it continues an earlier one."""
    _limit()
    before = request.args.get("from", "")
    return jsonify(queries.log_document(int(before) if before.isdecimal() and len(before) < 10 else 0))
