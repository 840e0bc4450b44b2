"""Texts stamped into a document drawn before: the bytes are those of a drawing from nothing, or it is drawn."""

import pytest

from lms.core import pdf, qr
from lms.core.pdf import plate, stamping
from tests.core.test_pdf import Desk

SHEET = """@page { size: A4 } a { text-decoration: none } [lang=en] { font-variant-east-asian: proportional-width }
.at { position: absolute; right: 20mm; bottom: 20mm; width: 60mm; text-align: center } .at img { width: 29mm; height: 29mm }
table { table-layout: fixed; width: 100mm } .tight { display: inline-block; border: 1pt solid red }"""


@pytest.fixture
def desk(tmp_path):
    desk = Desk(tmp_path)
    desk.css.write_text(desk.css.read_text(encoding="utf-8") + SHEET, encoding="utf-8")
    stamping.forget()
    yield desk
    stamping.forget()


@pytest.fixture
def stamped(monkeypatch):
    """How many documents were stamped, and why others were not."""
    done: list[str] = []
    stamp = plate.Plate.stamp

    def counted(self, *arguments):
        try:
            data = stamp(self, *arguments)
        except plate.NotAlike as why:
            done.append(str(why))
            raise
        done.append("stamped")
        return data

    monkeypatch.setattr(plate.Plate, "stamp", counted)
    return done


def page(name, *, number=1, hospital="青石县人民医院", tight="固定", cell="2.5", latin="Chen Xiaoyan"):
    address = f"https://firefly.example.org/verify/FF-2026-{number:06d}-K?k={number * 7919}"
    return f"""<h1>结业证书</h1><p class="tight">{tight}</p>
<p>兹证明{hospital}　<span lang="en">{name}</span>　参加下列培训，为期16周，各项考核合格，准予结业，特发此证。</p>
<p lang="en">This is to certify that {latin} took part &amp; has met every requirement.</p>
<table><tr><th>年度</th><td>{cell}</td></tr></table>
<div class="at"><img src="{qr.data_uri(address)}" alt="QR"><p><a href="{address}">{address}</a></p></div>"""


NAMES = ["陈晓燕", "李思远", "王小明", "赵云飞", "孙文静", "周明远", "吴佳怡", "郑一鸣"]


def both(desk, body, **changes):
    return desk.draw(body, **changes), desk.draw(body, afresh=True, **changes)


def test_what_is_stamped_has_the_bytes_of_a_drawing(desk, stamped):
    for number, name in enumerate(NAMES):
        facts = {
            "identifier": f"FF-2026-{number:06d}",
            "title": {"zh-CN": name, "en": "Certificate"},
            "attachments": [pdf.Attachment("facts.json", "Facts", f'{{"n":{number}}}'.encode())],
        }
        ours, drawn = both(desk, page(name, number=number, cell=str(number)), **facts)
        assert ours == drawn
    assert stamped == ["stamped"] * (len(NAMES) - 2)  # the first two were drawn


@pytest.mark.parametrize(
    ("changes", "why"),
    [
        ({"name": "阿卜杜热合曼·买买提吐尔逊·阿布都克里木" * 3}, "breaks in other places"),
        ({"name": "欧阳𠮷"}, "font"),
        ({"name": "晓燕", "tight": "一个更长的固定文字"}, "depend on"),
        ({"name": "Chen&#10;  Xiaoyan"}, "depend on"),
    ],
)
def test_what_could_move_something_else_is_drawn(desk, stamped, changes, why):
    for number, name in enumerate(NAMES[:4]):
        desk.draw(page(name, number=number))
    ours, drawn = both(desk, page(**changes))
    assert ours == drawn
    assert why in stamped[-1]
    ours, drawn = both(desk, page(NAMES[4], number=5))  # and the plate is as whole as before
    assert ours == drawn
    assert stamped[-1] == "stamped"
    ours, drawn = both(desk, page(**changes))
    assert ours == drawn


def test_another_page_is_never_taken_for_the_same(desk, stamped):
    for number, name in enumerate(NAMES[:3]):
        desk.draw(page(name, number=number))
    for body in (page("李") + "<p>more</p>", page("李").replace("<h1>", '<h1 lang="en">'), "<p>x</p>"):
        ours, drawn = both(desk, body)
        assert ours == drawn
    assert stamped == ["stamped"]
    desk.css.write_text(desk.css.read_text(encoding="utf-8").replace("100mm", "99mm"), encoding="utf-8")
    ours, drawn = both(desk, page(NAMES[3]))
    assert ours == drawn
    assert stamped == ["stamped"]


def test_a_kind_that_cannot_be_stamped_gets_another_plate_in_time(desk, stamped):
    for number in range(3):
        desk.draw(page("欧阳𠮷", number=number))
    for number, name in enumerate(NAMES):
        ours, drawn = both(desk, page(name, number=number))
        assert ours == drawn
    assert stamped[-1] == "stamped"


def test_only_a_few_documents_are_kept(desk):
    for number in range(stamping.KEPT + 3):
        desk.draw("<p>x</p>" * (number + 1))
    assert len(stamping._plates) == stamping.KEPT
    stamping.forget()
    assert not stamping._plates
