"""The form of a blueprint."""

from collections.abc import Mapping, Sequence
from typing import Any

from lms.assessments.rules import Fault
from lms.assessments.rules.blueprint import MOST_CELLS, Cell, Per
from lms.core.errors import RuleBroken
from lms.core.i18n import _
from lms.web.forms import Form, request_values


class BlueprintForm(Form):
    """The lines of a blueprint; the fields of line 3 are called ``c2-count`` and so on."""

    PARTS = ("type", "topic", "cognitive", "low", "high", "count", "per", "marks", "choose", "part")

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.rows: list[dict[str, str]] = []
        self.cells: dict[int, Cell] = {}
        """Row → its line, where what was typed makes one."""
        self.faults: list[Fault] = []

    def show(self, cells: Sequence[Cell]) -> None:
        """Begin with the lines that are kept, and an empty one where there are none."""
        self.rows = [self._row(cell) for cell in cells] or [self._empty()]
        self.cells = dict(enumerate(cells))

    @classmethod
    def _empty(cls) -> dict[str, str]:
        return dict.fromkeys(cls.PARTS, "")

    @staticmethod
    def _row(cell: Cell) -> dict[str, str]:
        low, high = (f"{end:g}" for end in cell.difficulty) if cell.difficulty else ("", "")
        return {
            "type": cell.type,
            "topic": cell.topic,
            "cognitive": cell.cognitive,
            "low": low,
            "high": high,
            "count": str(cell.count),
            "per": "" if cell.per == Per.ASK else cell.per,
            "marks": "" if cell.marks is None else str(cell.marks),
            "choose": "" if cell.choose is None else str(cell.choose),
            "part": "" if cell.part == 1 else str(cell.part),
        }

    def read(self) -> list[Cell]:
        """What was typed: lines taken out are gone, and where one more is wanted it stands empty at the end."""
        given = request_values()
        for number in range(MOST_CELLS):
            row = {part: given.get(f"c{number}-{part}", "").strip()[:120] for part in self.PARTS}
            if f"c{number}-count" in given and f"c{number}-gone" not in given:
                self.rows.append(row)
        if given.get("act") == "add" and len(self.rows) < MOST_CELLS:
            self.rows.append(self._empty())
        for index, row in enumerate(self.rows):
            if (cell := self._read(index, row)) is not None:
                self.cells[index] = cell
        if given.get("act") != "save":
            self.faults = []
        return list(self.cells.values())

    def _read(self, index: int, row: Mapping[str, str]) -> Cell | None:
        numbers: dict[str, int | None] = {}
        for part in ("count", "marks", "low", "high", "choose", "part"):
            text = row[part]
            if text and not (text.isascii() and text.isdigit() and len(text) < 6):
                self.faults.append(Fault(f"c{index}-{part}", "number", _("Enter a whole number.")))
                return None
            numbers[part] = int(text) if text else None
        if numbers["count"] is None:
            self.faults.append(Fault(f"c{index}-count", "count", _("Say how many.")))
            return None
        low, high = numbers["low"], numbers["high"]
        return Cell(
            count=numbers["count"],
            topic=row["topic"],
            type=row["type"],
            cognitive=row["cognitive"],
            difficulty=None if low is None and high is None else (low or 0, 100 if high is None else high),
            marks=numbers["marks"],
            per=Per.ITEM if row["per"] == Per.ITEM else Per.ASK,
            choose=numbers["choose"],
            part=1 if numbers["part"] is None else numbers["part"],
        )

    def validate(self, *args: Any, **kwargs: Any) -> bool:
        """Whether every line could be read."""
        return not self.faults and super().validate(*args, **kwargs)

    def refuse(self, refusal: RuleBroken) -> None:
        """The faults of the rules (``cells.2.count``), each at its field."""
        found = refusal.details.get("faults")
        if not isinstance(found, list):
            super().refuse(refusal)
            return
        for fault in found:
            _cells, _dot, rest = fault.path.partition("cells.")
            index, _dot, part = rest.partition(".")
            part = {"": "count", "difficulty": "low"}.get(part, part)
            self.faults.append(Fault(f"c{index or 0}-{part}", fault.code, fault.message))

    @property
    def failed(self) -> bool:
        """Whether there is anything to put right."""
        return bool(self.faults) or bool(super().failed)

    @property
    def total(self) -> int:
        """Asks of all lines that count asks and could be read."""
        return sum(cell.count for cell in self.cells.values() if cell.per == Per.ASK)

    @property
    def whole(self) -> int:
        """Whole questions of the lines that count those, as many as a candidate answers."""
        return sum(cell.choose or cell.count for cell in self.cells.values() if cell.per == Per.ITEM)

    @property
    def marks(self) -> int:
        """The marks that the lines prescribe."""
        return sum(cell.marks or 0 for cell in self.cells.values())

    @property
    def is_marks_open(self) -> bool:
        """Whether some line leaves its marks to the questions."""
        return any(cell.marks is None for cell in self.cells.values())

    def messages(self, index: int, part: str) -> list[str]:
        """What is wrong with one field."""
        return [fault.message for fault in self.faults if fault.path == f"c{index}-{part}"]


# ---------------------------------------------------------------- pass marks
