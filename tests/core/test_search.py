"""The index of pieces: what is in a text is found, what is not is not."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lms.core import search

TEXT = "新生儿复苏：先看气道。Airway first, then CPAP。儿科休克的液体复苏"
TITLE = "新生儿窒息复苏 Neonatal resuscitation"


def found(query, title=TITLE, text=TEXT):
    """Whether a query finds a text, as the database would answer it."""
    held = search.pieces(title, text)
    wanted = search.tokens(query)
    asked = {piece for token in wanted for piece in token.words | token.initials}
    return (
        bool(wanted) and search.score(wanted, {k: v for k, v in held.items() if k in asked}, title, text) > 0
    )


@pytest.mark.parametrize(
    "query",
    ["复苏", "气道", "液体复苏", "airway", "AIRWAY", "ＣＰＡＰ", "cpap 气道", "xsezxfs", "zxfs", "息"],
)
def test_words_phrases_and_initials_are_found(query):
    assert found(query)


@pytest.mark.parametrize("query", ["", "！", "苏复", "道先", "休克复苏", "air", "cpap 骨折", "zzzz", "科"])
def test_what_does_not_stand_there_is_not_found(query):
    assert not found(query)


@given(st.text("甲乙丙丁戊", min_size=2, max_size=30), st.data())
def test_every_stretch_of_a_text_finds_it(text, data):
    start = data.draw(st.integers(0, len(text) - 2))
    end = data.draw(st.integers(start + 2, len(text)))
    assert found(text[start:end], title="x", text=text)


@given(st.text("甲乙丙丁", min_size=2, max_size=12), st.text("甲乙丙丁", min_size=2, max_size=5))
def test_a_phrase_is_found_exactly_where_it_stands(text, query):
    assert found(query, title="x", text=text) == (query in text)


def test_an_excerpt_shows_what_was_found_between_its_neighbours():
    before, hit, after = search.excerpt(search.tokens("气道"), "x" * 100 + "先看气道再说")
    assert hit == "气道"
    assert before.startswith("…")
    assert after == "再说"
