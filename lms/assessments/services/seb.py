"""Whether a test asks for Safe Exam Browser."""

from datetime import datetime

from sqlalchemy import select

from lms import policy
from lms.assessments.models import Test
from lms.assessments.rules import seb as rules
from lms.core import audit
from lms.core.db import db
from lms.policy import Actor, Permission


def set_seb(
    test: Test, *, is_needed: bool, exam_keys: str, quit_password: str, by: Actor, at: datetime
) -> Test:
    """Ask for Safe Exam Browser in a test, or no longer; works at once, also while people sit.

    An empty password leaves the one that stands. Raises RuleBroken("exam_keys").
    """
    policy.require(by, Permission.TEST_MANAGE, test, see=Permission.TEST_READ)
    keys = rules.read_exam_keys(exam_keys)
    db.session.execute(select(Test.id).where(Test.id == test.id).with_for_update())
    before = (test.seb or {}).get("quit_password_sha256", "")
    wanted = (
        {"exam_keys": keys, "quit_password_sha256": rules.hashed(quit_password) or before}
        if is_needed
        else None
    )
    if wanted == test.seb:
        return test
    test.seb = wanted
    db.session.flush()
    audit.record(
        "assessments.test.seb",
        scope=f"programme:{test.programme_id}",
        at=at,
        account_id=by.account_id,
        subject=f"test:{test.public_id}",
        is_needed=is_needed,
        exam_keys=len(keys),
    )
    return test
