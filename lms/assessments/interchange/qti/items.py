"""One item as a draft."""

import math
import re
from collections.abc import Container, Mapping, Sequence
from dataclasses import replace
from fractions import Fraction

from lms.assessments.interchange.drafting import (
    Album,
    Gathered,
    Json,
    Refused,
    joined,
    no_rubric,
    whole_rubric,
)
from lms.assessments.interchange.drafts import Draft, Place
from lms.assessments.interchange.plain import tongue_of
from lms.assessments.interchange.qti import doses
from lms.assessments.interchange.qti.conditions import Unclear
from lms.assessments.interchange.qti.content import (
    Contents,
    Files,
    Text,
    is_interaction,
    tongue_at,
    with_gaps,
    without_marks,
)
from lms.assessments.interchange.qti.declarations import Outcome, outcomes_of, responses_of
from lms.assessments.interchange.qti.interactions import Around, Asked, fallback, unit_responses
from lms.assessments.interchange.qti.names import tame
from lms.assessments.interchange.qti.pictures import asked
from lms.assessments.interchange.qti.processing import Scoring, scoring_of
from lms.assessments.interchange.qti.scoring import ONE, Scored
from lms.assessments.interchange.safexml import Element, child, counted, descendants, detach, local, said
from lms.assessments.rules.items import TYPES
from lms.assessments.rules.items.numbers import fraction
from lms.assessments.rules.items.types import CLOZE_KINDS
from lms.core.i18n import _

TOOL = "firefly-lms"
"""The name by which our own packages are known: their labels say an item's type."""


def draft_of(
    item: Element, files: Files, place: Place, gathered: Gathered, stimuli: Sequence[Element] = ()
) -> Draft:
    """The draft of a normalised item. ``stimuli``: texts that it shares with others. Raises Refused."""
    body = child(item, "itemBody")
    if body is None:
        raise Refused("no_question", _("Nothing is asked here."))
    for one in reversed(stimuli):
        body.insert(0, one)
        if body.text:
            one.tail, body.text = body.text, None
    own = str(item.get("toolName") or "") == TOOL
    tame(item, own=own)
    tongue = tongue_at(body) or tongue_at(item) or tongue_of(said(body))
    return _Item(
        item, body, files, Album(place, gathered, tongue), label=str(item.get("label") or "") if own else ""
    ).draft()


class _Item:
    def __init__(self, item: Element, body: Element, files: Files, album: Album, *, label: str) -> None:
        self.item, self.body, self.album = item, body, album
        self.label = label if label in TYPES else ""
        self.responses = dict(responses_of(item))
        self.outcomes = outcomes_of(item)
        self.contents = Contents(album, files)
        self.reviews: list[str] = []

    def draft(self) -> Draft:
        """The item as a draft. Raises Refused."""
        scoring = scoring_of(self.item, self.responses, self.outcomes)
        dose = doses.dose_of(self.item, self.responses, self.outcomes)
        around = Around(self.contents, self.responses, self.label, scoring.parts)
        nodes = self._interactions(unit_responses(around.rules))
        if str(self.item.get("adaptive") or "") == "true":
            self.reviews.append(
                _("It is asked in several attempts there, with help in between; here it is asked once.")
            )
        if not nodes:
            kind, body, key = self._checklist()
        elif dose is not None and len(nodes) == 1:
            kind, body, key = "DOSE", {**self._stem(), **dose[0]}, dose[1]
        else:
            kind, body, key = self._asked(nodes, scoring, around)
        return self._finished(kind, body, key, scoring)

    def _interactions(self, silent: Container[str]) -> list[Element]:
        """The interactions that ask something, each with its mark. ``silent``: responses that only say a unit."""
        found = [
            one
            for one in self.body.iterdescendants()
            if is_interaction(one)
            and one.get("responseIdentifier") not in silent
            and not any(local(above).startswith("feedback") for above in one.iterancestors())
        ]
        if self.label:  # our own packages number their asks
            found.sort(key=lambda one: counted(str(one.get("responseIdentifier")).rpartition("_")[2]))
        for n, one in enumerate(found, 1):
            one.set("mark", str(n))
        films = [one for one in found if local(one) == "mediaInteraction"]
        return [one for one in found if one not in films] or found  # a film beside a question asks nothing

    def _asked(self, nodes: Sequence[Element], scoring: Scoring, around: Around) -> tuple[str, Json, Json]:
        is_drawn = child(self.item, "templateProcessing") is not None
        if is_drawn:
            reason = _(
                "Its values are drawn there by rules that have no like here; they stand as {names} in the text."
            )
            self.reviews.append(reason)
        found = [self._known(node, around) for node in nodes]
        try:
            scored = [self._scored(one, scoring, around) for one in found]
        except Refused as refusal:
            is_computed = is_drawn or len(nodes) > 1 or (scoring.reason and scoring.is_written)
            if refusal.code != "no_key" or not is_computed:
                raise
            self.reviews.append(_("The file does not say what is right."))
            return self._as_essay()
        return self._one(found[0], scored[0]) if len(found) == 1 else self._several(found, scored)

    def _known(self, node: Element, around: Around) -> Asked:
        found = asked(node, around)
        self.reviews += found.notes
        return found

    # ------------------------------------------------------------ marking

    def _scored(self, found: Asked, scoring: Scoring, around: Around) -> Scored:
        if found.kind in {"essay", "file"}:
            return self._rubric(found, scoring)
        rule = around.rules.get(found.response.name, [])
        if not scoring.reason and rule:
            try:
                scored = found.key(rule)
                self.reviews += [*scored.notes, *scoring.notes]
                return scored
            except Unclear:
                pass
        scored = fallback(found)
        reason = scoring.reason or _(
            "Its marks are given by rules of its own that have no like here; only its right answer was taken over."
        )
        self.reviews += [reason, *scored.notes]
        return replace(scored, points=scored.points if scored.points > 0 else ONE)

    def _rubric(self, found: Asked, scoring: Scoring) -> Scored:
        """What people give marks for."""
        lines = self._rubric_lines()
        if not lines:
            lines = whole_rubric()
            most = _most_marks(self.outcomes)
            lines[0]["marks"] = most or 1
            self.reviews.append(no_rubric())
        if found.response.correct or found.response.mapping:
            self.reviews.append(_("It is marked by a program there; here people mark it."))
        return Scored({"rubric": lines}, ONE)

    def _rubric_lines(self) -> list[Json]:
        """What scorers are told; it leaves the text that candidates read."""
        blocks = [
            one
            for one in descendants(self.item, "rubricBlock")
            if "scorer" in str(one.get("view") or "").split()
        ]
        lines = [line for block in blocks for line in self._lines(block)]
        for block in blocks:
            detach(block)
        return lines

    def _lines(self, block: Element) -> list[Json]:
        """The lines of a rubric: those of our own packages by their marks, else the text as one line."""
        own = [one for one in block.iterdescendants() if local(one) and counted(one.get("data-marks"))]
        nodes = own or [child(block, "contentBody") if child(block, "contentBody") is not None else block]
        found = []
        for n, one in enumerate(nodes, 1):
            one.tag = "div"
            prose = self.contents.read(one, holds=False)
            marks = counted(one.get("data-marks")) if own else _most_marks(self.outcomes) or 1
            if prose.text:
                found.append(
                    {"id": str(one.get("data-id") or f"c{n}"), **prose.text, "marks": max(1, min(100, marks))}
                )
                if one.get("data-must") == "true":
                    found[-1]["must"] = True
        return found

    # ------------------------------------------------------------ one ask

    def _stem(self, names: dict[str, str] | None = None) -> Json:
        prose = self.contents.read(self.body)
        text = without_marks(prose.text) if names is None else with_gaps(prose.text, names)
        return {"stem": text or self._title(), **({"media": prose.media} if prose.media else {})}

    def _title(self) -> Text:
        title = " ".join(str(self.item.get("title") or "").split())
        return {self.album.tongue: title} if title else {}

    def _checklist(self) -> tuple[str, Json, Json]:
        if self.label != "OSCE":
            raise Refused("no_question", _("Nothing is asked here."))
        lines = self._rubric_lines()
        if not lines:
            raise Refused("no_key", _("The file does not say what is right."))
        return "OSCE", self._stem(), {"checklist": lines}

    def _one(self, found: Asked, scored: Scored) -> tuple[str, Json, Json]:
        is_gapped = found.type == "GAP"
        names = {f"gap {one}": one for one in found.rows_in_text} if is_gapped else None
        stem = self._stem(names)
        media = [*stem.get("media", []), *found.body.get("media", [])]
        body = {**stem, **found.body, **scored.body, **({"media": media} if media else {})}
        kind = found.type
        if self.label and TYPES[self.label].kind == found.kind and not TYPES[self.label].is_group:
            kind = self.label
        key = scored.key
        if kind == "SCT" and (panel := _panel(found)):
            key = {"panel": panel}
        if kind == "KF":
            body.pop("scoring", None)
        return kind, {**body, **_marks(found.kind, body, key, scored.points)}, key

    # ------------------------------------------------------------ several asks

    def _several(self, found: Sequence[Asked], scored: Sequence[Scored]) -> tuple[str, Json, Json]:
        shape = TYPES.get(self.label)
        if (
            shape is not None
            and shape.is_group
            and self.label != "CLOZE"
            and all(one.kind == shape.kind for one in found)
        ):
            return self._group(self.label, found, scored)
        if all(one.kind in CLOZE_KINDS for one in found):
            return self._cloze(found, scored)
        options = [one.body.get("options") for one in found]
        if all(one.kind == "multiple" for one in found) and all(one == options[0] for one in options):
            prompts = [child(one.node, "prompt") for one in found]
            if 2 <= len(found) <= 12 and all(one is not None and said(one) for one in prompts):
                return self._group("EMQ", found, scored)
        self.reviews.append(_("It asks several things of different kinds at once; make a question of each."))
        return self._as_essay()

    def _as_essay(self) -> tuple[str, Json, Json]:
        """The whole text with its choices written out, for a person to make something of."""
        flat = Contents(self.album, self.contents.files, flat=True)
        prose = flat.read(self.body)
        body: Json = {"stem": prose.text or self._title(), "max_chars": 5_000}
        return (
            "ESSAY",
            {**body, **({"media": prose.media} if prose.media else {})},
            {"rubric": whole_rubric()},
        )

    def _cloze(self, found: Sequence[Asked], scored: Sequence[Scored]) -> tuple[str, Json, Json]:
        names = {one.mark: str(n) for n, one in enumerate(found, 1)}
        stem = self._stem({**names, **{f"gap {n}": n for n in names.values()}})
        marks = _whole_marks([one.points for one in scored])
        asks = [
            {"kind": one.kind, **one.body, **own.body, **({"marks": mark} if mark != 1 else {})}
            for one, own, mark in zip(found, scored, marks, strict=True)
        ]
        return "CLOZE", {**stem, "reveal": "all", "asks": asks}, {"asks": [one.key for one in scored]}

    def _group(self, kind: str, found: Sequence[Asked], scored: Sequence[Scored]) -> tuple[str, Json, Json]:
        shape = TYPES[kind]
        asks = []
        marks = _whole_marks([one.points for one in scored])
        for one, own, mark in zip(found, scored, marks, strict=True):
            prompt = child(one.node, "prompt")
            prose = self.contents.read(prompt) if prompt is not None else None
            if prompt is not None:
                one.node.remove(prompt)
            rest = {
                name: value
                for name, value in {**one.body, **own.body}.items()
                if name != "options" or not shape.shares_options
            }
            if shape.scoring:
                rest.pop("scoring", None)
            ask: Json = {
                "stem": prose.text if prose else {},
                **({"media": prose.media} if prose and prose.media else {}),
                **rest,
            }
            default = len(own.key.get("right", [])) if shape.scoring == "plus_minus" else 1
            asks.append({**ask, "marks": mark} if mark != default else ask)
        shared = {"options": found[0].body["options"]} if shape.shares_options else {}
        prose = self.contents.read(self.body)
        stem = without_marks(prose.text)
        body: Json = {"stem": stem, **shared, "reveal": "serial" if shape.is_serial else "all", "asks": asks}
        return (
            kind,
            {**body, **({"media": prose.media} if prose.media else {})},
            {"asks": [one.key for one in scored]},
        )

    # ------------------------------------------------------------ the rest

    def _finished(self, kind: str, body: Json, key: Json, scoring: Scoring) -> Draft:
        if scoring.parts and set(scoring.parts) - {
            str(one.get("responseIdentifier")) for one in self.body.iter() if local(one)
        }:
            self.reviews.append(_("Its score counts something that is not asked in its text."))
        code = str(self.item.get("identifier") or "").strip()
        is_ours = str(self.item.get("toolName") or "") == TOOL
        return Draft(
            self.album.place,
            kind,
            body,
            key,
            self._rationale(),
            code="" if is_ours and re.fullmatch(r"item-\d+", code) else code,
            media=self.album.media,
            review=joined([*self.reviews, *self.album.reviews]),
        )

    def _rationale(self) -> Json:
        whole: dict[str, list[str]] = {}
        asks: dict[int, Text] = {}
        for one in list(descendants(self.item, "modalFeedback", "feedbackBlock", "feedbackInline")):
            name = re.fullmatch(r"ask-(\d{1,2})", str(one.get("identifier") or ""))
            one.tag = "div"
            text = self.contents.read(one, holds=False).text
            if name and self.label:
                asks[int(name[1])] = text
                continue
            for tongue, words in without_marks(text).items():
                if words not in whole.setdefault(tongue, []):
                    whole[tongue].append(words)
        found: Json = {tongue: "\n".join(words)[:8_000] for tongue, words in whole.items()}
        if asks:
            found["asks"] = [asks.get(n, {}) for n in range(1, max(asks) + 1)]
        return found


def _panel(found: Asked) -> dict[str, int]:
    """How many of a panel chose each option, where the mapping holds whole numbers."""
    mapping = found.response.mapping
    counts = {one.value: one.points for one in mapping.entries} if mapping else {}
    return (
        {name: int(count) for name, count in counts.items()}
        if all(one.denominator == 1 and one >= 0 for one in counts.values())
        else {}
    )


def _most_marks(outcomes: Mapping[str, Outcome]) -> int:
    """The most that people may give, where the file says it."""
    said_most = [one.most for name, one in outcomes.items() if name.upper() == "SCORE"]
    said_most += [fraction(one.default) for name, one in outcomes.items() if name.upper() == "MAXSCORE"]
    return next((int(one) for one in said_most if one and one.denominator == 1 and 1 <= one <= 100), 0)


def _marks(kind: str, body: Json, key: Json, points: Fraction) -> Json:
    """What a single ask is worth, where it is not what it would be worth anyway."""
    default = len(key.get("right", [])) if body.get("scoring") == "plus_minus" else 1
    is_known = points.denominator == 1 and 1 <= points <= 1_000 and kind not in {"essay", "file", "checklist"}
    return {"marks": int(points)} if is_known and points != default else {}


def _whole_marks(points: Sequence[Fraction]) -> list[int]:
    """Points of several asks as whole marks in the same proportion."""
    if any(one <= 0 for one in points):
        return [1] * len(points)
    scale = math.lcm(*(one.denominator for one in points))
    whole = [int(one * scale) for one in points]
    if scale > 1:
        part = math.gcd(*whole)
        whole = [one // part for one in whole]
    return whole if max(whole) <= 1_000 else [1] * len(points)
