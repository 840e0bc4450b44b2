"""Items as a QTI 3.0 content package."""

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from fractions import Fraction
from typing import Any

from lms.assessments.interchange.drafts import Draft
from lms.assessments.interchange.package import LeftOut, Written, packed
from lms.assessments.interchange.qti import asks, dosing, manifest, marking
from lms.assessments.interchange.qti.entries import Pen, Shown
from lms.assessments.interchange.qti.items import TOOL
from lms.assessments.interchange.qti.marking import Marking, put, variable
from lms.assessments.interchange.qti.parts import (
    TONGUES,
    Cannot,
    Shelf,
    blocks,
    decimal,
    inline,
    names_of,
    texts_of,
    woven,
)
from lms.assessments.interchange.safexml import Element, extend, node, rooted, written
from lms.assessments.rules.items import TYPES, Ask, faults
from lms.assessments.rules.items import asks as asks_of
from lms.assessments.rules.items.shape import as_list, as_map
from lms.core.i18n import _

NAMESPACE = "http://www.imsglobal.org/xsd/imsqtiasi_v3p0"
SCHEMA = "https://purl.imsglobal.org/spec/qti/v3p0/schema/xsd/imsqti_asiv3p0_v1p0.xsd"
XSI = "http://www.w3.org/2001/XMLSchema-instance"
_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_.-]{0,60}")
Json = Mapping[str, Any]


def write(items: Iterable[Draft]) -> Written:
    """A package with one file an item, and what it does not hold with the reasons. The same items make the same bytes."""
    files: dict[str, bytes] = {}
    left_out: list[LeftOut] = []
    entries: list[manifest.Entry] = []
    for n, draft in enumerate(items, 1):
        try:
            made = _Item(draft, f"item-{n}")
            content = written(made.root())
        except Cannot as reason:
            left_out.append(LeftOut(draft.code or draft.place.at, reason.code, reason.message))
            continue
        path = f"items/item-{n}.xml"
        files[path] = content
        files |= made.shelf.files
        entries.append(manifest.Entry(f"item-{n}", path, draft, tuple(made.shelf.files)))
    return Written(packed({"imsmanifest.xml": manifest.written_of(entries), **files}), tuple(left_out))


@dataclass
class _Part:
    """What an item's asks add to it."""

    declarations: list[Element] = field(default_factory=list)
    templates: list[Element] = field(default_factory=list)
    outcomes: list[Element] = field(default_factory=list)
    markings: list[tuple[str, Marking | None]] = field(default_factory=list)
    rules: list[Element] = field(default_factory=list)
    """Behind the score."""


class _Item:
    def __init__(self, draft: Draft, name: str) -> None:
        if found := faults(draft.type, draft.body, draft.key):
            raise Cannot(found[0].code, found[0].message)
        self.draft, self.name = draft, name
        self.shelf = Shelf(name, draft.media)
        self.shape = TYPES[draft.type]
        self.asks = asks_of(draft.type, draft.body, draft.key)
        self.part = _Part()

    def root(self) -> Element:
        """The item's file."""
        body = node("qti-item-body", {}, *self._content())
        extend(body, *self._rubric())
        tongues = {tongue for tongue in TONGUES if self._speaks(tongue)}
        root = rooted(
            "qti-assessment-item",
            {None: NAMESPACE, "xsi": XSI},
            {
                "identifier": self.draft.code if _NAME.fullmatch(self.draft.code) else self.name,
                "title": self._title(),
                "label": self.draft.type,
                "{http://www.w3.org/XML/1998/namespace}lang": TONGUES["en" if tongues == {"en"} else "zh"],
                "adaptive": "false",
                "time-dependent": "false",
                "tool-name": TOOL,
                "tool-version": "1",
                f"{{{XSI}}}schemaLocation": f"{NAMESPACE} {SCHEMA}",
            },
        )
        part = self.part
        feedback = self._feedback()
        return extend(
            root,
            *part.declarations,
            *self._outcomes(feedback),
            *part.outcomes,
            *part.templates,
            body,
            *self._processing(),
            *feedback,
        )

    def _speaks(self, tongue: str) -> bool:
        stack: list[Any] = [self.draft.body, self.draft.key.get("rubric"), self.draft.key.get("checklist")]
        while stack:
            one = stack.pop()
            if isinstance(one, Mapping):
                if isinstance(one.get(tongue), str) and one[tongue].strip():
                    return True
                stack.extend(one.values())
            elif isinstance(one, list | tuple):
                stack.extend(one)
        return False

    def _title(self) -> str:
        words = next(
            (words for _tongue, words in texts_of(self.draft.body.get("stem"))), self.draft.code or self.name
        )
        return " ".join(re.sub(r"\[\[[^\[\]]*\]\]", "…", words).split())[:80]

    # ------------------------------------------------------------ what is shown

    def _content(self) -> list[Element]:
        stem, media = self.draft.body.get("stem"), self.shelf.shown(self.draft.body.get("media"))
        kind = self.draft.type
        if kind == "OSCE":
            self.part.markings.append(("SCORE", None))
            return [*blocks(stem), *media]
        if kind == "DOSE":
            return [*self._dose(stem), *media]
        if kind == "GAP":
            return [*media, self._gap_match(stem)]
        if kind == "CLOZE":
            return [*self._cloze(stem), *media]
        if self.shape.is_group:
            made = [*blocks(stem), *media]
            for ask in self.asks:
                n = (ask.index or 0) + 1
                prompt = node(
                    "qti-prompt", {}, *blocks(ask.body.get("stem")), *self.shelf.shown(ask.body.get("media"))
                )
                made.append(node("div", {}, self._shown(ask, n, prompt=prompt).interaction))
            return made
        shown = self._shown(self.asks[0], 0)
        return [*blocks(stem), *media, node("div", {}, shown.interaction, *shown.behind)]

    def _shown(self, ask: Ask, n: int, *, prompt: Element | None = None, is_inline: bool = False) -> Shown:
        """The ask ``n`` of a group, or the only one (0)."""
        outcome = f"SCORE_{n}" if n else "SCORE"
        pen = Pen(self.shelf, f"RESPONSE_{n}" if n else "RESPONSE", outcome, is_inline, prompt)
        shown = asks.shown(ask, pen)
        self._take(shown, outcome)
        return shown

    def _take(self, shown: Shown, outcome: str) -> None:
        self.part.declarations += shown.declarations
        self.part.markings.append((outcome, shown.marking))

    def _cloze(self, stem: Any) -> list[Element]:
        lines: dict[str, Element] = {}

        def live(name: str) -> Element | None:
            ask = self.asks[int(name) - 1]
            shown = self._shown(ask, int(name), is_inline=True)
            lines[name] = node("span", {}, shown.interaction, *shown.behind)
            return lines[name]

        made = woven(stem, live)
        self.part.markings.sort(key=lambda one: int(one[0].rpartition("_")[2]))
        return made

    def _gap_match(self, stem: Any) -> Element:
        ask = self.asks[0]
        rows = [as_map(one) for one in as_list(ask.body.get("rows"))]
        options = [as_map(one) for one in as_list(ask.body.get("options"))]
        per_row, per_option = asks.limits(ask.body)
        if per_row != 1 or ask.body.get("symmetric"):
            raise Cannot("limit", _("A gap takes several options there, and QTI fills each with one."))
        if any(as_list(row.get("media")) for row in rows):
            raise Cannot("media", _("Its options in the text hold pictures, and QTI has only words there."))
        gaps, texts = (
            names_of([str(row["id"]) for row in rows]),
            names_of([str(one["id"]) for one in options]),
        )
        if set(gaps.values()) & set(texts.values()):
            gaps = {one: f"gap-{name}" for one, name in gaps.items()}
        words = {str(row["id"]): {f"data-{tongue}": text for tongue, text in texts_of(row)} for row in rows}
        interaction = node(
            "qti-gap-match-interaction", {"response-identifier": "RESPONSE", "shuffle": "true"}
        )
        for one in options:
            if as_list(one.get("media")):
                raise Cannot(
                    "media", _("Its options in the text hold pictures, and QTI has only words there.")
                )
            attributes = {"identifier": texts[str(one["id"])], "match-max": str(per_option)}
            extend(interaction, node("qti-gap-text", attributes, *inline(one)))

        def live(name: str) -> Element:
            return node("qti-gap", {"identifier": gaps[name], **words[name]})

        extend(interaction, *woven(stem, live))
        for one in interaction.iter("span"):
            if one.get("data-gap") in gaps:
                one.set("data-gap", gaps[one.get("data-gap")])
        pen = Pen(self.shelf, "RESPONSE", "SCORE")
        most = asks.most_given(ask.body)
        made, found = asks.pair_marking(
            ask, pen, lambda row, option: f"{texts[option]} {gaps[row]}", most, "directedPair"
        )
        self._take(Shown(interaction, [made], found), "SCORE")
        return interaction

    def _dose(self, stem: Any) -> list[Element]:
        found = dosing.dose_of(self.asks[0])
        self.part.templates += found.templates
        self.part.outcomes += found.outcomes
        self.part.rules += found.rules
        self._take(found.shown, "SCORE")
        made = blocks(stem)
        for one in made:
            dosing.print_variables(one, found.names)
        return [*made, node("div", {}, found.shown.interaction, *found.shown.behind)]

    # ------------------------------------------------------------ marks

    def _rubric(self) -> list[Element]:
        lines = as_list(self.draft.key.get("rubric")) or as_list(self.draft.key.get("checklist"))
        if not lines:
            return []
        made = []
        for line in map(as_map, lines):
            must = {"data-must": "true"} if line.get("must") else {}
            made.append(
                node(
                    "div",
                    {"data-id": str(line["id"]), "data-marks": str(line["marks"]), **must},
                    *blocks(line),
                )
            )
        return [
            node(
                "qti-rubric-block", {"view": "scorer", "use": "scoring"}, node("qti-content-body", {}, *made)
            )
        ]

    def _outcomes(self, feedback: list[Element]) -> list[Element]:
        is_human = any(one is None for _name, one in self.part.markings)
        most = sum((Fraction(ask.marks) for ask in self.asks), Fraction(0))
        score = {
            "identifier": "SCORE",
            "cardinality": "single",
            "base-type": "float",
            "normal-maximum": decimal(most),
        }
        if is_human:
            score["external-scored"] = "human"
        made = [_outcome(score, "0")]
        made += [
            _outcome({"identifier": name, "cardinality": "single", "base-type": "float"}, "0")
            for name, _marking in self.part.markings
            if name != "SCORE"
        ]
        if feedback:
            shown = [node("qti-value", {}, str(one.get("identifier"))) for one in feedback]
            attributes = {"identifier": "FEEDBACK", "cardinality": "multiple", "base-type": "identifier"}
            made.append(node("qti-outcome-declaration", attributes, node("qti-default-value", {}, *shown)))
        return made

    def _processing(self) -> list[Element]:
        found = [(name, one) for name, one in self.part.markings if one is not None]
        if not found:
            return []
        if len(found) == 1 and found[0][0] == "SCORE" and found[0][1].template and not self.part.rules:
            return [
                node(
                    "qti-response-processing", {"template": f"{marking.TEMPLATES}{found[0][1].template}.xml"}
                )
            ]
        rules = [rule for _name, one in found for rule in one.rules]
        if found[0][0] != "SCORE":
            rules.append(put("SCORE", node("qti-sum", {}, *(variable(name) for name, _one in found))))
        return [node("qti-response-processing", {}, *rules, *self.part.rules)]

    def _feedback(self) -> list[Element]:
        rationale = self.draft.rationale
        told = [("rationale", rationale)]
        told += [(f"ask-{n}", text) for n, text in enumerate(as_list(rationale.get("asks")), 1)]
        return [
            node(
                "qti-modal-feedback",
                {"outcome-identifier": "FEEDBACK", "identifier": name, "show-hide": "show"},
                node("qti-content-body", {}, *blocks(text)),
            )
            for name, text in told
            if texts_of(text)
        ]


def _outcome(attributes: dict[str, str], default: str) -> Element:
    return node(
        "qti-outcome-declaration", attributes, node("qti-default-value", {}, node("qti-value", {}, default))
    )
