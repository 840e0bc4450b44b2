"""Questions written in the browser and practised on a phone, in real Chromium: areas drawn on a picture, gaps, a case."""

import io
import re

from PIL import Image
from playwright.sync_api import expect

from lms import demo
from tests.browser import inspection
from tests.browser.inspection import pressed

ACCOUNTS = {role: (login, password) for _name, role, login, password in demo.accounts_shown()}


def film() -> bytes:
    out = io.BytesIO()
    Image.new("RGB", (600, 400), "#444").save(out, "JPEG")
    return out.getvalue()


def test_areas_are_drawn_and_gaps_are_typed_and_both_are_seen_at_once(own_site, desk, sign_in, axe):
    page = desk("zh", base_url=own_site.url, service_workers="block").new_page()
    sign_in(page, *ACCOUNTS["examiner"])
    page.goto("/bank")
    bank = re.match(r"/bank/\w+", page.locator("main a[href^='/bank/']").first.get_attribute("href"))[0]

    page.goto(f"{bank}/new?type=CLOZE")
    page.locator("#stem-zh").fill("首选[[肾上腺素]]，经[[?=肌肉|静脉]]注射。")
    expect(page.locator("[data-preview] .question.gap")).to_have_count(2)
    assert not list(inspection.faults(page, axe))

    page.goto(f"{bank}/new?type=HOTSPOT")
    page.locator("#stem-zh").fill("气胸在哪里？")
    page.locator("#alt-zh").fill("胸片")
    page.locator("#picture").set_input_files({"name": "a.jpg", "mimeType": "image/jpeg", "buffer": film()})
    pressed(page.locator("button[value=picture]"))
    for row, shape, points in (
        (0, "circle", [(0.5, 0.5), (0.6, 0.5)]),
        (1, "rect", [(0.9, 0.9), (0.8, 0.7)]),
        (2, "poly", [(0.1, 0.1), (0.2, 0.1), (0.2, 0.3)]),
    ):
        page.locator(f"#h{row}-shape").select_option(shape)
        page.locator("[data-arm]").nth(row).click()
        page.locator("[data-draw]").scroll_into_view_if_needed()
        box = page.locator("[data-draw] img").bounding_box()
        places = [(box["x"] + x * box["width"], box["y"] + y * box["height"]) for x, y in points]
        if shape == "poly":
            for x, y in places:
                page.mouse.click(x, y)
        else:
            page.mouse.move(*places[0])
            page.mouse.down()
            page.mouse.move(*places[1], steps=3)
            page.mouse.up()
    numbers = [[int(n) for n in page.locator(f"#h{row}-coords").input_value().split(",")] for row in range(3)]
    for drawn, meant in zip(
        numbers, ([300, 200, 60], [480, 280, 540, 360], [60, 40, 120, 40, 120, 120]), strict=True
    ):
        assert max(abs(one - other) for one, other in zip(drawn, meant, strict=True)) <= 2
    expect(page.locator("[data-draw] svg > *")).to_have_count(3)
    expect(page.locator("[data-preview] .spot")).to_be_visible()
    assert not list(inspection.faults(page, axe))
    pressed(page.locator("#wording button.primary"))
    assert "/questions/" in page.url
