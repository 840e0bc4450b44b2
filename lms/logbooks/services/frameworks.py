"""The sample frameworks."""

import json
from datetime import datetime
from importlib.resources import files

from sqlalchemy import select

from lms.core import audit
from lms.core.db import db
from lms.logbooks.models import Framework
from lms.logbooks.rules import framework_documents as documents
from lms.logbooks.services.editions import add_version


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
    framework = add_version(documents.read_sample(document), version=int(str(document["version"])), at=at)
    audit.record(
        "logbooks.framework.add",
        scope="site",
        at=at,
        account_id=None,
        subject=f"framework:{framework.public_id}",
        code=framework.code,
    )
    return framework
