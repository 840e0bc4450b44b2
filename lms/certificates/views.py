"""Pages: the way to a certificate, the cohort's matrix, issuing, the register, public verification."""

from datetime import timedelta

from flask import Blueprint, Response, flash, jsonify, redirect, render_template, request, url_for
from flask.typing import ResponseReturnValue

from lms.certificates import queries, rules, services
from lms.certificates.forms import ChooseForm, RevokeForm, RuleForm, SerialForm
from lms.core import clock, credentials, limits, qr, signing, site
from lms.core.db import transaction
from lms.core.digests import read_public_pem
from lms.core.errors import NotFound
from lms.core.i18n import _
from lms.policy import Permission, Role, allows
from lms.programmes import queries as programmes
from lms.web import files
from lms.web.guard import actor, members, public, staff, wants_json
from lms.web.paging import Page, page_number

bp = Blueprint("certificates", __name__)

RUNNERS = (Role.ADMINISTRATOR, Role.COORDINATOR, Role.DIRECTOR)
VERIFY_LIMIT = (120, 60)
"""Checks and seconds per address: an office checking a pile by hand never meets it, a robot counting serials does."""


# The way to the certificate


@bp.get("/progress")
@members
def progress() -> ResponseReturnValue:
    """What the trainee has and what is still missing."""
    return render_template(
        "certificates/progress.html", tab="progress", way=queries.own_way(actor()), own=True
    )


@bp.get("/progress/<enrolment_id>")
@members
def progress_of(enrolment_id: str) -> ResponseReturnValue:
    """The same page in the same words for mentor and staff."""
    return render_template(
        "certificates/progress.html", tab="trainees", way=queries.way(enrolment_id, actor()), own=False
    )


# The matrix and issuing


@bp.get("/certificates")
@staff(*RUNNERS, Role.AUDITOR)
def cohorts() -> ResponseReturnValue:
    """Which cohort?"""
    rows = programmes.cohorts(actor())
    if len(rows) == 1:
        return redirect(url_for("certificates.matrix", cohort_id=rows[0].public_id), 303)
    counts = programmes.enrolment_counts([row.id for row in rows])
    return render_template("certificates/cohorts.html", tab="certificates", cohorts=rows, counts=counts)


@bp.get("/certificates/cohorts/<cohort_id>")
@staff(*RUNNERS, Role.AUDITOR)
def matrix(cohort_id: str) -> ResponseReturnValue:
    """Who is ready, who is not and why, who has a certificate."""
    cohort = programmes.cohort(cohort_id, actor())
    state = request.args.get("state", "ready")
    state = state if state in queries.FILTERS else "all"
    search = request.args.get("q", "").strip()[:60]
    number = page_number()
    found = queries.matrix(cohort, state=state, search=search, page=number, per_page=50)
    pinned = queries.cohort_rule(cohort.id)
    return render_template(
        "certificates/matrix.html",
        tab="certificates",
        cohort=cohort,
        matrix=found,
        page=Page(found.rows, number, found.total),
        state=state,
        search=search,
        pinned=pinned,
        may_rule=pinned is None and allows(actor(), Permission.COHORT_MANAGE, cohort),
        form=ChooseForm(),
    )


@bp.get("/certificates/cohorts/<cohort_id>/rule")
@staff(*RUNNERS)
def rule_form(cohort_id: str) -> ResponseReturnValue:
    """The form that gives a cohort its certificate rule."""
    return _rule_page(cohort_id, RuleForm())


def _rule_page(cohort_id: str, form: RuleForm) -> ResponseReturnValue:
    cohort = programmes.cohort(cohort_id, actor(), permission=Permission.COHORT_MANAGE)
    if queries.cohort_rule(cohort.id) is not None:
        flash(_("This cohort already runs under a rule."), "error")
        return redirect(url_for("certificates.matrix", cohort_id=cohort_id), 303)
    return render_template(
        "certificates/rule.html", tab="certificates", cohort=cohort, form=form
    ), form.status


@bp.post("/certificates/cohorts/<cohort_id>/rule")
@staff(*RUNNERS)
def set_rule(cohort_id: str) -> ResponseReturnValue:
    """Give a cohort its certificate rule; the same rule twice is once."""
    by = actor()
    cohort = programmes.cohort(cohort_id, by, permission=Permission.COHORT_MANAGE)
    form = RuleForm.of_request()
    if not form.run(
        lambda: services.set_rule(
            cohort,
            lectures=form.lectures.data,
            tests=form.tests.data,
            entries=form.entries.data or 0,
            at=clock.now(),
            by=by,
        )
    ):
        return _rule_page(cohort_id, form)
    flash(_("The cohort has its certificate rule."), "ok")
    return redirect(url_for("certificates.matrix", cohort_id=cohort_id), 303)


@bp.post("/certificates/cohorts/<cohort_id>/check")
@staff(*RUNNERS)
def check(cohort_id: str) -> ResponseReturnValue:
    """Before issuing: the names and what will happen."""
    cohort = programmes.cohort(cohort_id, actor(), permission=Permission.CERTIFICATE_ISSUE)
    form = ChooseForm.of_request()
    wanted = queries.ready_ids(cohort.id) if request.form.get("everyone") else (form.id.data or [])
    chosen = queries.chosen(cohort, wanted)
    if not chosen:
        flash(_("Choose at least one trainee."), "error")
        return redirect(url_for("certificates.matrix", cohort_id=cohort_id), 303)
    return render_template("certificates/check.html", tab="certificates", cohort=cohort, chosen=chosen)


@bp.post("/certificates/cohorts/<cohort_id>/issue")
@staff(*RUNNERS)
def issue(cohort_id: str) -> ResponseReturnValue:
    """Issue to the chosen; the files are made by the worker."""
    by = actor()
    cohort = programmes.cohort(cohort_id, by, permission=Permission.CERTIFICATE_ISSUE)
    form = ChooseForm.of_request()
    chosen = queries.chosen(cohort, form.id.data or [])
    if form.run(
        lambda: services.issue(cohort, chosen, client_uuid=form.client_uuid.data or "", at=clock.now(), by=by)
    ):
        return redirect(url_for("certificates.batch", batch_id=form.result.public_id), 303)
    return render_template(
        "certificates/check.html", tab="certificates", cohort=cohort, chosen=chosen, form=form
    ), form.status


@bp.get("/certificates/batches/<batch_id>")
@staff(*RUNNERS)
def batch(batch_id: str) -> ResponseReturnValue:
    """True progress of a batch, also after the page was closed."""
    found = queries.batch(batch_id, actor())
    reserved = [item for item in found.items if item.certificate is not None]
    done = sum(
        1
        for item in reserved
        if item.certificate and (item.certificate.state != "reserved" or item.certificate.gave_up_at)
    )
    text = _("%(done)s of %(total)s made", done=done, total=len(reserved))
    if wants_json():
        return jsonify(done=done, total=len(reserved), text=text)
    return render_template(
        "certificates/batch.html",
        tab="certificates",
        batch=found,
        done=done,
        total=len(reserved),
        text=text,
        refusal_words=queries.refusal_words,
    )


# The register


@bp.get("/certificates/<serial>")
@members
def certificate(serial: str) -> ResponseReturnValue:
    """One certificate for its holder or the staff."""
    found = queries.certificate(serial, actor())
    return render_template(
        "certificates/certificate.html",
        tab="progress",
        certificate=found,
        has_credential=queries.has_credential(found),
        form=RevokeForm(),
    )


@bp.get("/certificates/<serial>/<name>.pdf")
@members
def file(serial: str, name: str) -> ResponseReturnValue:
    """The signed file."""
    found = queries.certificate(serial, actor())
    if found.pdf_key is None or name != found.serial:
        raise NotFound
    newest = queries.latest_file(found.id)
    return files.send(
        newest.pdf_key if newest else found.pdf_key,
        max_age=timedelta(hours=1),
        download_name=f"{found.serial}.pdf",
        immutable=False,
    )


@bp.get("/certificates/<serial>/credential.json")
@members
def credential(serial: str) -> ResponseReturnValue:
    """The certificate as a credential that machines read (Open Badges 3.0)."""
    found = queries.certificate(serial, actor())
    data = credentials.as_file(queries.credential_of(found))
    return _download(data, "application/ld+json", f"{found.serial}.json")


@bp.get("/certificates/<serial>/badge.png")
@members
def badge(serial: str) -> ResponseReturnValue:
    """The same credential inside a picture: the code that leads to the verification page."""
    found = queries.certificate(serial, actor())
    picture = credentials.bake(qr.png(found.facts["verify_url"]), queries.credential_of(found))
    return _download(picture, "image/png", f"{found.serial}.png")


def _download(data: bytes, media_type: str, name: str) -> Response:
    response = Response(data, mimetype=media_type)
    response.headers["Cache-Control"] = "private, no-cache"
    response.headers.set("Content-Disposition", "attachment", filename=name)
    return response


@bp.post("/certificates/<serial>/retry")
@staff(*RUNNERS)
def retry(serial: str) -> ResponseReturnValue:
    """Try again to make a file that failed."""
    by = actor()
    found = queries.certificate(serial, by, permission=Permission.CERTIFICATE_ISSUE)
    with transaction():
        services.retry(found, at=clock.now(), by=by)
    back = request.form.get("back", "")
    return redirect(back if back.startswith("/certificates/batches/") else f"/certificates/{serial}", 303)


@bp.route("/certificates/<serial>/revoke", methods=["GET", "POST"])
@staff(Role.DIRECTOR, Role.ADMINISTRATOR)
def revoke(serial: str) -> ResponseReturnValue:
    """Take a certificate back."""
    by = actor()
    found = queries.certificate(serial, by, permission=Permission.CERTIFICATE_REVOKE)
    form = RevokeForm.of_request()
    if request.method == "POST" and form.run(
        lambda: services.revoke(found, reason=form.reason.data or "", at=clock.now(), by=by)
    ):
        flash(_("The certificate has been revoked. The verification page says so from now on."), "success")
        return redirect(f"/certificates/{serial}", 303)
    return render_template(
        "certificates/revoke.html", tab="certificates", certificate=found, form=form
    ), form.status


# What the site publishes about its keys


def _published(data: bytes, media_type: str) -> Response:
    response = Response(data, mimetype=media_type)
    response.headers["Cache-Control"] = "public, max-age=300"
    response.headers["Access-Control-Allow-Origin"] = (
        "*"  # verifiers in browsers read these, whoever made them
    )
    return response


@bp.get("/.well-known/did.json")
@public
def did() -> ResponseReturnValue:
    """The key under which the site's credentials are genuine (did:web)."""
    settings = site.settings()
    path = settings.keys_dir / signing.CREDENTIALS_PUBLIC
    if not path.exists():
        raise NotFound
    document = credentials.did_document(
        credentials.did_of(settings.base_url), read_public_pem(path.read_bytes())
    )
    return _published(credentials.as_file(document), "application/did+json")


@bp.get("/status/<purpose>/<int:number>")
@public
def status_list(purpose: str, number: int) -> ResponseReturnValue:
    """Which credentials are withdrawn or suspended, as a signed list of bits that names nobody."""
    return _published(credentials.as_file(queries.status_list(purpose, number)), "application/vc")


@bp.get("/pki/<name>")
@public
def pki(name: str) -> ResponseReturnValue:
    """Root and issuing certificate, and the lists of withdrawn ones."""
    path = site.settings().keys_dir / name
    if name not in signing.PUBLIC or not path.exists():
        raise NotFound
    kind = "application/pkix-crl" if name.endswith(".crl") else "application/x-pem-file"
    return _published(path.read_bytes(), kind)


# Public verification


@bp.get("/verify")
@public
def verify_form() -> ResponseReturnValue:
    """Type a number."""
    typed = request.args.get("serial", "")
    form = SerialForm(request.args if typed else None)
    if typed and form.validate():
        proper = rules.read_serial(typed)
        return redirect(f"/verify/{proper or typed.strip().replace('/', '')}", 303)
    return render_template("certificates/verify_form.html", form=form), form.status


@bp.get("/verify/<serial>")
@public
def verify(serial: str) -> ResponseReturnValue:
    """One sentence for anyone: valid, revoked, corrected, or unknown."""
    limit, per_s = VERIFY_LIMIT
    limits.hit(f"verify:{request.remote_addr}", limit=limit, per_s=per_s, at=clock.now())
    found = queries.public_certificate(serial, key=request.args.get("k", ""))
    status = 200 if found else 404
    if wants_json():
        return jsonify(
            serial=serial[:60], state=found.state if found else "unknown", name=found.name if found else None
        ), status
    return (
        render_template(
            "certificates/verify.html",
            found=found,
            serial=found.serial if found else serial[:60],
            slipped=found is None and rules.read_serial(serial) is None,
            checked_at=clock.now(),
        ),
        status,
    )
