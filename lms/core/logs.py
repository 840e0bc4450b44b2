"""The log: a JSON object a line on standard error, for whatever collects them; no names, no addresses, no typed text.

SQL parameters stay out by the engine's ``hide_parameters``. An error that a person met carries a number that their page shows too.
"""

import json
import logging
import re
from datetime import UTC, datetime

QUIET = ("pyhanko", "fontTools", "weasyprint", "huey")
"""Libraries whose warnings say nothing to whoever keeps the machine."""


_DETAIL = re.compile(r"DETAIL:.*?(?=\n\[SQL|\n\n|\Z)", re.DOTALL)
"""Where PostgreSQL repeats the row that it refused, with everything that a person typed."""


class JsonLines(logging.Formatter):
    """One record as one line."""

    def format(self, record: logging.LogRecord) -> str:
        """Time in UTC, level, logger, words; ``number`` where an error page shows one, ``trouble`` where something was raised."""
        line: dict[str, object] = {
            "at": datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds"),
            "level": record.levelname.lower(),
            "logger": record.name,
            "says": record.getMessage(),
        }
        if number := getattr(record, "number", ""):
            line["number"] = number
        if record.exc_info:
            line["trouble"] = _DETAIL.sub("DETAIL hidden", self.formatException(record.exc_info))
        return json.dumps(line, ensure_ascii=False)


def configure(*, verbose: bool = False) -> None:
    """Log to standard error. ``verbose``: what was done, too, not only what went wrong."""
    handler = logging.StreamHandler()
    handler.setFormatter(JsonLines())
    logging.basicConfig(level=logging.INFO if verbose else logging.WARNING, handlers=[handler])
    for name in QUIET:
        logging.getLogger(name).setLevel(logging.ERROR)
