"""How far a trainee is, item by item, worked out anew from what is signed."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date

from sqlalchemy import select

from lms.core.db import db
from lms.logbooks import rules
from lms.logbooks.models import Entry, EntryRevision, Item, Signature
from lms.logbooks.queries.choices import items
from lms.logbooks.queries.records import standing
from lms.programmes.models import Enrolment, Placement
from lms.programmes.queries.roster import next_chances
from lms.programmes.rules.roster import Chance


@dataclass(frozen=True)
class ItemProgress:
    """One row of the progress page."""

    item: Item
    cell: rules.Cell
    points: Sequence[rules.Point]
    """The learning curve; empty where the item has none or nothing was attempted."""
    chart: rules.Chart | None
    chance: Chance | None = None
    """When the trainee is next in the item's unit; None where nothing is missing, or no further day there is known."""

    @property
    def verdict(self) -> str:
        """The curve's last word: ``competent``, ``review`` or empty."""
        return rules.verdict(self.points)

    @property
    def bounds(self) -> tuple[float, float]:
        """Where the curve would cross its lines now."""
        assert self.chart is not None
        return rules.bounds(self.points, self.chart)


@dataclass(frozen=True)
class ProgressPage:
    """A trainee's way through the framework."""

    rows: Sequence[ItemProgress]
    signed: int
    late: int
    critical_signers: int
    """L13: different people who signed for critical items; three are wanted."""

    @property
    def achieved(self) -> int:
        """Items whose numbers are all met."""
        return sum(row.cell.achieved for row in self.rows)

    @property
    def asked(self) -> int:
        """Items that name a number for this track."""
        return sum(row.cell.asks for row in self.rows)


def evidence(enrolment_id: int) -> Mapping[str, list[rules.Evidence]]:
    """What counts for or against competence, by code of the item: the latest revision of signed entries only (L4)."""
    rows = db.session.execute(
        select(
            Item.code,
            Entry.id,
            Entry.performed_on,
            Entry.content,
            Signature.level,
            Signature.signer_person_id,
            Signature.acted_as,
        )
        .join(Entry, Entry.item_id == Item.id)
        .join(
            EntryRevision,
            (EntryRevision.entry_id == Entry.id) & (EntryRevision.number == Entry.revision_no),
        )
        .join(Signature, (Signature.revision_id == EntryRevision.id) & (Signature.kind == "sign"))
        .where(Entry.enrolment_id == enrolment_id, Entry.state.in_(rules.COUNTED), standing())
    )
    found: dict[str, list[rules.Evidence]] = {}
    for code, number, performed_on, content, level, signer, acted_as in rows:
        found.setdefault(code, []).append(
            rules.Evidence(number, performed_on, rules.Content.of_json(content), level, signer, acted_as)
        )
    return found


def progress_page(enrolment: Enrolment, placements: Sequence[Placement], *, today: date) -> ProgressPage:
    """Every item of the published frameworks for the trainee's track; what was begun first. The caller holds the door.

    ``placements``: the trainee's, with pairings and mentors.
    """
    known = evidence(enrolment.id)
    chances = next_chances(enrolment, placements, today=today)
    rows = []
    for item in items(enrolment.cohort_id):
        requirement = rules.requirement_of(item.targets, item.rule, enrolment.track)
        mine = known.get(item.code, [])
        if not requirement.asks and not mine:
            continue
        chart = rules.chart_of(item.targets, item.rule, enrolment.track)
        points = rules.curve(rules.attempts(mine), chart) if chart else []
        cell = rules.progress(mine, requirement, today=today)
        chance = chances.get(item.framework.code) if cell.missing else None
        rows.append(ItemProgress(item, cell, points, chart, chance))
    everything = [one for some in known.values() for one in some]
    critical = {row.item.code for row in rows if row.item.critical}
    rows.sort(key=lambda row: not row.cell.exposure)  # stable: what was begun comes first
    return ProgressPage(
        rows,
        signed=len(everything),
        late=_late(enrolment.id),
        critical_signers=len({one.signer for code in critical for one in known.get(code, [])}),
    )


def item_progress(
    enrolment: Enrolment, placements: Sequence[Placement], code: str, *, today: date
) -> ItemProgress | None:
    """One item of the page; None for an unknown code."""
    page = progress_page(enrolment, placements, today=today)
    return next((row for row in page.rows if row.item.code == code), None)


def _late(enrolment_id: int) -> int:
    rows = db.session.scalars(
        select(Entry.id).where(Entry.enrolment_id == enrolment_id, Entry.state.in_(rules.COUNTED), Entry.late)
    )
    return len(rows.all())
