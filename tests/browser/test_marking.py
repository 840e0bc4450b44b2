"""Human marking in real Chromium: a file and an essay from a phone, then a marker and an examiner on 360 px in Chinese."""

import io
import re
import subprocess
import sys

import pytest
from PIL import Image
from playwright.sync_api import expect

from lms import demo
from tests.browser import inspection
from tests.browser.conftest import ROOT
from tests.browser.inspection import pressed

ACCOUNTS = {role: (login, password) for _name, role, login, password in demo.accounts_shown()}


@pytest.fixture
def paper(own_site):
    """The address of the test on the demonstration."""
    done = subprocess.run(
        [sys.executable, "-m", "tests.browser.build_marking", own_site.data],
        cwd=ROOT,
        check=True,
        capture_output=True,
        text=True,
    )
    return f"/tests/{done.stdout.strip()}"


def picture() -> bytes:
    out = io.BytesIO()
    Image.new("RGB", (120, 80), "teal").save(out, "PNG")
    return out.getvalue()


def test_an_answer_is_sent_from_a_phone_and_marked_on_another(
    own_site, paper, phone, desk, sign_in, axe, console
):
    console.forgive("422")
    page = phone("zh", base_url=own_site.url, service_workers="block").new_page()
    sign_in(page, *ACCOUNTS["trainee"])
    page.goto(paper)
    page.locator("form[action$='/start'] button").click()
    page.wait_for_url(re.compile("/sittings/"))
    page.locator("#next").wait_for()
    for number in (1, 2, 3):
        page.locator(f".navigator a[href='#q{number}']").first.dispatch_event("click")
        question = page.locator(f"#q{number}")
        if question.get_attribute("data-kind") == "essay":
            question.locator("textarea").fill("体温平稳，呼吸支持同前；夜间核对咖啡因剂量与途径。")
        elif question.get_attribute("data-kind") == "file":
            question.locator("[type=file]").set_input_files(
                {"name": "李思远.png", "mimeType": "image/png", "buffer": picture()}
            )
            expect(question.locator("[data-held]")).to_contain_text("李思远.png")
    expect(page.locator("#save-state")).to_contain_text("服务器")
    page.locator("[data-open=hand-in]").first.dispatch_event("click")
    page.locator("#hand-in button[value=submit]").click()
    page.wait_for_url(re.compile("/result"))
    expect(page.locator("h1")).to_contain_text("等待人工阅卷")
    assert not list(inspection.faults(page, axe))

    for role in ("educator", "mentor"):
        marker = phone("zh", base_url=own_site.url, service_workers="block").new_page()
        sign_in(marker, *ACCOUNTS[role])
        marker.goto("/marking")
        expect(marker.locator("main")).to_contain_text("1 份待评")
        assert not list(inspection.faults(marker, axe))
        for _question in range(2):
            marker.goto("/marking")
            pressed(marker.locator("main .btn.primary").first)
            assert "李思远" not in marker.content()
            assert not list(inspection.faults(marker, axe))
            if marker.locator("a[download]").count():
                with marker.expect_download() as got:
                    marker.locator("a[download]").click()
                assert re.fullmatch(r"\w{12}\.png", got.value.suggested_filename)
            marker.locator("#line-a").fill("9")
            pressed(marker.locator("main form button.primary"))
            expect(marker.locator("#line-a-error")).to_be_visible()
            assert not list(inspection.faults(marker, axe))
            marker.locator("#line-a").fill("3.5")
            marker.locator("#line-b").fill("5")
            marker.locator("#line-b").press("Enter")
            expect(marker.locator("main, body").first).to_contain_text("已保存")
        expect(marker.locator("main")).to_contain_text("全部已评")

    examiner = phone("zh", base_url=own_site.url, service_workers="block").new_page()
    sign_in(examiner, *ACCOUNTS["educator"])
    examiner.goto("/marking")
    pressed(examiner.locator("main a[href*='/stations/']"))
    assert not list(inspection.faults(examiner, axe))
    pressed(examiner.locator("main a.task", has_text="李思远"))
    for line in ("a", "b"):
        examiner.locator(f"#line-{line} label").first.click()
    assert not list(inspection.faults(examiner, axe))
    pressed(examiner.locator("main form button.primary"))
    expect(examiner.locator("main")).to_contain_text("已评")

    chief = desk("zh", base_url=own_site.url, service_workers="block").new_page()
    sign_in(chief, *ACCOUNTS["examiner"])
    chief.goto(f"{paper}/marking")
    assert "李思远" not in chief.locator("main").inner_text()
    assert not list(inspection.faults(chief, axe))
    pressed(chief.locator("main form[action$='/settle'] button"))
    expect(chief.locator("main, body").first).to_contain_text("1 份答卷已出成绩")
    assert not list(inspection.faults(chief, axe))
    page.reload()
    expect(page.locator("h1")).to_contain_text("通过")
    expect(page.locator("main")).to_contain_text("说明病情变化及其原因")
    assert not list(inspection.faults(page, axe))
