"""A test from nothing to a mark: an examiner makes, draws, seals and opens it in a browser, a trainee sits it on a phone."""

import re
from datetime import datetime, timedelta

from playwright.sync_api import expect

from lms import demo
from lms.core import clock
from tests.browser import inspection
from tests.browser.inspection import pressed

ACCOUNTS = {role: (login, password) for _name, role, login, password in demo.accounts_shown()}


def looked_at(page, axe):
    """The page as it stands has no faults, on a phone and on a desk."""
    found = list(inspection.faults(page, axe))
    assert not found, "\n".join([page.url, *found])


def local(at: datetime) -> str:
    """A moment as the browser's field takes it, in Beijing time."""
    return at.astimezone(clock.BEIJING).strftime("%Y-%m-%dT%H:%M")


def drafted(page, axe):
    """The terms: two papers of three questions from the demonstration's bank; returns the address of the test."""
    page.goto("/tests")
    pressed(page.locator("main a[href='/tests/new']"))
    now = clock.now()
    page.locator("#title_zh").fill("期中小测")
    page.locator("#minutes").fill("20")
    page.locator("#opens_at").fill(local(now - timedelta(hours=1)))
    page.locator("#closes_at").fill(local(now - timedelta(hours=2)))
    page.locator("#forms_wanted").fill("2")
    pressed(page.locator("form[method=post] .btns .primary"))
    assert page.locator("#closes_at[aria-invalid=true]").count() == 1
    assert page.locator("#title_zh").input_value() == "期中小测"
    looked_at(page, axe)
    page.locator("#closes_at").fill(local(now + timedelta(days=1)))
    pressed(page.locator("form[method=post] .btns .primary"))
    return re.sub("/blueprint$", "", page.url)


def agreed(page, address, desk, site, sign_in, axe):
    """The pass mark: judges are asked and one of them begins; the examiner proposes, the director agrees."""
    page.goto(address + "/cut")
    boxes = page.locator("[name=judges]")
    for number in range(boxes.count()):
        boxes.nth(number).check(force=True)
    looked_at(page, axe)
    pressed(page.locator("form[action$='/judges'] button"))
    judge = desk("zh", base_url=site.url, service_workers="block").new_page()
    sign_in(judge, *ACCOUNTS["mentor"])
    judge.goto("/notices")
    judge.locator("button[name=go]").first.click()
    judge.wait_for_url(re.compile("/judging/"))
    for slot in (1, 2, 3):
        judge.locator(f"#rate-{slot}").fill(str(50 + slot))
    pressed(judge.locator("form[method=post] .btn.primary"))
    assert judge.locator("#rate-3").input_value() == "53"
    looked_at(judge, axe)
    page.goto(address + "/cut")
    page.locator("#percent").fill("30")
    page.locator("#reason").fill("与往年一致")
    pressed(page.locator("form[action$='/propose'] button"))
    director = desk("zh", base_url=site.url, service_workers="block").new_page()
    sign_in(director, *ACCOUNTS["director"])
    director.goto(address + "/cut")
    looked_at(director, axe)
    pressed(director.locator("button[value=approved]"))
    assert "30%" in director.locator("main").inner_text()
    page.goto(address + "/manage")


def test_an_examiner_makes_a_test_and_a_trainee_sits_it(own_site, desk, phone, sign_in, axe, console):
    console.forgive("422")
    page = desk("zh", base_url=own_site.url, service_workers="block").new_page()
    sign_in(page, *ACCOUNTS["examiner"])
    address = drafted(page, axe)

    page.locator("#c0-count").fill("30")
    pressed(page.locator("button[value=save]"))
    pressed(page.locator("form[action$='/draw'] button"))
    assert "50" in page.locator("#errors").inner_text()  # of sixty: the bank has ten
    page.goto(address + "/blueprint")
    page.locator("#c0-count").fill("2")
    page.locator("#c0-type").select_option("A1")
    pressed(page.locator("button[value=add]"))
    page.locator("#c1-count").fill("1")
    looked_at(page, axe)
    pressed(page.locator("button[value=save]"))

    page.locator("form[action$='/draw'] button").dblclick()
    page.locator("a[href$='/papers/2']").wait_for()
    looked_at(page, axe)
    pressed(page.locator("a[href$='/papers/1']"))
    places = page.locator("input[name^='place-']")
    expect(places).to_have_count(3)
    last = places.nth(2).get_attribute("name")
    places.nth(2).fill("1")
    pressed(page.locator("form[method=post] .btn.primary"))
    assert page.locator("input[name^='place-']").first.get_attribute("name") == last
    looked_at(page, axe)
    pressed(page.locator("a[href*='/exchange/']").first)
    looked_at(page, axe)
    pressed(page.locator("button[name=seen] >> nth=0"))
    assert page.locator(f"input[name='{last}']").count() == 0
    page.goto(address + "/papers/1/preview")
    assert page.locator("fieldset.question").count() == 3
    looked_at(page, axe)

    page.goto(address + "/manage")
    page.locator("form[action$='/seal'] button").dblclick()
    page.locator(".digest").first.wait_for()
    looked_at(page, axe)
    assert len({mark.inner_text() for mark in page.locator(".digest").all()}) == 2
    agreed(page, address, desk, own_site, sign_in, axe)
    pressed(page.locator("form[action$='/publish'] button"))
    looked_at(page, axe)

    sat = phone("zh", base_url=own_site.url).new_page()
    sign_in(sat, *ACCOUNTS["trainee"])
    sat.goto(address)
    sat.locator("form[action$='/start'] button").click()
    sat.wait_for_url(re.compile("/sittings/"))
    sat.locator("#next").wait_for()
    expect(sat.locator("fieldset.question")).to_have_count(3)
    for number in range(3):
        sat.locator(".navigator a").nth(number).dispatch_event("click")
        sat.locator("fieldset.question").nth(number).locator(".answers label").first.click()
    sat.locator("#save-state").get_by_text(re.compile("服务器")).wait_for()
    sat.locator("[data-open=hand-in]").first.dispatch_event("click")
    sat.locator("#hand-in button[value=submit]").click()
    sat.wait_for_url(re.compile("/result"))
    assert sat.locator("h1").inner_text()
