"""Moodle's questions of order and association, and those that people mark."""

import re

from lms.assessments.interchange.drafting import Json, Refused, no_rubric, whole_rubric
from lms.assessments.interchange.moodle_kinds import Made, name_of, option_of, other_marking
from lms.assessments.interchange.moodle_texts import Texts, raw, value
from lms.assessments.interchange.safexml import Element, child, children, counted
from lms.assessments.rules.items.numbers import number
from lms.core.i18n import _

_GRADINGS = {
    "": "places", "0": "places", "ABSOLUTE_POSITION": "places", "-1": "all", "ALL_OR_NOTHING": "all",
    "1": "pairs", "RELATIVE_NEXT_EXCLUDE_LAST": "pairs",
}  # fmt: skip


def ordering(question: Element, texts: Texts) -> Made:
    """Things to put in order; the file has them in the right one."""
    nodes = children(question, "answer")
    proses = [texts.read(node) for node in nodes]
    shown = sorted(range(len(nodes)), key=lambda n: (place_of(nodes[n]), sorted(proses[n].text.items())))
    names = {n: name_of(nodes[n], place) for place, n in enumerate(shown)}
    options = [option_of(names[n], proses[n], fixed=nodes[n].get("data-fixed") == "true") for n in shown]
    grading = value(question, "gradingtype")
    reviews = [] if grading in _GRADINGS else [other_marking()]
    count = counted(value(question, "selectcount"))
    is_part = value(question, "selecttype") not in {"", "0", "ALL"} and 1 < count < len(nodes)
    if is_part:
        reviews.append(_("Only some of its parts are shown to each candidate there; here all are."))
    scoring = _GRADINGS.get(grading, "places")
    body: Json = {"options": options, **({"scoring": scoring} if scoring != "all" else {})}
    return Made("ORDER", body, {"order": [names[n] for n in range(len(nodes))]}, reviews=reviews)


def place_of(node: Element) -> int:
    """Where our own files say that an option stands; 0 where they do not."""
    return counted(node.get("data-n"))


def match(question: Element, texts: Texts) -> Made:
    """Rows and what belongs to each; a row without words is an option too many."""
    rows: list[Json] = []
    options: list[Json] = []
    pairs: list[list[str]] = []
    for node in children(question, "subquestion"):
        answer = child(node, "answer")
        if answer is None:
            raise Refused("pairs", _("Say which belong together."))
        prose, told = texts.read(node), texts.read(answer)
        if not told.text and not told.media:
            continue
        option = next((one for one in options if one["zh_en"] == told.body), None)
        if option is None:
            name = str(answer.get("data-id") or f"o{len(options) + 1}")
            option = {"id": name, **told.body, "zh_en": told.body, "place": place_of(answer)}
            options.append(option)
        if prose.text or prose.media:
            name = str(node.get("data-id") or f"r{len(rows) + 1}")
            row = next((one for one in rows if one["id"] == name), None)
            if row is None:
                rows.append({"id": name, **prose.body})
            pairs.append([name, str(option["id"])])
    options.sort(key=lambda one: one["place"])
    for option in options:
        del option["zh_en"], option["place"]
    if not rows:
        raise Refused("pairs", _("Say which belong together."))
    own = {"per_row": question.get("data-per-row"), "per_option": question.get("data-per-option")}
    body: Json = {"rows": rows, "options": options, "scoring": str(question.get("data-scoring") or "each")}
    body |= {name: counted(count) for name, count in own.items() if count}
    if body["scoring"] == "all":
        del body["scoring"]
    return Made("MATCH", body, {"pairs": pairs})


# ---------------------------------------------------------------- marked by people

_LINE = re.compile(r"<li\b([^<>]*\bdata-marks=[^<>]*)>(.*?)</li>", re.IGNORECASE | re.DOTALL)
_DATA = re.compile(r"data-([a-z-]+)\s*=\s*\"([^\"]*)\"")
_ENDING = re.compile(r"\.?([a-z0-9]{2,5})")


def essay(question: Element, texts: Texts) -> Made:
    """An essay, or a file where only files are taken."""
    source = raw(child(question, "graderinfo"))
    lines: list[Json] = []
    for found in _LINE.finditer(source):
        own = dict(_DATA.findall(found[1]))
        prose = texts.read_html(found[2], holds=False)
        if prose.text and counted(own.get("marks")):
            line: Json = {
                "id": own.get("id") or f"c{len(lines) + 1}",
                **prose.text,
                "marks": min(100, counted(own["marks"])),
            }
            lines.append({**line, "must": True} if own.get("must") == "true" else line)
    reviews = []
    if not lines:
        prose = texts.read(child(question, "graderinfo"), holds=False)
        lines = [{"id": "c1", **prose.text, "marks": 1}] if prose.text else whole_rubric()
        marks = number(value(question, "defaultgrade", "1"))
        if marks is not None and marks.denominator == 1 and 1 <= marks <= 100:
            lines[0]["marks"] = int(marks)
        reviews = [] if prose.text else [no_rubric()]
    if question.get("data-type") == "OSCE":
        return Made("OSCE", {}, {"checklist": lines})
    if value(question, "responseformat") == "noinline" and value(question, "attachments", "0") != "0":
        endings = [
            _ENDING.fullmatch(one.strip().lower())
            for one in re.split(r"[,;\s]+", value(question, "filetypeslist"))
        ]
        formats = [one[1] for one in endings if one] or ["pdf", "docx", "jpg", "png"]
        size = min(50 * 1024 * 1024, counted(value(question, "maxbytes"))) or 10 * 1024 * 1024
        return Made(
            "UPLOAD", {"formats": formats[:20], "max_bytes": size}, {"rubric": lines}, reviews=reviews
        )
    if value(question, "attachments", "0") not in {"0", ""}:
        reviews.append(_("Files can be handed in with it there; here it is only written."))
    longest = counted(question.get("data-max-chars"))
    most_chars = longest if 10 <= longest <= 20_000 else 5_000
    return Made("ESSAY", {"max_chars": most_chars}, {"rubric": lines}, reviews=reviews)
