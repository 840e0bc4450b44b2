"""The sitting in real Chromium, where networks and devices fail: what the screen calls saved is saved, and the rest is not called so."""

import re
import time
from urllib.parse import urlsplit

import pytest
from playwright.sync_api import expect

from lms import demo
from tests.browser.inspection import pressed, wait_until

ACCOUNTS = {role: (login, password) for _name, role, login, password in demo.accounts_shown()}
ON_SERVER, ON_PHONE = re.compile("服务器"), re.compile("本机")


@pytest.fixture
def begin(sign_in):
    """`begin(page)`: the trainee signs in and opens the paper, which is new or runs already."""

    def act(page):
        sign_in(page, *ACCOUNTS["trainee"])
        page.goto("/tests")
        page.locator("a[href^='/tests/']").first.click()
        page.wait_for_url(re.compile("/tests/"))
        start = page.locator("form[action$='/start'] button")
        if start.count():
            start.dblclick()
        else:
            page.locator("main a[href^='/sittings/']").first.click()
        page.wait_for_url(re.compile("/sittings/"))
        started(page)
        return page

    return act


def started(page):
    """Wait until the paper's script has taken over."""
    page.locator("#next").wait_for()


def choose(page, number, option):
    """Tap an option of a question (both from 0)."""
    page.locator(".navigator a").nth(number).dispatch_event("click")
    page.locator("fieldset.question").nth(number).locator(".answers label").nth(option).click()


def said(page, words):
    """Wait until the line under the title says it."""
    page.locator("#save-state").get_by_text(words).wait_for()


def chosen(page):
    """Question → the option that the page shows as chosen (both from 0)."""
    return {
        number: at
        for number, options in enumerate(
            page.locator("fieldset.question").evaluate_all(
                "found => found.map(q => [...q.querySelectorAll('input')].map(input => input.checked))"
            )
        )
        for at, is_checked in enumerate(options)
        if is_checked
    }


def on_the_server(page):
    """What the server has, asked past every copy that the browser keeps."""
    html = page.context.request.get(page.url).text()
    return {
        number: at
        for number, question in enumerate(re.findall(r"<fieldset.*?</fieldset>", html, re.DOTALL))
        for at, tag in enumerate(re.findall(r"<input[^>]*>", question))
        if " checked" in tag
    }


def test_an_answer_given_before_the_script_has_come_is_written_down(own_site, phone, begin):
    page = begin(phone("zh", base_url=own_site.url, service_workers="block").new_page())
    waiting = []

    def hold(route):
        waiting.append(route)

    page.route(re.compile(r"/exam[.\w-]*\.js"), hold)
    page.goto(page.url, wait_until="commit")
    page.locator("fieldset.question").nth(1).locator(".answers label").nth(2).click()
    expect(page.locator("#next")).to_be_hidden()
    for route in waiting:
        route.continue_()
    said(page, ON_SERVER)
    assert on_the_server(page) == {1: 2}


def test_nothing_is_called_saved_while_it_is_still_being_written(own_site, phone, begin):
    page = begin(phone("zh", base_url=own_site.url).new_page())
    said(page, ON_SERVER)
    page.evaluate(
        """() => {
            const add = Outbox.addOp;
            Outbox.addOp = (...given) => new Promise(done => { window.release = done; }).then(() => add(...given));
        }"""
    )
    choose(page, 0, 1)
    said(page, "正在保存")
    page.evaluate("Outbox.sendOps(document.querySelector('#exam').dataset.sitting)")
    assert page.locator("#save-state").inner_text().strip() == "正在保存…"
    page.evaluate("release()")
    said(page, ON_SERVER)
    assert on_the_server(page) == {0: 1}


def test_answers_given_without_a_network_survive_a_reload_and_arrive(own_site, phone, begin, link, console):
    console.forgive("ERR_|Failed to load resource|Failed to fetch")
    line = link(own_site)
    page = begin(phone("zh", base_url=line.url).new_page())
    wait_until(page, "navigator.serviceWorker.controller !== null")
    choose(page, 0, 1)
    said(page, ON_SERVER)
    page.reload()
    started(page)
    line.cut()
    choose(page, 1, 2)
    choose(page, 2, 3)
    said(page, re.compile("本机|没有连接|无网络|断"))
    page.reload()
    started(page)
    assert chosen(page) == {0: 1, 1: 2, 2: 3}
    choose(page, 2, 0)
    line.mend()
    page.evaluate("dispatchEvent(new Event('online'))")
    said(page, ON_SERVER)
    assert on_the_server(page) == {0: 1, 1: 2, 2: 0}


def test_a_lost_reply_makes_no_second_answer_and_loses_none(own_site, phone, begin, link, console):
    console.forgive("ERR_|Failed to load resource|Failed to fetch")
    line = link(own_site)
    page = begin(phone("zh", base_url=line.url, service_workers="block").new_page())
    said(page, ON_SERVER)
    line.lose_reply_to(f"POST {urlsplit(page.url).path}/ops", times=1000)
    choose(page, 0, 3)
    said(page, ON_PHONE)
    end = time.monotonic() + 40
    while on_the_server(page) != {0: 3}:  # the server has it, and the page does not know
        assert time.monotonic() < end, "the answer did not arrive"
        page.wait_for_timeout(200)
    said(page, ON_PHONE)
    line.mend()
    page.evaluate("dispatchEvent(new Event('online'))")
    said(page, ON_SERVER)
    assert on_the_server(page) == {0: 3}
    assert page.evaluate("Outbox.opsOf(document.querySelector('#exam').dataset.sitting)") == []


def test_the_server_is_killed_while_answers_are_given(own_site, phone, begin, console):
    console.forgive("ERR_|Failed to load resource|Failed to fetch")
    page = begin(phone("zh", base_url=own_site.url, service_workers="block").new_page())
    given = {}
    for number in range(4):
        choose(page, number, number % 3)
        given[number] = number % 3
        if number % 2:
            own_site.kill()
            own_site.start()
    said(page, ON_SERVER)
    assert on_the_server(page) == given


def test_a_second_device_takes_over_and_the_first_can_only_read(own_site, phone, desk, begin):
    first = begin(phone("zh", base_url=own_site.url).new_page())
    choose(first, 0, 1)
    said(first, ON_SERVER)
    second = begin(desk("zh", base_url=own_site.url).new_page())
    assert second.url == first.url
    expect(second.locator("fieldset.question input").first).to_be_disabled()
    second.locator("#elsewhere button").click()
    second.locator("#elsewhere").wait_for(state="hidden")
    started(second)
    choose(second, 1, 2)
    said(second, ON_SERVER)
    first.evaluate("dispatchEvent(new Event('online'))")  # its next heartbeat, at once
    first.locator("#elsewhere").wait_for(state="visible")
    expect(first.locator("fieldset.question input").first).to_be_disabled()
    assert on_the_server(second) == {0: 1, 1: 2}


def test_a_second_tab_shares_the_paper(own_site, phone, begin):
    context = phone("zh", base_url=own_site.url)
    one = begin(context.new_page())
    other = context.new_page()
    other.goto(one.url)
    started(other)
    choose(one, 0, 1)
    choose(other, 1, 1)
    choose(one, 2, 1)
    said(one, ON_SERVER)
    said(other, ON_SERVER)
    assert on_the_server(one) == {0: 1, 1: 1, 2: 1}


def test_a_clock_that_is_wrong_by_a_day_changes_nothing(own_site, phone, begin):
    context = phone("zh", base_url=own_site.url)
    context.clock.install()
    page = begin(context.new_page())
    before = page.locator("#timer").inner_text()
    context.clock.set_system_time(page.evaluate("Date.now()") + 24 * 3600 * 1000)
    choose(page, 0, 2)
    context.clock.run_for(3000)
    said(page, ON_SERVER)
    assert on_the_server(page) == {0: 2}
    assert page.locator("#timer").inner_text().split(":")[0] in {
        before.split(":")[0],
        str(int(before.split(":")[0]) - 1),
    }


def test_the_invigilator_stops_the_clock_says_something_and_lets_it_run_on(
    own_site, phone, desk, begin, sign_in
):
    """Nobody reloads anything: the candidate's page and the board follow by themselves."""
    page = begin(phone("zh", base_url=own_site.url, service_workers="block").new_page())
    choose(page, 0, 1)
    said(page, ON_SERVER)
    room = desk("zh", base_url=own_site.url, service_workers="block")
    board, one = room.new_page(), room.new_page()
    sign_in(board, *ACCOUNTS["examiner"])
    board.goto(f"{page.url}/supervise")
    pressed(board.locator("a[href$='/board']"))
    row = board.locator("tbody tr", has_text=demo.TRAINEES[0].name_zh)
    expect(row).to_contain_text("1 / 10")

    one.goto(f"{page.url}/supervise")
    one.locator("details:has(form[action$='/pause']) summary").click()
    one.locator("#stop-reason").fill("火警演习")
    pressed(one.locator("form[action$='/pause'] .btn"))
    page.evaluate("dispatchEvent(new Event('online'))")  # its next heartbeat, at once
    expect(page.locator("#exam")).to_have_count(0)
    expect(page.locator("h1")).to_have_text("测验已暂停，暂停期间不计时。")
    expect(row).to_contain_text("计时暂停")

    one.locator("form[action$='/notes'] textarea").fill("请留在座位上。")
    pressed(one.locator("form[action$='/notes'] .btn"))
    expect(page.get_by_text("请留在座位上。")).to_be_visible()

    pressed(one.locator("form[action$='/resume'] .btn"))
    page.locator("#exam").wait_for()
    started(page)
    choose(page, 1, 2)
    said(page, ON_SERVER)
    assert on_the_server(page) == {0: 1, 1: 2}
    expect(row).to_contain_text("2 / 10")
