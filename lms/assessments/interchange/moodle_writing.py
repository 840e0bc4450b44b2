"""Items as Moodle XML.

What Moodle has no place for (ids of options, a type of ours, scoring that it does not know) stands in attributes ``data-…``, which
Moodle passes over and our reader understands; ``losses`` says of which items Moodle itself would make something else.
"""

from collections.abc import Iterable
from fractions import Fraction

from lms.assessments.interchange.drafts import Draft
from lms.assessments.interchange.moodle_gaps import WRITERS as GAPS
from lms.assessments.interchange.moodle_parts import Cannot, Page
from lms.assessments.interchange.moodle_questions import WRITERS as QUESTIONS
from lms.assessments.interchange.package import LeftOut
from lms.assessments.interchange.safexml import Element, extend, node, written
from lms.assessments.rules.items import TYPES, asks, faults

_WRITERS = {**QUESTIONS, **GAPS}


def write(items: Iterable[Draft]) -> bytes:
    """A Moodle XML file of the items that Moodle can hold; those that it cannot are told by ``losses``."""
    root = node("quiz")
    topic = ""
    for draft in items:
        page = Page(draft)
        try:
            question = _question(draft, page)
        except Cannot:
            continue
        if draft.topic != topic:
            topic = draft.topic
            path = f"$course$/top/{topic.replace('/', '//')}" if topic else "$course$/top"
            extend(root, node("question", {"type": "category"}, node("category", {}, node("text", {}, path))))
        extend(root, question)
    return written(root)


def losses(items: Iterable[Draft]) -> tuple[LeftOut, ...]:
    """Of which items Moodle would make something else, or nothing, and why."""
    found: list[LeftOut] = []
    for draft in items:
        page = Page(draft)
        name = draft.code or draft.place.at
        try:
            _question(draft, page)
        except Cannot as reason:
            found.append(LeftOut(name, reason.code, reason.message))
            continue
        found += [LeftOut(name, code, message) for code, message in page.losses]
    return tuple(found)


def _question(draft: Draft, page: Page) -> Element:
    if found := faults(draft.type, draft.body, draft.key):
        raise Cannot(found[0].code, found[0].message)
    question = _WRITERS[draft.type](draft, page)
    _head(question, draft, page)
    return question


def _head(question: Element, draft: Draft, page: Page) -> None:
    """What every question has: name, feedback, grade, code, tags."""
    for name, value in (("type", draft.type), ("source", draft.source), ("difficulty", draft.difficulty)):
        if value:
            question.set(f"data-{name}", value)
    marks = Fraction(sum(ask.marks for ask in asks(draft.type, draft.body, draft.key)))
    head = [node("name", {}, node("text", {}, page.title()))]
    if question.find("questiontext") is None:
        head.append(page.text("questiontext", draft.body.get("stem"), draft.body.get("media")))
    else:
        found = question.find("questiontext")
        question.remove(found)
        head.append(found)
    head.append(page.feedback(draft.rationale))
    if not TYPES[draft.type].is_group:
        head.append(node("defaultgrade", {}, str(marks)))
    head += [node("penalty", {}, "0"), node("hidden", {}, "0"), node("idnumber", {}, draft.code)]
    for n, one in enumerate(head):
        question.insert(n, one)
    if draft.tags:
        extend(question, node("tags", {}, *(node("tag", {}, node("text", {}, tag)) for tag in draft.tags)))
