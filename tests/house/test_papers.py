"""The papers say what the code does: settings, permissions, versions, locks."""

import os
import re
import subprocess
import tomllib
from pathlib import Path

import lms
from lms import policy, settings

TEXT = re.compile(r"\.(py|md|html|txt|toml|sh|css|js|json|po|cfg|conf|template|svg|ya?ml|ini)$|^[^.]+$")
NOT_OURS = {"instance", "media", "node_modules", "vendor", "requirements", "dist", "build", "__pycache__"}
FOR_TESTS = {"LMS_TEST_DATABASE_URL", "LMS_TEST_QUEUE_URL", "LMS_OUTSIDE"}


def texts(root: Path, *suffixes: str):
    """Every text file of the checkout that people wrote, or those with the given suffixes."""
    for folder, below, names in os.walk(root):
        below[:] = sorted(
            name for name in below if name not in NOT_OURS and (name[0] != "." or name == ".ci")
        )
        for path in (Path(folder, name) for name in sorted(names)):
            if path.suffix in suffixes if suffixes else TEXT.search(path.name):
                yield path.relative_to(root), path.read_text(encoding="utf-8", errors="ignore")


def documented_settings(root: Path) -> set[str]:
    """The headings of docs/settings.md that name a variable."""
    text = (root / "docs" / "settings.md").read_text(encoding="utf-8")
    return set(re.findall(r"^#+ .*?`?(LMS_[A-Z0-9_]+)`?", text, re.MULTILINE))


def test_every_setting_is_documented_and_every_documented_setting_exists(root):
    assert documented_settings(root) == {f"LMS_{name}" for name in settings.NAMES}


def test_every_setting_is_a_field_and_every_field_a_setting():
    assert {name.lower() for name in settings.NAMES} == set(settings.Settings.__dataclass_fields__)


def test_the_benchmark_page_has_every_job_and_names_each_that_is_above_its_target(root, modules):
    page = (root / "docs" / "benchmark.md").read_text(encoding="utf-8")
    table, prose = page.split("Above their targets", 1)
    rows = [
        [cell.strip() for cell in line.strip("|").split("|")]
        for line in table.splitlines()
        if line.count("|") == 12 and not line.startswith(("| job |", "|---"))
    ]
    walk = next(module for module in modules if module.name == "lms.bench.walk").text
    measured = re.findall(r'(?:_page|_meter)\("([^"]+)"', walk) + re.findall(
        r'\("([^"]+)", (?:ACT|PAGE|SAVE)\)', walk
    )
    assert {row[0] for row in rows} >= set(measured)
    above = {row[0] for row in rows if max(float(row[2]), float(row[3])) > float(row[10])}
    named = {
        name for found in re.findall(r"^- \*\*(.+?)\*\*", prose, re.MULTILINE) for name in found.split(", ")
    }
    assert len(above) > 5
    assert named == above


def test_nobody_names_a_setting_that_does_not_exist(root):
    known = {f"LMS_{name}" for name in settings.NAMES} | FOR_TESTS
    named = re.compile(r"\bLMS_[A-Z][A-Z0-9_]*[A-Z0-9]\b")
    found = [
        f"{path}: {name}" for path, text in texts(root) for name in named.findall(text) if name not in known
    ]
    assert not found


def test_only_the_settings_read_the_environment(modules):
    found = [
        f"{module.name}: {match}"
        for module in modules
        if module.name != "lms.settings"
        for match in re.findall(r"os\.environ[^\n]*LMS_\w+|getenv\([^)]*", module.text)
    ]
    assert not found


def test_the_page_on_permissions_is_what_the_table_says(root):
    page = (root / "docs" / "permissions.md").read_text(encoding="utf-8")
    assert page == policy.permissions_markdown(), (
        "write it anew: .venv/bin/lms permissions > docs/permissions.md"
    )


def test_every_permission_is_in_the_table():
    assert set(policy.TABLE) == set(policy.Permission)


def test_the_version_is_the_same_everywhere(root):
    version = tomllib.loads((root / "pyproject.toml").read_text(encoding="utf-8"))["project"]["version"]
    assert lms.__version__ == version
    assert f"## {version}" in (root / "CHANGELOG.md").read_text(encoding="utf-8").replace(
        "## [", "## "
    ).replace("]", "")


def pins(path: Path) -> dict[str, str]:
    """Name → version of a lock file."""
    return dict(re.findall(r"^([\w.-]+)==(\S+)", path.read_text(encoding="utf-8"), re.MULTILINE))


def test_the_locks_agree_and_carry_hashes_and_no_addresses(root):
    folder = root / "requirements"
    run, test, check = (pins(folder / f"{level}.txt") for level in ("run", "test", "check"))
    assert run
    assert run.items() <= test.items() <= check.items()
    for level in ("run", "test", "check"):
        text = (folder / f"{level}.txt").read_text(encoding="utf-8")
        assert "://" not in text
        assert len(re.findall(r"^[\w.-]+==.*\\\n    --hash=sha256:", text, re.MULTILINE)) == len(
            pins(folder / f"{level}.txt")
        )


def test_every_dependency_of_the_project_is_locked(root):
    project = tomllib.loads((root / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    locked = {name.lower() for name in pins(root / "requirements" / "check.txt")}
    wanted = [
        *project["dependencies"],
        *(name for names in project["optional-dependencies"].values() for name in names),
    ]
    assert not [name for name in wanted if re.match(r"[\w.-]+", name)[0].lower() not in locked], (
        "run ./run lock"
    )


def test_no_file_names_a_folder_of_somebodys_machine(root):
    private = re.compile(
        r"(?<![\w.])/(?:home|Users)/[a-z]\w+/|(?<![\w./])/(?:root|work)/\w+|\b[A-Z]:\\\\?Users"
    )
    found = [f"{path}: {match}" for path, text in texts(root) for match in private.findall(text)]
    assert not found


def test_links_between_the_papers_lead_somewhere(root):
    link = re.compile(r"\]\((?!https?:|mailto:|#)([^)\s#]+)")
    assert not [
        f"{path}: {target}"
        for path, text in texts(root, ".md")
        for target in link.findall(text)
        if not (root / path.parent / target).exists()
    ]


def test_the_run_script_is_plain_shell_and_its_help_names_every_command(root):
    subprocess.run(["sh", "-n", str(root / "run")], check=True)
    text = (root / "run").read_text(encoding="utf-8")
    shown = subprocess.run(
        ["sh", str(root / "run"), "help"], check=True, capture_output=True, text=True
    ).stdout
    commands = {
        name
        for line in re.findall(r"^  ([a-z |-]+)\)", text, re.MULTILINE)
        for name in line.split(" | ")
        if name.isalpha()
    }
    assert {"demo", "setup", "test", "check", "slow", "bench"} <= commands
    assert not [name for name in commands - {"help"} if f"./run {name}" not in shown]
