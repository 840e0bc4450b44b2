"""Pages of frameworks: the director writes in a browser, a reviewer decides, a chair ratifies."""

import io
import json
import re
from html import unescape

import pytest

from lms.core import ids
from lms.core.db import transaction
from lms.logbooks.queries import frameworks as queries
from lms.logbooks.services import editions


@pytest.fixture
def drafted(room, bare_app):
    """A draft by the director: its address."""
    with bare_app.app_context():
        return f"/frameworks/drafts/{room.begin().public_id}"


def fields(page):
    """What a form of a page would send: hidden, text, chosen and ticked."""
    found = {}
    for tag in re.findall(r"<input[^>]*>", page):
        name = re.search(r'name="([^"]*)"', tag)
        if not name or (re.search(r'type="(checkbox|radio)"', tag) and " checked" not in tag):
            continue
        value = re.search(r'value="([^"]*)"', tag)
        found[name[1]] = value[1] if value else ""
    for name, body in re.findall(r'<select[^>]*name="([^"]*)"[^>]*>(.*?)</select>', page, re.DOTALL):
        chosen = re.search(r'<option selected value="([^"]*)"', body)
        found[name] = chosen[1] if chosen else ""
    for name, body in re.findall(r'<textarea[^>]*name="([^"]*)"[^>]*>(.*?)</textarea>', page, re.DOTALL):
        found[name] = body.strip()
    found.pop("dim", None)
    return {name: unescape(value) for name, value in found.items()}


def document(room, bare_app, address):
    """What a draft says now."""
    with bare_app.app_context():
        return queries.draft(address.rsplit("/", 1)[1], room.director).document


def test_the_item_form_saves_what_it_shows_unchanged(room, bare_app, browser, drafted):
    client, before = browser(room.director, lang="en"), document(room, bare_app, drafted)
    for code in ("N01", "N03", "N04", "N11"):
        page = client.get(f"{drafted}/items/{code}")
        assert page.status_code == 200
        assert client.post(f"{drafted}/items/{code}", data=fields(page.text)).status_code == 303
    assert document(room, bare_app, drafted) == before


def test_an_item_is_changed_and_what_another_saved_meanwhile_is_shown(room, bare_app, browser, drafted):
    client, address = browser(room.director, lang="en"), f"{drafted}/items/N03"
    mine = {**fields(client.get(address).text), "title_en": "My intubation", "PED-min_count": "8"}
    other = {**mine, "title_en": "Your intubation"}
    assert client.post(address, data=other).status_code == 303
    answer = client.post(address, data=mine)
    assert answer.status_code == 422
    assert "My intubation" in answer.text
    assert "Your intubation" in answer.text
    again = {**mine, "seen": fields(answer.text)["seen"]}
    assert client.post(address, data=again).status_code == 303
    item = next(row for row in document(room, bare_app, drafted)["items"] if row["code"] == "N03")
    assert (item["title_en"], item["targets"]["PED"]["min_count"]) == ("My intubation", 8)


def test_typed_words_stay_when_a_number_is_none(room, browser, drafted):
    client, address = browser(room.director, lang="en"), f"{drafted}/items/N03"
    answer = client.post(
        address, data={**fields(client.get(address).text), "PED-min_count": "many", "title_en": "Kept"}
    )
    assert answer.status_code == 422
    assert 'value="Kept"' in answer.text
    assert 'value="many"' in answer.text


def test_a_new_item_domain_and_facet_are_written_with_plain_forms(room, bare_app, browser, drafted):
    client = browser(room.director, lang="en")
    domain = {"code": "AIR", "title_zh": "气道", "title_en": "Airway", "seen": ""}
    assert client.get(f"{drafted}/domains/new").status_code == 200
    assert client.post(f"{drafted}/domains/new", data=domain).status_code == 303
    item = {
        "code": "N90",
        "kind": "PROCEDURE",
        "domain": "AIR",
        "title_zh": "环甲膜穿刺",
        "title_en": "Cricothyrotomy",
        "PED-scale": "ten_cate",
        "PED-level": "3",
        "PED-min_count": "2",
        "GP-scale": "operator_role",
        "GP-role": "A",
        "NURSE-scale": "none",
        "p0": "0.2",
        "p1": "0.4",
        "sources": "J, E",
        "seen": "",
    }
    answer = client.post(f"{drafted}/items/new", data=item)
    assert (answer.status_code, answer.location) == (303, f"{drafted}/items/N90")
    assert client.get(f"{drafted}/items/N90/facet?dim=shift").status_code == 200
    assert client.get(f"{drafted}/items/N90/facet?dim=moon").status_code == 404
    sent = {"at_least": "1", "of": ["night"]}
    assert client.post(f"{drafted}/items/N90/facet?dim=shift", data=sent).status_code == 303
    refused = client.post(f"{drafted}/items/N90/facet?dim=shift", data={"at_least": "1"})
    assert refused.status_code == 422
    made = document(room, bare_app, drafted)["items"][-1]
    assert made["targets"] == {"PED": {"level": 3, "min_count": 2}, "GP": {"role": "A"}, "NURSE": None}
    assert (made["facets"], made["cusum"], made["sources"]) == (
        [{"dim": "shift", "at_least": 1, "of": ["night"]}],
        {"p0": 0.2, "p1": 0.4},
        ["J", "E"],
    )
    assert client.post(f"{drafted}/items/new", data={**item, "title_en": "Twice"}).status_code == 422
    assert client.post(f"{drafted}/item/N90/move", data={"to": "up"}).status_code == 303
    assert document(room, bare_app, drafted)["items"][-2]["code"] == "N90"
    seen = fields(client.get(f"{drafted}/items/N90").text)["seen"]
    assert client.post(f"{drafted}/item/N90/remove", data={"seen": seen}).status_code == 303
    assert client.get(f"{drafted}/items/N90").status_code == 404
    changes = client.get(f"{drafted}/changes").text
    assert "AIR" in changes
    assert "belongs to no domain" in client.get(drafted).text


def test_a_track_may_have_facets_of_its_own(room, bare_app, browser, drafted):
    client = browser(room.director, lang="en")
    before = next(one for one in document(room, bare_app, drafted)["items"] if one["targets"]["GP"])
    asked = next(track for track, target in before["targets"].items() if target and "min_count" in target)
    item = f"{drafted}/items/{before['key']}"

    def now():
        return next(one for one in document(room, bare_app, drafted)["items"] if one["key"] == before["key"])

    sent = {"at_least": "1", "of": ["night"]}
    assert client.get(f"{item}/facet?dim=shift&track=MOON").status_code == 404
    assert "alone" in client.get(f"{item}/facet?dim=shift&track={asked}").text
    for _click in range(2):
        assert client.post(f"{item}/facet?dim=shift&track={asked}", data=sent).status_code == 303
    night = {"dim": "shift", "at_least": 1, "of": ["night"]}
    assert now() == {
        **before,
        "targets": {**before["targets"], asked: {**before["targets"][asked], "facets": [night]}},
    }
    page = client.get(item).text
    (old,) = re.findall(rf"track={asked}&amp;old=(\w+)", page)
    assert (
        client.post(
            f"{item}/facet?dim=shift&track={asked}&old={old}", data={**sent, "at_least": "2"}
        ).status_code
        == 303
    )
    assert now()["targets"][asked]["facets"] == [{**night, "at_least": 2}]
    (old,) = re.findall(rf"track={asked}&amp;old=(\w+)", client.get(item).text)
    assert client.post(f"{item}/facet/remove", data={"old": old, "track": asked}).status_code == 303
    assert now() == before
    for track in [track for track, target in before["targets"].items() if target is None]:
        refused = client.post(f"{item}/facet?dim=shift&track={track}", data=sent)
        assert refused.status_code == 422
        assert "Nothing is asked of this track" in refused.text
        assert f'value="{track}"' not in client.get(item).text.split('id="track"')[1].split("</select>")[0]


def test_from_review_to_ratification(room, bare_app, browser, drafted):
    director, reviewer, chair = (
        browser(who, lang="en") for who in (room.director, room.reviewer, room.chair)
    )
    assert director.post(f"{drafted}/submit", data={"words": "As agreed."}).status_code == 303
    assert "waits for your review" in reviewer.get("/").text
    page = reviewer.get(drafted)
    assert "As agreed." in page.text
    sent = {"seen_sha256": fields(page.text)["seen_sha256"]}
    refused = reviewer.post(f"{drafted}/review", data={**sent, "outcome": "refused", "words": ""})
    assert refused.status_code == 422
    assert director.post(f"{drafted}/review", data={**sent, "outcome": "approved"}).status_code == 403
    stale = reviewer.post(f"{drafted}/review", data={"seen_sha256": "0", "outcome": "approved"})
    assert stale.status_code == 422
    done = reviewer.post(f"{drafted}/review", data={**sent, "outcome": "approved"})
    assert done.status_code == 303
    version = done.location
    assert "not ratified" in chair.get(version).text
    sent = {"held_on": room.at.date().isoformat(), "meeting": "Teaching committee, No. 7"}
    assert chair.post(f"{version}/ratify", data={"held_on": "", "meeting": ""}).status_code == 422
    assert chair.post(f"{version}/ratify", data=sent).status_code == 303
    assert "Teaching committee, No. 7" in browser(room.cast.trainee, lang="en").get(version).text
    assert reviewer.get(f"{version}/ratify").status_code == 403
    cohort = f"/cohorts/{room.cast.cohort.public_id}/frameworks"
    page = browser(room.cast.coordinator, lang="en").get(cohort)
    assert "stayed on it" in page.text
    chosen = {"version": version.rsplit("/", 1)[1]}
    assert browser(room.cast.coordinator).post(cohort, data=chosen).status_code == 303
    assert browser(room.cast.educator).post(cohort, data=chosen).status_code == 403


def test_a_version_leaves_as_a_file_and_comes_back_as_a_draft(room, bare_app, browser):
    client = browser(room.director, lang="en")
    with bare_app.app_context():
        address = f"/frameworks/{room.version().public_id}"
    data = client.get(f"{address}/framework.json").data
    sent = {"file": (io.BytesIO(data), "nicu.json"), "client_uuid": ids.token()}
    made = client.post("/frameworks/import", data=sent, content_type="multipart/form-data")
    assert made.status_code == 303
    assert client.get(f"{made.location}/framework.json").json == {
        name: value for name, value in json.loads(data).items() if name != "version"
    }
    assert "Nothing is different" in client.get(f"{made.location}/changes").text
    sent = {"file": (io.BytesIO(b"{}"), "x.json"), "client_uuid": ids.token()}
    refused = client.post("/frameworks/import", data=sent, content_type="multipart/form-data")
    assert refused.status_code == 422


def test_a_strange_file_still_makes_pages(room, bare_app, browser):
    strange = {
        "code": "PICU",
        "items": [
            {
                "code": "P01",
                "facets": [1, {"dim": "moon"}],
                "targets": {"PED": 3, "GP": {"level": [2], "x": {}}},
            },
            {
                "code": "P01",
                "facets": "x",
                "cusum": 7,
                "sources": 3,
                "targets": {"PED": {"spread": 1, "facets": 2}},
            },
        ],
        "domains": [{}],
    }
    with bare_app.app_context(), transaction():
        draft = editions.import_file(
            json.dumps(strange).encode(), client_uuid=ids.token(), at=room.at, by=room.director
        )
    client, here = browser(room.director, lang="en"), f"/frameworks/drafts/{draft.public_id}"
    for path in ("", "/changes", "/items/P01", "/items/P01.2", "/domains/X.2", "/framework.json"):
        assert client.get(here + path).status_code == 200, path
    page = client.get(f"{here}/items/P01")
    assert client.post(f"{here}/items/P01", data=fields(page.text)).status_code in {303, 422}
    assert client.post(f"{here}/submit").status_code == 422


def test_who_sees_which_page(room, bare_app, browser, drafted):
    with bare_app.app_context():
        version = f"/frameworks/{room.version().public_id}"
    everyone = room.cast.everyone() | {"reviewer": room.reviewer, "chair": room.chair}
    for who, by in everyone.items():
        client = browser(by)
        inside, works = who != "stranger", who in {"director", "reviewer", "chair", "auditor"}
        assert client.get("/frameworks").status_code == (200 if inside else 404), who
        assert client.get(version).status_code == (200 if inside else 404), who
        assert client.get(drafted).status_code == (200 if works else 404), who
        expected = 200 if who == "director" else 403 if works else 404
        for path in ("/head", "/items/N01", "/domains/new"):
            assert client.get(drafted + path).status_code == expected, (who, path)
        assert client.post(f"{drafted}/item/N01/move", data={"to": "down"}).status_code == (
            303 if who == "director" else 403 if works else 404
        ), who


def test_pages_ask_at_most_twelve_questions(room, bare_app, browser, drafted, queries):
    client = browser(room.director)
    with bare_app.app_context():
        version = f"/frameworks/{room.version().public_id}"
    pages = (
        "/frameworks",
        version,
        drafted,
        f"{drafted}/changes",
        f"{drafted}/items/N03",
        f"/cohorts/{room.cast.cohort.public_id}/frameworks",
    )
    for path in pages:
        client.get(path)
        with queries() as seen:
            assert client.get(path).status_code == 200
        assert seen.count <= 12, (path, seen.statements)
