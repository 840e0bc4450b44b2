"""What every page must be, looked at in a real browser: fits, readable to everybody, in one language, light on the wire."""

import gzip
import re
import time
from collections.abc import Callable, Iterator
from urllib.parse import urljoin, urlsplit

from playwright.sync_api import APIRequestContext, Locator, Page, Response

WIDTHS = {360: 740, 1280: 800}
"""Width → height of the screens we promise, CSS pixels."""
NARROWEST = (320, 256)
"""A desk screen at 400 % (WCAG 1.4.10, reflow)."""

KB = 1024
HTML_BUDGET, PAPER_BUDGET, CSS_BUDGET, JS_BUDGET = 14 * KB, 40 * KB, 10 * KB, 10 * KB
"""Gzipped bytes of one page at its first load; vendored files that load later have budgets of their own by name."""

PAPER = re.compile(r"^/sittings/[^/]+$")
"""The paper of a test: all questions in one page, so that it works without a connection."""

# Names may stand in any page as their bearers write them; whole sentences carry their language.
TEXTS_IN_THE_WRONG_LANGUAGE = """
() => {
  const page = document.documentElement.lang, found = [];
  const walker = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
  const han = /[\\p{Script=Han}，。；：、]{8,}/u, english = /\\b[A-Za-z]{2,} [a-z]{2,} [a-z]{2,}\\b/;
  while (walker.nextNode()) {
    const text = walker.currentNode.textContent.trim(), element = walker.currentNode.parentElement;
    if (!text || !element.checkVisibility() || element.closest('script, style, code, [translate=no]')) continue;
    const lang = element.closest('[lang]').lang;
    if (lang.startsWith('en') && han.test(text)) found.push(`Chinese in ${lang}: ${text.slice(0, 60)}`);
    if (lang.startsWith('zh') && english.test(text)) found.push(`English in ${lang}: ${text.slice(0, 60)}`);
  }
  return found;
}
"""

Axe = Callable[..., list[str]]
COLOURS = ["color-contrast", "link-in-text-block"]
"""The rules of axe that can change when only colours do."""


def faults(page: Page, axe: Axe) -> Iterator[str]:
    """Everything wrong with the page as it stands, in each width, light and dark."""
    size = page.viewport_size
    yield from page.evaluate(TEXTS_IN_THE_WRONG_LANGUAGE)
    if page.locator("h1").count() != 1:
        yield f"{page.locator('h1').count()} main headings"
    for width, height in WIDTHS.items():
        page.set_viewport_size({"width": width, "height": height})
        yield from (f"{width} px: {fault}" for fault in axe(page))
        page.emulate_media(color_scheme="dark")
        yield from (f"{width} px, dark: {fault}" for fault in axe(page, COLOURS))
        page.emulate_media(color_scheme="light")
        yield from too_wide(page, width)
    page.set_viewport_size({"width": NARROWEST[0], "height": NARROWEST[1]})
    yield from too_wide(page, NARROWEST[0])
    if size:
        page.set_viewport_size(size)


def too_wide(page: Page, width: int) -> Iterator[str]:
    """Whether one must scroll sideways."""
    found = page.evaluate("document.documentElement.scrollWidth")
    if found > width:
        widest = page.evaluate(
            "width => [...document.body.querySelectorAll('*')].filter(e => e.getBoundingClientRect().right > width + 1)"
            ".slice(-3).map(e => e.outerHTML.slice(0, 100))",
            width,
        )
        yield f"{found} px wide on {width} px: {widest}"


def weight_faults(request: APIRequestContext, url: str, html: str) -> Iterator[str]:
    """Where the page is heavier than its budget, first load, gzipped. ``html``: the page as it came over the wire."""
    path = urlsplit(url).path
    styles = "".join(re.findall(r"<style>(.*?)</style>", html, re.DOTALL))
    body = re.sub(r"<style>.*?</style>", "", html, flags=re.DOTALL)
    sheets = re.findall(r'<link[^>]+rel="stylesheet"[^>]+href="([^"]+)"', html)
    scripts = re.findall(r'<script[^>]+src="([^"]+)"', html)
    weights = (
        ("HTML", packed(body.encode()), PAPER_BUDGET if PAPER.match(path) else HTML_BUDGET),
        ("CSS", packed(styles.encode()) * bool(styles) + fetched(request, url, sheets), CSS_BUDGET),
        ("JS", fetched(request, url, scripts), JS_BUDGET),
    )
    yield from (
        f"{name} {size:,} bytes, budget {budget:,}" for name, size, budget in weights if size > budget
    )


def packed(data: bytes) -> int:
    """Bytes after gzip."""
    return len(gzip.compress(data, 6, mtime=0))


_sizes: dict[str, int] = {}


def fetched(request: APIRequestContext, base: str, addresses: list[str]) -> int:
    """Gzipped bytes of some files together; each is fetched once in a run (their names change with their content)."""
    total = 0
    for address in addresses:
        url = urljoin(base, address)
        if url not in _sizes:
            answer = request.get(url)
            assert answer.ok, url
            _sizes[url] = packed(answer.body())
        total += _sizes[url]
    return total


def wait_until(page: Page, expression: str, *, within_s: float = 40) -> None:
    """Waits until a JavaScript expression holds. The strict policy of our pages forbids Playwright's own way, which evaluates text inside the page."""
    end = time.monotonic() + within_s
    while not page.evaluate(expression):
        assert time.monotonic() < end, f"not within {within_s} s: {expression}"
        page.wait_for_timeout(100)


def pressed(button: Locator) -> Response:
    """Press what leads to another page, and wait for that page: a click by itself does not. Returns the answer of the server."""
    with button.page.expect_navigation() as led:
        button.click()
    return led.value
