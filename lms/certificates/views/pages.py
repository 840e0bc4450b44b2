"""Pages: the way to a certificate, the cohort's matrix, issuing, the register."""

from collections.abc import Callable
from datetime import timedelta
from tempfile import TemporaryFile
from zipfile import ZIP_STORED, ZipFile

from flask import Response, flash, jsonify, redirect, render_template, request, url_for
from flask.typing import ResponseReturnValue

from lms.certificates import queries, rules, services
from lms.certificates.forms import ChooseForm, DecideForm, ReasonForm, RuleForm, WaiverForm
from lms.certificates.views.blueprint import bp
from lms.core import approvals, clock, credentials, limits, qr, signer, signing, site
from lms.core.db import transaction
from lms.core.digests import read_public_pem
from lms.core.errors import NotFound
from lms.core.i18n import _
from lms.core.storage import storage
from lms.policy import Permission, Role, allows
from lms.programmes import queries as programmes
from lms.web import files
from lms.web.confirm import confirmation, confirmed
from lms.web.guard import actor, members, public, reads_first, staff, wants_json
from lms.web.paging import Page, page_number

RUNNERS = (Role.ADMINISTRATOR, Role.COORDINATOR, Role.DIRECTOR)


# The way to the certificate


@bp.get("/progress")
@members
def progress() -> ResponseReturnValue:
    """What the trainee has and what is still missing."""
    way = queries.own_way(actor())
    return render_template(
        "certificates/progress.html",
        tab="progress",
        way=way,
        own=True,
        counts_credits=way is not None and queries.credit_plan(way.enrolment.cohort_id) is not None,
    )


@bp.get("/progress/<enrolment_id>")
@members
def progress_of(enrolment_id: str) -> ResponseReturnValue:
    """The same page in the same words for mentor and staff."""
    return _progress_page(enrolment_id, WaiverForm())


def _progress_page(enrolment_id: str, form: WaiverForm) -> ResponseReturnValue:
    by = actor()
    way = queries.way(enrolment_id, by)
    return render_template(
        "certificates/progress.html",
        tab="trainees",
        way=way,
        own=False,
        may_waive=allows(by, Permission.CERTIFICATE_ISSUE, way.enrolment.cohort),
        waivers=queries.waivers(way.enrolment.id),
        form=form,
    ), form.status


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
        may_rule=allows(actor(), Permission.COHORT_MANAGE, cohort),
        may_issue=allows(actor(), Permission.CERTIFICATE_ISSUE, cohort),
        waiting=len(queries.decisions(cohort)),
        rule_words=queries.expression_words(pinned.rule.expression) if pinned else "",
        form=ChooseForm(),
        waits=any(row.state == "making" or row.successor for row in found.rows)
        and signer.state(clock.now()).waits,
    )


@bp.get("/certificates/cohorts/<cohort_id>/rule")
@staff(*RUNNERS)
def rule_form(cohort_id: str) -> ResponseReturnValue:
    """The form that gives a cohort its certificate rule."""
    return _rule_page(cohort_id, RuleForm())


def _rule_page(cohort_id: str, form: RuleForm) -> ResponseReturnValue:
    cohort = programmes.cohort(cohort_id, actor(), permission=Permission.COHORT_MANAGE)
    pinned = queries.cohort_rule(cohort.id)
    return render_template(
        "certificates/rule.html",
        tab="certificates",
        cohort=cohort,
        form=form,
        words=queries.expression_words(pinned.rule.expression) if pinned else "",
        two_people=pinned is not None and queries.has_issued(cohort.id),
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
            items=form.items.data or 0,
            reason=form.reason.data or "",
            at=clock.now(),
            by=by,
        )
    ):
        return _rule_page(cohort_id, form)
    if isinstance(form.result, approvals.Approval):
        flash(_("Another person decides on the change of the rule."), "success")
        return redirect(url_for("certificates.decisions", cohort_id=cohort_id), 303)
    flash(_("The cohort has its certificate rule."), "success")
    return redirect(url_for("certificates.matrix", cohort_id=cohort_id), 303)


@bp.get("/certificates/cohorts/<cohort_id>/decisions")
@staff(*RUNNERS)
def decisions(cohort_id: str) -> ResponseReturnValue:
    """Changes of the rule and waivers that wait for a second person."""
    return _decisions_page(cohort_id, DecideForm())


def _decisions_page(cohort_id: str, form: DecideForm) -> ResponseReturnValue:
    by = actor()
    cohort = programmes.cohort(cohort_id, by, permission=Permission.COHORT_MANAGE)
    rows = queries.decisions(cohort)
    may = allows(by, Permission.APPROVE, cohort)
    return render_template(
        "certificates/decisions.html",
        tab="certificates",
        cohort=cohort,
        rows=[(one, queries.decision_words(one), may and approvals.may_decide(one, by)) for one in rows],
        form=form,
    ), form.status


@bp.post("/certificates/cohorts/<cohort_id>/decisions/<approval_id>")
@staff(*RUNNERS)
def decide(cohort_id: str, approval_id: str) -> ResponseReturnValue:
    """Approve or refuse what another person proposed."""
    by = actor()
    cohort = programmes.cohort(cohort_id, by, permission=Permission.COHORT_MANAGE)
    found = next((one for one in queries.decisions(cohort) if one.public_id == approval_id), None)
    if found is None:
        raise NotFound
    form = DecideForm.of_request()
    if not form.run(
        lambda: services.decide(
            found,
            cohort,
            outcome=form.outcome.data or "",
            seen_sha256=form.seen.data or "",
            words=form.words.data or "",
            by=by,
            at=clock.now(),
        )
    ):
        return _decisions_page(cohort_id, form)
    flash(
        _("Approved; it holds from now on.") if form.outcome.data == approvals.APPROVED else _("Refused."),
        "success",
    )
    return redirect(url_for("certificates.decisions", cohort_id=cohort_id), 303)


@bp.post("/progress/<enrolment_id>/waive")
@staff(*RUNNERS)
def waive(enrolment_id: str) -> ResponseReturnValue:
    """Propose to waive an open requirement for one trainee; another person decides."""
    by = actor()
    enrolment = programmes.enrolment(enrolment_id, by)
    form = WaiverForm.of_request()
    if not form.run(
        lambda: services.propose_waiver(
            enrolment, form.fact.data or "", reason=form.reason.data or "", by=by, at=clock.now()
        )
    ):
        return _progress_page(enrolment_id, form)
    flash(_("Another person decides on the waiver."), "success")
    return redirect(url_for("certificates.decisions", cohort_id=enrolment.cohort.public_id), 303)


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
    return render_template(
        "certificates/check.html",
        tab="certificates",
        cohort=cohort,
        chosen=chosen,
        remarks=queries.remarks(chosen),
    )


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
        "certificates/check.html",
        tab="certificates",
        cohort=cohort,
        chosen=chosen,
        form=form,
        remarks=queries.remarks(chosen),
    ), form.status


PREVIEW_LIMIT = (30, 60)
"""Previews and seconds for one person: each is drawn anew, half a second of work."""


@bp.get("/certificates/cohorts/<cohort_id>/preview/<enrolment_id>.pdf")
@staff(*RUNNERS)
def preview(cohort_id: str, enrolment_id: str) -> ResponseReturnValue:
    """One trainee's certificate as it would be printed now, marked as none."""
    by, at = actor(), clock.now()
    cohort = programmes.cohort(cohort_id, by, permission=Permission.CERTIFICATE_ISSUE)
    chosen = queries.chosen(cohort, [enrolment_id])
    if not chosen:
        raise NotFound
    limits.hit(f"preview:{by.account_id}", limit=PREVIEW_LIMIT[0], per_s=PREVIEW_LIMIT[1], at=at)
    answer = Response(services.preview(chosen[0], cohort, at=at, by=by), mimetype="application/pdf")
    answer.headers.set("Content-Disposition", "inline", filename=f"preview-{enrolment_id}.pdf")
    answer.headers["Cache-Control"] = "no-store"
    return answer


@bp.get("/certificates/cohorts/<cohort_id>/names")
@staff(*RUNNERS)
def names(cohort_id: str) -> ResponseReturnValue:
    """Trainees whose names cannot be printed, with the way to mend each."""
    cohort = programmes.cohort(cohort_id, actor(), permission=Permission.CERTIFICATE_ISSUE)
    return render_template(
        "certificates/names.html", tab="certificates", cohort=cohort, rows=queries.names_to_correct(cohort)
    )


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
    waits = done < len(reserved) and signer.state(clock.now()).waits
    if waits:
        text = _("%(done)s of %(total)s made; waiting for the signer", done=done, total=len(reserved))
    if wants_json():
        return jsonify(done=done, total=len(reserved), text=text)
    return render_template(
        "certificates/batch.html",
        tab="certificates",
        batch=found,
        done=done,
        total=len(reserved),
        failed=sum(1 for item in reserved if item.certificate and item.certificate.gave_up_at),
        text=text,
        waits=waits,
        refusal_words=queries.refusal_words,
    )


@bp.post("/certificates/batches/<batch_id>/retry")
@staff(*RUNNERS)
def retry_batch(batch_id: str) -> ResponseReturnValue:
    """Try again to make all files of a batch that failed; the others stay as they are."""
    by = actor()
    found = queries.batch(batch_id, by)
    with transaction():
        services.retry_all(found, at=clock.now(), by=by)
    return redirect(url_for("certificates.batch", batch_id=batch_id), 303)


@bp.get("/certificates/batches/<batch_id>/certificates.zip")
@staff(*RUNNERS)
def batch_zip(batch_id: str) -> ResponseReturnValue:
    """All PDFs of a batch that count now, in one file."""
    found = queries.batch(batch_id, actor())
    with TemporaryFile() as packed:
        with ZipFile(packed, "w", ZIP_STORED) as archive:
            for one in queries.files_of_batch(found):
                archive.writestr(f"{one.serial}.pdf", storage().read(one.pdf_key or ""))
        packed.seek(0)
        answer = Response(packed.read(), content_type="application/zip")
    answer.headers.set("Content-Disposition", "attachment", filename=f"certificates-{batch_id}.zip")
    answer.headers["Cache-Control"] = "no-store"
    return answer


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
        kind=rules.kind_words(found.kind),
        history=queries.history(found.id),
        has_credential=queries.has_credential(found),
        successor=queries.successor(found),
        waits=found.state == "reserved" and signer.state(clock.now()).waits,
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


ACTS: dict[str, Callable[..., object]] = {
    "revoke": services.revoke,
    "suspend": services.suspend,
    "lift": services.lift,
    "replace": services.replace,
}


@bp.get("/certificates/<serial>/<verb>")
@staff(Role.DIRECTOR, Role.ADMINISTRATOR)
def act_form(serial: str, verb: str) -> ResponseReturnValue:
    """Why a certificate is revoked, suspended, lifted or replaced."""
    return _act_page(serial, verb, ReasonForm())


def _act_page(serial: str, verb: str, form: ReasonForm) -> ResponseReturnValue:
    if verb not in ACTS:
        raise NotFound
    found = queries.certificate(serial, actor(), permission=Permission.CERTIFICATE_REVOKE)
    return render_template(
        "certificates/act.html",
        tab="certificates",
        certificate=found,
        verb=verb,
        form=form,
        confirmation=confirmation(clock.now()),
    ), form.status


@bp.post("/certificates/<serial>/<verb>")
@staff(Role.DIRECTOR, Role.ADMINISTRATOR)
@reads_first
def act(serial: str, verb: str) -> ResponseReturnValue:
    """Revoke, suspend, lift or replace, with a reason and a fresh confirmation."""
    if verb not in ACTS:
        raise NotFound
    by, at = actor(), clock.now()
    found = queries.certificate(serial, by, permission=Permission.CERTIFICATE_REVOKE)
    form = ReasonForm.of_request()
    if confirmed(form, at=at) and form.run(
        lambda: ACTS[verb](found, reason=form.reason.data or "", at=at, by=by)
    ):
        flash(
            {
                "revoke": _("The certificate has been revoked. The verification page says so from now on."),
                "suspend": _("The certificate is suspended. The verification page says so from now on."),
                "lift": _("The certificate counts again."),
                "replace": _(
                    "The new certificate is being made; it replaces this one as soon as it is there."
                ),
            }[verb],
            "success",
        )
        new = form.result.serial if verb == "replace" else serial
        return redirect(f"/certificates/{new}", 303)
    return _act_page(serial, verb, form)


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
