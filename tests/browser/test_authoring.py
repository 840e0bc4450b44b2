"""The author's desk and what a learner gets of it on a phone, in real Chromium, in Chinese."""

import re

from playwright.sync_api import expect

from lms import demo
from tests.browser import inspection
from tests.browser.inspection import pressed

ACCOUNTS = {role: (login, password) for _name, role, login, password in demo.accounts_shown()}


def test_an_author_writes_a_page_and_a_learner_reads_it_on_a_phone(own_site, phone, desk, sign_in, axe):
    teacher = desk("zh", base_url=own_site.url, service_workers="block").new_page()
    sign_in(teacher, *ACCOUNTS["educator"])
    teacher.goto("/learn")
    pressed(teacher.locator("a[href$='/desk']").first)
    assert not list(inspection.faults(teacher, axe))
    course = re.search(r"/learn/(\w+)/desk", teacher.url)[1]
    pressed(teacher.locator("a[href$='?kind=page']").first)
    teacher.locator("#title_zh").fill("液体复苏")
    teacher.locator("#title_en").fill("Fluids")
    pressed(teacher.locator("main form button.primary"))
    teacher.locator("#body_zh").fill(
        "## 剂量\n\n$\\frac{20\\,\\text{mL}}{\\text{kg}}$[^1]\n\n| 体重 | 液量 |\n|---|--:|\n| 10 kg | 200 mL |\n\n[^1]: 指南\n"
    )
    pressed(teacher.locator("button[value=preview]"))
    expect(teacher.locator("#preview-part math")).to_be_visible()
    assert not list(inspection.faults(teacher, axe))
    pressed(teacher.locator("form:has(#body_zh) button.primary"))
    unit = re.search(r"/units/(\w+)/edit", teacher.url)[1]
    pressed(teacher.locator("form[action$='/publish'] button"))
    teacher.goto(f"/units/{unit}/changes")
    assert not list(inspection.faults(teacher, axe))
    teacher.goto(f"/units/{unit}/opens")
    assert not list(inspection.faults(teacher, axe))
    teacher.goto(f"/learn/{course}/desk")
    moved = teacher.locator(f"[data-ref='unit:{unit}']")
    above = moved.locator("xpath=preceding-sibling::li[1]")
    before = above.get_attribute("data-ref")
    moved.drag_to(above, target_position={"x": 40, "y": 4})
    teacher.wait_for_load_state("networkidle")
    expect(teacher.locator(f"[data-ref='unit:{unit}'] + [data-ref='{before}']")).to_have_count(1)
    pressed(teacher.locator(f"[data-ref='unit:{unit}'] button[name=down]"))
    expect(teacher.locator(f"[data-ref='{before}'] + [data-ref='unit:{unit}']")).to_have_count(1)

    page = phone("zh", base_url=own_site.url, service_workers="block").new_page()
    sign_in(page, *ACCOUNTS["trainee"])
    for path in (
        "/learn/catalogue",
        f"/learn/{course}",
        f"/learn/{course}/syllabus",
        "/calendar",
        "/announcements",
    ):
        page.goto(path)
        assert not list(inspection.faults(page, axe)), path
    page.goto(f"/units/{unit}")
    expect(page.locator("article math")).to_be_visible()
    assert not list(inspection.faults(page, axe))
    pressed(page.get_by_role("button", name="我已读完"))
    page.goto(f"/units/{unit}")
    expect(page.locator(".note.ok")).to_be_visible()

    lecture = page.locator("aside a, .chapters a[href^='/lectures/']").first.get_attribute("href")
    page.goto(f"{lecture}/discussion?t=65")
    assert not list(inspection.faults(page, axe))
    page.locator("#ask textarea").fill("这里的速度多快？")
    pressed(page.locator("#ask button"))
    expect(page.locator("main")).to_contain_text("1:05")
    assert not list(inspection.faults(page, axe))
