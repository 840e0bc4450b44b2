"""The receipt of a sitting as a file, and the public key that checks it."""

from flask import Response

from lms.assessments import queries, services
from lms.assessments.views.blueprint import bp
from lms.core.errors import NotFound
from lms.web.guard import actor, members, public


@bp.get("/sittings/<public_id>/receipt.json")
@members
def receipt(public_id: str) -> Response:
    """What was given at hand-in, byte for byte."""
    found = queries.sitting(public_id, actor())
    document = queries.receipt(found.id)
    if document is None:
        raise NotFound
    response = Response(document, mimetype="application/json")
    response.headers["Cache-Control"] = "private, no-store"
    response.headers.set("Content-Disposition", "attachment", filename=f"receipt-{public_id}.json")
    return response


@bp.get("/.well-known/firefly-receipts.pem")
@public
def receipts_key() -> Response:
    """The public key of this site's receipts, for anybody who checks one."""
    response = Response(services.receipts_key(), mimetype="application/x-pem-file")
    response.headers["Cache-Control"] = "public, max-age=3600"
    return response
