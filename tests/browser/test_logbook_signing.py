"""The logbook between two phones of 360 px, in Chinese: logged with the network cut, handed over by its code, signed, withdrawn."""

import re

from playwright.sync_api import expect

from lms import demo
from tests.browser.inspection import wait_until

TRAINEE, MENTOR = demo.TRAINEES[0].login, demo.MENTORS[0].login
WAITING = "Outbox.all().then(items => items.length === {})"


def test_an_entry_is_logged_handed_over_by_its_code_signed_and_withdrawn(
    own_site, phone, link, console, sign_in
):
    console.forgive("ERR_|Failed to load resource|Failed to fetch")
    line = link(own_site)
    hers = phone(
        "zh", base_url=line.url, service_workers="block", viewport={"width": 360, "height": 740}
    ).new_page()
    sign_in(hers, TRAINEE, demo.PASSWORD)
    hers.goto("/logbook/new")
    wait_until(hers, "typeof Outbox === 'object'")
    line.cut()
    hers.locator("#entry [name=item]").first.click()
    hers.locator("[name=operator_role][value=S_TU]").click()
    hers.locator("[name=age_band][value='1-6d']").click()
    hers.locator(".form-bar button").click()
    wait_until(hers, WAITING.format(1))
    line.mend()
    hers.evaluate("dispatchEvent(new Event('online'))")
    wait_until(hers, WAITING.format(0))

    hers.goto("/logbook?state=submitted")
    hers.locator("main .list a.task").first.click()
    hers.get_by_role("button", name="出示二维码请老师签名").click()
    expect(hers.locator("svg.qr")).to_be_visible()
    assert hers.evaluate("document.documentElement.scrollWidth") <= 360
    address = hers.locator("a[href*='/hand/']").get_attribute("href")

    his = phone("zh", base_url=own_site.url, viewport={"width": 360, "height": 740}).new_page()
    his.goto(re.sub(r"^https?://[^/]+", "", address))
    form = his.locator("form[action='/sign-in']").first
    form.locator("[name=login]").fill(MENTOR)
    form.locator("[name=password]").fill(demo.PASSWORD)
    form.locator("[type=submit], button").last.click()
    his.wait_for_url(re.compile(r"/to-sign/[a-z2-9]{12}$"))
    his.locator("[name=pin]").fill(demo.PIN)
    his.locator("button[name=level][value='4']").click()
    his.wait_for_url(re.compile(r"/to-sign\?done="))
    assert his.evaluate("document.documentElement.scrollWidth") <= 360
    his.locator(".decided").get_by_role("button").click()
    his.wait_for_url(re.compile(r"/to-sign/[a-z2-9]{12}$"))
    expect(his.get_by_text("您的签名已撤回")).to_be_visible()
    his.locator("button[name=level][value='5']").click()  # confirmed a minute ago: nothing more is asked
    his.wait_for_url(re.compile(r"/to-sign\?done="))

    hers.goto("/logbook?state=signed")
    hers.locator("main .list a.task").first.click()
    expect(hers.get_by_text("签名与记录相符")).to_be_visible()
    assert hers.evaluate("document.documentElement.scrollWidth") <= 360
    his.reload()
    expect(his.locator(".decided").get_by_role("button")).to_have_count(0)  # she has seen it
