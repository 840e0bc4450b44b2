"""The main job, from end to end, in real Chromium: trainee and mentor in Chinese on a phone, the administrator in English
at a desk, and the signed file in the hands of tools that we did not write."""

import os
import re
import shutil
import subprocess

import pytest
from playwright.sync_api import expect

from lms import demo
from tests.browser.inspection import pressed

ACCOUNTS = {role: (login, password) for _name, role, login, password in demo.accounts_shown()}


def until(page, is_so, *, seconds=40):
    """Wait for something (the strict content policy forbids Playwright's own way of waiting for a script)."""
    for _ in range(seconds * 10):
        if is_so():
            return
        page.wait_for_timeout(100)
    raise AssertionError("it did not happen")


def watch(page, address):
    """Play one lecture at double speed until the server says it counts."""
    page.goto(address)
    page.locator("video").wait_for()
    page.evaluate(
        """async () => {
            const video = document.querySelector('video');
            video.muted = true;
            await video.play();
            video.playbackRate = 2;
        }"""
    )
    until(page, lambda: page.evaluate("document.querySelector('video').currentTime") > 1)
    done = page.locator("[data-when-complete]")
    done.wait_for(state="visible", timeout=60_000)
    return page.evaluate("document.querySelector('video').videoWidth")


def answer_everything(page, right):
    """Take the test question by question, as a thumb does; `right` answers the stem with the text of the key."""
    fieldsets = page.locator("fieldset.question")
    total = fieldsets.count()
    for number in range(total):
        question = fieldsets.nth(number)
        stem = question.locator("legend").inner_text()
        question.locator("label", has_text=right(stem)).first.click()
        if number < total - 1:
            page.locator("#next").click()
    page.locator("#save-state").get_by_text(re.compile("服务器")).wait_for()
    return total


def keys_of_the_sample():
    """Stem → text of the right option, read from the sample content that ships."""
    import json
    from importlib.resources import files

    content = json.loads((files("lms") / "samples" / "tests" / "first-hour.json").read_text(encoding="utf-8"))
    found = {}
    for item in content["items"]:
        options = {option["id"]: option["zh"] for option in item["options"]}
        found[item["stem"]["zh"]] = options[item["right"]]
    return found


def test_from_the_first_lecture_to_a_certificate_that_anyone_can_verify(
    own_site, phone, desk, sign_in, tmp_path
):
    # 1. The trainee watches the lectures.
    trainee = phone("zh", base_url=own_site.url).new_page()
    sign_in(trainee, *ACCOUNTS["trainee"])
    trainee.goto("/learn")
    lectures = list(
        dict.fromkeys(
            trainee.locator("a[href^='/lectures/']").evaluate_all("found => found.map(a => a.pathname)")
        )
    )
    assert len(lectures) == 3
    for address in lectures:
        assert watch(trainee, address) > 0

    # 2. She takes the test; a reload in the middle loses nothing.
    keys = keys_of_the_sample()

    def right(stem):
        return next(text for known, text in keys.items() if known in stem)

    trainee.goto("/tests")
    pressed(trainee.locator("a[href^='/tests/']").first)
    trainee.locator("form[action$='/start'] button").click()
    trainee.wait_for_url(re.compile("/sittings/"))
    first = trainee.locator("fieldset.question").first
    first.locator("label", has_text=right(first.locator("legend").inner_text())).first.click()
    trainee.locator("#save-state").get_by_text(re.compile("服务器")).wait_for()
    trainee.reload()
    expect(trainee.locator("fieldset.question").first.locator("input:checked")).to_have_count(1)
    assert answer_everything(trainee, right) == 10
    trainee.locator("#next").click()
    trainee.locator("#hand-in button[value=submit]").click()
    trainee.wait_for_url(re.compile("/result"))
    expect(trainee.locator("main")).to_contain_text("100")

    # 3. She logs a procedure with four taps, no keys.
    trainee.goto("/logbook/new")
    taps = [
        trainee.locator("[name=item]").first,
        trainee.locator("[name=operator_role][value=S_TU]"),
        trainee.locator("[name=age_band][value='1-6d']"),
        trainee.locator(".form-bar button"),
    ]
    for tap in taps:
        tap.click()
    until(trainee, lambda: trainee.evaluate("Outbox.all().then(items => items.length)") == 0)

    # 4. The mentor signs it on his phone by tapping the level, after his PIN.
    mentor = phone("zh", base_url=own_site.url).new_page()
    sign_in(mentor, *ACCOUNTS["mentor"])
    mentor.goto("/to-sign")
    card = mentor.locator("li.entry", has_text="李思远")
    assert card.count() == 1
    card.locator("details", has=mentor.locator("form[action$='/sign']")).locator("summary").first.click()
    card.locator("form[action$='/sign'] [name=pin]").fill(demo.PIN)
    card.locator("form[action$='/sign'] button[value='4']").dblclick()
    mentor.locator(".decided").wait_for()
    expect(mentor.locator("li.entry", has_text="李思远")).to_have_count(0)

    # 5. The administrator issues the certificate.
    office = desk("en", base_url=own_site.url).new_page()
    sign_in(office, *ACCOUNTS["administrator"])
    office.goto("/certificates")
    row = office.locator("tr", has_text="李思远")
    row.locator("[type=checkbox]").check()
    office.get_by_role("button", name="Check and issue…").click()
    office.get_by_role("heading", name="Issue 1 certificate?").wait_for()
    office.get_by_role("button", name="Issue now").dblclick()
    office.wait_for_url(re.compile("/certificates/batches/"))
    link = office.locator("a.pill", has_text="FFLY-")
    link.wait_for(timeout=60_000)
    serial = link.inner_text().strip()

    # 6. She downloads it.
    trainee.goto("/progress")
    trainee.get_by_role("link", name=serial).click()
    with trainee.expect_download() as waiting:
        trainee.locator("a.primary[download]").click()
    pdf = tmp_path / f"{serial}.pdf"
    waiting.value.save_as(pdf)
    assert pdf.read_bytes().startswith(b"%PDF-")

    # 7. Anyone verifies it: by its number, by the command line, by poppler.
    stranger = phone("zh", base_url=own_site.url).new_page()
    stranger.goto("/verify")
    stranger.locator("[name=serial]").fill(serial.lower())
    pressed(stranger.locator("main form[method=get] button"))
    expect(stranger.locator("main")).to_contain_text("证书真实有效")
    expect(stranger.locator("main")).to_contain_text("李*远")
    out = tmp_path / "out"
    assert (
        own_site.run("certificates", "export", "--data", str(own_site.data), "--to", str(out)).returncode == 0
    )
    assert (out / f"{serial}.pdf").read_bytes() == pdf.read_bytes()
    assert own_site.run("verify", str(pdf), "--root", str(out / "root.crt")).returncode == 0
    spoiled = tmp_path / "spoiled.pdf"
    spoiled.write_bytes(pdf.read_bytes() + b"\n%")
    assert own_site.run("verify", str(spoiled), "--root", str(out / "root.crt")).returncode == 1
    said = pdfsig(pdf, out / "root.crt", tmp_path)
    for words in ("Signature is Valid.", "Certificate is Trusted.", "Total document signed"):
        assert words in said
    assert own_site.run("audit", "verify").returncode == 0


def pdfsig(pdf, root, folder):
    """What poppler says of the file, with an NSS store that holds only our root."""
    if shutil.which("pdfsig") is None or shutil.which("certutil") is None:
        if os.environ.get("LMS_OUTSIDE"):
            pytest.fail("poppler-utils and libnss3-tools are needed")
        pytest.skip("pdfsig is not here")
    store = folder / "nss"
    store.mkdir()
    subprocess.run(["certutil", "-N", "-d", f"sql:{store}", "--empty-password"], check=True)
    subprocess.run(
        ["certutil", "-A", "-d", f"sql:{store}", "-n", "root", "-t", "CT,C,C", "-i", root], check=True
    )
    return subprocess.run(
        ["pdfsig", "-nssdir", f"sql:{store}", pdf], check=True, capture_output=True, text=True
    ).stdout
