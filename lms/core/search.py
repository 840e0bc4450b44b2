"""Search in Chinese and Latin text: the doorman of an index of pieces, the same on SQLite and PostgreSQL.

A text is kept as its pieces: every pair of neighbouring Chinese characters, every Latin word, and of a title also the pairs
of its pinyin initials. A query finds a text that holds all of its pieces; whether they stand together is then looked up in
the text itself, so that a phrase is a phrase. Neither database's own full text search is used: SQLite's trigrams miss words of
two characters, which most Chinese words are, and PostgreSQL brings no Chinese dictionary; and two engines give two answers.
"""

import re
import unicodedata
from collections.abc import Mapping
from dataclasses import dataclass

from lms.core import pinyin

_RUN = re.compile(r"[\u3400-\u9fff]+|[a-z0-9]+")
INITIAL = "~"
"""Begins a piece of pinyin initials."""
TITLE_WEIGHT = 10
LONGEST = 40
MOST_TOKENS = 8
AROUND = 40
"""Characters shown before and after what was found."""


def folded(text: str) -> str:
    """Full-width and capital letters as ordinary ones; spaces as one."""
    return " ".join(unicodedata.normalize("NFKC", text).lower().split())


def _is_chinese(run: str) -> bool:
    return run >= "\u3400"


def _pairs(run: str) -> list[str]:
    return [run[at : at + 2] for at in range(len(run) - 1)] or [run]


def pieces(title: str, text: str) -> Mapping[str, int]:
    """Piece → weight, for keeping. Single Chinese characters are kept of titles only."""
    found: dict[str, int] = {}

    def add(piece: str, weight: int) -> None:
        found[piece[:LONGEST]] = min(found.get(piece[:LONGEST], 0) + weight, 1000)

    for run in _RUN.findall(folded(text)):
        for piece in _pairs(run) if _is_chinese(run) else [run]:
            add(piece, 1)
    for run in _RUN.findall(folded(title)):
        for piece in {*_pairs(run), *run} if _is_chinese(run) else {run}:
            add(piece, TITLE_WEIGHT)
    for piece in _pairs(pinyin.initials(title)):
        if piece:
            add(INITIAL + piece, TITLE_WEIGHT)
    return found


@dataclass(frozen=True)
class Token:
    """A part of a query: a run of Chinese characters, or a Latin word that may also be pinyin initials."""

    run: str

    @property
    def words(self) -> frozenset[str]:
        """The pieces that a text must hold."""
        return frozenset(_pairs(self.run) if _is_chinese(self.run) else [self.run[:LONGEST]])

    @property
    def initials(self) -> frozenset[str]:
        """The pieces that a title must hold if it is meant as initials; empty for what cannot be."""
        if _is_chinese(self.run) or len(self.run) < 2:
            return frozenset()
        return frozenset(INITIAL + piece for piece in _pairs(self.run))


def tokens(query: str) -> list[Token]:
    """What is looked for; every one of them must be found."""
    return [Token(run) for run in dict.fromkeys(_RUN.findall(folded(query)))][:MOST_TOKENS]


def score(wanted: list[Token], held: Mapping[str, int], title: str, text: str) -> int:
    """How well a text answers a query, given its pieces that were asked for; 0: not at all."""
    total = 0
    whole = folded(f"{title} {text}")
    for token in wanted:
        if token.words <= held.keys() and token.run in whole:
            total += sum(held[piece] for piece in token.words)
        elif token.initials and token.initials <= held.keys() and token.run in pinyin.initials(title):
            total += TITLE_WEIGHT
        else:
            return 0
    return total


def excerpt(wanted: list[Token], text: str) -> tuple[str, str, str]:
    """What stands before, where, and after what was found first; the beginning of the text where nothing stands in it."""
    lowered = text.lower()
    for token in wanted:
        at = lowered.find(token.run)
        if at >= 0:
            end = at + len(token.run)
            before, after = text[max(0, at - AROUND) : at], text[end : end + AROUND]
            return (
                ("…" if at > AROUND else "") + before,
                text[at:end],
                after + ("…" if end + AROUND < len(text) else ""),
            )
    return text[: 2 * AROUND], "", "…" if len(text) > 2 * AROUND else ""
