"""The competence committee, from the invitation to the bedside: the office at a desk in English, members on phones in Chinese."""

import re

from playwright.sync_api import expect

from lms import demo
from lms.core import clock
from lms.demo.people import MENTORS, STAFF
from tests.browser.inspection import pressed

LOGINS = {one.key: one.login for one in (*MENTORS, *(row[0] for row in STAFF))}
MEMBERS = ("rena", "liu", "sun")


def test_what_the_committee_decides_is_known_at_the_bedside_the_same_minute(
    own_site, phone, desk, sign_in, console
):
    console.forgive("422")  # two forms are sent incomplete

    def opened(context, key):
        page = context.new_page()
        sign_in(page, LOGINS[key], demo.PASSWORD)
        return page

    # The office calls a meeting for today and says what it is about.
    office = opened(desk("en", base_url=own_site.url), "wu")
    office.goto("/committee")
    pressed(office.get_by_role("link", name="Call a meeting"))
    office.locator("[name=held_on]").fill(clock.today().isoformat())
    office.get_by_label("Chair").select_option(label="高平")
    pressed(office.get_by_role("button", name="Call the meeting"))
    expect(office.locator(".error-summary")).to_be_visible()  # nobody was chosen to sit in it
    expect(office.locator("[name=held_on]")).to_have_value(clock.today().isoformat())
    for name in ("热娜·吐尔逊", "刘洋", "孙丽"):
        office.locator("label", has_text=name).click()
    pressed(office.get_by_role("button", name="Call the meeting"))
    here = re.sub(r"\?.*", "", office.url)
    pressed(office.get_by_role("link", name="Put on the agenda"))
    office.get_by_label("Trainee").select_option(label="李思远")
    office.locator("label", has_text="N13 ·").click()
    pressed(office.get_by_role("button", name="Put on the agenda"))
    pressed(office.get_by_role("button", name="Open the meeting"))
    expect(office.get_by_text("numbers not met")).to_be_visible()  # the evidence is frozen now

    # Before that nothing of N13 is entrusted.
    mentor = opened(phone("zh", base_url=own_site.url), "wang")
    mentor.goto("/bedside")
    mentor.locator("#q").fill("李思远")
    pressed(mentor.locator("form[role=search] button"))
    pressed(mentor.locator("main a", has_text="李思远").first)
    bedside = mentor.url
    entrusted = mentor.locator(".list.rows.card li", has_text="N13")
    expect(entrusted).to_have_count(0)

    # Three members vote on their phones.
    for key in MEMBERS:
        member = opened(phone("zh", base_url=own_site.url), key)
        member.goto(here)
        pressed(member.locator("main a", has_text="N13"))
        member.locator("label", has=member.locator("[name=choice][value=approve]")).click()
        member.locator("[name=level]").select_option("3")
        pressed(member.locator("main form button"))
        expect(member.locator("main")).to_contain_text("N13")

    # The chair has to say why, for the numbers are not met; then the meeting is closed for good.
    chair = opened(phone("zh", base_url=own_site.url), "gao")
    chair.goto(f"{here}/close")
    pressed(chair.locator("main form button"))
    expect(chair.locator(".error-text")).to_be_visible()
    chair.locator("textarea").fill("例数未满，但三位委员均亲见其独立完成")
    pressed(chair.locator("main form button"))
    expect(chair.locator("main form")).to_have_count(0)

    # At the bedside it is known at once; and no longer, once the chair takes it back.
    mentor.goto(bedside)
    expect(entrusted).to_have_count(1)
    chair.goto(bedside.replace("/bedside", "/entrustments"))
    row = chair.locator("li", has_text="N13").filter(has=chair.locator("a[href$='/revoke']"))
    pressed(row.locator("a[href$='/revoke']"))
    chair.locator("textarea").fill("今日两次操作均需接手，暂停授权")
    pressed(chair.locator("main form button"))
    mentor.goto(bedside)
    expect(entrusted).to_have_count(0)
    expect(mentor.locator("#ended-title")).to_be_visible()
