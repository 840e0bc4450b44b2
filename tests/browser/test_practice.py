"""Practice in real Chromium: a round on a phone, and a question that stops the film."""

import re

from playwright.sync_api import expect

from lms import demo
from tests.browser import inspection
from tests.browser.inspection import pressed

ACCOUNTS = {role: (login, password) for _name, role, login, password in demo.accounts_shown()}


def answer(part):
    """Answer the question that stands in a part of the page, rightly or not."""
    number = part.locator(".question input[inputmode=decimal]")
    if number.count():
        number.first.fill("120")
    else:
        part.locator(".question label:has(input)").first.click()


def test_a_round_of_a_topic_shows_the_reason_after_each_answer(own_site, phone, sign_in, axe):
    page = phone("zh", base_url=own_site.url, service_workers="block").new_page()
    sign_in(page, *ACCOUNTS["trainee"])
    page.goto("/practice")
    assert not list(inspection.faults(page, axe))
    page.locator("#topic").select_option("休克")
    pressed(page.locator("main form button").last)
    for _number in range(2):
        page.locator(".question").wait_for()
        assert not list(inspection.faults(page, axe))
        answer(page.locator("main"))
        pressed(page.locator("main form button.primary").last)
        expect(page.locator("main")).to_contain_text("解析")
        assert not list(inspection.faults(page, axe))
        pressed(page.locator("main .btn.primary").first)
    page.goto("/practice")
    expect(page.locator("#history")).to_be_visible()


def test_a_question_stops_the_film_and_its_reason_lets_it_go_on(own_site, phone, desk, sign_in, axe):
    teacher = desk("zh", base_url=own_site.url, service_workers="block").new_page()
    sign_in(teacher, *ACCOUNTS["educator"])
    teacher.goto("/learn")
    lecture = teacher.locator("a[href^='/lectures/']").first.get_attribute("href")
    path = re.match(r"/lectures/\w+", lecture)[0]
    teacher.goto(f"{path}/checkpoints")
    assert not list(inspection.faults(teacher, axe))
    teacher.locator("#second").fill("2")
    teacher.locator("[name=required]").check()
    pressed(teacher.locator("main form button").last)
    expect(teacher.locator("main li form")).to_have_count(1)
    assert not list(inspection.faults(teacher, axe))

    page = phone("zh", base_url=own_site.url, service_workers="block").new_page()
    sign_in(page, *ACCOUNTS["trainee"])
    page.goto(path)
    page.evaluate(
        "async () => { const film = document.querySelector('video'); film.muted = true; await film.play(); }"
    )
    piece = page.locator("#checkpoint")
    piece.locator(".question").wait_for()
    assert page.evaluate("document.querySelector('video').paused")
    assert not list(inspection.faults(page, axe))
    answer(piece)
    piece.locator("form button.primary").click()
    expect(piece).to_contain_text("解析")
    assert not list(inspection.faults(page, axe))
    piece.get_by_role("button", name="继续学习").click()
    expect(piece).to_be_hidden()
    inspection.wait_until(page, "!document.querySelector('video').paused")
