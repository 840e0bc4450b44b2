"""Pages that only a POST shows: every form as it comes back when it was refused, and the look before an import."""

from collections import deque
from urllib.parse import urldefrag, urlsplit

import pytest

from tests.browser import inspection
from tests.browser.conftest import AXE
from tests.browser.test_every_page import ACCOUNTS, SKIPPED, kind, told

FORMS = "main form[method=post][novalidate]"
EMPTY = """form => {
  for (const field of form.elements) {
    if (field.type === 'hidden' || field.type === 'submit' || field.type === 'button') continue;
    if (field.type === 'checkbox' || field.type === 'radio') field.checked = false;
    else if (field.tagName === 'SELECT') field.selectedIndex = field.options[0] && !field.options[0].value ? 0 : -1;
    else field.value = '';
  }
}"""
GOOD = "姓名,拼音,手机号或邮箱,角色,班级,备注\n王小明,Wang Xiaoming,xm@example.org,管理员,,\n"
PEOPLE = GOOD + "王,,xm@,学员,NO-SUCH,\n"
QUESTIONS = (
    "1. 新生儿复苏首选的吸入气体是？\nA. 空气\nB. 纯氧\nC. 氦气\n答案：A\n\n2. 没有答案的题？\nA. 甲\nB. 乙\n"
)


def pages(page, start):
    """The addresses that can be reached by links from ``start``, one of each kind."""
    seen, waiting = {}, deque([start])
    while waiting:
        url = urldefrag(waiting.popleft()).url
        if SKIPPED.match(urlsplit(url).path) or kind(url) in seen:
            continue
        seen[kind(url)] = url
        answer = page.context.request.get(url)
        if answer.status != 200 or not answer.headers.get("content-type", "").startswith("text/html"):
            del seen[kind(url)]
            seen[kind(url)] = None
            continue
        page.goto(url)
        origin = urlsplit(page.url)[:2]
        waiting += [
            link
            for link in page.locator("a[href]:not([download])").evaluate_all(
                "found => found.map(a => a.href)"
            )
            if urlsplit(link)[:2] == origin
        ]
    return [url for url in seen.values() if url]


def refusals(page, axe, urls):
    """Sends each form of the pages empty; the faults of what came back refused, and how many did."""
    found, tried, refused = {}, set(), 0
    for url in urls:
        page.goto(url)
        for number in range(page.locator(FORMS).count()):
            page.goto(url)
            form = page.locator(FORMS).nth(number)
            if form.count() == 0:
                continue
            about = (kind(form.evaluate("form => form.action")), form.locator("[name]").count())
            if about in tried:
                continue
            tried.add(about)
            form.evaluate(EMPTY)
            with page.expect_navigation() as sent:
                form.evaluate("form => form.submit()")
            if sent.value.status != 422:
                continue
            refused += 1
            faults = list(inspection.faults(page, axe))
            if not page.locator("[aria-invalid=true], [role=alert]").count():
                faults.append("no fault is named")
            if faults:
                found[f"{url} (form {number + 1})"] = faults
    return found, refused


@pytest.mark.parametrize("role", ACCOUNTS)
def test_every_form_that_was_refused(role, own_site, desk, sign_in, axe, console):
    console.forgive("422|409")
    page = desk("zh", base_url=own_site.url, service_workers="block").new_page()
    sign_in(page, *ACCOUNTS[role])
    page.context.add_init_script(path=AXE)
    faults, refused = refusals(page, axe, pages(page, own_site.url + "/"))
    assert not faults, told(faults)
    assert refused >= 3  # each has at least the forms of their own account


def test_the_doors_that_refuse_a_stranger(own_site, phone, axe, console):
    console.forgive("422")
    page = phone("en", base_url=own_site.url, service_workers="block").new_page()
    page.context.add_init_script(path=AXE)
    page.goto("/sign-in")
    page.locator("[name=login]").fill("nobody@example.org")
    page.locator("[name=password]").fill("not the password")
    assert inspection.pressed(page.locator("form[action='/sign-in'] button").last).status == 422
    assert not list(inspection.faults(page, axe))


def send_file(page, url, name, text):
    """Chooses a file on a page with a form for one, and sends it."""
    page.goto(url)
    page.locator("input[type=file]").set_input_files(
        {"name": name, "mimeType": "text/csv", "buffer": text.encode()}
    )
    inspection.pressed(page.locator("main form:has(input[type=file]) button").last)


@pytest.mark.parametrize("lang", ["zh", "en"])
def test_the_look_before_people_are_imported(lang, own_site, desk, sign_in, axe, console):
    console.forgive("422")
    page = desk(lang, base_url=own_site.url, service_workers="block").new_page()
    sign_in(page, *ACCOUNTS["administrator"])
    page.context.add_init_script(path=AXE)
    send_file(page, "/people/import", "people.csv", PEOPLE)
    assert page.locator("#errors li").count() >= 2
    assert not list(inspection.faults(page, axe))
    send_file(page, "/people/import", "people.csv", GOOD)
    assert page.locator("table").count() == 1
    assert not list(inspection.faults(page, axe))
    inspection.pressed(page.locator("button[name=go][value=run]"))
    assert not list(inspection.faults(page, axe))


@pytest.mark.parametrize("lang", ["zh", "en"])
def test_the_look_before_questions_are_imported(lang, own_site, desk, sign_in, axe, console):
    console.forgive("422")
    page = desk(lang, base_url=own_site.url, service_workers="block").new_page()
    sign_in(page, *ACCOUNTS["examiner"])
    page.context.add_init_script(path=AXE)
    page.goto("/bank")
    bank = page.locator("main a[href^='/bank/']").first.get_attribute("href")
    send_file(page, f"{bank}/import", "questions.txt", QUESTIONS)
    assert "/imports/" in page.url
    assert not list(inspection.faults(page, axe))
    inspection.pressed(page.locator("form[action$='/run'] button").first)
    assert not list(inspection.faults(page, axe))
