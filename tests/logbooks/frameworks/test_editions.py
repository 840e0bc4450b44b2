"""Drafts, review and publication, seals, cohorts that stay, ratification."""

import json
from datetime import timedelta

import pytest
from sqlalchemy import select, text
from sqlalchemy.exc import DBAPIError

from lms.core import approvals, clock, ids
from lms.core.audit import AuditEvent
from lms.core.db import db, transaction
from lms.core.errors import NotAllowed, NotFound, RuleBroken
from lms.logbooks import cli, rules, services
from lms.logbooks import queries as logbooks
from lms.logbooks.models import Framework, Item
from lms.logbooks.models.frameworks import CohortFramework, FrameworkDraft
from lms.logbooks.queries import frameworks as queries
from lms.logbooks.rules import framework_documents as documents
from lms.logbooks.rules.content import Content
from lms.logbooks.services import editions, versions
from lms.programmes import queries as programmes
from lms.programmes import services as programme_services
from lms.programmes.models import Programme


@pytest.fixture(autouse=True)
def _context(app):
    with app.test_request_context():
        yield


def acts():
    """What the trail says of frameworks."""
    rows = db.session.scalars(
        select(AuditEvent).where(AuditEvent.act.like("logbooks.framework.%")).order_by(AuditEvent.id)
    )
    return [row.act.rsplit(".", 1)[1] for row in rows]


def log(room, code="N13"):
    """The trainee writes an entry by the version that their cohort has."""
    by = room.cast.trainee
    with transaction():
        enrolment = programmes.own_enrolment(by)
        item = next(one for one in logbooks.items(enrolment.cohort_id) if one.code == code)
        return services.log(
            enrolment,
            item=item,
            performed_on=clock.today(room.at),
            content=Content(operator_role="A", age_band="7-28d"),
            signer_person_id=None,
            client_uuid=ids.token(),
            at=room.at,
            by=by,
        )[0]


# ---------------------------------------------------------------- publication


@pytest.mark.parametrize("code", ["NICU", "PICU"])
def test_a_copy_that_is_published_unchanged_counts_the_same(room, code):
    old_id = room.version(code).public_id
    after = room.publish(room.begin(code))
    before = queries.version(old_id, room.director)
    assert (after.version, after.state, after.title_en) == (2, "published", before.title_en)
    for old, new in zip(before.items, after.items, strict=True):
        assert (old.code, old.kind, old.critical, old.title_zh, old.initials) == (
            new.code,
            new.kind,
            new.critical,
            new.title_zh,
            new.initials,
        )
        assert (old.targets, old.rule) == (new.targets, new.rule)
        for track in ("PED", "GP", "NURSE"):
            assert rules.requirement_of(old.targets, old.rule, track) == rules.requirement_of(
                new.targets, new.rule, track
            )
            assert rules.chart_of(old.targets, old.rule, track) == rules.chart_of(
                new.targets, new.rule, track
            )
    edition = queries.edition_of(after)
    assert queries.seal_holds(queries.document_of(after, edition), edition) is True
    assert queries.seal_holds(queries.document_of(before, None), None) is None
    assert acts()[-3:] == ["submit", "keep", "publish"]


def test_the_one_who_wrote_it_does_not_review_it(room):
    draft = room.begin()
    room.submit(draft)
    with pytest.raises(NotAllowed):
        room.review(draft, by=room.director)
    with pytest.raises(NotAllowed):
        room.review(draft, by=room.chair)
    with transaction():
        held = room.held(draft)
        held.editors = [*held.editors, room.reviewer.person_id]
    with pytest.raises(NotAllowed):
        room.review(draft)


def test_a_returned_draft_is_open_again_and_needs_words(room):
    draft = room.begin()
    room.submit(draft, "please")
    with pytest.raises(RuleBroken) as refused:
        room.review(draft, approvals.REFUSED)
    assert refused.value.code == "reason_needed"
    assert room.review(draft, approvals.REFUSED, "N03: the count is too low.") is None
    assert room.review(draft, approvals.REFUSED, "N03: the count is too low.") is None
    held = room.held(draft)
    assert held.state == "open"
    assert [row.note for row in queries.reviews(held)] == ["N03: the count is too low."]
    room.save(draft, "N03", title_en="Intubation")
    assert room.publish(draft).items[2].title_en == "Intubation"


def test_a_submitted_draft_stays_as_it_is_until_it_is_taken_back(room):
    draft = room.begin()
    first = room.submit(draft)
    assert room.submit(draft).id == first.id
    with pytest.raises(RuleBroken) as refused:
        room.save(draft, "N01", title_en="Other")
    assert refused.value.code == "draft_closed"
    for _twice in range(2):
        with transaction():
            editions.take_back(room.held(draft), at=room.at, by=room.director)
    room.save(draft, "N01", title_en="Other")
    room.submit(draft)
    made = room.review(draft)
    assert room.review(draft).id == made.id
    assert db.session.scalar(select(Framework.version).where(Framework.id == made.id)) == 2


def test_a_draft_with_problems_is_kept_but_not_submitted(room):
    draft = room.begin()
    room.save(draft, "N01", targets={"PED": {"level": 9}})
    assert any(one.stops for one in editions.problems_of(room.held(draft)))
    with pytest.raises(RuleBroken) as refused:
        room.submit(draft)
    assert refused.value.code == "framework_problems"


def test_words_that_may_name_a_patient_are_refused(room):
    with pytest.raises(RuleBroken) as refused:
        room.submit(room.begin(), "患儿张小明 13800138000")
    assert refused.value.code == "identifying"


# ---------------------------------------------------------------- drafts


def test_beginning_twice_with_one_key_is_once(room):
    key = ids.token()
    for _twice in range(2):
        with transaction():
            editions.begin("NICU", None, client_uuid=key, at=room.at, by=room.director)
    assert len(db.session.scalars(select(FrameworkDraft)).all()) == 1


def test_two_people_who_change_different_items_lose_nothing(room):
    draft = room.begin()
    seen = editions.seen_of(editions.row_of(draft.document, "item", "N01"))
    room.save(draft, "N02", title_en="Second")
    room.save(draft, "N01", title_en="First", seen=seen)
    rows = {row["code"]: row["title_en"] for row in room.held(draft).document["items"]}
    assert (rows["N01"], rows["N02"]) == ("First", "Second")


def test_two_people_who_change_one_item_are_told_what_the_other_changed(room):
    draft = room.begin()
    seen = editions.seen_of(editions.row_of(draft.document, "item", "N01"))
    room.save(draft, "N01", title_en="Mine", seen=seen)
    room.save(draft, "N01", title_en="Mine", seen=seen)  # the second click
    with pytest.raises(editions.Overtaken) as refused:
        room.save(draft, "N01", title_en="Yours", seen=seen)
    assert [(before, after) for _field, before, after in refused.value.changes] == [("Yours", "Mine")]
    assert room.held(draft).edition == 2


def test_items_are_added_moved_and_removed_once(room):
    draft = room.begin(empty=True)
    values = {**editions.row_of(room.begin().document, "item", "N01"), "code": "N90"}
    del values["key"]
    for _twice in range(2):
        with transaction():
            key = editions.save_row(
                room.held(draft), "item", "", values, seen="", at=room.at, by=room.director
            )
    other = {**values, "title_en": "Another"}
    with pytest.raises(RuleBroken) as refused, transaction():
        editions.save_row(room.held(draft), "item", "", other, seen="", at=room.at, by=room.director)
    assert refused.value.code == "code_taken"
    with transaction():
        editions.save_row(
            room.held(draft), "item", "", {**values, "code": "N91"}, seen="", at=room.at, by=room.director
        )
        editions.move_row(room.held(draft), "item", "N91", -1, at=room.at, by=room.director)
        editions.move_row(room.held(draft), "item", "N91", -1, at=room.at, by=room.director)
    assert [row["code"] for row in room.held(draft).document["items"]] == ["N91", "N90"]
    seen = editions.seen_of(editions.row_of(room.held(draft).document, "item", key))
    for _twice in range(2):
        with transaction():
            editions.remove_row(room.held(draft), "item", key, seen=seen, at=room.at, by=room.director)
    assert [row["code"] for row in room.held(draft).document["items"]] == ["N91"]


def test_items_follow_when_their_domain_gets_another_code(room):
    draft = room.begin()
    domain = {"code": "AIR", "title_zh": "气道", "title_en": "Airway"}
    with transaction():
        key = editions.save_row(room.held(draft), "domain", "", domain, seen="", at=room.at, by=room.director)
    room.save(draft, "N03", domain="AIR")
    with transaction():
        held = room.held(draft)
        seen = editions.seen_of(editions.row_of(held.document, "domain", key))
        editions.save_row(
            held, "domain", key, {**domain, "code": "LUNG"}, seen=seen, at=room.at, by=room.director
        )
    assert editions.row_of(room.held(draft).document, "item", "N03")["domain"] == "LUNG"


def test_facets_are_added_changed_and_removed_once(room):
    draft = room.begin()
    first = {"dim": "shift", "of": ["night"], "at_least": 2}
    second = {**first, "at_least": 3}

    def facets():
        return editions.row_of(room.held(draft).document, "item", "N04")["facets"]

    for _twice in range(2):
        with transaction():
            editions.save_facet(room.held(draft), "N04", "", first, at=room.at, by=room.director)
    assert facets() == [first]
    for _twice in range(2):
        with transaction():
            editions.save_facet(
                room.held(draft), "N04", editions.seen_of(first), second, at=room.at, by=room.director
            )
    assert facets() == [second]
    with pytest.raises(editions.Overtaken), transaction():
        editions.save_facet(
            room.held(draft), "N04", editions.seen_of(first), first, at=room.at, by=room.director
        )
    for _twice in range(2):
        with transaction():
            editions.remove_facet(
                room.held(draft), "N04", editions.seen_of(second), at=room.at, by=room.director
            )
    assert facets() == []


def test_a_dropped_draft_changes_no_more(room):
    draft = room.begin()
    for _twice in range(2):
        with transaction():
            editions.drop(room.held(draft), at=room.at, by=room.director)
    with pytest.raises(RuleBroken):
        room.save(draft, "N01", title_en="Other")
    assert draft.public_id not in {one.public_id for one in queries.drafts()}


def test_a_file_makes_a_draft_and_its_problems_are_named(room):
    document = queries.document_of(room.version(), None)
    document["items"][0]["targets"]["PED"]["stars"] = 5
    with transaction():
        draft = editions.import_file(
            documents.written(document), client_uuid=ids.token(), at=room.at, by=room.director
        )
    assert [one.key for one in editions.problems_of(draft) if one.stops] == ["N01"]
    with pytest.raises(RuleBroken) as refused, transaction():
        editions.import_file(
            json.dumps({"code": "ED", "items": []}).encode(),
            client_uuid=ids.token(),
            at=room.at,
            by=room.director,
        )
    assert refused.value.code == "unit_unknown"


# ---------------------------------------------------------------- seals


def test_the_database_refuses_to_change_what_was_published(room):
    made = room.publish(room.begin())
    with transaction():
        versions.ratify(
            made, held_on=clock.today(room.at), meeting="No. 1", words="", at=room.at, by=room.chair
        )
    for statement in (
        "UPDATE framework SET title_en = 'x'",
        "UPDATE framework SET state = 'retired'",
        "DELETE FROM framework",
        "UPDATE framework_item SET code = 'x'",
        "DELETE FROM framework_item",
        "UPDATE framework_edition SET label = 'x'",
        "DELETE FROM framework_edition",
        "UPDATE framework_ratification SET meeting = 'x'",
        "DELETE FROM framework_ratification",
        "UPDATE cohort_framework SET number = 9",
        "DELETE FROM cohort_framework",
        "UPDATE framework_draft SET saved_at = made_at",
        "DELETE FROM framework_draft",
    ):
        with pytest.raises(DBAPIError), transaction():
            db.session.execute(text(statement))


# ---------------------------------------------------------------- cohorts


def test_a_running_cohort_stays_on_its_version_and_a_later_one_gets_the_new(room):
    cohort = room.cast.cohort
    entry = log(room)
    old = entry.item.framework_id
    with transaction():
        later = programme_services.add_cohort(
            db.session.get_one(Programme, room.cast.programme.id),
            code="2027A",
            name_zh="2027 班",
            name_en="2027",
            start_on=clock.today(room.at) + timedelta(days=60),
            end_on=clock.today(room.at) + timedelta(days=240),
            hours=None,
            at=room.at,
            by=None,
        )
    draft = room.begin()
    room.save(draft, "N13", title_en="Lumbar puncture, anew")
    made = room.publish(draft)
    assert {item.framework.version for item in logbooks.items(cohort.id)} == {1}
    assert {item.framework.version for item in logbooks.items(later.id) if item.framework.code == "NICU"} == {
        2
    }
    pin = queries.pin_of(cohort.id, "NICU")
    assert (pin.kind, pin.framework_id) == ("kept", old)
    assert queries.pin_of(later.id, "NICU") is None
    log(room)
    with pytest.raises(RuleBroken) as refused, transaction():
        versions.give(cohort, made, at=room.at, by=room.director)
    assert refused.value.code == "framework_in_use"
    by_version = {
        one.framework.version: one for one in queries.versions(room.director) if one.framework.code == "NICU"
    }
    assert [one.code for one in by_version[1].cohorts] == ["2026A"]
    assert [one.code for one in by_version[2].cohorts] == ["2027A"]


def test_a_third_version_moves_nobody_who_was_kept(room):
    room.publish(room.begin())
    room.publish(room.begin())
    assert {item.framework.version for item in logbooks.items(room.cast.cohort.id)} == {1}
    assert len(db.session.scalars(select(CohortFramework)).all()) == 1


def test_a_cohort_without_entries_can_be_given_another_version(room):
    cohort, old = room.cast.cohort, room.version()
    made = room.publish(room.begin())
    for framework in (made, made, old):
        with transaction():
            versions.give(cohort, framework, at=room.at, by=room.cast.coordinator)
    rows = db.session.scalars(select(CohortFramework).order_by(CohortFramework.number)).all()
    assert [(row.number, row.kind, row.framework_id) for row in rows] == [
        (1, "kept", old.id),
        (2, "chosen", made.id),
        (3, "chosen", old.id),
    ]
    assert {item.framework_id for item in logbooks.items(cohort.id) if item.code.startswith("N")} == {old.id}
    with pytest.raises(NotAllowed), transaction():
        versions.give(cohort, made, at=room.at, by=room.cast.educator)
    with pytest.raises(NotFound), transaction():
        versions.give(cohort, made, at=room.at, by=room.cast.stranger)


def test_progress_is_counted_by_the_cohorts_own_version(room):
    enrolment = room.cast.enrolment
    draft = room.begin()
    room.save(
        draft,
        "N13",
        targets={"PED": {"level": 3, "min_count": 50}, "GP": None, "NURSE": None},
    )
    room.publish(draft)
    row = logbooks.item_progress(
        enrolment, programmes.placements(enrolment.id), "N13", today=clock.today(room.at)
    )
    assert row.cell.tallies[0].need == 5


# ---------------------------------------------------------------- ratification


def test_a_committee_ratifies_a_version_once(room):
    framework, today = room.version(), clock.today(room.at)
    for _twice in range(2):
        with transaction():
            versions.ratify(
                framework, held_on=today, meeting="2026/7", words="unanimous", at=room.at, by=room.chair
            )
    with pytest.raises(RuleBroken) as refused, transaction():
        versions.ratify(framework, held_on=today, meeting="2026/8", words="", at=room.at, by=room.director)
    assert refused.value.code == "ratified"
    row = queries.ratifications([framework.id])[framework.id]
    assert (row.person.name, row.meeting) == (room.chair.name, "2026/7")
    assert acts().count("ratify") == 1
    items = db.session.scalars(select(Item).where(Item.framework_id == framework.id).limit(1)).all()
    assert items


@pytest.mark.parametrize(("held_in", "meeting", "code"), [(1, "x", "future"), (0, " ", "meeting_missing")])
def test_a_ratification_names_a_meeting_that_was_held(room, held_in, meeting, code):
    with pytest.raises(RuleBroken) as refused, transaction():
        versions.ratify(
            room.version(),
            held_on=clock.today(room.at) + timedelta(days=held_in),
            meeting=meeting,
            words="",
            at=room.at,
            by=room.chair,
        )
    assert refused.value.code == code


# ---------------------------------------------------------------- command line


def test_the_command_line_lists_and_exports_versions(room, capsys):
    framework = room.version("PICU")
    assert cli.frameworks() == 0
    assert framework.public_id in capsys.readouterr().out
    assert cli.frameworks(framework.public_id) == 0
    written = documents.read_file(capsys.readouterr().out.encode())
    assert written == queries.document_of(framework, None)
    assert cli.frameworks("nothing") == 2


# ---------------------------------------------------------------- who may


def test_nobody_but_the_director_writes_and_submits(room):
    draft, framework, today = room.begin(), room.version(), clock.today(room.at)
    for who, by in room.cast.everyone().items():
        if who == "director":
            continue
        with pytest.raises(NotAllowed), transaction():
            editions.begin("NICU", None, client_uuid=ids.token(), at=room.at, by=by)
        with pytest.raises(NotAllowed):
            room.save(draft, "N01", by=by, title_en="x")
        with pytest.raises(NotAllowed), transaction():
            editions.submit(room.held(draft), words="", at=room.at, by=by)
        with pytest.raises((NotAllowed, NotFound)), transaction():
            versions.ratify(framework, held_on=today, meeting="1", words="", at=room.at, by=by)
        if who == "auditor":
            assert queries.draft(draft.public_id, by)
        else:
            with pytest.raises(NotFound):
                queries.draft(draft.public_id, by)


def test_a_stranger_reads_no_framework_and_a_trainee_the_published_ones(room):
    framework = room.version()
    assert queries.version(framework.public_id, room.cast.trainee).id == framework.id
    assert len(queries.versions(room.cast.trainee)) == 2
    assert queries.versions(room.cast.stranger) == []
    with pytest.raises(NotFound):
        queries.version(framework.public_id, room.cast.stranger)
