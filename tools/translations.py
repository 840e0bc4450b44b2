"""The catalogue of texts: English sentences in the code are the message ids, the Chinese is written in the .po file.

    python tools/translations.py update            collect the texts anew, then list what lacks Chinese
    python tools/translations.py merge FILE.json…  write Chinese from JSON into the catalogue
    python tools/translations.py check             the gate: complete, up to date, and every sentence formats
    python tools/translations.py compile           .po → .mo, where the .po is newer

JSON for `merge`: {"Sign in": "登录", "%(num)s minute left": {"plural": "%(num)s minutes left", "zh": "还剩 %(num)s 分钟"}}.
"""

import json
import re
import sys
from collections.abc import Iterator
from pathlib import Path

from babel.messages.catalog import Catalog, Message
from babel.messages.extract import extract_from_dir
from babel.messages.frontend import parse_mapping_cfg
from babel.messages.mofile import write_mo
from babel.messages.pofile import read_po, write_po

ROOT = Path(__file__).resolve().parent.parent
FOLDER = ROOT / "lms" / "translations"
LOCALES = ("zh_Hans",)

KEYWORDS: dict[str, tuple[int, ...] | None] = {
    "_": None,
    "gettext": None,
    "lazy": None,
    "_n": (1, 2),
    "ngettext": (1, 2),
}

PLACEHOLDER = re.compile(r"(?<!%)(?:%%)*%\((\w+)\)")

HEADER = """\
# The texts of Firefly. Message ids are the English sentences of the code and the templates.
# `./run translate` brings this file up to date; a person writes the msgstr."""


def path_of(locale: str) -> Path:
    """The catalogue of one language."""
    return FOLDER / locale / "LC_MESSAGES" / "messages.po"


def load(locale: str) -> Catalog:
    """The catalogue as it stands; an empty one where there is none yet."""
    path = path_of(locale)
    if not path.exists():
        return Catalog(locale=locale)
    with path.open("rb") as file:
        return read_po(file, locale=locale)


def save(locale: str, catalogue: Catalog) -> None:
    """Writes a catalogue so that two people's changes rarely meet in one line: sorted, unwrapped, no line numbers, no dates."""
    path = path_of(locale)
    path.parent.mkdir(parents=True, exist_ok=True)
    ordered = Catalog(locale=locale, domain="messages", header_comment=HEADER, charset="utf-8", fuzzy=False)
    for message in sorted(catalogue, key=lambda message: ids(message)[0]):
        if message.id:
            ordered[message.id] = Message(
                message.id,
                message.string,
                locations=sorted({(name, 0) for name, _line in message.locations}),
                flags=message.flags & {"python-format"},
                user_comments=message.user_comments,
            )
    with path.open("wb") as file:
        write_po(file, ordered, width=0, omit_header=True, include_lineno=False, ignore_obsolete=True)
    body = path.read_text(encoding="utf-8")
    plurals = f"nplurals={ordered.num_plurals}; plural={ordered.plural_expr};"
    head = (
        f'{HEADER}\nmsgid ""\nmsgstr ""\n'
        f'"Language: {locale}\\n"\n"Plural-Forms: {plurals}\\n"\n'
        '"MIME-Version: 1.0\\n"\n"Content-Type: text/plain; charset=utf-8\\n"\n"Content-Transfer-Encoding: 8bit\\n"\n\n'
    )
    path.write_text(head + body, encoding="utf-8")


def extract() -> Catalog:
    """Every text of the code and the templates."""
    with (FOLDER / "babel.cfg").open(encoding="utf-8") as file:
        methods, options = parse_mapping_cfg(file)  # type: ignore[no-untyped-call]
    found = Catalog()
    for filename, line, message, _comments, _context in extract_from_dir(
        str(ROOT),
        methods,
        options,
        keywords=KEYWORDS,
        directory_filter=lambda path: not Path(path).name.startswith("."),
    ):
        found.add(message, locations=[(filename, line)])
    return found


def ids(message: Message) -> tuple[str, ...]:
    """Singular, or singular and plural, of a message."""
    return tuple(message.id) if isinstance(message.id, (tuple, list)) else (message.id,)


def strings(message: Message) -> tuple[str, ...]:
    """The translated forms of a message; empty strings where there are none."""
    found = message.string if isinstance(message.string, (tuple, list)) else (message.string,)
    return tuple(text or "" for text in found)


def names(text: str) -> set[str]:
    """The placeholders of a sentence: ``%(name)s`` → ``name``."""
    return set(PLACEHOLDER.findall(text))


def formatted_always(message: Message) -> bool:
    """Whether gettext formats the sentence even without values: templates always do, code only where it hands in values."""
    return any(not name.endswith(".py") for name, _line in message.locations)


def faults_of_format(message: Message) -> Iterator[str]:
    """Sentences that would fail, or show a stray %, when they meet their values."""
    wanted = set().union(*(names(text) for text in ids(message)))
    formats = bool(wanted) or formatted_always(message)
    for text in (*ids(message), *strings(message)):
        if text and formats:
            try:
                text % dict.fromkeys(wanted, 1)
            except (KeyError, TypeError, ValueError) as error:
                yield f"does not format ({type(error).__name__}: {error}; write %% for a percent sign): {text!r}"
        elif "%%" in text:
            yield f"shows %% as it stands, since code without values is not formatted: {text!r}"
    for text in strings(message):
        if text and (lost := wanted - names(text)):
            yield f"loses {', '.join(sorted(lost))}: {text!r}"


def faults() -> Iterator[str]:
    """Everything the gate refuses, one line each."""
    found = extract()
    for locale in LOCALES:
        catalogue = load(locale)
        where = path_of(locale).relative_to(ROOT)
        known = {ids(message): message for message in catalogue if message.id}
        wanted = {ids(message): message for message in found if message.id}
        for key in sorted(wanted.keys() - known.keys()):
            yield f"{where}: not in the catalogue ({wanted[key].locations[0][0]}): {key[0]!r}"
        for key in sorted(known.keys() - wanted.keys()):
            yield f"{where}: no longer used: {key[0]!r}"
        for key in sorted(wanted.keys() & known.keys()):
            message = known[key]
            message.locations = wanted[key].locations
            if not all(strings(message)):
                yield f"{where}: not translated: {key[0]!r}"
            if message.fuzzy:
                yield f"{where}: fuzzy: {key[0]!r}"
            for fault in faults_of_format(message):
                yield f"{where}: {fault}"


def check() -> int:
    """The gate of `./run check`; 1 when anything is wrong."""
    found = list(faults())
    if found:
        print(*found, sep="\n")
        print(f"{len(found)} faults. `./run translate` collects the texts; the Chinese goes into the msgstr.")
    else:
        print(f"{sum(1 for message in load(LOCALES[0]) if message.id)} texts, all in Chinese")
    return int(bool(found))


def renew(locale: str, given: dict[tuple[str, ...], str]) -> int:
    """Brings one catalogue up to date with the code, the given translations written in; lists what is still without one."""
    old = {ids(message): message for message in load(locale) if message.id}
    fresh = Catalog(locale=locale)
    for message in extract():
        if not message.id:
            continue
        key, before = ids(message), old.get(ids(message))
        string = before.string if before else None
        if key in given:
            string = (given[key],) if len(key) > 1 else given[key]
        comments = before.user_comments if before else ()
        fresh.add(
            message.id, string, locations=message.locations, flags=message.flags, user_comments=comments
        )
    save(locale, fresh)
    missing = [ids(message)[0] for message in fresh if message.id and not all(strings(message))]
    print(f"{locale}: {len(fresh)} texts, {len(missing)} without a translation")
    for text in missing:
        print(f"  {text!r}")
    for key in given.keys() - {ids(message) for message in fresh}:
        print(f"  no code uses {key[0]!r}")
    return compile_all()


def merge(files: list[str]) -> int:
    """Writes the Chinese of JSON files into the catalogue (it replaces what stood there)."""
    given: dict[tuple[str, ...], str] = {}
    for name in files:
        for singular, value in json.loads(Path(name).read_text(encoding="utf-8")).items():
            key, text = (
                ((singular, value["plural"]), value["zh"])
                if isinstance(value, dict)
                else ((singular,), value)
            )
            if given.setdefault(key, text) != text:
                print(f"two translations of {singular!r}: {given[key]!r} stays, not {text!r} from {name}")
    return renew("zh_Hans", given)


def compile_all() -> int:
    """Compiles each catalogue whose .po is newer than its .mo."""
    for locale in LOCALES:
        source, target = path_of(locale), path_of(locale).with_suffix(".mo")
        if not source.exists() or (target.exists() and target.stat().st_mtime >= source.stat().st_mtime):
            continue
        with target.open("wb") as file:
            write_mo(file, load(locale))
    return 0


def main(arguments: list[str]) -> int:
    """The command line; returns the exit status."""
    match arguments:
        case ["check"]:
            return check()
        case ["update"]:
            return max(renew(locale, {}) for locale in LOCALES)
        case ["compile"]:
            return compile_all()
        case ["merge", *files] if files:
            return merge(files)
    print(__doc__, file=sys.stderr)
    return 2


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
