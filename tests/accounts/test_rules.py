"""Pure decisions about accounts."""

import doctest
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lms.accounts import rules
from lms.accounts.rules.words import role_name, role_of
from lms.core.errors import RuleBroken
from lms.core.i18n import speaking
from lms.policy import Role
from lms.web import back
from lms.web.back import own_page

NOON = datetime(2026, 11, 22, 4, tzinfo=UTC)


def test_the_examples_of_the_rules_hold():
    for module in (rules, back):
        assert doctest.testmod(module).failed == 0


@given(st.text(max_size=60))
def test_a_cleaned_login_stays_as_it_is(text):
    once = rules.clean_login(text)
    assert rules.clean_login(once) == once
    assert "\x00" not in once
    once.encode()


@pytest.mark.parametrize(
    ("typed", "kept"),
    [
        ("Ａ＠Ｂ．ＣＮ", "a@b.cn"),
        ("0086 13800138000", "13800138000"),
        ("+8613800138000", "13800138000"),
        ("138 0013 8000", "13800138000"),
        ("+1 (202) 555-0100", "+12025550100"),
        ("8613800138000", "13800138000"),
    ],
)
def test_one_login_is_typed_in_many_ways(typed, kept):
    assert rules.clean_login(typed) == kept
    assert rules.is_email(kept) or rules.is_phone(kept)


@pytest.mark.parametrize(
    "login", ["", "a", "a@b", "@b.cn", "a b@c.cn", "a@b@c.cn", "12345", "1380013800", "+12", "a@b.cn,c@d.cn"]
)
def test_these_are_no_logins(login):
    assert not rules.is_email(login)
    assert not rules.is_phone(login)


@pytest.mark.parametrize("pin", ["271828", "100000", "123455", "112233"])
def test_good_pins(app, pin):
    rules.require_pin(pin)


@pytest.mark.parametrize(
    "pin", ["", "12345", "1234567", "12345a", "111111", "123456", "987654", "１２３４５７", "27 182"]
)
def test_refused_pins(app, pin):
    with pytest.raises(RuleBroken):
        rules.require_pin(pin)


def test_a_confirmation_holds_five_minutes_also_for_a_request_that_began_a_moment_before_it():
    five = timedelta(minutes=5)
    assert rules.is_confirmed(NOON, at=NOON)
    assert rules.is_confirmed(NOON, at=NOON + five - timedelta(microseconds=1))
    assert not rules.is_confirmed(NOON, at=NOON + five)
    assert rules.is_confirmed(NOON, at=NOON - timedelta(seconds=1))
    assert not rules.is_confirmed(NOON, at=NOON - five)
    assert not rules.is_confirmed(None, at=NOON)


@pytest.mark.parametrize(
    ("address", "key", "shown"),
    [
        ("10.1.2.3", "10.1.2.3", "10.1.2.0"),
        ("2001:db8:1:2:3:4:5:6", "2001:db8:1:2::/64", "2001:db8:1::"),
        ("::ffff:10.1.2.3", "10.1.2.3", "10.1.2.0"),
        ("2001:db8::1", "2001:db8::/64", "2001:db8::"),
        ("", "", ""),
        ("unix", "unix", ""),
    ],
)
def test_network_addresses_are_counted_whole_and_shown_cut(address, key, shown):
    assert rules.address_key(address) == key
    assert rules.cut_address(address) == shown


@given(st.text(max_size=40))
def test_only_paths_of_our_own_are_gone_on_to(text):
    found = own_page(text)
    assert found == "/" or (found == text and found.startswith("/") and not found.startswith("//"))
    assert "\\" not in found
    assert "\t" not in found
    assert "\n" not in found


@pytest.mark.parametrize(
    ("agent", "name"),
    [
        ("Mozilla/5.0 (iPhone; CPU iPhone OS 17_0) Version/17.0 Mobile Safari/604.1", "Safari · iPhone"),
        ("Mozilla/5.0 (Windows NT 10.0) Chrome/126.0 Safari/537.36 Edg/126.0", "Edge · Windows"),
        ("Mozilla/5.0 (Linux; Android 14) Chrome/126 MicroMessenger/8.0", "WeChat · Android"),
        ("Mozilla/5.0 (Macintosh; Intel Mac OS X 10_15) Chrome/126 Safari/537.36", "Chrome · Mac"),
        ("Mozilla/5.0 (X11; Linux x86_64; rv:128.0) Gecko/20100101 Firefox/128.0", "Firefox · Linux"),
    ],
)
def test_browsers_have_names_that_people_know(agent, name):
    assert rules.browser_name(agent) == name


def test_every_role_has_a_name_and_a_place_and_is_found_by_its_name(app):
    for role in Role:
        assert rules.SCOPE_KINDS[role]
        with speaking("en"):
            assert role_name(role) != role.value
            assert role_of(role_name(role)) is role
        assert role_of(role.value) is role
    assert role_of("带教老师") is Role.MENTOR
    assert role_of("国王") is None


@pytest.mark.parametrize(
    ("typed", "kept"),
    [
        (" 热娜•吐尔逊 ", "热娜·吐尔逊"),
        ("热娜 · 吐尔逊", "热娜·吐尔逊"),
        ("热娜．吐尔逊", "热娜·吐尔逊"),
        ("Rena  Tursun", "Rena Tursun"),
        ("张三", "张三"),
        ("J. R. Smith", "J. R. Smith"),
    ],
)
def test_names_are_kept_in_one_form(typed, kept):
    assert rules.clean_name(typed) == kept


@pytest.mark.parametrize(
    ("password", "code"),
    [
        ("short", "password_short"),
        ("password1", "password_common"),
        ("aaaaaaaab", "password_repeated"),
        ("my lisiyuan8", "password_personal"),
    ],
)
def test_weak_passwords_are_refused_with_the_reason(app, password, code):
    with pytest.raises(RuleBroken) as refusal:
        rules.require_strong(password, about=("lisiyuan@example.org", "13800138000"))
    assert refusal.value.code == code
