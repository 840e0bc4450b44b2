"""Acts on rules, standings, the register and its public log."""

from lms.certificates.services.crediting import count, credits_changed, put_back, set_plan, strike
from lms.certificates.services.documents import EXTEND, LISTS, Filed, extend, publish_list
from lms.certificates.services.finishing import finish, give_up
from lms.certificates.services.issuing import (
    issue,
    replace,
    retry,
    retry_all,
)
from lms.certificates.services.log import sign_daily_head, sign_head
from lms.certificates.services.preview import preview, preview_credits
from lms.certificates.services.register import lift, revoke, suspend
from lms.certificates.services.reserving import ISSUE
from lms.certificates.services.rulebook import (
    CHANGE,
    WAIVE,
    decide,
    pin_rule,
    propose_waiver,
    publish_rule,
    set_rule,
)
from lms.certificates.services.standing import RESTAND, fact_changed, forget_standing, restand
from lms.certificates.services.statements import credit_face, issue_credits

__all__ = [
    "CHANGE",
    "EXTEND",
    "ISSUE",
    "LISTS",
    "RESTAND",
    "WAIVE",
    "Filed",
    "count",
    "credit_face",
    "credits_changed",
    "decide",
    "extend",
    "fact_changed",
    "finish",
    "forget_standing",
    "give_up",
    "issue",
    "issue_credits",
    "lift",
    "pin_rule",
    "preview",
    "preview_credits",
    "propose_waiver",
    "publish_list",
    "publish_rule",
    "put_back",
    "replace",
    "restand",
    "retry",
    "retry_all",
    "revoke",
    "set_plan",
    "set_rule",
    "sign_daily_head",
    "sign_head",
    "strike",
    "suspend",
]
