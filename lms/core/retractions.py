"""Taking a notice back before anybody has read it: for acts that can be undone while nobody knows of them."""

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
