"""Invitations of a cohort that nobody has accepted yet: who they are, and new links for all of them to print or send."""

from flask import render_template, request
from flask.typing import ResponseReturnValue

from lms.accounts import queries, services
from lms.accounts.rules.words import place_name
from lms.accounts.views.blueprint import bp
from lms.accounts.views.importing import AT_ONCE
from lms.accounts.views.people import administrators
from lms.core import clock, ports, qr, site
from lms.core.db import transaction
from lms.core.errors import NotFound
from lms.core.i18n import _
from lms.web import files
from lms.web.guard import actor, reads_first


def _cohorts() -> dict[str, str]:
    """Scope code → name of every cohort."""
    return {place.code: place_name(place) for place in ports.places[0].scopes() if place.kind == "cohort"}


@bp.get("/people/invitations")
@administrators
def invitations_page() -> ResponseReturnValue:
    """Whose invitation waits in a cohort, and until when its link is good."""
    by, at, cohorts = actor(), clock.now(), _cohorts()
    chosen = request.args.get("cohort", next(iter(cohorts), ""))
    if chosen and chosen not in cohorts:
        raise NotFound
    rows = queries.invited(chosen, by, on=clock.today(at)) if chosen else []
    return render_template(
        "accounts/invitations.html", tab="people", cohorts=cohorts, chosen=chosen, rows=rows, at=at
    )


@bp.post("/people/invitations")
@administrators
@reads_first
def make_invitations() -> ResponseReturnValue:
    """New links for all that wait, shown once: as a page to print, or as a CSV file. Earlier links are void."""
    by, at, cohorts = actor(), clock.now(), _cohorts()
    chosen = request.form.get("cohort", "")
    if chosen not in cohorts:
        raise NotFound
    letters = "letters" in request.form
    waiting = [row.account for row in queries.invited(chosen, by, on=clock.today(at))]
    done: list[services.Invited] = []
    for start in range(0, len(waiting), AT_ONCE):
        with transaction():
            done += services.invite_anew(waiting[start : start + AT_ONCE], letters=letters, at=at, by=by)
    base = site.settings().base_url
    links = [(one, f"{base}/invitation/{one.token}") for one in done]
    if request.form.get("as") == "csv":
        return files.table(
            "invitations.csv",
            [_("Name in Chinese"), _("Name in Latin letters"), _("Login"), _("Invitation link")],
            (
                [
                    one.account.person.name_zh,
                    one.account.person.name_latin,
                    one.account.email or one.account.phone,
                    link,
                ]
                for one, link in links
            ),
        )
    page = render_template(
        "accounts/invitations_made.html",
        tab="people",
        cohort=cohorts[chosen],
        links=[(one, link, qr.data_uri(link)) for one, link in links],
        letters=letters,
    )
    return page, 200, {"Cache-Control": "no-store"}
