"""GIFT, Moodle's format for questions in plain text."""

import re
from collections.abc import Sequence
from fractions import Fraction

from lms.assessments.interchange import gift_syntax as syntax
from lms.assessments.interchange.drafting import (
    Album,
    Gathered,
    Json,
    Refused,
    joined,
    no_rubric,
    true_or_false,
    whole_rubric,
    with_media,
)
from lms.assessments.interchange.drafts import Draft, Place, Reading
from lms.assessments.interchange.gift_syntax import Answer, Block, Parsed
from lms.assessments.interchange.plain import Plain, clean, decode, read_html, tongue_of
from lms.assessments.rules.items.numbers import number, written
from lms.core.i18n import _
from lms.core.markdown import LIMIT, render

_ONE, _NONE = Fraction(1), Fraction(0)


def read(data: bytes | str) -> Reading:
    """Every question of a GIFT file as a draft, or as a problem named by its line. Never raises.

    A text without braces asks nothing: it is named in a notice.
    """
    text, is_guess = (data, False) if isinstance(data, str) else decode(data)
    gathered = Gathered()
    if is_guess:
        gathered.notice(Place("file"), "encoding_guessed", guessed())
    for block in syntax.blocks(text):
        place = Place("line", str(block.line))
        try:
            draft = _Question(block, syntax.parse(block), place, gathered).draft()
        except Refused as refusal:
            gathered.refuse(place, refusal.code, refusal.message)
            continue
        if draft is not None:
            gathered.problems += [problem for _path, problem in gathered.take(draft)]
    if not gathered.drafts and not any(one.is_blocking for one in gathered.problems):
        gathered.refuse(Place("file"), "no_items", _("The file holds no questions."))
    return Reading("gift", tuple(gathered.drafts), tuple(gathered.problems))


def guessed() -> str:
    """The sentence for a file of unknown encoding."""
    return _(
        "The encoding of the file had to be guessed: look at the accents and signs, or save it as UTF-8."
    )


class _Question:
    """One question on its way to a draft."""

    def __init__(self, block: Block, parsed: Parsed, place: Place, gathered: Gathered) -> None:
        self._block = block
        self._parsed = parsed
        self._place = place
        self._tongue = tongue_of(syntax.show(block.text))
        self._album = Album(place, gathered, self._tongue)
        self._gathered = gathered
        self._reasons: list[str] = []

    # ------------------------------------------------------------ texts

    def _plain(self, text: str) -> Plain:
        form, text = syntax.form_of(text, self._parsed.form)
        shown = syntax.show(text)
        if form == "html":
            return read_html(shown)
        if form == "markdown" and len(shown) <= LIMIT:
            return read_html(render(shown))
        if form == "moodle":
            return read_html(shown, keeps_lines=True)
        lines = [line.strip() for line in clean(shown).split("\n")]
        return Plain("\n".join(lines).strip())

    def _words(self, text: str) -> str:
        return self._album.settle(self._plain(text), holds=False)[0]

    def _option(self, name: str, text: str) -> Json:
        words, entries = self._album.settle(self._plain(text))
        return with_media({"id": name, self._tongue: words}, entries)

    def _reason(self, label: str, feedback: str) -> None:
        words = self._words(feedback) if feedback else ""
        if words and words not in self._reasons:
            self._reasons.append(f"{label}: {words}" if label else words)

    # ------------------------------------------------------------ the draft

    def draft(self) -> Draft | None:
        """The question as an item; None (with a notice) for a text that asks nothing. Raises Refused."""
        parsed = self._parsed
        if parsed.answers is None:
            start = self._words(parsed.stem)[:40] or parsed.title[:40]
            message = _("This text asks nothing and was left out: “%(start)s…”", start=start)
            self._gathered.notice(self._place, "description", message)
            return None
        words, entries = self._album.settle(self._plain(parsed.stem))
        self._reason("", parsed.general)
        stem = with_media({"stem": {self._tongue: words or self._words(parsed.title)}}, entries)
        kind, body, key = self._kind(parsed.answers)
        return Draft(
            self._place,
            kind,
            {**stem, **body},
            key,
            {self._tongue: "\n".join(self._reasons)} if self._reasons else {},
            code=self._block.id_number or parsed.title,
            topic=self._block.topic,
            tags=self._block.tags,
            media=self._album.media,
            review=joined(self._album.reviews),
        )

    def _kind(self, answers: str) -> tuple[str, Json, Json]:
        """Type, body and key; the types are told apart by the same signs as Moodle tells them."""
        if not answers:
            self._album.reviews.append(no_rubric())
            return "ESSAY", {"max_chars": 5_000}, {"rubric": whole_rubric()}
        if answers.startswith("#"):
            return self._numerical(answers[1:])
        if "~" not in answers and (verdict := syntax.true_or_false(answers)):
            for feedback in verdict[1]:
                self._reason("", feedback)
            return "TF", {"options": true_or_false()}, {"right": "true" if verdict[0] else "false"}
        found = syntax.answers_of(answers)
        if any(one.mark == "~" for one in found):
            return self._choice(found)
        if "->" in answers and "=" in answers:
            return self._matching(found)
        return self._short(found)

    def _choice(self, answers: Sequence[Answer]) -> tuple[str, Json, Json]:
        if not 2 <= len(answers) <= 26:
            raise Refused("options", _("Give %(least)s to %(most)s options.", least=2, most=26))
        names = "abcdefghijklmnopqrstuvwxyz"[: len(answers)]
        options = [self._option(name, one.text) for name, one in zip(names, answers, strict=True)]
        for option, one in zip(options, answers, strict=True):
            self._reason(option[self._tongue] or option["id"].upper(), one.feedback)
        right = [name for name, one in zip(names, answers, strict=True) if one.mark == "="]
        shares = {
            name: one.share or _NONE for name, one in zip(names, answers, strict=True) if one.mark != "="
        }
        body: Json = {"options": options}
        if not right:
            return self._several(body, shares)
        if len(right) > 1:
            self._album.reviews.append(
                _("Several options are marked as wholly right, and one may be chosen.")
            )
        partial = {name: _bounded(share) for name, share in shares.items() if share}
        partial |= dict.fromkeys(right[1:], "1")
        return "A1", body, {"right": right[0], **({"weights": partial} if partial else {})}

    def _several(self, body: Json, shares: dict[str, Fraction]) -> tuple[str, Json, Json]:
        """Several may be chosen: their shares are added, and nothing falls below nought."""
        positive = [name for name, share in shares.items() if share > 0]
        if not positive:
            raise Refused("no_key", _("No option is marked as right: put = before it."))
        total = sum((shares[name] for name in positive), _NONE)
        if abs(total - 1) < Fraction(1, 50) and len({shares[name] for name in positive}) == 1:
            shares |= dict.fromkeys(positive, Fraction(1, len(positive)))
        if total < Fraction(49, 50):
            self._album.reviews.append(_("All right options together give less than the whole mark."))
        weights = {name: _bounded(share) for name, share in shares.items() if share}
        return "X", {**body, "scoring": "weights"}, {"weights": weights, "lower": "0"}

    def _short(self, answers: Sequence[Answer]) -> tuple[str, Json, Json]:
        accepted: list[Json] = []
        for one in answers:
            words = " ".join(self._words(one.text).split())
            self._reason(words, one.feedback)
            if words:
                share = {} if one.share is None or one.share == 1 else {"share": _bounded(one.share)}
                accepted.append({"text": words, **share})
        while (
            accepted and accepted[-1].get("share") == "0"
        ):  # what says in other systems "anything else is wrong"
            accepted.pop()
        return "SHORT", {}, {"accepted": accepted}

    def _matching(self, answers: Sequence[Answer]) -> tuple[str, Json, Json]:
        rows: list[Json] = []
        options: dict[str, Json] = {}
        pairs: list[list[str]] = []
        for one in answers:
            left, arrow, right = one.text.partition("->")
            if not arrow:
                raise Refused("pairs", _("Each pair needs an arrow: = one -> other."))
            option = self._option(f"o{len(options) + 1}", right)
            option = options.setdefault(option[self._tongue] or f"\0{len(options)}", option)
            if left.strip():
                rows.append(self._option(f"r{len(rows) + 1}", left))
                pairs.append([rows[-1]["id"], option["id"]])
        return "MATCH", {"rows": rows, "options": list(options.values()), "scoring": "each"}, {"pairs": pairs}

    def _numerical(self, text: str) -> tuple[str, Json, Json]:
        right, tilde, wrong = text.partition("~")
        if tilde:
            self._reason("", wrong.partition("#")[2].strip())
        found: list[Json] = []
        for one in syntax.answers_of(right):
            if one.feedback:
                self._reason(syntax.show(one.text), one.feedback)
            if syntax.show(one.text).strip() == "*":
                continue
            share = {} if one.share is None or one.share == 1 else {"share": _bounded(one.share)}
            found.append({**_measured(syntax.show(one.text)), **share})
        found = [one for one in found if one.get("share") != "0"]
        if not found:
            raise Refused("no_key", _("Give the right value."))
        if len(found) == 1 and "share" not in found[0]:
            return "NUM", {"units": []}, found[0]
        return "NUM", {"units": []}, {"answers": [{"share": "1", **one} for one in found]}


_RANGE = re.compile(r"(\S+?)\s*\.\.\.?\s*(\S+)")


def _measured(text: str) -> Json:
    """``3.14:0.01`` or ``1..5`` as a value with its tolerance. Raises Refused."""
    plain = text.strip()
    if between := _RANGE.fullmatch(plain):
        ends = number(between[1]), number(between[2])
        if ends[0] is not None and ends[1] is not None:
            low, high = sorted((ends[0], ends[1]))
            return {"value": written((low + high) / 2), "tolerance": written((high - low) / 2)}
    middle, _colon, margin = plain.partition(":")
    value = number(middle)
    tolerance = number(margin) if margin.strip() else _NONE
    if value is None or tolerance is None or tolerance < 0:
        raise Refused("number", _("“%(text)s” is no number; write 3.14, 3.14:0.01 or 3..4.", text=plain[:40]))
    return {"value": written(value), "tolerance": written(tolerance)}


def _bounded(share: Fraction) -> str:
    return written(max(-_ONE, min(_ONE, share)))
