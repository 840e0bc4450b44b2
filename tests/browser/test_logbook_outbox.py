"""The logbook where networks fail and phones are shared: an entry arrives once and only once, and as its author's."""

import re
import sqlite3
import time
from contextlib import closing

import pytest

from lms import demo
from tests.browser.inspection import wait_until

HER, OTHER = demo.TRAINEES[0].login, demo.TRAINEES[1].login
EMPTY = "Outbox.all().then(items => items.length === 0)"
HOLDS_ONE = "Outbox.all().then(items => items.length === 1 && items[0].state === 'queued')"


def entries(site):
    """How many entries each account has on the server, asked of the database itself."""
    with closing(sqlite3.connect(f"file:{site.data}/firefly.sqlite3?mode=ro", uri=True)) as base:
        rows = base.execute(
            "SELECT account.email, count(entry.id) FROM account LEFT JOIN entry ON entry.author_account_id = account.id "
            "WHERE account.email IN (?, ?) GROUP BY account.email",
            (HER, OTHER),
        )
        return dict(rows.fetchall())


def write(page):
    """Fills in the form with three taps and sends it."""
    page.locator("[name=item]").first.check(force=True)
    page.locator("[name=operator_role][value=S_TU]").check(force=True)
    page.locator("[name=age_band][value='1-6d']").check(force=True)
    page.locator(".form-bar button").click()


def back_online(page):
    """What the browser says when it finds a network again."""
    page.evaluate("dispatchEvent(new Event('online'))")


@pytest.fixture
def at_the_form(sign_in):
    """`at_the_form(page)`: the trainee has the form of a new entry before her."""

    def act(page, login=HER):
        sign_in(page, login, demo.PASSWORD)
        page.goto("/logbook/new")
        wait_until(page, "typeof Outbox === 'object'")
        return page

    return act


def test_an_entry_written_without_a_network_outlives_its_tab_and_arrives_once(
    own_site, phone, link, console, at_the_form
):
    console.forgive("ERR_|Failed to load resource|Failed to fetch")
    line = link(own_site)
    context = phone("zh", base_url=line.url)
    page = at_the_form(context.new_page())
    wait_until(page, "navigator.serviceWorker.controller !== null")
    page.reload()  # now the worker has the page
    before = entries(own_site)
    line.cut()
    write(page)
    wait_until(page, HOLDS_ONE)
    page.close()

    page = context.new_page()
    page.goto("/logbook/new")
    wait_until(page, HOLDS_ONE)
    page.locator("[data-waiting=entry] li").wait_for()
    assert entries(own_site) == before
    line.mend()
    back_online(page)
    wait_until(page, EMPTY)
    for _once_more in range(2):
        back_online(page)
        page.reload()
    assert entries(own_site) == before | {HER: before[HER] + 1}


def test_an_entry_whose_reply_was_lost_is_not_entered_twice(own_site, phone, link, console, at_the_form):
    console.forgive("ERR_|Failed to load resource|Failed to fetch")
    line = link(own_site)
    page = at_the_form(phone("zh", base_url=line.url, service_workers="block").new_page())
    before = entries(own_site)
    line.lose_reply_to("POST /logbook/new", times=1000)
    write(page)
    wait_until(page, "Outbox.all().then(items => items.length === 1 && items[0].tries > 0)")
    wait_until(page, "Firefly.offline === true")  # the page has heard of the loss
    assert entries(own_site) == before | {HER: before[HER] + 1}  # and the server has the entry
    wait_until(page, HOLDS_ONE)
    line.mend()
    back_online(page)
    wait_until(page, EMPTY)
    assert entries(own_site) == before | {HER: before[HER] + 1}


def test_a_night_s_entries_go_together_and_a_lost_reply_repeats_none(
    own_site, phone, link, console, at_the_form
):
    console.forgive("ERR_|Failed to load resource|Failed to fetch")
    line = link(own_site)
    page = at_the_form(phone("zh", base_url=line.url, service_workers="block").new_page())
    before = entries(own_site)
    line.cut()
    write(page)
    wait_until(page, HOLDS_ONE)
    page.evaluate(
        """Outbox.all().then(async ([one]) => {
             for (let n = 1; n < 23; n++) await Outbox.put(Object.assign({}, one, { id: '' }));
             await Outbox.put(Object.assign({}, one, { id: '', fields: [['note', '住院号 20261122345']].concat(one.fields) }));
           })"""
    )
    posts = []
    page.on("request", lambda request: posts.append(request.url) if request.method == "POST" else None)
    line.mend()
    line.lose_reply_to("POST /logbook/queue")
    back_online(page)
    wait_until(page, "Firefly.offline === true")  # the first twenty are there, and the page does not know
    assert entries(own_site) == before | {HER: before[HER] + 20}
    back_online(page)
    wait_until(page, "Outbox.all().then(items => items.length === 1 && items[0].state === 'attention')")
    assert entries(own_site) == before | {HER: before[HER] + 23}
    assert [url.rpartition("/")[2] for url in posts] == ["queue"] * 3
    assert "住院号" in page.locator("[data-waiting=entry] li p").inner_text()  # which the server found in it


def test_an_entry_sent_from_two_tabs_at_once_arrives_once(own_site, phone, link, console, at_the_form):
    console.forgive("ERR_|Failed to load resource|Failed to fetch")
    line = link(own_site)
    context = phone("zh", base_url=line.url, service_workers="block")
    page = at_the_form(context.new_page())
    other = context.new_page()
    other.goto("/logbook")
    before = entries(own_site)
    line.cut()
    write(page)
    wait_until(page, HOLDS_ONE)
    line.mend()
    for tab in (page, other, page):
        back_online(tab)
    wait_until(page, EMPTY)
    assert entries(own_site) == before | {HER: before[HER] + 1}


def leave(page):
    """Signs out, though something still waits on this device."""
    page.locator("form[data-sign-out] button").first.dispatch_event("click")
    page.locator("#leaving[open] [data-leave]").click()
    page.wait_for_url(re.compile("/sign-in"))


def test_on_a_shared_phone_a_parked_entry_waits_for_its_author(
    own_site, phone, console, at_the_form, sign_in
):
    console.forgive("ERR_|Failed to load resource|Failed to fetch")
    context = phone("zh", base_url=own_site.url, service_workers="block")
    page = at_the_form(context.new_page())
    before = entries(own_site)
    entry_form = re.compile("/logbook/new$")
    context.route(
        entry_form, lambda route: route.abort() if route.request.method == "POST" else route.continue_()
    )
    write(page)
    wait_until(page, HOLDS_ONE)
    leave(page)
    context.unroute(entry_form)

    at_the_form(page, OTHER)
    back_online(page)
    assert page.locator("[data-waiting=entry] li").count() == 0
    write(page)
    end = time.monotonic() + 40
    while entries(own_site) != before | {OTHER: before[OTHER] + 1}:
        assert time.monotonic() < end, "the entry did not arrive"
        page.wait_for_timeout(200)
    wait_until(page, HOLDS_ONE)
    page.goto("/")
    page.locator("form[data-sign-out] button").first.dispatch_event("click")
    page.wait_for_url(re.compile("/sign-in"))

    at_the_form(page, HER)
    wait_until(page, EMPTY)
    assert entries(own_site) == {login: count + 1 for login, count in before.items()}
