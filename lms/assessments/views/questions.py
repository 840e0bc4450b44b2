"""Pages of one question: how a candidate sees it, its key, its review, its history."""

from collections.abc import Mapping
from typing import Any

from flask import flash, redirect, render_template, request, url_for
from flask.typing import ResponseReturnValue

from lms.assessments import queries, rules, services
from lms.assessments.forms import DecideForm, DescribeForm, WordingForm, WordsForm
from lms.assessments.models import ItemBank, Question
from lms.assessments.rules.appeals import AppealState
from lms.assessments.views.bank import bank_staff
from lms.assessments.views.blueprint import bp
from lms.core import approvals, clock
from lms.core.errors import NotFound, RuleBroken
from lms.core.i18n import _
from lms.policy import Actor, Permission, allows, require
from lms.web import files
from lms.web.forms import Form
from lms.web.guard import actor, members


@bp.get("/questions/<public_id>")
@bank_staff
def question(public_id: str) -> ResponseReturnValue:
    """One question with everything that is known of it."""
    return _page(queries.question(public_id, actor()))


def _page(found: Question, failed: Form | None = None, act: str = "") -> ResponseReturnValue:
    by = actor()
    today = clock.today(clock.now())
    dossier = queries.dossier(found)
    subject = f"question:{found.public_id}"
    waiting = approvals.open_for(services.REVIEW, subject)
    correction = approvals.open_for(services.KEY, subject)
    author = queries.Reviewable(found.programme_id, found.purpose, dossier.newest.author_person_id)
    lectures = queries.lectures(found.programme_id)
    if isinstance(failed, DescribeForm):
        failed.offer(lectures)
    page = render_template(
        "assessments/question.html",
        question=found,
        dossier=dossier,
        asks=[
            (
                shown,
                queries.key_words(shown, queries.key_of(dossier.key, shown.index)),
                queries.reason_of(dossier.key, shown.index),
            )
            for shown in queries.as_written(
                dossier.newest.type, dossier.newest.body, source=dossier.newest.source
            )
        ],
        proposed_key=_proposed_key(found, correction),
        waiting=waiting,
        correction=correction,
        may_review=waiting is not None
        and approvals.may_decide(waiting, by)
        and allows(by, Permission.ITEM_REVIEW, author),
        is_proposer=waiting is not None and waiting.proposed_by_person_id == by.person_id,
        may_decide_key=correction is not None
        and approvals.may_decide(correction, by)
        and allows(by, Permission.APPROVE, found),
        may_write=allows(by, Permission.ITEM_WRITE, found),
        moves=_moves(found) if allows(by, Permission.BANK_MANAGE, found) else [],
        is_past_due=rules.is_past_due(found.review_due, today),
        levels=rules.COGNITIVE,
        describe=DescribeForm.showing(found, dossier).offer(lectures),
        failed=failed or Form(),
        failed_act=act,
        tab="bank",
    )
    return page, failed.status if failed else 200


def _proposed_key(found: Question, correction: approvals.Approval | None) -> list[tuple[str, str]]:
    """For each ask the right answer now and as proposed, in words."""
    if correction is None:
        return []
    version = queries.version_of(found.id, correction.payload["n"])
    revision = queries.newest_keys([version.id])[version.id]
    pairs = []
    for shown in queries.as_written(version.type, version.body):
        new = correction.payload["key"]
        new = new if shown.index is None else new["asks"][shown.index]
        pairs.append(
            (queries.key_words(shown, queries.key_of(revision, shown.index)), queries.key_words(shown, new))
        )
    return pairs


def _moves(found: Question) -> list[str]:
    """The moves that a button may make from here."""
    return [name for name in rules.BY_HAND if found.state in rules.ITEM_MOVES[name][0]]


@bp.post("/questions/<public_id>/do/<act>")
@bank_staff
def move(public_id: str, act: str) -> ResponseReturnValue:
    """A button of the question's page."""
    by, at = actor(), clock.now()
    found = queries.question(public_id, by)
    form = WordsForm.of_request()
    words = form.words.data or ""
    acts = {
        "propose": lambda: services.propose(found, words=words, by=by, at=at),
        "activate": lambda: services.activate(found, today=clock.today(at), by=by, at=at),
        "suspend": lambda: services.suspend(found, words=words, by=by, at=at),
        "retire": lambda: services.retire(found, words=words, by=by, at=at),
        "take_back": lambda: services.take_back(found, by=by, at=at),
        "comment": lambda: services.comment(found, words, by=by, at=at),
    }
    if act not in acts:
        raise NotFound
    if not form.run(acts[act]):
        return _page(queries.question(public_id, by), form, act)
    return _back(public_id)


@bp.post("/questions/<public_id>/decide/<what>")
@bank_staff
def decide(public_id: str, what: str) -> ResponseReturnValue:
    """Approve what another person proposed, or send it back with a reason."""
    by, at = actor(), clock.now()
    found = queries.question(public_id, by)
    form = DecideForm.of_request()
    service = {"review": services.review, "key": services.decide_key}.get(what)
    if service is None:
        raise NotFound
    if not form.run(
        lambda: service(
            found,
            outcome=form.outcome.data,
            seen_sha256=form.seen.data or "",
            words=form.words.data or "",
            by=by,
            at=at,
        )
    ):
        return _page(queries.question(public_id, by), form, what)
    flash(
        _("Approved.") if form.outcome.data == approvals.APPROVED else _("Sent back with your reason."),
        "success",
    )
    return _back(public_id)


@bp.post("/questions/<public_id>/describe")
@bank_staff
def describe(public_id: str) -> ResponseReturnValue:
    """Topic, tags, level, expected difficulty, review date, enemies."""
    by, at = actor(), clock.now()
    found = queries.question(public_id, by)
    form = DescribeForm.of_request()

    def act() -> None:
        services.describe(found, form.facts(), by=by, at=at)
        services.set_enemies(found, form.words_of(form.enemies.data), by=by, at=at)

    if not form.run(act):
        return _page(queries.question(public_id, by), form)
    flash(_("Saved."), "success")
    return _back(public_id)


# ---------------------------------------------------------------- writing


@bp.route("/bank/<public_id>/new", methods=["GET", "POST"])
@bank_staff
def new_question(public_id: str) -> ResponseReturnValue:
    """Choose the type, then write the first wording."""
    by, at = actor(), clock.now()
    bank = queries.bank(public_id, by, permission=Permission.ITEM_WRITE)
    kind = request.values.get("type", "")
    if kind not in rules.TYPES:
        return render_template("assessments/choose_type.html", bank=bank, types=rules.TYPES, tab="bank")
    form = WordingForm.of_request()
    if _saves(form, kind, bank):
        body, key, rationale = form.read(kind)
        if form.run(
            lambda: services.add_question(
                bank,
                code=form.code.data or "",
                kind=kind,
                body=body,
                key=key,
                rationale=rationale,
                source=form.source.data or "",
                facts=services.Facts(topic=form.topic.data or ""),
                at=at,
                by=by,
            )
        ):
            return _back(form.result.question.public_id)
    return _wording_page(form, kind, bank=bank)


@bp.route("/questions/<public_id>/edit", methods=["GET", "POST"])
@bank_staff
def edit_question(public_id: str) -> ResponseReturnValue:
    """Write a further wording; the one before stays as it is."""
    by, at = actor(), clock.now()
    found = queries.question(public_id, by)
    require(by, Permission.ITEM_WRITE, found, see=Permission.BANK_READ)
    newest = queries.version_of(found.id)
    revision = queries.newest_keys([newest.id])[newest.id]
    if not rules.has_form(newest.type, newest.body, revision.key):
        return _only_from_files(public_id)
    form = WordingForm.of_request()
    if request.method == "GET":
        form.show(newest, revision)
    elif _saves(form, newest.type, found.bank, newest.body):
        body, key, rationale = form.read(newest.type, newest.body)
        base_n = form.base_n.data or 0
        if form.run(
            lambda: services.rewrite(
                found,
                base_n=base_n,
                kind=newest.type,
                body=body,
                key=key,
                rationale=rationale,
                source=form.source.data or "",
                by=by,
                at=at,
            )
        ):
            return _back(public_id)
    return _wording_page(form, newest.type, question=queries.question(public_id, by))


@bp.route("/questions/<public_id>/key", methods=["GET", "POST"])
@bank_staff
def edit_key(public_id: str) -> ResponseReturnValue:
    """Propose another key for a wording that is approved or in use; the wording itself stays."""
    by, at = actor(), clock.now()
    found = queries.question(public_id, by)
    require(by, Permission.ITEM_WRITE, found, see=Permission.BANK_READ)
    newest = queries.version_of(found.id)
    revision = queries.newest_keys([newest.id])[newest.id]
    if not rules.has_form(newest.type, newest.body, revision.key):
        return _only_from_files(public_id)
    form = WordingForm.of_request()
    if request.method == "GET":
        form.show(newest, revision)
        form.reason.data = _appealed(request.args.get("appeal", ""), newest.id, by)
    elif _saves(form, newest.type, found.bank, newest.body):
        body, key, rationale = form.read(newest.type, newest.body)

        def act() -> object:
            if not rules.is_same_wording(newest.body, body):
                raise RuleBroken(
                    "wording_changed",
                    _(
                        "Only the key and the explanation can be corrected here. For other words write a new version."
                    ),
                )
            return services.propose_key(
                found,
                n=newest.n,
                key=key,
                rationale=rationale,
                reason=form.reason.data or "",
                by=by,
                at=at,
            )

        if form.run(act):
            flash(_("Another person decides on the correction."), "success")
            return _back(public_id)
    return _wording_page(form, newest.type, question=queries.question(public_id, by), corrects_key=True)


def _saves(form: WordingForm, kind: str, bank: ItemBank, base: Mapping[str, Any] | None = None) -> bool:
    """Whether the button that was pressed saves. A chosen picture is kept first, whatever the button."""
    if request.method != "POST":
        return False
    if kind == "HOTSPOT" and form.picture.data:
        by, at = actor(), clock.now()
        if not form.run(lambda: services.take_picture(bank, data=form.picture.data.read(), by=by, at=at)):
            return False
        form.hold(form.result)
    if request.form.get("act") == "preview":
        body, key, _rationale = form.read(kind, base)
        if form.run(lambda: rules.require_item(kind, body, key)):
            form.preview = queries.as_written(kind, body, source=form.source.data or "")
    return request.form.get("act") not in {"rows", "picture", "preview"}


def _appealed(public_id: str, version_id: int, by: Actor) -> str:
    """The reason of a correction that follows from an appeal: what was answered to it. Empty without one of this wording."""
    if not public_id:
        return ""
    appeal = queries.appeal(public_id, by)
    if appeal.version.id != version_id or appeal.state not in {AppealState.UPHELD, AppealState.PARTLY}:
        return ""
    answers = [step.words for step in queries.appeal_steps(appeal.id) if step.act in {"uphold", "partly"}]
    return _("An appeal was right: %(words)s", words=answers[-1] if answers else "")[:1000]


def _only_from_files(public_id: str) -> ResponseReturnValue:
    flash(
        _("The gaps of this question hold more than the form can show; import it anew to change it."),
        "warning",
    )
    return _back(public_id)


def _wording_page(
    form: WordingForm,
    kind: str,
    *,
    bank: ItemBank | None = None,
    question: Question | None = None,
    corrects_key: bool = False,
) -> ResponseReturnValue:
    page = render_template(
        "assessments/wording.html",
        form=form,
        kind=kind,
        type=rules.TYPES[kind],
        bank=bank or (question.bank if question else None),
        question=question,
        corrects_key=corrects_key,
        values=form.values(),
        more=5 if request.form.get("act") == "rows" else 0,
        tab="bank",
    )
    return page, form.status


@bp.get("/items/media/<public_id>")
@members
def item_media(public_id: str) -> ResponseReturnValue:
    """A picture, sound or film of a question, for those who write, review or sit it."""
    return files.send(queries.item_media(public_id, actor()).storage_key)


@bp.get("/questions/<public_id>/changes")
@bank_staff
def changes(public_id: str) -> ResponseReturnValue:
    """What differs between two wordings, line by line."""
    found = queries.question(public_id, actor())
    dossier = queries.dossier(found)
    numbers = [version.n for version in dossier.versions]
    new = _number("new", numbers, numbers[0])
    old = _number("old", numbers, max((n for n in numbers if n < new), default=new))
    return render_template(
        "assessments/changes.html",
        question=found,
        versions=dossier.versions,
        old=old,
        new=new,
        lines=queries.changes(found.id, old, new),
        tab="bank",
    )


def _number(name: str, allowed: list[int], default: int) -> int:
    given = request.args.get(name, "")
    number = int(given) if given.isascii() and given.isdigit() and len(given) < 7 else default
    return number if number in allowed else default


def _back(public_id: str) -> ResponseReturnValue:
    return redirect(url_for("assessments.question", public_id=public_id), 303)
