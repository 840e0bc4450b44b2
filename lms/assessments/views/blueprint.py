"""The blueprint that all pages of assessments join."""

from flask import Blueprint

from lms.assessments import api
from lms.assessments.rules import COGNITIVE, TYPES
from lms.assessments.rules.blueprint import Cell, in_words
from lms.core.i18n import lazy

bp = Blueprint("assessments", __name__)
bp.register_blueprint(api.bp)


@bp.app_template_filter()
def cognitive_name(code: str) -> str:
    """The words of a cognitive level."""
    return str(COGNITIVE.get(code, ""))  # type: ignore[call-overload]


@bp.app_template_filter()
def item_type_name(code: str) -> str:
    """The words of a type of question."""
    return str(TYPES[code].words)


@bp.app_template_filter()
def cell_words(cell: Cell) -> str:
    """What a line of a blueprint asks for."""
    return in_words(cell)


_ACTS = {
    "propose": lazy("handed it to review"),
    "approve": lazy("approved it"),
    "refuse": lazy("sent it back"),
    "withdraw": lazy("took it back from review"),
    "activate": lazy("took it into use"),
    "suspend": lazy("suspended it"),
    "retire": lazy("retired it"),
    "rewrite": lazy("wrote it anew"),
    "comment": lazy("said"),
    "revise_key": lazy("corrected the key"),
    "keep_key": lazy("kept the key"),
}


@bp.app_template_filter()
def item_act_name(act: str) -> str:
    """What somebody did with a question, as a verb in its history."""
    return str(_ACTS.get(act, act))
