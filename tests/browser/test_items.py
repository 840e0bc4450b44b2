"""Every kind of question on the sitting page, in real Chromium: answered with and without scripts, kept, shown again, locked.

A paper with one question of each kind that is marked by rule is put into the demonstration (`python -m tests.browser.test_items
FOLDER`, a process of its own). What people mark (files and essays; their way through is test_marking.py) and texts with gaps are
drawn by the same macros and served at the site's own address; there the operations are recorded instead of sent.
"""

import io
import json
import re
import sqlite3
import subprocess
import sys
from datetime import timedelta
from pathlib import Path

import pytest
from PIL import Image, ImageDraw
from playwright.sync_api import expect

from lms import demo
from tests.browser import inspection
from tests.browser.conftest import LANGUAGES, ROOT
from tests.browser.inspection import pressed, wait_until

ACCOUNTS = {role: (login, password) for _name, role, login, password in demo.accounts_shown()}
ON_SERVER = re.compile("On the server|服务器")
TITLE = "One of each kind"


def words(zh, en):
    """A text in both languages."""
    return {"zh": zh, "en": en}


def options(*texts):
    """Options a, b, c … with their texts."""
    return [{"id": "abcdefghijkl"[place], **words(*text)} for place, text in enumerate(texts)]


HEART = options(
    ("室间隔缺损", "Ventricular septal defect"),
    ("动脉导管未闭", "Patent ductus arteriosus"),
    ("法洛四联症", "Tetralogy of Fallot"),
    ("完全性大动脉转位", "Transposition of the great arteries"),
    ("房间隔缺损", "Atrial septal defect"),
)
CARE = options(
    ("立即气管插管", "Intubate at once"),
    ("持续气道正压", "Give continuous positive airway pressure"),
    ("静脉注射咖啡因", "Give caffeine into a vein"),
    ("口服阿司匹林", "Give aspirin by mouth"),
    ("保持体温 36.5–37.5 °C", "Keep the temperature at 36.5–37.5 °C"),
    ("常规静脉注射碳酸氢钠", "Give sodium bicarbonate as a routine"),
)
CASE = words(
    "患儿，胎龄 29 周，出生体重 1200 g，生后 20 分钟出现呼吸急促、呻吟。\n\n心率 152 次/分，血氧饱和度 86%。",
    "A girl born at 29 weeks with 1200 g breathes fast and grunts 20 minutes after birth.\n\nHeart rate 152 a minute, saturation 86%.",
)


def items(strip, film):
    """Type, body and key of one question of each kind; ``strip`` and ``film``: public ids of pictures."""
    picture = {
        "image": film,
        "alt": words("新生儿胸部正位片", "Chest film of a newborn"),
        "width": 800,
        "height": 600,
    }
    wave = {
        "kind": "wave",
        "key": strip,
        "alt": words(
            "心电监护：规则的窄波，约 150 次/分", "Monitor strip: regular narrow beats, about 150 a minute"
        ),
    }
    return [
        ("A1", {"stem": words("监护仪上是这样的波形。最可能的是？", "The monitor shows this strip. What is it most likely?"), "media": [wave], "options": HEART}, {"right": "a"}),
        ("X", {"stem": words("下列哪些属于紫绀型先天性心脏病？", "Which of these are cyanotic heart defects?"), "options": HEART}, {"right": ["c", "d"]}),
        ("KF", {"stem": words("此时最重要的三步处理是？", "Which three steps matter most now?"), "options": CARE, "limit": 3}, {"right": ["b", "c", "e"]}),
        ("TF", {"stem": words("足月儿复苏用空气开始。", "Resuscitation of a term newborn begins with air."), "options": [{"id": "true", **words("对", "True"), "fixed": True}, {"id": "false", **words("错", "False"), "fixed": True}]}, {"right": "true"}),
        ("B1", {"options": HEART, "asks": [{"stem": words("连续性机器样杂音见于", "A continuous machinery murmur is heard in")}, {"stem": words("出生后数小时即明显紫绀见于", "Marked cyanosis within hours of birth is seen in")}]}, {"asks": [{"right": "b"}, {"right": "d"}]}),
        ("CASE", {"stem": CASE, "asks": [
            {"stem": words("首先应做的处理是？", "What is done first?"), "options": CARE},
            {"stem": words("生后 2 小时需氧浓度升至 45%。下一步？", "After two hours the oxygen need rises to 45%. What next?"), "options": CARE},
            {"stem": words("给药后应密切观察什么？", "What is watched closely after that?"), "options": CARE},
        ]}, {"asks": [{"right": ["b", "e"]}, {"right": ["a"]}, {"right": ["c"]}]}),
        ("NUM", {"stem": words("体重 1.2 kg，咖啡因负荷量 20 mg/kg。应给多少？", "Weight 1.2 kg, caffeine loading dose 20 mg/kg. How much is given?"), "units": ["mg", "g"]}, {"value": "24", "tolerance": "0.5", "unit": "mg"}),
        ("SHORT", {"stem": words("早产儿呼吸暂停的首选药物是？", "Which drug comes first for apnoea of prematurity?")}, {"accepted": [{"text": "咖啡因"}, {"text": "caffeine"}]}),
        ("ORDER", {"stem": words("请按复苏的先后顺序排列。", "Put the steps of resuscitation in order."), "options": options(("保暖、摆正体位", "Warm and position"), ("正压通气", "Ventilate"), ("胸外按压", "Compress the chest"), ("给肾上腺素", "Give adrenaline"))}, {"order": ["a", "b", "c", "d"]}),
        ("MATCH", {"stem": words("把每种病与其典型表现配对。", "Match each disease with its typical finding."), "rows": options(("新生儿坏死性小肠结肠炎", "Necrotising enterocolitis"), ("先天性巨结肠", "Hirschsprung disease"), ("肥厚性幽门狭窄", "Pyloric stenosis")), "options": options(("肠壁积气", "Gas in the bowel wall"), ("胎粪排出延迟", "Meconium passed late"), ("喷射性呕吐", "Projectile vomiting"), ("果酱样大便", "Redcurrant jelly stool")), "per_option": 1, "scoring": "each"}, {"pairs": [["a", "a"], ["b", "b"], ["c", "c"]]}),
        ("MATCH", {"stem": words("哪两个彼此是拮抗的？", "Which two oppose each other?"), "options": options(("肝素", "Heparin"), ("鱼精蛋白", "Protamine"), ("吗啡", "Morphine"), ("纳洛酮", "Naloxone")), "symmetric": True}, {"pairs": [["a", "b"], ["c", "d"]]}),
        ("GAP", {"stem": words("给药前先核对[[drug]]与[[dose]]，\n再核对患儿的[[who]]。", "Before giving it check the [[drug]] and the [[dose]],\nthen the [[who]] of the child."), "rows": [{"id": "drug", **words("第一", "first")}, {"id": "dose", **words("第二", "second")}, {"id": "who", **words("第三", "third")}], "options": options(("药名", "drug"), ("剂量", "dose"), ("身份", "identity"), ("房间号", "room")), "per_option": 1}, {"pairs": [["drug", "a"], ["dose", "b"], ["who", "c"]]}),
        ("HOTSPOT", {"stem": words("请指出气管导管尖端。", "Point at the tip of the tracheal tube."), **picture}, {"areas": [{"shape": "circle", "coords": [400, 200, 40]}]}),
        ("SLIDER", {"stem": words("目标血氧饱和度上限是多少？", "Where is the upper limit of the target saturation?"), "low": "80", "high": "100", "step": "1", "unit": "%"}, {"value": "95", "tolerance": "0"}),
    ]  # fmt: skip


CLOZE = {
    "stem": words("患儿先给[[1]]，剂量[[2]] mg/kg，\n目标血氧饱和度不低于[[3]]%。", "The child first gets [[1]], [[2]] mg/kg,\nand the saturation stays above [[3]]%."),
    "asks": [{"kind": "choice", "options": options(("咖啡因", "caffeine"), ("吗啡", "morphine"))}, {"kind": "number", "units": []}, {"kind": "text"}],
}  # fmt: skip
ESSAY = {"stem": words("请写出交接班要点。", "Write down what is handed over."), "max_chars": 500}
UPLOAD = {
    "stem": words("请上传手术记录。", "Hand in the operation note."),
    "formats": ["pdf", "jpg"],
    "max_bytes": 2_000_000,
}


# ---------------------------------------------------------------- the paper


def strip():
    """A monitor strip, wide and low."""
    picture = Image.new("L", (1800, 240), 250)
    draw, line = ImageDraw.Draw(picture), []
    for x in range(0, 1800, 20):
        draw.line([(x, 0), (x, 240)], fill=225)
    for beat in range(18):
        x = beat * 100
        line += [
            (x, 150),
            (x + 30, 150),
            (x + 38, 136),
            (x + 46, 150),
            (x + 56, 160),
            (x + 62, 40),
            (x + 68, 180),
            (x + 74, 150),
            (x + 90, 138),
        ]
    draw.line(line, fill=20, width=3)
    return png(picture)  # fmt: skip


def film():
    """Something like a chest film, 800 by 600."""
    picture = Image.new("L", (800, 600), 60)
    draw = ImageDraw.Draw(picture)
    for left in (140, 440):
        draw.ellipse([left, 120, left + 220, 520], fill=25)
    draw.rectangle([370, 0, 430, 600], fill=150)
    draw.line([(400, 0), (400, 200)], fill=230, width=6)
    return png(picture)


def png(picture):
    """The bytes of a picture."""
    data = io.BytesIO()
    picture.save(data, "PNG")
    return data.getvalue()


def build(folder):
    """Put the paper into the demonstration whose data stands in a folder."""
    from sqlalchemy import select
    from sqlalchemy.orm import joinedload

    from lms.app import create_app
    from lms.assessments import models, rules, services
    from lms.core import clock
    from lms.core.db import db, transaction
    from lms.core.digests import digest_of
    from lms.core.storage import storage
    from lms.programmes.models import Cohort
    from lms.settings import load

    app, at = create_app(load({}, env="demo", data_dir=folder)), clock.now()
    with app.app_context(), transaction():
        cohort = db.session.scalars(select(Cohort).options(joinedload(Cohort.programme))).one()
        bank = services.create_bank(
            cohort.programme,
            purpose=rules.Purpose.EXAM,
            title_zh="各种题型",
            title_en="Kinds",
            at=at,
            by=None,
        )
        pictures = [
            models.ItemMedia(
                programme_id=cohort.programme_id, sha256=digest_of(name), mime="image/png", size_bytes=len(data),
                storage_key=storage().put("items", data, suffix=".png"), created_at=at,
            )
            for name, data in (("strip", strip()), ("film", film()))
        ]  # fmt: skip
        db.session.add_all(pictures)
        db.session.flush()
        versions = [
            services.add_question(bank, kind=kind, body=body, key=key, rationale={}, is_sample=True, at=at, by=None)
            for kind, body, key in items(*(one.public_id for one in pictures))
        ]  # fmt: skip
        test = services.make_test(
            cohort, versions, title_zh="各种题型一份", title_en=TITLE, duration_s=3600, opens_at=at,
            closes_at=at + timedelta(days=1), cut_percent=60, attempts_allowed=1, is_sample=True, at=at, by=None,
        )  # fmt: skip
        services.publish(test, at=at, by=None)


@pytest.fixture
def paper(own_site):
    """The demonstration with a paper of one question of each kind."""
    subprocess.run([sys.executable, "-m", "tests.browser.test_items", own_site.data], cwd=ROOT, check=True)
    return own_site


@pytest.fixture
def begin(paper, sign_in):
    """`begin(page)`: the trainee signs in and opens that paper, which is new or runs already."""

    def act(page):
        sign_in(page, *ACCOUNTS["trainee"])
        page.goto("/tests")
        pressed(page.get_by_role("link", name=re.compile(f"{TITLE}|各种题型一份")).first)
        start = page.locator("form[action$='/start'] button")
        if start.count():
            start.click()
        else:
            page.locator("main a[href^='/sittings/']").first.click()
        page.wait_for_url(re.compile("/sittings/"))
        return page

    return act


# ---------------------------------------------------------------- what people do


def started(page):
    """Wait until the scripts have taken over."""
    page.locator("#next").wait_for()


def at_slot(page, slot):
    """The question of a slot, turned to."""
    question = page.locator(f".question[data-slot='{slot}']")
    page.locator(f".navigator a[href='#{question.get_attribute('id')}']").first.dispatch_event("click")
    return question


def is_closed(question):
    """Wait until nothing in a question can be changed."""
    expect(question.locator("[type=checkbox]").first).to_be_disabled()


def is_open(question):
    """Wait until a question can be answered."""
    expect(question.locator("[type=checkbox]").first).to_be_enabled()


def order_of(question):
    """The rows of an order from top to bottom."""
    return question.locator("[data-option]").evaluate_all("rows => rows.map(row => row.dataset.option)")


def tick(question, *ids):
    """Tap options of a question, where its cards or letters stand."""
    for one in ids:
        question.locator("label", has=question.page.locator(f"[value='{one}']")).click()


def put_in_order(question, order):
    """Press the arrows until the rows stand in an order; where chance has put them so, say that they are right as they are."""
    if order_of(question) == list(order):
        question.locator(".as-it-is").click()
    for place, one in enumerate(order):
        for _step in order:
            rows = order_of(question)
            if rows.index(one) <= place:
                break
            question.locator("li").nth(rows.index(one)).locator(".up").click()


def written_down(page):
    """Wait until nothing is typed, waits or is on its way."""
    page.locator("#save-state").get_by_text(ON_SERVER).wait_for()
    wait_until(page, "Outbox.opsOf(document.querySelector('#exam').dataset.sitting).then(ops => !ops.length)")


def answered(page, count):
    """Wait until the page counts so many answers."""
    wait_until(page, f"document.querySelector('[data-answered]').textContent === '{count}'")


def heads(site):
    """Slot → the answer that stands on the server."""
    with sqlite3.connect(f"file:{site.data / 'firefly.sqlite3'}?mode=ro", uri=True) as database:
        rows = database.execute(
            "SELECT slot, body FROM response_head WHERE kind = 'answer' AND sitting_id = (SELECT max(id) FROM sitting)"
        ).fetchall()
    return {slot: json.loads(body) for slot, body in rows}


ANSWERS = {
    1: {"choice": "a"},
    2: {"choices": ["c", "d"]},
    3: {"choices": ["a", "b", "c"]},
    4: {"choice": "true"},
    5: {"choice": "b"},
    6: {"choice": "d"},
    7: {"choices": ["b", "e"]},
    10: {"number": "24", "unit": "mg"},
    11: {"text": "咖啡因"},
    12: {"order": ["a", "b", "c", "d"]},
    13: {"pairs": [["a", "a"], ["b", "b"], ["c", "d"]]},
    14: {"pairs": [["a", "b"], ["c", "d"]]},
    15: {"pairs": [["drug", "a"], ["dose", "b"], ["who", "c"]]},
    16: {"points": [[400, 200]]},
    17: {"number": "95"},
}


def choose_all(page):
    """Everything that is chosen by a tap."""
    for slot, body in ANSWERS.items():
        if slot < 10:
            tick(at_slot(page, slot), *body.get("choices", [body.get("choice")]))


def fill_all(page):
    """Everything that is filled in, moved or pointed at."""
    at_slot(page, 10).locator("input").fill("24")
    at_slot(page, 10).locator("select").select_option("mg")
    at_slot(page, 11).locator("input").fill("咖啡因")
    put_in_order(at_slot(page, 12), "abcd")
    pairs = at_slot(page, 13)
    for row, option in (("b", "a"), ("a", "a"), ("b", "b"), ("c", "d")):
        pairs.locator(f"[data-row='{row}']").select_option(option)
    both = at_slot(page, 14)
    for row, option in (("a", "b"), ("d", "c")):
        both.locator(f"[data-row='{row}']").select_option(option)
    gaps = at_slot(page, 15)
    for row, option in ANSWERS[15]["pairs"]:
        gaps.locator(f"[data-row='{row}']").select_option(option)
    mark = at_slot(page, 16).locator(".mark")
    mark.focus()
    for key in ("ArrowUp",) * 6 + (
        "Shift+ArrowUp",
    ) * 4:  # from the middle: six times a fiftieth of the width, then single pixels
        mark.press(key)
    scale = at_slot(page, 17).locator("[type=range]")
    scale.focus()
    for key in ("End", *("ArrowLeft",) * 5):
        scale.press(key)


def test_every_kind_is_answered_kept_and_shown_again(paper, phone, begin):
    page = begin(phone("en", base_url=paper.url, service_workers="block").new_page())
    started(page)
    choose_all(page)
    fill_all(page)
    at_slot(page, 1)
    answered(page, len(ANSWERS))
    written_down(page)
    assert heads(paper) == ANSWERS
    page.evaluate("indexedDB.deleteDatabase('firefly')")
    page.reload()
    started(page)
    answered(page, 15)
    assert order_of(at_slot(page, 12)) == list("abcd")
    expect(at_slot(page, 14).locator("[data-row='b']")).to_have_value("a")
    expect(at_slot(page, 16).locator(".mark.set")).to_have_count(1)


def test_without_scripts_every_kind_is_an_ordinary_form(paper, desk, begin, console):
    console.forgive("422")
    page = begin(desk("en", base_url=paper.url, java_script_enabled=False).new_page())
    for slot, body in ANSWERS.items():
        question = page.locator(f".question[data-slot='{slot}']")
        for one in body.get("choices", [body["choice"]] if "choice" in body else []):
            question.locator(f"[value='{one}']").check(force=True)
        for place, one in enumerate(body.get("order", ()), 1):
            question.locator(f"[name='slot-{slot}-{one}']").select_option(str(place))
        for row, option in body.get("pairs", ()):
            question.locator(f"[name='slot-{slot}-{row}']").select_option(option)
        for point in body.get("points", ()):
            for axis, value in zip("xy", point, strict=True):
                question.locator(f"[name='slot-{slot}-{axis}']").fill(str(value))
        if "text" in body:
            question.locator(f"[name='slot-{slot}']").fill(body["text"])
        if "number" in body:
            question.locator(f"[name='slot-{slot}-number']").fill(body["number"])
        if "unit" in body:
            question.locator(f"[name='slot-{slot}-unit']").select_option(body["unit"])
    gap = page.locator("[name='slot-15-dose']")
    gap.select_option("a")
    pressed(page.get_by_role("button", name="Save answers").last)
    assert heads(paper) == {slot: body for slot, body in ANSWERS.items() if slot != 15}
    expect(page.locator(".question[data-slot='15'] .error-text")).to_contain_text("“drug” may be used once")
    expect(page.locator("[name='slot-15-drug']")).to_have_value("a")
    expect(gap).to_have_value("a")
    gap.select_option("b")
    pressed(page.get_by_role("button", name="Save answers").last)
    assert heads(paper) == ANSWERS
    pressed(page.locator("[name=act][value='lock-7']"))
    is_closed(page.locator(".question[data-slot='7']"))
    is_open(page.locator(".question[data-slot='8']"))


def test_what_was_answered_without_a_network_is_shown_after_a_reload(paper, phone, begin, link, console):
    console.forgive("ERR_|Failed to load resource|Failed to fetch")
    line = link(paper)
    page = begin(phone("zh", base_url=line.url).new_page())
    wait_until(page, "navigator.serviceWorker.controller !== null")
    page.reload()
    started(page)
    line.cut()
    fill_all(page)
    at_slot(page, 1)
    answered(page, 8)
    page.locator("#save-state").get_by_text("本机").wait_for()
    page.reload()
    started(page)
    answered(page, 8)
    expect(at_slot(page, 10).locator("select")).to_have_value("mg")
    expect(at_slot(page, 15).locator("[data-row='dose']")).to_have_value("b")
    expect(at_slot(page, 17).locator("[type=range]")).to_have_value("95")
    line.mend()
    page.evaluate("dispatchEvent(new Event('online'))")
    written_down(page)
    assert heads(paper) == {slot: body for slot, body in ANSWERS.items() if slot >= 10}


def test_an_ask_of_a_case_comes_only_when_the_one_before_is_locked(paper, phone, begin, link, console):
    console.forgive("ERR_|Failed to load resource|Failed to fetch")
    line = link(paper)
    page = begin(phone("en", base_url=line.url).new_page())
    wait_until(page, "navigator.serviceWorker.controller !== null")
    page.reload()
    started(page)
    assert "rises to 45%" not in page.content()
    first = at_slot(page, 7)
    tick(first, "b", "e")
    first.locator(".lock-btn").click()
    page.locator("#lock [data-close]").click()
    is_open(first)
    first.locator(".lock-btn").click()
    page.locator("#lock [data-sure]").click()
    second = page.locator(".question[data-slot='8']")
    second.get_by_text("rises to 45%").wait_for()
    is_closed(first)
    expect(first.locator(".locked-mark")).to_have_text("locked")
    expect(page.locator(".navigator a.later")).to_have_count(2)  # the third ask, in both navigators
    assert heads(paper)[7] == ANSWERS[7]

    line.cut()
    tick(second, "a")
    second.locator(".lock-btn").click()
    second.locator("[data-waits]").wait_for()
    page.reload()
    started(page)
    is_closed(page.locator(".question[data-slot='7']"))
    line.mend()
    page.evaluate("dispatchEvent(new Event('online'))")
    page.locator(".question[data-slot='9']").wait_for(state="attached")
    is_closed(page.locator(".question[data-slot='8']"))
    assert heads(paper)[8] == {"choices": ["a"]}


def test_no_more_is_chosen_than_may_be_and_a_tap_marks_the_place(paper, phone, begin):
    page = begin(phone("en", base_url=paper.url, service_workers="block").new_page())
    started(page)
    question = at_slot(page, 3)
    tick(question, "a", "b", "c", "d")
    expect(question.locator("input:checked")).to_have_count(3)
    picture = at_slot(page, 16).locator(".spot img")
    box = picture.bounding_box()
    picture.tap(position={"x": box["width"] / 4, "y": box["height"] / 2})
    written_down(page)
    ((x, y),) = heads(paper)[16]["points"]
    assert abs(x - 200) <= 2
    assert abs(y - 300) <= 2


def test_enter_in_a_field_saves_it_and_locks_nothing(paper, desk, begin):
    page = begin(desk("en", base_url=paper.url, service_workers="block").new_page())
    started(page)
    address = page.url
    field = at_slot(page, 11).locator("input")
    field.fill("caffeine")
    field.press("Enter")
    written_down(page)
    assert page.url == address
    expect(page.locator("#lock")).to_be_hidden()
    assert heads(paper) == {11: {"text": "caffeine"}}


def test_letters_choose_and_arrows_turn_the_page_unless_a_mark_is_moved(paper, desk, begin):
    page = begin(desk("en", base_url=paper.url, service_workers="block").new_page())
    started(page)
    question = at_slot(page, 2)
    number = page.locator(".navigator [aria-current]").first.inner_text()
    page.keyboard.press("e")
    page.keyboard.press("1")
    expect(question.locator("label.chosen")).to_have_count(2)
    at_slot(page, 16).locator(".mark").press("ArrowRight")
    expect(page.locator(".mark.set")).to_be_visible()
    at_slot(page, 2)
    page.keyboard.press("ArrowRight" if number == "1" else "ArrowLeft")
    expect(page.locator(".navigator [aria-current]").first).not_to_have_text(number)


def test_a_row_is_dragged_to_its_place(paper, desk, begin):
    page = begin(desk("en", base_url=paper.url, service_workers="block").new_page())
    started(page)
    question = at_slot(page, 12)
    last = question.locator("[data-option]").last.get_attribute("data-option")
    grip, top = question.locator(".grip").last.bounding_box(), question.locator("li").first.bounding_box()
    page.mouse.move(grip["x"] + 20, grip["y"] + 20)
    page.mouse.down()
    for step in range(1, 11):
        page.mouse.move(grip["x"] + 20, grip["y"] + 20 + (top["y"] - grip["y"]) * step / 10)
    page.mouse.up()
    written_down(page)
    assert order_of(question)[0] == last
    assert heads(paper)[12]["order"][0] == last


@pytest.mark.parametrize("lang", ["zh", "en"])
def test_every_kind_can_be_read_and_used_by_everybody(paper, phone, begin, axe, lang):
    page = begin(phone(lang, base_url=paper.url, service_workers="block").new_page())
    started(page)
    found = {}
    for slot in (1, 2, 3, 4, 5, 7, *range(10, 18)):
        at_slot(page, slot)
        found[slot] = [*axe(page), *inspection.too_wide(page, 360), *small_targets(page)]
    tick(at_slot(page, 7), "b")
    page.locator(".question[data-slot='7'] .lock-btn").click()
    found["dialog"] = axe(page)
    page.locator("#lock [data-sure]").click()
    page.locator(".question[data-slot='8']").wait_for()
    at_slot(page, 7)
    found["locked"] = axe(page)
    assert not {place: faults for place, faults in found.items() if faults}


@pytest.mark.parametrize("lang", ["zh", "en"])
def test_without_scripts_every_kind_can_be_read_by_everybody(paper, phone, begin, axe, lang):
    """The whole paper as one form, light and dark, on both screens; scripts run, but none of ours."""
    context = phone(lang, base_url=paper.url, service_workers="block")
    context.route(
        re.compile(r"/static/.*\.js"), lambda route: route.fulfill(body="", content_type="text/javascript")
    )
    page = begin(context.new_page())
    assert list(inspection.faults(page, axe)) == []


def small_targets(page):
    """What a thumb would miss: fields, options and buttons of the question that are lower than 44 px."""
    return page.evaluate(
        """() => [...document.querySelectorAll('.question button, .question select, .question .input, .question label:has(input)')]
            .map(e => [e, e.getBoundingClientRect()]).filter(([e, box]) => box.height > 1 && box.height < 44)
            .map(([e, box]) => `${box.height} px high: ${e.outerHTML.slice(0, 100)}`)"""
    )


# ---------------------------------------------------------------- gaps, essays and files, drawn by the same macros


PAGE = """{% extends "base.html" %}{% set script = "exam" %}
{% import "_macros/exam.html" as exam with context %}{% import "_macros/items.html" as items_ with context %}
{% block title %}Drawn{% endblock %}{% block body_class %}focus-page{% endblock %}{% block top %}{{ exam.top("Drawn", 3600) }}{% endblock %}
{% block main %}{% call exam.paper("drawn", action="/sittings/drawn/answers", ops="/sittings/drawn/ops", takeover="/", done="/", epoch=1, remaining_ms=3600000, total=5) %}
{{ items_.paper(items, numbers, 5) }}{% endcall %}{% endblock %}{% block after %}{{ exam.dialogs(5) }}{% endblock %}"""


@pytest.fixture
def drawn(bare_app, site, phone):
    """`drawn("en")`: a page with a text with gaps (slots 1 to 3), an essay and a file, the operations that it sends, and its files."""
    from flask import render_template_string

    from lms.assessments.queries import as_written

    def make(lang):
        with bare_app.test_request_context(
            "/sittings/drawn", headers={"Cookie": f"lang={LANGUAGES[lang][0]}"}
        ):
            bare_app.preprocess_request()
            shown = [
                item
                for first, (kind, body) in {
                    1: ("CLOZE", CLOZE),
                    4: ("ESSAY", ESSAY),
                    5: ("UPLOAD", UPLOAD),
                }.items()
                for item in as_written(kind, body, first_slot=first)
            ]
            html = render_template_string(PAGE, items=shown, numbers={item.slot: item.slot for item in shown})
        page, ops, sent = phone(lang, service_workers="block").new_page(), [], []

        def record(route):
            ops.extend(route.request.post_data_json["ops"])
            route.fulfill(
                json={
                    "acked": len(ops),
                    "rejected": [],
                    "remaining_ms": 3_600_000,
                    "epoch": 1,
                    "state": "open",
                }
            )

        def keep(route):
            sent.append(route.request.post_data_buffer)
            route.fulfill(json={"file": "items/7", "name": "note.pdf"})

        page.route(
            "**/sittings/drawn",
            lambda route: route.fulfill(body=html, content_type="text/html; charset=utf-8"),
        )
        page.route("**/sittings/drawn/ops", record)
        page.route("**/sittings/drawn/slots/5/file", keep)
        page.goto("/sittings/drawn")
        started(page)
        return page, ops, sent

    return make


def stands(ops):
    """Slot → the last answer of some operations."""
    return {op["slot"]: op["body"] for op in ops}


def test_the_gaps_of_a_text_are_asks_on_one_page(drawn, axe):
    page, ops, _sent = drawn("en")
    gaps = page.locator(".gap")
    expect(gaps.filter(visible=True)).to_have_count(3)
    gaps.nth(0).locator("select").select_option("a")
    gaps.nth(1).locator("input").fill("20")
    gaps.nth(2).locator("input").fill("88")
    expect(page.locator(".navigator [aria-current]").first).to_have_text("3")
    page.locator("#next").click()
    expect(page.locator("textarea")).to_be_visible()
    expect(gaps.first).to_be_hidden()
    page.locator("#prev").click()
    expect(gaps.first).to_be_visible()
    answered(page, 3)
    written_down(page)
    assert stands(ops) == {1: {"choice": "a"}, 2: {"number": "20"}, 3: {"text": "88"}}
    assert not [*axe(page), *inspection.too_wide(page, 360), *small_targets(page)]
    page.reload()
    started(page)
    expect(gaps.nth(0).locator("select")).to_have_value("a")
    expect(gaps.nth(2).locator("input")).to_have_value("88")


def test_an_essay_counts_its_characters_as_a_person_does(drawn, axe):
    page, ops, _sent = drawn("zh")
    essay = at_slot(page, 4)
    essay.locator("textarea").fill("体温 36.8 °C 😀")
    expect(essay.locator("[data-count]")).to_have_text("12")
    page.locator("#prev").click()
    written_down(page)
    assert stands(ops) == {4: {"text": "体温 36.8 °C 😀"}}
    assert not [*axe(page), *inspection.too_wide(page, 360), *small_targets(page)]


def test_a_file_goes_by_itself_and_only_then_is_the_question_answered(drawn, axe):
    page, ops, sent = drawn("en")
    question = at_slot(page, 5)
    picker = question.locator("[type=file]")
    picker.set_input_files({"name": "film.exe", "mimeType": "application/pdf", "buffer": b"no"})
    question.locator("[data-said=format]").wait_for()
    assert not sent
    picker.set_input_files(
        {"name": "Note.PDF", "mimeType": "application/pdf", "buffer": b"%PDF-1.7 all is well"}
    )
    question.get_by_text("note.pdf").wait_for()
    answered(page, 1)
    written_down(page)
    assert b'name="slot-5"; filename="Note.PDF"' in sent[0]
    assert b"all is well" in sent[0]
    assert stands(ops) == {5: {"file": "items/7", "name": "note.pdf"}}
    assert not [*axe(page), *inspection.too_wide(page, 360), *small_targets(page)]
    question.locator("[data-held] button").click()
    answered(page, 0)


def test_a_file_without_a_network_waits_and_says_so(drawn, console):
    console.forgive("ERR_|Failed to load resource|Failed to fetch")
    page, ops, sent = drawn("en")
    question = at_slot(page, 5)
    page.context.set_offline(True)
    page.route("**/file", lambda route: route.abort())
    question.locator("[type=file]").set_input_files(
        {"name": "a.pdf", "mimeType": "application/pdf", "buffer": b"kept"}
    )
    question.locator("[data-said=waits]").wait_for()
    assert not sent
    page.unroute("**/file")
    page.context.set_offline(False)
    question.get_by_text("note.pdf").wait_for()
    assert b"kept" in sent[0]
    written_down(page)
    assert stands(ops)[5]["name"] == "note.pdf"


if __name__ == "__main__":
    build(Path(sys.argv[1]))
