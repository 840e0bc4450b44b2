"""What the pages of pass marks show beside the numbers: who agreed, and how likely a decision is wrong."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from sqlalchemy import select

from lms.accounts.models import Person
from lms.assessments.models import Test
from lms.assessments.queries.quality import quality_kept
from lms.assessments.queries.standards import AgreedCut, agreed_cut
from lms.core.db import db
from lms.core.i18n import pick


@dataclass(frozen=True)
class CutSheet:
    """A pass mark for paper."""

    agreed: AgreedCut
    proposer: str
    decider: str
    quality: Mapping[str, Any] | None
    """As it was approved with it, else from the statistics computed last; None where there are none."""


def cut_sheet(test: Test, n: int) -> CutSheet:
    """One agreed pass mark with its people and the quality of its decisions. Raises NotFound."""
    found = agreed_cut(test, n)
    people = {found.approval.proposed_by_person_id, found.approval.decided_by_person_id}
    names = {
        person.id: pick(person.name_zh, person.name_latin)
        for person in db.session.scalars(select(Person).where(Person.id.in_(people - {None})))
    }
    return CutSheet(
        found,
        names.get(found.approval.proposed_by_person_id, ""),
        names.get(found.approval.decided_by_person_id or 0, ""),
        _quality(test, found),
    )


def _quality(test: Test, found: AgreedCut) -> Mapping[str, Any] | None:
    evidence = found.score.evidence or {}
    if "quality" in evidence:
        kept: Mapping[str, Any] = evidence["quality"]
        return kept
    computed = quality_kept(test.id, found.score.percent)
    if computed is None:
        return None
    why = computed.why.get("wrong")
    return {
        "n": computed.n,
        "sem": computed.sem,
        "wrong": computed.wrong,
        "false_pass": computed.false_pass,
        "false_fail": computed.false_fail,
        "why": why.value if why else "",
    }
