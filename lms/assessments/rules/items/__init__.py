"""Items: what a question is made of, what must be right before it is used, and what a response earns. docs/items.md is the contract."""

from lms.assessments.rules.items.asks import Ask, ask_of, asks
from lms.assessments.rules.items.formulas import draw, fill
from lms.assessments.rules.items.model import model_response
from lms.assessments.rules.items.numbers import written
from lms.assessments.rules.items.responses import (
    Refused,
    from_fields,
    is_answered,
    read_fields,
    read_response,
    share,
    trap_of,
)
from lms.assessments.rules.items.shape import Fault
from lms.assessments.rules.items.types import TYPES, Type
from lms.assessments.rules.items.validity import faults, gaps, require_item

__all__ = [
    "TYPES",
    "Ask",
    "Fault",
    "Refused",
    "Type",
    "ask_of",
    "asks",
    "draw",
    "faults",
    "fill",
    "from_fields",
    "gaps",
    "is_answered",
    "model_response",
    "read_fields",
    "read_response",
    "require_item",
    "share",
    "trap_of",
    "written",
]
