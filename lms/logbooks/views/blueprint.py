"""The blueprint of the logbooks' pages, and the words of codes that their templates speak."""

from flask import Blueprint

from lms.logbooks import queries, rules

bp = Blueprint("logbooks", __name__)

PER_PAGE = 25


class Words:
    """The words of codes (``rules.ROLES``, ``rules.O_SCORE`` …) in the reader's language, each looked up once a page."""

    def __getattr__(self, name: str) -> object:
        found = getattr(rules, name)
        if isinstance(found, dict):
            found = {code: str(text) for code, text in found.items()}
        setattr(self, name, found)
        return found


@bp.context_processor
def _words() -> dict[str, object]:
    return {"words": Words(), "reason_text": queries.reason_text}
