"""The audit trail in words, and its proof."""

from datetime import date

from flask import render_template
from flask.typing import ResponseReturnValue

from lms.accounts import queries
from lms.accounts.rules import trail
from lms.accounts.rules.words import place_names
from lms.accounts.views.blueprint import bp
from lms.accounts.views.people import typed
from lms.core import audit, ports
from lms.core.errors import NotFound
from lms.policy import Role
from lms.web.guard import actor, reads_first, staff

readers = staff(Role.AUDITOR, Role.ADMINISTRATOR, Role.DATA_PROTECTION_OFFICER)


def _day(text: str) -> date | None:
    try:
        return date.fromisoformat(text)
    except ValueError:
        return None


def _page(*, verdict: audit.Verdict | None = None) -> ResponseReturnValue:
    asked = {key: typed(key) for key in ("scope", "act", "who", "day")}
    before = typed("before")
    rows, older = queries.trail(
        actor(),
        scope=asked["scope"],
        act=asked["act"],
        who=asked["who"],
        day=_day(asked["day"]),
        before=int(before) if before.isascii() and before.isdigit() and len(before) < 16 else None,
    )
    return render_template(
        "accounts/trail.html",
        tab="audit",
        rows=rows,
        older=older,
        asked=asked,
        acts=sorted(trail.ACTS, key=trail.act_name),
        names=place_names(ports.places[0].scopes()),
        act_name=trail.act_name,
        chain_name=trail.chain_name,
        detail_words=trail.detail_words,
        broken_name=trail.broken_name,
        verdict=verdict,
        reads_profiles=actor().is_any(Role.DATA_PROTECTION_OFFICER),
    )


@bp.get("/audit")
@readers
def trail_page() -> ResponseReturnValue:
    """Who did what, the newest first; filtered by chain, act, person and day."""
    return _page()


@bp.post("/audit/verify")
@readers
@reads_first
def verify_trail() -> ResponseReturnValue:
    """Check one chain link by link, now (or all of them, where no chain is named)."""
    chains, scope = queries.readable_chains(actor()), typed("scope")
    if chains is None:
        return _page(verdict=audit.verify(scope=scope or None))
    if scope and scope not in chains:
        raise NotFound
    return _page(verdict=_together([audit.verify(scope=one) for one in ([scope] if scope else chains)]))


def _together(found: list[audit.Verdict]) -> audit.Verdict:
    """The outcome of checking several chains one by one."""
    return audit.Verdict(
        events=sum(one.events for one in found),
        chains=sum(one.chains for one in found),
        roots=max(one.roots for one in found),
        broken=tuple(broken for one in found for broken in one.broken),
    )
