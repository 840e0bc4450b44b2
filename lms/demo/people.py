"""Who is who in the demonstration, the hospitals they come from, and the same people as they act."""

from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import select
from sqlalchemy.orm import joinedload

from lms.accounts import queries
from lms.accounts.models import Account, Person
from lms.core.db import db
from lms.policy import SITE, Actor, Role


@dataclass(frozen=True)
class Part:
    """One demonstration account."""

    key: str
    name_zh: str
    name_latin: str
    login: str
    name_native: str = ""
    native_lang: str = ""


TRAINEES = (
    Part("li", "李思远", "Li Siyuan", "li@firefly.example"),
    Part("tashi", "扎西顿珠", "Tashi Dhondup", "tashi@firefly.example", "བཀྲ་ཤིས་དོན་གྲུབ།", "bo"),
    Part("aygul", "阿依古丽·买买提", "Aygul Memet", "aygul@firefly.example", "ئايگۈل مەمەت", "ug"),
    Part("zhangwei", "张伟", "Zhang Wei", "zhangwei@firefly.example"),
    Part("cering", "次仁拉姆", "Tsering Lhamo", "cering@firefly.example"),
    Part("he", "何婉清", "He Wanqing", "he@firefly.example"),
    Part("ma", "马小龙", "Ma Xiaolong", "ma@firefly.example"),
    Part("yang", "杨雨桐", "Yang Yutong", "yang@firefly.example"),
)
MENTORS = (
    Part("wang", "王建国", "Wang Jianguo", "wang@firefly.example"),
    Part("dawa", "达瓦卓玛", "Dawa Droma", "dawa@firefly.example"),
    Part("rena", "热娜·吐尔逊", "Rena Tursun", "rena@firefly.example"),
    Part("liu", "刘洋", "Liu Yang", "liu@firefly.example"),
    Part("sun", "孙丽", "Sun Li", "sun@firefly.example"),
    Part("zhao", "赵敏", "Zhao Min", "zhaomin@firefly.example"),
    Part("qian", "钱进", "Qian Jin", "qian@firefly.example"),
    Part("zhou", "周文", "Zhou Wen", "zhou@firefly.example"),
)
STAFF = (
    (Part("chen", "陈静", "Chen Jing", "chen@firefly.example"), Role.ADMINISTRATOR, SITE),
    (Part("wu", "吴敏", "Wu Min", "wu@firefly.example"), Role.COORDINATOR, ""),
    (Part("xu", "徐立", "Xu Li", "xu@firefly.example"), Role.EDUCATOR, ""),
    (Part("gao", "高平", "Gao Ping", "gao@firefly.example"), Role.EXAMINER, ""),
    (Part("lin", "林海", "Lin Hai", "lin@firefly.example"), Role.DIRECTOR, ""),
    (Part("fang", "方正", "Fang Zheng", "fang@firefly.example"), Role.AUDITOR, SITE),
)
SHOWN = (
    ("trainee", "li"),
    ("mentor", "wang"),
    ("administrator", "chen"),
    ("educator", "xu"),
    ("examiner", "gao"),
    ("director", "lin"),
    ("auditor", "fang"),
)
"""Accounts printed at the start and offered on the sign-in page."""

HOSPITALS = (
    ("COUNTY-1", "青河县人民医院", "Qinghe County People's Hospital"),
    ("COUNTY-2", "白云县妇幼保健院", "Baiyun County Maternal and Child Health Hospital"),
    ("COUNTY-3", "红原县藏医院", "Hongyuan County Tibetan Hospital"),
)


def account_of(person: Person) -> Account:
    """The one account of a person, the person loaded."""
    return db.session.scalars(
        select(Account).options(joinedload(Account.person)).where(Account.person_id == person.id)
    ).one()


def known(person: Person, *, at: datetime) -> Actor:
    """A person as they are at ``at``, without signing in."""
    return queries.actor_of(account_of(person), at=at)
