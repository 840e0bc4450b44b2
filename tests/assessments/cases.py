"""A test in which candidates choose 2 of 3 cases, as tests about choosing need it."""

from lms.assessments import queries, services
from lms.assessments.rules.blueprint import Cell, Per
from lms.assessments.rules.papers import Limits
from lms.core import clock
from lms.core.db import transaction
from tests.assessments.papers import agreed as agree
from tests.assessments.papers import asked, drawn, terms

CASES = Cell(3, type="CASE", marks=8, per=Per.ITEM, choose=2)
"""Three cases of four marks each, of which two are answered."""


def case(bank, number, at, *, right=(("a", "b"), ("c", "d"))):
    """A case of two asks; each right option is worth a mark."""
    asks = [
        {"stem": {"zh": f"病例{number}第{n}问", "en": f"Case {number} ask {n}"},
         "options": [{"id": one, "zh": f"选项{one}", "en": f"Option {one}"} for one in "abcdef"]}
        for n in (1, 2)
    ]  # fmt: skip
    return services.add_question(
        bank, code=f"CASE-{number}", kind="CASE",
        body={"stem": {"zh": f"病例{number}：患儿", "en": f"Case {number}: an infant"}, "reveal": "serial", "asks": asks},
        key={"asks": [{"right": list(one)} for one in right]}, rationale={"zh": "因为", "en": "because"},
        facts=services.Facts(topic="shock", cognitive="apply", difficulty=60), at=at, by=None,
    )  # fmt: skip


def case_bank(cast, at, cases=3, choices=2):
    """A bank with cases and a few ordinary questions."""
    with transaction():
        bank = services.create_bank(
            cast.programme, purpose="exam", title_zh="病例题库", title_en="Case bank", at=at, by=None
        )
        for number in range(1, cases + 1):
            case(bank, number, at)
        for number in range(choices):
            asked(bank, number, at)
    return bank


PAPER = (Cell(2, type="A1"), CASES)


def case_test(cast, at, cells=PAPER, *, cases=3, agreed=True, **more):
    """A test by such a blueprint, open for the cohort unless ``agreed`` is false; its questions keep their order."""
    bank = case_bank(cast, at, cases)
    given = terms(at, **{"limits": Limits(), "keeps_order": True} | more)
    with transaction():
        test = services.draft_test(cast.cohort, bank, given, client_uuid="uuid-case", by=cast.examiner, at=at)
    drafts = drawn(test, cast, at, cells=cells)
    with transaction():
        services.seal(test, seen_sha256=drafts.sha256, by=cast.examiner, at=at, today=clock.today(at))
    if agreed:
        agree(test, cast, at)
        with transaction():
            services.publish(queries.test(test.public_id, cast.examiner), at=at, by=cast.examiner)
    return queries.test(test.public_id, cast.examiner)
