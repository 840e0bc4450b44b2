"""Pages of the demonstration's course: one to read, and one that opens once it has been read."""

from datetime import datetime

from sqlalchemy import select
from sqlalchemy.orm import joinedload

from lms.core.db import db
from lms.courses import services as courses
from lms.courses.models import Course, Module
from lms.programmes.models import Cohort

FLUIDS_ZH = r"""
## 首剂液体

脓毒性休克患儿，没有液体超负荷表现时，首剂给予等张晶体液：

$$V = 10\text{–}20\,\frac{\text{mL}}{\text{kg}} \times \text{体重}$$

| 体重 | 10 mL/kg | 20 mL/kg |
|------|---------:|---------:|
| 5 kg | 50 mL | 100 mL |
| 10 kg | 100 mL | 200 mL |
| 20 kg | 200 mL | 400 mL |

每次给液后都要重新评估：心率、灌注、肝脏大小、呼吸做功[^1]。

[^1]: 样例内容，未经临床审核，不得用于诊疗。
"""
FLUIDS_EN = r"""
## The first bolus

In a child with septic shock and no sign of fluid overload, give a first bolus of an isotonic crystalloid:

$$V = 10\text{–}20\,\frac{\text{mL}}{\text{kg}} \times \text{weight}$$

| weight | 10 mL/kg | 20 mL/kg |
|--------|---------:|---------:|
| 5 kg | 50 mL | 100 mL |
| 10 kg | 100 mL | 200 mL |
| 20 kg | 200 mL | 400 mL |

Look again after each bolus: heart rate, perfusion, size of the liver, work of breathing[^1].

[^1]: Sample content, not clinically reviewed; not for care.
"""


def add_sample_pages(cohort: Cohort, *, at: datetime) -> None:
    """Two pages in the last module of the cohort's course."""
    module = db.session.scalars(
        select(Module)
        .join(Course, Course.id == Module.course_id)
        .options(joinedload(Module.course).joinedload(Course.cohort))
        .where(Course.cohort_id == cohort.id)
        .order_by(Module.number.desc())
        .limit(1)
    ).one()
    first = courses.add_unit(
        module,
        kind="page",
        title_zh="首剂液体速查表",
        title_en="The first bolus at a glance",
        body_zh=FLUIDS_ZH.strip(),
        body_en=FLUIDS_EN.strip(),
        is_sample=True,
        at=at,
        by=None,
    )
    second = courses.add_unit(
        module,
        kind="page",
        title_zh="复盘：一次液体复苏",
        title_en="Looking back at a resuscitation",
        body_zh="- 首剂在几分钟内给完？\n- 每次给液后谁重新评估？\n- 何时开始血管活性药物？",
        body_en="- How many minutes did the first bolus take?\n- Who looked again after each bolus?\n- When was a vasoactive drug begun?",
        is_sample=True,
        at=at,
        by=None,
    )
    for unit in (first, second):
        courses.publish_unit(unit, at=at, by=None)
    courses.set_release(second, {"all": [{"done": first.public_id}]}, at=at, by=None)
    source = courses.add_source(
        module.course, title="儿童脓毒性休克指南（样例）", edition="2020", url="", at=at, by=None
    )
    courses.link_sources(first, [source], at=at, by=None)
