"""Who may enter which room, as far as import-linter cannot say it (the rest is in pyproject.toml)."""

import ast
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
FEATURES = ("accounts", "programmes", "courses", "assessments", "logbooks", "certificates")
OPEN_ROOMS = {"models", "queries", "rules"}

LONGEST_MODULE = 600

CLOCK_READERS = {
    "datetime.now",
    "datetime.utcnow",
    "datetime.today",
    "datetime.datetime.now",
    "datetime.datetime.utcnow",
    "datetime.date.today",
    "date.today",
    "time.time",
    "time.time_ns",
    "time.localtime",
    "time.ctime",
    "func.now",
    "func.current_timestamp",
    "func.current_date",
}


def test_only_the_database_room_commits(modules):
    # The counters of rate limits stand outside every transaction on purpose: a try that is rolled back still counts.
    committing = {"lms.core.db", "lms.core.limits"}
    found = [
        f"{module.name}:{call.lineno} {called}"
        for module in modules
        if module.name not in committing
        for called, call in module.calls()
        if called.endswith(".commit")
    ]
    assert not found


def test_only_the_clock_reads_the_time(modules):
    found = []
    for module in modules:
        if module.name == "lms.core.clock":
            continue
        found += [
            f"{module.name}:{call.lineno} {called}()"
            for called, call in module.calls()
            if called in CLOCK_READERS
        ]
        found += [f"{module.name}:{line} {name}" for name, line in module.imports() if name in CLOCK_READERS]
    assert not found


def test_only_edges_ask_the_clock_and_the_rest_is_told(modules):
    closed = ("rules", "models", "queries", "services", "forms")
    found = [
        f"{module.name}:{call.lineno} {called}()"
        for module in modules
        if module.room in closed
        for called, call in module.calls()
        if called in {"clock.now", "clock.today"} and not (called == "clock.today" and call.args)
    ]
    assert not found


def test_a_feature_enters_only_the_open_rooms_of_another(modules):
    found = []
    for module in modules:
        if not module.feature:
            continue
        for name, line in module.imports():
            parts = name.split(".")
            if parts[0] != "lms" or len(parts) < 2 or parts[1] not in FEATURES or parts[1] == module.feature:
                continue
            if len(parts) < 3 or parts[2] not in OPEN_ROOMS:
                found.append(f"{module.name}:{line} {name}")
    assert not found


def test_the_core_takes_nothing_of_a_request_from_flask(modules):
    allowed = {"flask.Flask", "flask.current_app", "flask.has_app_context"}
    found = [
        f"{module.name}:{line} {name}"
        for module in modules
        if module.name.startswith("lms.core.")
        for name, line in module.imports()
        if name.split(".")[0] == "flask"
        and name not in allowed
        # The language of a context is found once in it, as Flask-Babel itself keeps it.
        and (module.name, name) != ("lms.core.i18n", "flask.g")
    ]
    assert not found


def test_queries_never_write(modules):
    writing = {"add", "add_all", "delete", "merge", "flush"}
    found = [
        f"{module.name}:{call.lineno} {called}"
        for module in modules
        if module.room == "queries"
        for called, call in module.calls()
        if called.startswith("db.session.") and called.split(".")[-1] in writing
    ]
    assert not found


def test_no_module_outgrows_what_one_reads_comfortably(modules):
    found = {module.name: lines for module in modules if (lines := module.text.count("\n")) > LONGEST_MODULE}
    assert not found


def test_no_module_is_a_drawer_for_everything(modules):
    drawers = {"utils", "util", "helpers", "helper", "misc", "common", "tools"}
    assert not [module.name for module in modules if drawers & set(module.name.split("."))]


def public(holder):
    """The public functions and classes of a module, and the public methods of its public classes; properties may speak for themselves."""
    for node in holder.body:
        if isinstance(node, (ast.FunctionDef, ast.ClassDef)) and not node.name.startswith("_"):
            if not any("property" in ast.unparse(decorator) for decorator in node.decorator_list):
                yield node
            if isinstance(node, ast.ClassDef):
                yield from public(node)


def test_modules_and_their_public_functions_and_classes_say_what_they_are(modules):
    silent = [module.name for module in modules if module.text.strip() and not ast.get_docstring(module.tree)]
    silent += [
        f"{module.name}:{node.lineno} {node.name}"
        for module in modules
        for node in public(module.tree)
        if not ast.get_docstring(node)
    ]
    assert not silent


def test_texts_are_never_translated_inside_an_f_string(modules):
    found = []
    for module in modules:
        for node in ast.walk(module.tree):
            if isinstance(node, ast.JoinedStr):
                found += [
                    f"{module.name}:{node.lineno}"
                    for part in ast.walk(node)
                    if isinstance(part, ast.Call) and ast.unparse(part.func) in {"_", "_n", "lazy"}
                ]
    assert not found, "the collector of texts does not see them on Python 3.11"


def test_texts_are_translated_from_plain_strings(modules):
    found = [
        f"{module.name}:{call.lineno}"
        for module in modules
        if module.name != "lms.core.i18n"
        for called, call in module.calls()
        if called in {"_", "_n", "lazy"} and not (call.args and isinstance(call.args[0], ast.Constant))
    ]
    assert not found, "a sentence made at run time is in no catalogue"


LARGE = (
    "aiohttp",
    "alembic",
    "av",
    "huey",
    "icalendar",
    "latex2mathml",
    "lxml",
    "numpy",
    "openpyxl",
    "psycopg",
    "pygments",
    "pyhanko",
    "pyld",
    "redis",
    "requests",
    "scipy",
    "uharfbuzz",
    "weasyprint",
    "webauthn",
)


def test_what_only_some_acts_need_is_not_read_in_at_the_start():
    """A web process that serves pages stays small, and every command starts sooner."""
    code = f"import sys, lms.app; print(*(name for name in {LARGE!r} if name in sys.modules))"
    answer = subprocess.run(
        [sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True
    )
    assert answer.stdout.split() == []
