"""The demonstration's next framework: a draft that the director has begun, with two domains and two changes."""

from datetime import datetime

from sqlalchemy import select
from sqlalchemy.orm import joinedload, selectinload

from lms.accounts import queries as accounts
from lms.accounts.models import Account, Person
from lms.core.db import db
from lms.logbooks.models import Framework
from lms.logbooks.services import editions

DOMAINS = (
    ("AIR", "气道与呼吸", "Airway and breathing", ("N02", "N03", "N04", "N05", "N06", "N07", "N08", "N14")),
    (
        "ACCESS",
        "血管通路与操作",
        "Access and procedures",
        ("N09", "N10", "N11", "N12", "N13", "N15", "N21"),
    ),
    ("CARE", "综合管理", "Overall care", ()),
)


def add_framework_draft(sample: Framework, director: Person, *, at: datetime) -> None:
    """A copy of the NICU sample under work: sorted into domains, one count and one facet changed."""
    by = accounts.actor_of(
        db.session.scalars(
            select(Account).options(joinedload(Account.person)).where(Account.person_id == director.id)
        ).one(),
        at=at,
    )
    origin = db.session.scalars(
        select(Framework).options(selectinload(Framework.items)).where(Framework.id == sample.id)
    ).one()
    draft = editions.begin("NICU", origin, client_uuid="demonstration", at=at, by=by)
    for code, zh, en, _items in DOMAINS:
        values = {"code": code, "title_zh": zh, "title_en": en}
        editions.save_row(draft, "domain", "", values, seen="", at=at, by=by)
    domain_of = {item: code for code, _zh, _en, items in DOMAINS for item in items}
    for item in origin.items:
        row = editions.row_of(draft.document, "item", item.code)
        changed = {**row, "domain": domain_of.get(item.code, "CARE")}
        if item.code == "N03":
            changed["targets"] = {**row["targets"], "PED": {**row["targets"]["PED"], "min_count": 8}}
        editions.save_row(draft, "item", item.code, changed, seen=editions.seen_of(row), at=at, by=by)
    night = {"dim": "shift", "of": ["night"], "at_least": 1}
    editions.save_facet(draft, "N01", "", night, at=at, by=by)
