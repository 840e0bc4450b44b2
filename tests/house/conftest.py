"""What the house tests look at: the product's modules as syntax trees, its templates, its text files."""

import ast
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]

IN_NO_FEATURE = {"bench", "cli", "core", "demo", "drill", "migrations", "operations", "web"}


@dataclass(frozen=True)
class Module:
    """One module of the product."""

    path: Path

    @cached_property
    def text(self) -> str:
        """The source."""
        return self.path.read_text(encoding="utf-8")

    @cached_property
    def tree(self) -> ast.Module:
        """The syntax tree."""
        return ast.parse(self.text)

    @property
    def name(self) -> str:
        """``lms.courses.views``."""
        return ".".join(self.path.relative_to(ROOT).with_suffix("").parts).removesuffix(".__init__")

    @property
    def feature(self) -> str | None:
        """The feature whose room this is, if it is one: ``courses``."""
        parts = self.name.split(".")
        return parts[1] if len(parts) > 2 and parts[1] not in IN_NO_FEATURE else None

    @property
    def room(self) -> str | None:
        """The room of a feature: ``views``, for ``lms.courses.views`` and for ``lms.courses.views.editing``."""
        return self.name.split(".")[2] if self.feature else None

    def imports(self) -> Iterator[tuple[str, int]]:
        """Every imported name with its full path, and the line; imports inside functions too."""
        for node in ast.walk(self.tree):
            if isinstance(node, ast.Import):
                yield from ((alias.name, node.lineno) for alias in node.names)
            elif isinstance(node, ast.ImportFrom):
                assert not node.level, f"{self.name}:{node.lineno} imports relatively"
                yield from ((f"{node.module}.{alias.name}", node.lineno) for alias in node.names)

    def calls(self) -> Iterator[tuple[str, ast.Call]]:
        """Every call, by what is called as it is written: ``db.session.commit``, ``clock.now``."""
        for node in ast.walk(self.tree):
            if isinstance(node, ast.Call):
                yield ast.unparse(node.func), node


@pytest.fixture(scope="session")
def root() -> Path:
    """The checkout."""
    return ROOT


@pytest.fixture(scope="session")
def modules() -> list[Module]:
    """The product's own modules, migrations left out (they are history and import nothing of ours)."""
    found = [Module(path) for path in sorted((ROOT / "lms").rglob("*.py")) if "migrations" not in path.parts]
    assert len(found) > 10
    return found


@pytest.fixture(scope="session")
def templates() -> dict[str, str]:
    """Every template by its name."""
    folder = ROOT / "templates"
    found = {
        str(path.relative_to(folder)): path.read_text(encoding="utf-8")
        for path in sorted(folder.rglob("*"))
        if path.suffix in {".html", ".txt", ".xml", ".svg", ".js", ".css"}
    }
    assert found
    return found
