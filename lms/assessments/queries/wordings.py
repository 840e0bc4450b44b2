"""A wording as lines of text, and what differs between two."""

import difflib
from collections.abc import Iterator, Mapping
from typing import Any

from lms.assessments import rules
from lms.assessments.models import KeyRevision, QuestionVersion
from lms.assessments.queries.bank import version_of
from lms.assessments.queries.results import newest_keys
from lms.assessments.queries.shown import as_written, key_words

LANGUAGES = ("zh", "en")


def changes(question_id: int, old: int, new: int) -> list[tuple[str, str]]:
    """Line by line from one version to another: (``+`` added, ``-`` removed or a space, the line); empty if nothing differs."""
    versions = [version_of(question_id, n) for n in (old, new)]
    keys = newest_keys(version.id for version in versions)
    before, after = (list(_lines(version, keys[version.id])) for version in versions)
    if before == after:
        return []
    return [(line[0], line[2:]) for line in difflib.ndiff(before, after) if line[0] in "+- "]


def _lines(version: QuestionVersion, revision: KeyRevision) -> Iterator[str]:
    yield str(rules.TYPES[version.type].words)
    body: Mapping[str, Any] = version.body
    shape = rules.TYPES[version.type]
    if shape.is_group:
        yield from _texts(body.get("stem"))
        yield from (line for option in body.get("options") or () for line in _texts(option))
    for ask in rules.asks(version.type, body, revision.key):
        yield from _texts(None if version.type == "CLOZE" else ask.body.get("stem"))
        for name in ("rows", "options"):
            if not shape.shares_options:
                yield from (line for option in ask.body.get(name) or () for line in _texts(option))
    for shown in as_written(version.type, body):
        key = revision.key if shown.index is None else revision.key["asks"][shown.index]
        yield f"= {key_words(shown, key)}"
    yield from _texts(revision.rationale)
    for reason in revision.rationale.get("asks") or ():
        yield from _texts(reason)
    if version.source:
        yield version.source


def _texts(text: Any) -> Iterator[str]:
    for language in LANGUAGES:
        if text and text.get(language):
            yield from text[language].splitlines()
