"""Statistics of a test in a real browser: asked for, computed by the worker, shown on a phone and on a desk."""

import re
import shutil
import subprocess
import sys

import pytest

from lms import demo
from tests.browser import inspection
from tests.browser.conftest import ROOT, served

ACCOUNTS = {role: (login, password) for _name, role, login, password in demo.accounts_shown()}


@pytest.fixture
def sat_site(demo_data, tmp_path):
    """The demonstration after forty candidates sat its test; with the test's id."""
    shutil.copytree(demo_data, tmp_path / "data")
    done = subprocess.run(
        [sys.executable, "-m", "tests.browser.build_sat", tmp_path / "data"],
        cwd=ROOT, check=True, capture_output=True, text=True,
    )  # fmt: skip
    with served(tmp_path / "data", tmp_path / "site") as site:
        yield site, done.stdout.split()[-1]


def looked_at(page, axe, path):
    """Every fault of a page: what axe finds, too wide, too heavy, in the wrong language."""
    answer = page.goto(path)
    assert answer.status == 200
    return [
        *inspection.weight_faults(page.context.request, page.url, answer.text()),
        *inspection.faults(page, axe),
    ]


def test_an_examiner_asks_for_the_numbers_and_an_educator_sees_no_key(sat_site, desk, sign_in, axe):
    site, test = sat_site
    whole = f"/tests/{test}/statistics"
    page = desk("zh", base_url=site.url, service_workers="block").new_page()
    sign_in(page, *ACCOUNTS["examiner"])
    page.goto(f"/tests/{test}")
    page.locator(f"a[href='{whole}']").click()
    page.locator(f"form[action='{whole}'] button").click()
    page.locator("#advice").wait_for(timeout=60_000)
    assert page.locator(".chart svg").count() == 2
    assert not looked_at(page, axe, whole)
    page.locator(f"tbody a[href='{whole}/3']").click()
    page.wait_for_url(re.compile("/statistics/3$"))
    assert page.locator("#options").count() == 1
    assert not looked_at(page, axe, f"{whole}/3")

    teacher = desk("en", base_url=site.url, service_workers="block").new_page()
    sign_in(teacher, *ACCOUNTS["educator"])
    assert not looked_at(teacher, axe, whole)
    assert not looked_at(teacher, axe, f"{whole}/3")
    assert teacher.locator("#options").count() == 0
    assert "考生" not in teacher.content()
