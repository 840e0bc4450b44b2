"""Acts on log entries: write, submit, recall, sign, give back, correct; and what the clock does."""

from lms.logbooks.services import committee, editions, versions
from lms.logbooks.services.clockwork import escalate, lapse
from lms.logbooks.services.entries import (
    CLIENT_ID,
    Days,
    amend,
    change,
    discard,
    let_in,
    log,
    recall,
    reflect,
    submit,
)
from lms.logbooks.services.frameworks import add_sample_frameworks
from lms.logbooks.services.handover import HANDOVER_LASTS, hand_over, take_over
from lms.logbooks.services.record import SUBMITTED
from lms.logbooks.services.signing import (
    countersign,
    give_back,
    note_opened,
    note_seen,
    revive,
    sign,
    sign_several,
    void,
    withdraw,
)

__all__ = [
    "CLIENT_ID",
    "HANDOVER_LASTS",
    "SUBMITTED",
    "Days",
    "add_sample_frameworks",
    "amend",
    "change",
    "committee",
    "countersign",
    "discard",
    "editions",
    "escalate",
    "give_back",
    "hand_over",
    "lapse",
    "let_in",
    "log",
    "note_opened",
    "note_seen",
    "recall",
    "reflect",
    "revive",
    "sign",
    "sign_several",
    "submit",
    "take_over",
    "versions",
    "void",
    "withdraw",
]
