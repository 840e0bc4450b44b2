"""Taking notices back: before anybody has read them, for acts that can be undone; or all of a matter that shall be forgotten."""

from sqlalchemy import delete, or_, select

from lms.core.db import db
from lms.core.notices import Notice, NoticeDelivery


def take_back(once: str) -> bool:
    """Take back what was told about a fact (its ``once``), inside the current transaction.

    False, and nothing is taken back, when somebody may have read it: on their page, or by what has left by mail or webhook
    or is just leaving.
    """
    told = db.session.scalars(select(Notice.id).where(Notice.once == once)).all()
    left = select(NoticeDelivery.id).where(
        NoticeDelivery.notice_id.in_(told),
        or_(NoticeDelivery.state != "due", NoticeDelivery.sending_at.is_not(None)),
    )
    read = select(Notice.id).where(Notice.id.in_(told), Notice.read_at.is_not(None))
    if db.session.scalar(left.limit(1)) is not None or db.session.scalar(read.limit(1)) is not None:
        return False
    db.session.execute(delete(NoticeDelivery).where(NoticeDelivery.notice_id.in_(told)))
    db.session.execute(delete(Notice).where(Notice.id.in_(told)))
    return True


def forget(once_prefix: str) -> None:
    """Delete every notice about a matter (its ``once`` begins so), read or not: for what nobody shall know any more.

    A letter that is just leaving keeps its notice.
    """
    told = select(Notice.id).where(Notice.once.startswith(once_prefix, autoescape=True))
    leaving = select(NoticeDelivery.notice_id).where(
        NoticeDelivery.notice_id.in_(told),
        NoticeDelivery.state == "due",
        NoticeDelivery.sending_at.is_not(None),
    )
    gone = db.session.scalars(told.where(Notice.id.not_in(leaving))).all()
    db.session.execute(delete(NoticeDelivery).where(NoticeDelivery.notice_id.in_(gone)))
    db.session.execute(delete(Notice).where(Notice.id.in_(gone)))
