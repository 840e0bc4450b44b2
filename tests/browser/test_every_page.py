"""Every page that somebody of the demonstration can reach, in both languages, on both screens, light and dark."""

import re
from collections import Counter, deque
from urllib.parse import urldefrag, urljoin, urlsplit

import pytest

from lms import demo
from tests.browser import inspection
from tests.browser.conftest import AXE

SKIPPED = re.compile(r"^/(sign-out|language|static)(/|$)")
VARIABLE = re.compile(r"^(\d+|[A-Z]\d{2}|[0-9A-Za-z_-]{12,}|[A-Z0-9]+(-[A-Z0-9]+)+)$")
"""A part of an address that names one thing among many: a number, the code of an item, a public id, a serial."""
OF_EACH_KIND = 2
"""Pages of one kind that are looked at: the fortieth trainee's page is made of the same template as the first's."""

PUBLIC = ("/", "/sign-in", "/reset", "/privacy", "/offline", "/verify/AAAA-0000-0000", "/no-such-page")


def kind(url):
    """The address with its variable parts left out, and the names of its parameters."""
    parts = urlsplit(url)
    path = "/".join("*" if VARIABLE.match(part) else part for part in parts.path.split("/"))
    return path, tuple(sorted(pair.split("=")[0] for pair in parts.query.split("&") if pair))


def walk(page, axe, start, *, lang):
    """Visits everything that can be reached by links from ``start``; returns the faults by address."""
    page.context.add_init_script(
        path=AXE
    )  # once for all pages, instead of half a megabyte handed over for each
    request = page.context.request
    found, seen, kinds = {}, set(), Counter()
    waiting = deque(start)
    while waiting:
        url = urldefrag(urljoin(page.url if page.url.startswith("http") else "", waiting.popleft())).url
        if url in seen or SKIPPED.match(urlsplit(url).path) or kinds[kind(url)] >= OF_EACH_KIND:
            continue
        seen.add(url)
        kinds[kind(url)] += 1
        answer = request.get(url)
        expected = 404 if url.endswith("no-such-page") or "/verify/AAAA" in url else 200
        if answer.status != expected and not (expected == 404 and answer.status == 200):
            found[url] = [f"status {answer.status}"]
            continue
        if not answer.headers.get("content-type", "").startswith("text/html"):
            if not answer.body():
                found[url] = ["empty"]
            continue
        seen.add(answer.url)
        page.goto(url)
        faults = [*inspection.weight_faults(request, url, answer.text()), *inspection.faults(page, axe)]
        shown = page.locator("html").get_attribute("lang")
        if shown != {"zh": "zh-Hans", "en": "en"}[lang]:
            faults.append(f"lang={shown}")
        if faults:
            found[url] = faults
        origin = urlsplit(page.url)[:2]
        for link in page.locator("a[href]:not([download])").evaluate_all("found => found.map(a => a.href)"):
            if urlsplit(link)[:2] == origin:
                waiting.append(link)
    return found, len(seen)


def told(found):
    """The faults for a reader, page by page."""
    return "\n" + "\n".join(
        f"{urlsplit(url).path}\n  " + "\n  ".join(faults) for url, faults in found.items()
    )


ACCOUNTS = {role: (login, password) for _name, role, login, password in demo.accounts_shown()}


@pytest.mark.parametrize("lang", ["zh", "en"])
@pytest.mark.parametrize("role", ACCOUNTS)
def test_every_page_of(role, lang, site, desk, sign_in, axe):
    page = desk(lang, service_workers="block").new_page()
    sign_in(page, *ACCOUNTS[role])
    faults, visited = walk(page, axe, [site.url + "/"], lang=lang)
    assert not faults, told(faults)
    assert visited >= 3


@pytest.mark.parametrize("lang", ["zh", "en"])
def test_every_public_page(lang, site, desk, console, axe):
    console.forgive("404")
    page = desk(lang, service_workers="block").new_page()
    faults, visited = walk(page, axe, [site.url + path for path in PUBLIC], lang=lang)
    assert not faults, told(faults)
    assert visited >= len(PUBLIC)
