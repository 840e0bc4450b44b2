"""The sample frameworks."""

import json
from datetime import datetime
from importlib.resources import files

from sqlalchemy import select

from lms.core import audit
from lms.core.db import db
from lms.core.pinyin import initials
from lms.logbooks.models import Framework, Item


def add_sample_frameworks(at: datetime) -> list[Framework]:
    """The NICU and PICU samples (``lms/samples/frameworks``), published and marked "not ratified"; twice is once."""
    found: list[Framework] = []
    for name in ("nicu", "picu"):
        document = json.loads(
            (files("lms") / "samples" / "frameworks" / f"{name}.json").read_text(encoding="utf-8")
        )
        framework = db.session.scalar(
            select(Framework).where(
                Framework.code == document["code"], Framework.version == document["version"]
            )
        )
        if framework is None:
            framework = _add_framework(document, at=at)
        found.append(framework)
    return found


def _add_framework(document: dict[str, object], *, at: datetime) -> Framework:
    framework = Framework(
        code=document["code"],
        version=document["version"],
        title_zh=document["title_zh"],
        title_en=document["title_en"],
        state="published",
        is_sample=document["is_sample"],
        published_at=at,
    )
    rows: list[dict[str, object]] = document["items"]  # type: ignore[assignment]
    framework.items = [
        Item(
            position=place,
            code=row["code"],
            kind=row["kind"],
            critical=row["critical"],
            title_zh=row["title_zh"],
            title_en=row["title_en"],
            initials=initials(str(row["title_zh"]))[:80],
            targets=row["targets"],
            rule={
                "zh": row["rule_zh"],
                "en": row["rule_en"],
                "sources": row["sources"],
                **{name: row[name] for name in ("facets", "cusum") if name in row},
            },
        )
        for place, row in enumerate(rows, start=1)
    ]
    db.session.add(framework)
    db.session.flush()
    audit.record(
        "logbooks.framework.add",
        scope="site",
        at=at,
        account_id=None,
        subject=f"framework:{framework.public_id}",
        code=framework.code,
    )
    return framework
