"""Typed work outlives the session it was typed in, with scripts and without."""

import pytest
from playwright.sync_api import expect

from lms import demo

ACCOUNTS = {role: (login, password) for _name, role, login, password in demo.accounts_shown()}


@pytest.mark.parametrize("scripts", [True, False])
def test_a_form_sent_after_sign_out_in_another_tab_arrives_all_the_same(desk, sign_in, console, scripts):
    console.forgive("401")
    context = desk("en", java_script_enabled=scripts)
    page, other = context.new_page(), context.new_page()
    sign_in(page, *ACCOUNTS["educator"])
    page.goto("/learn/new")
    title = f"Kept through sign-in {scripts}"
    page.locator("#title_zh").fill("断线不丢")
    page.locator("#title_en").fill(title)
    if scripts:
        page.locator("[data-draft-state]").get_by_text("Draft kept").wait_for()
    other.goto("/account")
    other.locator("form[action='/account/sessions/end'] button").click()
    other.wait_for_url("**/sign-in")

    page.locator("form#new-course button.primary").click()
    page.get_by_text("What you typed is kept").wait_for()
    login, password = ACCOUNTS["educator"]
    page.locator("#login").fill(login)
    page.locator("#password").fill(password)
    page.locator("form.card button.primary").first.click()
    page.get_by_role("heading", name="What you typed is kept").wait_for()
    if scripts:  # not sent yet: the draft is still on this device
        other.goto("/learn/new")
        expect(other.locator("#title_en")).to_have_value(title)
    page.get_by_role("button", name="Send it now").click()
    page.get_by_role("heading", name=title).wait_for()
    page.goto("/learn/new")
    page.wait_for_timeout(500)
    assert page.locator("#title_en").input_value() == ""
