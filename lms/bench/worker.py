"""The measured worker: the product's own, which also says how many statements each kind of its work has cost.

Started as a process of its own by ``lms.bench``: ``python -m lms.bench.worker DATA_DIR``.
"""

import json
import signal
import sys
from collections import Counter
from pathlib import Path
from typing import Any

from sqlalchemy import Engine, event
from sqlalchemy.engine.interfaces import ExecuteStyle

from lms.app import create_app
from lms.bench.processes import COUNTS
from lms.bench.site import settings_of
from lms.core import jobs

_CONTROL = ("BEGIN", "PRAGMA", "ROLLBACK", "COMMIT")


def _count(data_dir: Path) -> None:
    """Write down after each piece of work what it has asked. Looking for work, and chores, count for nobody."""
    found: Counter[str] = Counter()
    doing, work = "", jobs.run_one

    @event.listens_for(Engine, "before_cursor_execute")
    def _note(_connection: Any, _cursor: Any, statement: str, values: Any, context: Any, _many: bool) -> None:  # noqa: FBT001 (the shape of the event)
        if not statement.startswith(_CONTROL):
            # What is run for each of many rows counts as often as it is run; many rows of values in one statement, once.
            is_run_for_each = context is not None and context.execute_style is ExecuteStyle.EXECUTEMANY
            found[doing] += len(values) if is_run_for_each else 1

    def counted(app: Any, name: str, row_id: int, **more: Any) -> int:
        nonlocal doing
        doing = name
        try:
            return work(app, name, row_id, **more)
        finally:
            doing = ""
            aside = data_dir / f"{COUNTS}.new"
            aside.write_text(json.dumps(found), encoding="utf-8")
            aside.replace(data_dir / COUNTS)

    jobs.run_one = counted


def main() -> None:
    """Work on the site in ``DATA_DIR`` until it is stopped."""
    data_dir = Path(sys.argv[1])
    _count(data_dir)
    worker = jobs.Worker(create_app(settings_of(data_dir)))
    signal.signal(signal.SIGTERM, lambda *_: worker.stop())
    worker.run()


if __name__ == "__main__":
    main()
