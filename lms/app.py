"""The one page where the rooms are joined."""

from datetime import datetime, timedelta
from pathlib import Path
from typing import Any
from urllib.parse import quote

from flask import Flask, g, has_request_context, redirect, render_template, request
from flask.typing import ResponseReturnValue
from sqlalchemy import text
from werkzeug.middleware.proxy_fix import ProxyFix

from lms.accounts import jobs as accounts_jobs
from lms.accounts import queries as accounts_queries
from lms.accounts import services as accounts_services
from lms.accounts import views as accounts_views
from lms.assessments import jobs as assessments_jobs
from lms.assessments import queries as assessments_queries
from lms.assessments import views as assessments_views
from lms.certificates import jobs as certificates_jobs
from lms.certificates import queries as certificates_queries
from lms.certificates import services as certificates_services
from lms.certificates import views as certificates_views
from lms.core import audit, clock, db, failed, figures, i18n, jobs, limits, notices, ports, storage
from lms.core.notices import delivery as notices_delivery
from lms.courses import jobs as courses_jobs
from lms.courses import queries as courses_queries
from lms.courses import services as courses_services
from lms.courses import views as courses_views
from lms.logbooks import jobs as logbooks_jobs
from lms.logbooks import queries as logbooks_queries
from lms.logbooks import views as logbooks_views
from lms.migrations import newest, revision_of
from lms.policy import Actor, allows
from lms.programmes import jobs as programmes_jobs
from lms.programmes import queries as programmes_queries
from lms.programmes import services as programmes_services
from lms.programmes import views as programmes_views
from lms.programmes.queries import intakes as intakes_queries
from lms.programmes.queries import roster as roster_queries
from lms.programmes.views import attendance as attendance_views
from lms.programmes.views import importing as importing_views
from lms.programmes.views import intakes as intakes_views
from lms.programmes.views import meetings as meetings_views
from lms.programmes.views import places as places_views
from lms.programmes.views import qualifications as qualifications_views
from lms.programmes.views import roster as roster_views
from lms.settings import Settings, load
from lms.web import assets, back, errors, filters, forms, guard, headers, home, login, nav, operation

BODY_LIMIT_BYTES = 4_000_000  # of a form; a door that takes files says so itself (guard.takes)
"""Bytes of one request; larger lectures come in pieces (courses/views/uploads.py)."""


def templates_folder() -> Path:
    """The root's templates in a checkout; the same folder inside the installed package."""
    here = Path(__file__).resolve().parent
    inside = here / "templates"
    return inside if inside.is_dir() else here.parent / "templates"


def create_app(settings: Settings | None = None) -> Flask:
    """Build the application: every room is joined here and nowhere else."""
    settings = settings or load()
    app = Flask("lms", static_folder=None, template_folder=str(templates_folder()))
    app.request_class = guard.Request
    app.secret_key = settings.secret_key
    app.config.update(
        SQLALCHEMY_DATABASE_URI=settings.database_url,
        SQLALCHEMY_ENGINE_OPTIONS={  # a connection for each thread, the answer writer and the worker
            "pool_size": 20,
            "max_overflow": 20,
            "pool_pre_ping": not settings.database_url.startswith("sqlite"),
            "hide_parameters": True,  # what people typed belongs in no log
        },
        MAX_CONTENT_LENGTH=BODY_LIMIT_BYTES,
        MAX_FORM_MEMORY_SIZE=2_000_000,
        MAX_FORM_PARTS=5_000,
        X_ACCEL_PREFIX=settings.x_accel_prefix,
        TESTING=settings.env == "test",
    )
    app.extensions["lms_settings"] = settings
    app.jinja_env.trim_blocks = app.jinja_env.lstrip_blocks = True
    if settings.trusted_proxies:
        app.wsgi_app = ProxyFix(  # type: ignore[method-assign]
            app.wsgi_app,
            x_for=settings.trusted_proxies,
            x_proto=settings.trusted_proxies,
            x_host=settings.trusted_proxies,
        )

    settings.data_dir.mkdir(parents=True, exist_ok=True)
    storage.init_storage(settings)
    db.init_app(app)
    jobs.init_app(app, settings)
    i18n.init_app(app, select_locale=_locale)
    login.init_app(
        app, settings, load_session=lambda token: accounts_queries.actor_of_token(token, at=clock.now())
    )
    operation.init_app(app)
    headers.init_app(app)
    guard.init_app(app, load_actor=login.load_actor, ask_sign_in=accounts_views.ask_sign_in)
    errors.init_app(app)
    filters.init_app(app)
    assets.init_app(app, folder=settings.data_dir / "static")
    _join_pages(app)
    _join_ports()
    _join_jobs()
    _join_figures()
    return app


def _join_pages(app: Flask) -> None:
    for blueprint in (
        home.bp,
        operation.bp,
        accounts_views.bp,
        programmes_views.bp,
        importing_views.bp,
        roster_views.bp,
        qualifications_views.bp,
        places_views.bp,
        meetings_views.bp,
        attendance_views.bp,
        intakes_views.bp,
        courses_views.bp,
        assessments_views.bp,
        logbooks_views.bp,
        certificates_views.bp,
    ):
        app.register_blueprint(blueprint)
    app.jinja_env.globals.update(
        allows=allows,
        token=forms.token,
        once=forms.once,
        html_lang=i18n.html_lang,
        this_page=back.this_page,
    )

    @app.context_processor
    def _page() -> dict[str, Any]:
        actor = guard.current_actor()
        return {
            "actor": actor,
            "lang": i18n.html_lang(),
            "lang_url": _lang_url,
            "tabs": nav.tabs(actor),
            "theme": request.cookies.get("theme", "")
            if request.cookies.get("theme") in {"dark", "light"}
            else "",
            "notice_count": notices.unread_count(actor.account_id) if actor else 0,
            "now": clock.now,
        }

    @app.get("/language/<name>")
    @guard.public
    def language(name: str) -> ResponseReturnValue:
        """Switch the language of this browser; a person's own choice is kept under My account."""
        answer = redirect(back.own_page(request.args.get("next")), 303)
        answer.set_cookie(
            "lang",
            "en" if name == "en" else "zh_Hans",
            max_age=365 * 86400,
            samesite="Lax",
            secure=request.is_secure,
        )
        return answer

    @app.get("/healthz")
    @guard.public
    def healthz() -> ResponseReturnValue:
        """Whether this process answers and its database does; 503 where not."""
        db.db.session.execute(text("SELECT 1"))
        return {"ok": True}

    @app.get("/readyz")
    @guard.public
    def readyz() -> ResponseReturnValue:
        """Whether people may be sent here: the schema is this version's and files can be kept. 503 with the reasons where not."""
        found, wanted = revision_of(db.db.session.connection()), newest()
        why = [] if found == wanted else [f"schema {found or 'none'}, wanted {wanted}"]
        try:
            with storage.storage().temporary("ready-") as folder:
                (folder / "probe").touch()
        except OSError as problem:
            why.append(f"media folder: {problem.strerror or problem}")
        return {"ready": not why, "why": why}, 503 if why else 200

    @app.get("/privacy")
    @guard.public
    def privacy() -> ResponseReturnValue:
        """What is kept about whom, in plain words."""
        return render_template("privacy.html")


def _lang_url(name: str) -> str:
    return f"/language/{name}?next={quote(back.this_page())}"


def _locale() -> str:
    """The language of the current request: this browser's choice, the person's, then what the browser asks for."""
    if not has_request_context():
        return i18n.DEFAULT_LOCALE  # a job or a command: it speaks to somebody by i18n.speaking
    if "locale" not in g:
        actor: Actor | None = g.get("actor")
        chosen = request.cookies.get("lang")
        if chosen in i18n.LOCALES:
            g.locale = chosen
        elif actor is not None:
            g.locale = actor.locale
        else:
            return i18n.from_accept_language(request.headers.get("Accept-Language", ""))
    return str(g.locale)


def _join_ports() -> None:
    """Where a lower feature needs a higher one."""
    ports.home_tasks[:] = [
        logbooks_queries.tasks,
        logbooks_queries.review_tasks,
        assessments_queries.tasks,
        assessments_queries.decisions,
        assessments_queries.late_decisions,
        assessments_queries.troubles,
        assessments_queries.to_mark,
        courses_queries.tasks,
        courses_queries.reviews_waiting,
        assessments_queries.cards_due,
        certificates_queries.tasks,
    ]
    ports.fact_changed.subscribe(certificates_services.fact_changed)
    ports.fact_changed.subscribe(certificates_services.credits_changed)
    ports.certificate_holders[:] = [certificates_queries.holders]
    ports.home_progress[:] = [certificates_queries.progress_of]
    ports.checkpoints[:] = [
        ports.Checkpoints(of=assessments_queries.checkpoints_of, wait=assessments_queries.waits_at)
    ]
    ports.linked_tests[:] = [
        ports.LinkedTests(of=assessments_queries.tests_of, results=assessments_queries.results_in)
    ]
    ports.dates[:] = [
        assessments_queries.test_dates,
        intakes_queries.event_dates,
        roster_queries.duty_dates,
    ]
    ports.checkpoint_answered[:] = [courses_services.complete_if_watched]
    ports.tab_counts.update({"to-sign": logbooks_queries.to_sign_count})
    notices.join_address_book(accounts_queries.address_of)
    ports.presence[:] = [
        ports.Presence(
            state=accounts_queries.confirmation_state,
            check_pin=lambda by, pin, at: accounts_services.check_pin(pin, at=at, by=by),
            note_pin=lambda by, at: accounts_services.note_pin(at=at, by=by),
        )
    ]
    ports.places[:] = [
        ports.Places(
            scopes=programmes_queries.scopes,
            tracks=programmes_queries.tracks,
            enrol=lambda person, scope, track, by, at: programmes_services.enrol_at(
                person, scope, track=track, at=at, by=by
            ),
        )
    ]


def _join_figures() -> None:
    """What the operator's page and Prometheus show."""
    figures.SITE[:] = [
        failed.figures,
        courses_queries.figures,
        assessments_queries.figures,
        logbooks_queries.figures,
        certificates_queries.figures,
    ]


def _join_jobs() -> None:
    """Everything a worker can do."""
    for room in (
        accounts_jobs,
        programmes_jobs,
        courses_jobs,
        assessments_jobs,
        logbooks_jobs,
        certificates_jobs,
    ):
        room.register()
    notices_delivery.register_jobs()
    if certificates_services.sign_daily_head not in jobs.SIGNED:
        jobs.SIGNED.append(certificates_services.sign_daily_head)
    for chore in (
        audit.seal_yesterday,
        limits.sweep,
        _forget_leftovers,
    ):
        if chore not in jobs.EVERY:
            jobs.EVERY.append(chore)


def _forget_leftovers(at: datetime) -> None:
    """Temporary files of processes that died a day ago or more."""
    storage.storage().forget_leftovers(before=at - timedelta(days=1))
