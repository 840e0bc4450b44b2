"""Steps that tests about papers share."""

from datetime import timedelta

from lms.assessments import queries, services
from lms.assessments.rules.blueprint import Cell
from lms.assessments.rules.papers import Limits
from lms.core import clock
from lms.core.db import transaction

OPTIONS = [{"id": one, "zh": f"选项{one}", "en": f"Option {one}"} for one in "abcde"]


def asked(bank, number, at, *, topic="shock", difficulty=60):
    """A question in use."""
    return services.add_question(
        bank, code=f"Q{number:02d}", kind="A1", body={"stem": {"zh": f"第{number}题", "en": f"Question {number}"}, "options": OPTIONS},
        key={"right": "a"}, rationale={"zh": "因为", "en": "because"},
        facts=services.Facts(topic=topic, cognitive="apply", difficulty=difficulty), at=at, by=None,
    )  # fmt: skip


def terms(at, **more):
    return services.Terms(
        **{
            "title_zh": "期中考试", "title_en": "Mid-term", "duration_s": 1800, "opens_at": at - timedelta(hours=1),
            "closes_at": at + timedelta(days=2), "cut_percent": 60, "limits": Limits(forms=2),
        } | more
    )  # fmt: skip


def drafted(cast, bank, at, uuid="uuid-0001", **more):
    with transaction():
        return services.draft_test(
            cast.cohort, bank, terms(at, **more), client_uuid=uuid, by=cast.examiner, at=at
        )


CELLS = (Cell(3, topic="shock"), Cell(2, topic="airway"))


def drawn(test, cast, at, uuid="draw-0001", cells=CELLS):
    today = clock.today(at)
    with transaction():
        services.set_blueprint(test, cells, by=cast.examiner, at=at)
    drawing = services.draw(test, client_uuid=uuid, by=cast.examiner, at=at, today=today)
    with transaction():
        services.keep(test, drawing, by=cast.examiner, at=at, today=today)
    return queries.drafts(queries.plan_of(test.id), at=at, today=today)


def sealed(test, cast, at):
    drafts = drawn(test, cast, at)
    with transaction():
        services.seal(test, seen_sha256=drafts.sha256, by=cast.examiner, at=at, today=clock.today(at))
    return queries.forms_of(test.id)


def agreed(test, cast, at, percent=60):
    """The pass mark of a draft, proposed by the examiner and approved by the director."""
    with transaction():
        approval = services.propose_cut(test, percent=percent, reason="as always", by=cast.examiner, at=at)
    with transaction():
        services.decide_cut(
            test, outcome="approved", seen_sha256=approval.payload_sha256, words="", by=cast.director, at=at
        )
