"""A page that checks certificates without a site: to be saved, carried on a stick, opened from the disk."""

from flask import Response, render_template
from flask.typing import ResponseReturnValue

from lms.certificates import checking, queries, rules, summary
from lms.certificates.views.blueprint import bp
from lms.core import clock, site
from lms.core.errors import NotFound
from lms.web import assets
from lms.web.guard import public

SAID = (
    "listed",
    "unlisted",
    "closed",
    "suspended",
    checking.OVERLAID,
    checking.APPENDED,
    checking.CHANGED,
    checking.STRIPPED,
    checking.LOOKALIKE,
    checking.REVOKED_SIGNER,
    checking.FOREIGN,
    checking.UNREADABLE,
    "extended",
    *summary.SAID,
)
"""What verify.js may find where it can ask nobody."""


@bp.get("/verify/offline.html")
@public
def saved_verifier() -> ResponseReturnValue:
    """The checking page as one file: script, root and the lists of today inside, and a policy that lets it load nothing."""
    trust = queries.published_trust()
    if trust is None:
        raise NotFound
    at, base_url = clock.now(), site.settings().base_url
    lists = queries.published_lists()
    status = {
        one.document["id"]: one.document["credentialSubject"]["encodedList"] for one in lists if one.document
    }
    untils = [one.valid_until for one in lists if one.valid_until]
    script, script_source = assets.inline("verify.js")
    style, style_source = assets.inline_style()
    answer = Response(
        render_template(
            "certificates/verify_saved.html",
            trust=trust
            | {
                "kinds": rules.kinds_in_words(),
                "status": status,
                "until": min(untils).isoformat() if untils else "",
                "at": at.isoformat(),
            },
            codes=SAID,
            at=at,
            until=min(untils, default=None),
            base_url=base_url,
            fingerprint=queries.root_fingerprint(),
            head=queries.log_head(),
            script=script,
            style=style,
            policy=f"default-src 'none'; script-src '{script_source}'; style-src '{style_source}'; "
            "base-uri 'none'; form-action 'none'",
        ),
        mimetype="text/html",
    )
    answer.headers["Cache-Control"] = "no-store"
    answer.headers.set("Content-Disposition", "attachment", filename=f"certificate-check-{at:%Y-%m-%d}.html")
    return answer
