"""Questions as people see them: options in their order, drawn values in their place, answers in words. Holds no key."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from fractions import Fraction
from typing import Any

from lms.assessments import rules
from lms.core.i18n import _, _n, pick

LETTERS = "ABCDEFGHIJKLMNOPQRSTUVWXYZ"
PREVIEW_SEED = b"as a candidate might see it"


@dataclass(frozen=True)
class Medium:
    """A picture, sound or film beside a text."""

    kind: str
    key: str
    alt: str


@dataclass(frozen=True)
class Option:
    """One option (or row) as shown."""

    id: str
    letter: str
    text: str
    media: Sequence[Medium] = ()


@dataclass(frozen=True)
class Group:
    """What several asks share; shown before the first of them."""

    stem: str
    media: Sequence[Medium]
    options: Sequence[Option]
    size: int
    """Asks in all, shown or not yet."""


@dataclass(frozen=True)
class Item:
    """One ask of a paper as this candidate sees it."""

    slot: int
    version_id: int
    type: str
    kind: str
    index: int | None
    """Within its group."""
    of: int
    """How many asks its group has; 1 outside of groups."""
    stem: str
    media: Sequence[Medium]
    options: Sequence[Option]
    rows: Sequence[Option]
    body: Mapping[str, Any]
    """What else its kind needs: units, limits, the size of a picture."""
    source: str = ""
    group: Group | None = None
    drawn: Mapping[str, Fraction] = field(default_factory=dict)
    is_serial: bool = False
    is_locked: bool = False

    def said(self, response: Mapping[str, Any] | None) -> str:
        """A response in words, as this paper shows it; empty for none."""
        given = response or {}
        if self.kind == "choice":
            return self._named(self.options, given.get("choice"))
        if self.kind == "multiple":
            return "; ".join(self._named(self.options, one) for one in given.get("choices", ()))
        if self.kind == "order":
            return " → ".join(self._named(self.options, one) for one in given.get("order", ()))
        if self.kind == "pairs":
            rows = self.options if self.body.get("symmetric") else self.rows
            return "; ".join(
                f"{self._named(rows, row)} – {self._named(self.options, option)}"
                for row, option in given.get("pairs", ())
            )
        if self.kind == "point":
            return "; ".join(f"({x}, {y})" for x, y in given.get("points", ()))
        if self.kind in {"number", "slider"}:
            return " ".join(filter(None, (given.get("number"), given.get("unit"))))
        if self.kind == "file":
            return str(given.get("name", ""))
        if self.kind == "checklist":
            return _("The checklist was filled in at the station.") if given else ""
        return str(given.get("text", ""))

    @property
    def alt(self) -> str:
        """What the picture of a place question shows, in words."""
        return _text(self.body.get("alt"), {})

    @staticmethod
    def _named(options: Sequence[Option], option_id: str | None) -> str:
        return next(
            (
                f"{option.letter}. {option.text}" if option.letter else option.text
                for option in options
                if option.id == option_id
            ),
            "",
        )


def item(
    type_code: str,
    body: Mapping[str, Any],
    index: int | None,
    *,
    slot: int,
    version_id: int = 0,
    source: str = "",
    seed: bytes | None = None,
    group_seed: bytes | None = None,
    is_locked: bool = False,
) -> Item:
    """One ask in the reader's language. ``seed``: of its slot; None: options as written.

    ``group_seed``: orders the options that a group shares, alike for all of its asks.
    """
    shape = rules.TYPES[type_code]
    ask = rules.ask_of(type_code, body, index)
    drawn = rules.draw(ask.body.get("parameters") or [], seed or PREVIEW_SEED)
    own_stem = {} if type_code == "CLOZE" else ask.body.get("stem") or {}
    lettered = type_code != "TF" and ask.kind in {"choice", "multiple", "pairs"}
    options = _options(ask.body, "options", group_seed if shape.shares_options else seed, lettered=lettered)
    group = None
    if shape.is_group and index == 0:
        group = Group(
            _text(body.get("stem"), drawn),
            _media(body.get("media")),
            options if shape.shares_options else (),
            len(body["asks"]),
        )
    return Item(
        slot=slot,
        version_id=version_id,
        type=type_code,
        kind=ask.kind,
        index=index,
        of=len(body["asks"]) if shape.is_group else 1,
        stem=_text(own_stem, drawn) or (_("Gap %(n)s", n=(index or 0) + 1) if type_code == "CLOZE" else ""),
        media=_media(ask.body.get("media")),
        options=options,
        rows=_options(ask.body, "rows", None, lettered=False),
        body=ask.body,
        source=source,
        group=group,
        drawn=drawn,
        is_serial=shape.is_serial,
        is_locked=is_locked,
    )


def choice(number: int, take: int, questions: Sequence[Item]) -> Item:
    """What a candidate chooses questions by: the stem of each, never an ask that only the chosen ones open."""
    stems = [
        Option(
            str(one.slot),
            letter,
            one.group.stem if one.group else one.stem,
            one.group.media if one.group else one.media,
        )
        for letter, one in zip(LETTERS, questions, strict=False)
    ]
    return Item(
        slot=number,
        version_id=0,
        type="",
        kind="cases",
        index=None,
        of=1,
        stem=_n(
            "Choose %(num)s of these %(total)s cases",
            "Choose %(num)s of these %(total)s cases",
            take,
            total=len(stems),
        ),
        media=(),
        options=stems,
        rows=(),
        body={"limit": take},
    )


def _text(text: Any, drawn: Mapping[str, Fraction]) -> str:
    found = text or {}
    return rules.fill(pick(found.get("zh") or "", found.get("en") or ""), drawn)


def _media(media: Any) -> list[Medium]:
    return [Medium(one["kind"], one["key"], _text(one.get("alt"), {})) for one in media or ()]


def _options(body: Mapping[str, Any], name: str, seed: bytes | None, *, lettered: bool) -> tuple[Option, ...]:
    known = {option["id"]: option for option in body.get(name) or ()}
    order = list(known)
    if seed is not None:
        order = rules.shuffled(order, seed, fixed=[one for one in order if known[one].get("fixed")])
    letters = LETTERS if lettered else " " * len(order)
    return tuple(
        Option(one, letter.strip(), _text(known[one], {}), _media(known[one].get("media")))
        for one, letter in zip(order, letters, strict=False)
    )


def as_written(
    type_code: str, body: Mapping[str, Any], *, version_id: int = 0, source: str = "", first_slot: int = 1
) -> list[Item]:
    """All asks of an item as its authors see them: nothing shuffled, nothing held back."""
    return [
        item(type_code, body, ask.index, slot=first_slot + number, version_id=version_id, source=source)
        for number, ask in enumerate(rules.asks(type_code, body))
    ]


def key_words(shown: Item, key: Mapping[str, Any]) -> str:
    """The right answer of an ask in words; ``key``: of this ask."""
    if shown.kind == "point":
        return "; ".join(f"{area['shape']} {area['coords']}" for area in key.get("areas", ()))
    lines = key.get("rubric") or key.get("checklist")
    if lines:
        return "; ".join(f"{_text(line, {})} ({line['marks']})" for line in lines)
    if shown.kind == "text":
        return " / ".join(form["text"] for form in key.get("accepted", ()))
    said = shown.said(rules.model_response(shown.kind, shown.body, key, shown.drawn))
    tolerance = key.get("tolerance", "0")
    if shown.kind in {"number", "slider"} and said and tolerance != "0":
        margin = f"{tolerance} ×" if key.get("relative") else tolerance
        return f"{said} (± {margin})"
    return said
