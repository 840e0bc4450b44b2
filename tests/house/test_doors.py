"""Every address has a declared door, and the browser's means against forgery stand behind each."""

import io

import pytest
from sqlalchemy import text

from lms import settings
from lms.app import create_app
from lms.core.db import db, transaction


@pytest.fixture(scope="module")
def joined(tmp_path_factory):
    """The app as it is served, on an empty data folder."""
    return create_app(settings.load({}, env="test", data_dir=tmp_path_factory.mktemp("doors")))


def rules(joined):
    """Every address but the static files."""
    return [rule for rule in joined.url_map.iter_rules() if rule.endpoint != "static"]


def made_up(rule):
    """Values for the variable parts of an address, well-formed and of nobody's."""
    return {
        name: 1 if type(converter).__name__ == "IntegerConverter" else "AAAAAAAAAAAA"
        for name, converter in rule._converters.items()
    }


def test_every_route_has_a_declared_door(joined):
    assert rules(joined)
    assert not [
        rule.rule for rule in rules(joined) if not hasattr(joined.view_functions[rule.endpoint], "__door__")
    ]


def test_doors_are_of_the_three_kinds(joined):
    kinds = {joined.view_functions[rule.endpoint].__door__.split(":")[0] for rule in rules(joined)}
    assert kinds <= {"public", "members", "staff"}


def test_no_two_views_answer_one_address(joined):
    seen = {}
    for rule in rules(joined):
        for method in rule.methods - {"HEAD", "OPTIONS"}:
            key = (rule.rule, method)
            assert key not in seen, f"{key}: {seen[key]} and {rule.endpoint}"
            seen[key] = rule.endpoint


def test_a_stranger_is_sent_to_sign_in_from_every_door_but_the_public_ones(joined):
    """Behind each closed door a stranger gets the sign-in page, whatever id they try."""
    client = joined.test_client()
    tried = 0
    for rule in rules(joined):
        if "GET" not in rule.methods or joined.view_functions[rule.endpoint].__door__ == "public":
            continue
        values = made_up(rule)
        with joined.test_request_context():
            address = joined.url_map.bind("localhost").build(rule.endpoint, values)
        answer = client.get(address)
        assert (answer.status_code, answer.headers.get("Location", "").split("?")[0]) == (303, "/sign-in"), (
            address
        )
        tried += 1
    assert tried


def test_a_form_from_another_site_is_refused_at_every_address_that_writes(joined):
    client = joined.test_client()
    tried = 0
    for rule in rules(joined):
        view = joined.view_functions[rule.endpoint]
        methods = rule.methods - {"HEAD", "OPTIONS", "GET"}
        if not methods or getattr(view, "__foreign__", False):
            continue
        values = made_up(rule)
        with joined.test_request_context():
            address = joined.url_map.bind("localhost").build(rule.endpoint, values, method=min(methods))
        for headers in ({"Sec-Fetch-Site": "cross-site"}, {"Origin": "https://elsewhere.example"}, {}):
            answer = client.open(address, method=min(methods), headers=headers)
            assert answer.status_code == 403, (address, headers, answer.status_code)
        tried += 1
    assert tried


def test_no_password_or_pin_is_ever_carried_through_the_sign_in_page(joined):
    from wtforms import PasswordField

    from lms.web.forms import Form
    from lms.web.kept import SECRETS

    def all_forms(kind):
        return {kind}.union(*(all_forms(one) for one in kind.__subclasses__()))

    with joined.test_request_context():
        names = {
            field.name for kind in all_forms(Form) for field in kind() if isinstance(field, PasswordField)
        }
    assert {"pin", "password"} <= names <= SECRETS


def test_an_address_with_a_zero_byte_leads_nowhere_whatever_the_database(bare_app, cast, browser):
    administrator, stranger = browser(cast.administrator), browser()
    tried = 0
    for rule in rules(bare_app):
        values = {name: value for name, value in made_up(rule).items() if value != 1}
        if not values:
            continue
        with bare_app.test_request_context():
            address = bare_app.url_map.bind("localhost").build(
                rule.endpoint,
                made_up(rule) | dict.fromkeys(values, "AAAA\x00AAAA"),
                method=min(rule.methods - {"HEAD", "OPTIONS"}),
            )
        assert "%00" in address
        for client in (administrator, stranger):
            for method in rule.methods - {"HEAD", "OPTIONS"}:
                assert client.open(address, method=method).status_code == 404, (method, address)
        tried += 1
    assert tried > 30


class _StallingBody(io.BytesIO):
    """A request body whose sender is slow: while it is awaited, somebody else writes."""

    def __init__(self, body: bytes, meanwhile) -> None:
        super().__init__(body)
        self.meanwhile = meanwhile

    def read(self, size=-1):
        self.meanwhile()
        return super().read(size)

    def readinto(self, buffer):
        self.meanwhile()
        return super().readinto(buffer)


def test_a_slow_sender_does_not_hold_the_lock_that_all_writers_need(bare_app, cast, browser):
    body, waited = b"locale=en", []

    def somebody_else_writes():
        with bare_app.app_context(), transaction():
            db.session.execute(text("UPDATE account SET locale = locale"))
            waited.append(True)

    client = browser(cast.trainee)
    answer = client.open(
        "/account/preferences",
        method="POST",
        input_stream=_StallingBody(body, somebody_else_writes),
        headers={"Content-Type": "application/x-www-form-urlencoded", "Content-Length": str(len(body))},
    )
    assert answer.status_code < 500
    assert waited


def test_what_is_refused_at_the_door_is_said_on_the_reader_s_own_page(bare_app, cast, browser):
    client = browser(cast.educator, lang="en")
    large = client.post("/learn/new", data={"title_zh": "x" * 5_000_000})
    assert large.status_code == 413
    assert "at most 3 MB" in large.text
    forged = client.post("/learn/new", data={}, headers={"Sec-Fetch-Site": "cross-site"})
    assert forged.status_code == 403
    unknown = client.get("/no-such-page")
    assert unknown.status_code == 404
    for page in (large, forged, unknown):
        assert 'href="/learn"' in page.text
