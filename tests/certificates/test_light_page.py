"""The page that strangers read, mostly once and often over a slow line: one answer of about 3 KB and nothing behind it."""

import gzip
import re

import pytest

from lms.certificates import services
from lms.core.db import transaction

PAGE_BUDGET = 3 * 1024
"""Gzipped, as it travels; nothing else is fetched to read it."""


@pytest.fixture
def opened(browser, issued):
    """Open the page as whoever scanned the paper does: a first visit, packed on the wire."""

    def act(lang, path=None):
        address = path or f"/verify/{issued.serial}?k={issued.verify_key}"
        return browser(lang=lang).get(address, headers={"Accept-Encoding": "gzip"})

    return act


@pytest.mark.parametrize("lang", ["zh", "en"])
def test_the_page_keeps_its_budget_on_the_wire(app, opened, lang, issued):
    answer = opened(lang)
    assert answer.headers["Content-Encoding"] == "gzip"
    assert len(answer.data) <= PAGE_BUDGET
    page = gzip.decompress(answer.data).decode()
    assert issued.pdf_sha256 in page
    assert issued.facts["name_zh"] in page


@pytest.mark.parametrize("lang", ["zh", "en"])
def test_the_page_needs_no_script_and_no_other_file(app, opened, lang, issued):
    for path in (None, f"/verify/{issued.serial}", "/verify/FFLY-2026-000001-0"):
        page = gzip.decompress(opened(lang, path).data).decode()
        assert "<script" not in page
        assert re.findall(r"<(?:link|img|iframe|object)\b[^>]*", page) == re.findall(
            r'<link rel="icon"[^>]*', page
        )


def test_its_style_is_allowed_and_no_cookie_of_the_large_one_is_set(app, opened):
    answer = opened("en")
    assert re.search(r"style-src 'self' 'sha256-[^']+'", answer.headers["Content-Security-Policy"])
    assert not [one for one in answer.headers.getlist("Set-Cookie") if one.startswith("css=")]


def test_the_page_asks_few_questions_in_every_state(app, opened, issued, ruled, at, queries):
    for verb in (None, "suspend", "lift", "revoke"):
        if verb:
            with transaction():
                getattr(services, verb)(issued, reason="an error", at=at, by=ruled.director)
        with queries() as seen:
            answer = opened("en")
        assert answer.status_code == 200
        assert seen.count <= 4, seen.statements
        assert len(answer.data) <= PAGE_BUDGET
