"""Acts on entries against a real database: who may, what changes, what the database refuses."""

import threading
from datetime import timedelta

import pytest
from sqlalchemy import func, select, text
from sqlalchemy.exc import DBAPIError

from lms.accounts import services as accounts
from lms.core import audit, clock, ports
from lms.core.db import db, transaction
from lms.core.errors import NeedsConfirmation, NotAllowed, NotFound, RuleBroken
from lms.core.notices import Notice
from lms.logbooks import queries, rules, services
from lms.logbooks.models import Entry, EntryAct, EntryReturn, EntryRevision, Framework, Item, Signature
from lms.logbooks.rules import Content
from lms.programmes import queries as programmes

CAST = (
    "trainee",
    "other_trainee",
    "mentor",
    "other_mentor",
    "second_assessor",
    "administrator",
    "coordinator",
    "educator",
    "examiner",
    "director",
    "auditor",
    "stranger",
    "unit_lead",
)
READS = {"trainee", "mentor", "second_assessor", "coordinator", "director", "auditor", "unit_lead"}
"""Who may read a submitted entry of the trainee."""


HANDS = {
    rules.AUTHOR: {"trainee"},
    rules.SIGNER: {"mentor"},
    rules.SECOND: {"second_assessor", "unit_lead"},
    rules.DIRECTOR: {"director"},
    rules.CLOCK: set(),
}
"""Who of the cast has which hand on an entry that the trainee sent to her mentor."""


def part(desk, name):
    """One of the cast; the unit lead holds a role in the programme and is paired with nobody."""
    return desk.unit_lead if name == "unit_lead" else getattr(desk.cast, name)


def in_state(desk, state):
    """An entry of the trainee's in a state, reached by the acts that lead there."""
    entry = desk.log(as_draft=state in {rules.DRAFT, rules.DISCARDED})
    ways = {
        rules.DISCARDED: [("discard", "trainee")],
        rules.SIGNED: [("sign", "mentor")],
        rules.RETURNED: [("return", "mentor")],
        rules.DECLINED: [("decline", "mentor")],
        rules.COUNTERSIGNED: [("sign", "mentor"), ("countersign", "second_assessor")],
        rules.SUPERSEDED: [("sign", "mentor"), ("amend", "trainee")],
        rules.VOIDED: [("sign", "mentor"), ("void", "director")],
    }
    for name, who in ways.get(state, []):
        act_of(name, desk, entry, part(desk, who))
    if state == rules.LAPSED:
        with transaction():
            services.lapse(desk.at + timedelta(days=120))
    return entry


def act_of(name, desk, entry, by):
    """Do one act of the table as somebody."""
    at = desk.at + timedelta(minutes=2)
    if name in {"sign", "countersign"}:
        by = desk.confirmed(by, at=at)
    with transaction():
        found = queries.entry(entry.public_id, by, for_update=True)
        number = max(found.revision_no, 1)
        if name in {"submit", "resubmit"}:
            services.submit(found, at=at, by=by)
        elif name in {"recall", "discard", "withdraw"}:
            getattr(services, name)(found, at=at, by=by)
        elif name in {"sign", "countersign"}:
            getattr(services, name)(found, revision_no=number, level=4, words="", at=at, by=by)
        elif name == "amend":
            services.amend(
                found,
                item=desk.item(),
                performed_on=found.performed_on,
                content=Content(operator_role="S_TU", age_band="7-28d"),
                signer_person_id=None,
                reason="写错了角色",
                at=at,
                by=by,
            )
        elif name == "void":
            services.void(found, reason="duplicate", words="与前一条相同", at=at, by=by)
        elif name == "revive":
            services.revive(found, words="病假期间未能签名", at=at, by=by)
        else:
            reason = rules.DECLINE_REASON if name == "decline" else "talk"
            services.give_back(found, revision_no=number, reason=reason, words="", at=at, by=by)


OFFERED = tuple(name for name, way in rules.MOVES.items() if way.hands != (rules.CLOCK,))
REACHED = tuple(rules.STATES)
AGAIN = {
    ("sign", rules.SIGNED),
    ("countersign", rules.COUNTERSIGNED),
    ("return", rules.RETURNED),
    ("decline", rules.DECLINED),
}
"""A second tap of the same act finds what the first one did, for whoever did it."""


@pytest.mark.parametrize("state", REACHED)
def test_every_act_by_every_one_of_the_cast_is_allowed_or_refused_as_the_tables_say(desk, app, state):
    """The table of moves times the cast, from one state: who is not named gets 403 if they may read it, else 404."""
    entry = None
    for name in OFFERED:
        way = rules.MOVES[name]
        hands = set().union(*(HANDS[hand] for hand in way.hands))
        for who in CAST:
            entry = entry or in_state(desk, state)
            assert state_of(entry) == state
            by = part(desk, who)
            before = count_everything()
            visible = who == "trainee" or (who in READS and state not in {rules.DRAFT, rules.DISCARDED})
            label = (name, state, who)
            if not visible:
                with pytest.raises(NotFound):
                    act_of(name, desk, entry, by)
            elif who not in hands:
                with pytest.raises(NotAllowed):
                    act_of(name, desk, entry, by)
            elif (name, state) in AGAIN and who != "unit_lead":
                act_of(name, desk, entry, by)
            elif state in way.before or (name in {"submit", "resubmit"} and state in rules.IN_HAND):
                act_of(name, desk, entry, by)
                assert state_of(entry) == rules.move(
                    state, name if state in way.before else "submit" if state == rules.DRAFT else "resubmit"
                ), label
                entry = None
                continue
            else:
                with pytest.raises(RuleBroken) as problem:
                    act_of(name, desk, entry, by)
                assert problem.value.code == "entry_state", label
            assert state_of(entry) == state, label
            assert count_everything() == before, label


def state_of(entry):
    """The state as the database has it."""
    return db.session.scalar(
        select(Entry.state).where(Entry.id == entry.id).execution_options(populate_existing=True)
    )


def count_everything():
    """Rows of the tables that acts add to."""
    return [
        db.session.scalar(select(func.count()).select_from(model))
        for model in (EntryRevision, Signature, EntryReturn, EntryAct)
    ]


# ---------------------------------------------------------------- writing


def test_an_entry_goes_to_the_primary_mentor_of_the_day_with_one_frozen_revision(desk, app):
    entry = desk.log(note="第二次进针成功。")
    assert (entry.state, entry.revision_no, entry.signer_person_id) == (
        rules.SUBMITTED,
        1,
        desk.cast.mentor.person_id,
    )
    revision = db.session.scalars(select(EntryRevision)).one()
    assert revision.payload["item"] == {
        "code": "N13",
        "title_zh": "新生儿腰椎穿刺",
        "title_en": "Lumbar puncture, newborn",
    }
    assert revision.payload["content"] == {
        "operator_role": "A",
        "age_band": "7-28d",
        "note": "第二次进针成功。",
    }
    assert revision.payload["unit"] == "NICU"


def test_the_second_assessor_may_be_asked_instead(desk, app):
    entry = desk.log(signer=desk.cast.second_assessor.person_id)
    signature = desk.sign(entry, by=desk.cast.second_assessor)
    assert signature.acted_as == "second"
    assert desk.sign(desk.log()).acted_as == "mentor"


@pytest.mark.parametrize("who", ["other_mentor", "coordinator", "other_trainee"])
def test_somebody_who_is_not_paired_on_that_day_cannot_be_asked(desk, app, who):
    with pytest.raises(RuleBroken) as problem:
        desk.log(signer=getattr(desk.cast, who).person_id)
    assert problem.value.code == "signer_invalid"


def test_nobody_can_be_their_own_signer(desk, app):
    with pytest.raises(RuleBroken) as problem:
        desk.log(signer=desk.cast.trainee.person_id)
    assert problem.value.code == "own_entry"


@pytest.mark.parametrize(("ago", "code"), [(-1, "future"), (31, "too_late")])
def test_future_and_long_past_days_are_refused(desk, app, ago, code):
    with pytest.raises(RuleBroken) as problem:
        desk.log(ago=ago)
    assert problem.value.code == code


def test_a_day_without_placement_is_refused(desk, app, cast):
    with transaction():
        enrolment = programmes.own_enrolment(cast.trainee)
        with pytest.raises(RuleBroken) as problem:
            services.log(
                enrolment,
                item=desk.item(),
                performed_on=clock.today(desk.at) - timedelta(days=36),
                content=Content(operator_role="A", age_band="1-4y"),
                signer_person_id=None,
                client_uuid="x" * 20,
                at=desk.at - timedelta(days=20),
                by=cast.trainee,
            )
    assert problem.value.code == "no_placement"


def test_an_entry_later_than_seven_days_is_marked_and_a_correction_does_not_make_it_late(desk, app):
    assert desk.log(ago=8).late
    entry = desk.log(ago=7)
    assert not entry.late
    desk.give_back(entry)
    with transaction():
        found = queries.own_entry(entry.public_id, desk.cast.trainee, for_update=True)
        services.submit(found, at=desk.at + timedelta(days=9), by=desk.cast.trainee)
    assert not found.late
    assert found.revision_no == 2


@pytest.mark.parametrize(
    "note",
    [
        "患儿李小明，男",
        "住院号 20261122345",
        "电话 138 0013 8000",
        "身份证 11010519491231002X",
        "2026年11月20日入院",
    ],
)
def test_a_note_that_names_a_child_is_stopped_at_the_gate(desk, app, note):
    with pytest.raises(RuleBroken) as problem:
        desk.log(note=note)
    assert (problem.value.code, problem.value.field) == ("identifying", "note")
    assert db.session.scalar(select(func.count()).select_from(Entry)) == 0


def test_sixty_replays_of_one_client_id_make_one_entry(desk, app):
    made = {desk.log(client="same-client-id").public_id for _ in range(60)}
    assert len(made) == 1
    assert db.session.scalar(select(func.count()).select_from(Entry)) == 1
    assert db.session.scalar(select(func.count()).select_from(EntryRevision)) == 1


def test_the_same_client_id_of_another_trainee_is_another_entry(desk, app):
    assert (
        desk.log(client="same-client-id").id
        != desk.log(client="same-client-id", by=desk.cast.other_trainee).id
    )


def test_two_deliveries_at_the_same_moment_make_one_entry(desk, bare_app):
    made, problems = [], []
    start = threading.Barrier(4)

    def deliver():
        with bare_app.app_context():
            start.wait()
            try:
                made.append(desk.log(client="at-the-same-moment").public_id)
            except Exception as problem:  # noqa: BLE001 (whatever it is, the test shows it)
                problems.append(problem)
            finally:
                db.session.remove()

    threads = [threading.Thread(target=deliver) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not problems
    assert len(made) == 4
    assert len(set(made)) == 1


def test_a_draft_needs_only_the_item_and_can_be_completed_and_sent(desk, app):
    entry = desk.log(as_draft=True, operator_role="", age_band="")
    with pytest.raises(RuleBroken) as problem:
        act_of("submit", desk, entry, desk.cast.trainee)
    assert (problem.value.code, problem.value.field) == ("role_missing", "operator_role")
    with transaction():
        found = queries.own_entry(entry.public_id, desk.cast.trainee, for_update=True)
        services.change(
            found,
            item=desk.item("N09"),
            performed_on=clock.today(desk.at),
            content=Content(operator_role="P", age_band="1-6d"),
            signer_person_id=None,
            at=desk.at,
            by=desk.cast.trainee,
        )
        services.submit(found, at=desk.at, by=desk.cast.trainee)
    assert (found.state, found.item.code, found.revision_no) == (rules.SUBMITTED, "N09", 1)


@pytest.mark.parametrize("state", [rules.SUBMITTED, rules.SIGNED])
def test_an_entry_that_left_the_hand_cannot_be_written_in(desk, app, state):
    entry = in_state(desk, state)
    with pytest.raises(RuleBroken) as problem, transaction():
        services.change(
            queries.own_entry(entry.public_id, desk.cast.trainee, for_update=True),
            item=desk.item(),
            performed_on=entry.performed_on,
            content=Content(operator_role="P", age_band="1-6d"),
            signer_person_id=None,
            at=desk.at,
            by=desk.cast.trainee,
        )
    assert problem.value.code == "entry_state"


def test_a_submitted_entry_comes_back_until_the_mentor_has_opened_it(desk, app):
    first, second = desk.log(), desk.log()
    act_of("recall", desk, first, desk.cast.trainee)
    assert state_of(first) == rules.DRAFT
    with transaction():
        services.note_opened([second.id], at=desk.at, by=desk.cast.mentor)
    with pytest.raises(RuleBroken) as problem:
        act_of("recall", desk, second, desk.cast.trainee)
    assert problem.value.code == "entry_opened"


def test_only_the_signer_s_look_counts_as_opened(desk, app):
    entry = desk.log()
    with transaction():
        services.note_opened([entry.id], at=desk.at, by=desk.cast.second_assessor)
    act_of("recall", desk, entry, desk.cast.trainee)
    assert state_of(entry) == rules.DRAFT


def test_a_draft_that_was_recalled_is_kept(desk, app):
    entry = desk.log()
    act_of("recall", desk, entry, desk.cast.trainee)
    with pytest.raises(RuleBroken) as problem:
        act_of("discard", desk, entry, desk.cast.trainee)
    assert problem.value.code == "entry_kept"


# ---------------------------------------------------------------- signing


def test_a_signature_needs_a_confirmation_of_the_last_five_minutes(desk, app):
    entry = desk.log()
    by = desk.confirmed(desk.cast.mentor, at=desk.at)
    for late, refused in ((timedelta(minutes=5), True), (timedelta(minutes=4, seconds=59), False)):
        at = desk.at + late

        def sign(at=at):
            with transaction():
                return services.sign(
                    queries.entry(entry.public_id, by, for_update=True),
                    revision_no=1,
                    level=4,
                    words="",
                    at=at,
                    by=by,
                )

        if refused:
            with pytest.raises(NeedsConfirmation):
                sign()
            assert state_of(entry) == rules.SUBMITTED
        else:
            assert sign().method == "pin"


def test_two_taps_make_one_signature(desk, app):
    entry = desk.log()
    assert desk.sign(entry).id == desk.sign(entry).id
    assert db.session.scalar(select(func.count()).select_from(Signature)) == 1
    acts = db.session.scalars(
        select(audit.AuditEvent.act).where(audit.AuditEvent.act == "logbooks.entry.sign")
    ).all()
    assert len(acts) == 1


def test_two_taps_at_the_same_moment_make_one_signature(desk, bare_app):
    with bare_app.app_context():
        entry = desk.log()
        by = desk.confirmed(desk.cast.mentor)
        db.session.remove()
    made, start = [], threading.Barrier(4)

    def tap():
        with bare_app.app_context():
            start.wait()
            try:
                with transaction():
                    made.append(
                        services.sign(
                            queries.entry(entry.public_id, by, for_update=True),
                            revision_no=1,
                            level=5,
                            words="",
                            at=desk.at,
                            by=by,
                        ).public_id
                    )
            finally:
                db.session.remove()

    threads = [threading.Thread(target=tap) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(made) == 4
    assert len(set(made)) == 1


def test_the_signer_decides_on_the_revision_that_was_on_the_screen(desk, app):
    entry = desk.log()
    desk.give_back(entry)
    act_of("resubmit", desk, entry, desk.cast.trainee)
    by = desk.confirmed(desk.cast.mentor, at=desk.at + timedelta(minutes=3))
    with pytest.raises(RuleBroken) as problem, transaction():
        services.sign(
            queries.entry(entry.public_id, by, for_update=True),
            revision_no=1,
            level=4,
            words="",
            at=desk.at + timedelta(minutes=3),
            by=by,
        )
    assert problem.value.code == "revision"


def test_low_levels_and_major_complications_need_words(desk, app):
    entry = desk.log(complication="major")
    with pytest.raises(RuleBroken) as problem:
        desk.sign(entry, level=5)
    assert problem.value.code == "words_missing"
    assert desk.sign(entry, level=5, words="出血自止，已复查凝血。").level == 5
    with pytest.raises(RuleBroken):
        desk.sign(desk.log(), level=2)


def test_the_mentor_s_words_pass_the_gate_too(desk, app):
    entry = desk.log()
    with pytest.raises(RuleBroken) as problem:
        desk.sign(entry, words="患儿李小明，男，配合好")
    assert (problem.value.code, problem.value.field) == ("identifying", "words")
    with pytest.raises(RuleBroken) as problem:
        desk.give_back(entry, words="住院号 20261122345 请核对")
    assert problem.value.code == "identifying"


def test_a_second_account_of_the_trainee_cannot_sign(desk, app, cast, at):
    from lms.accounts.models import Person

    with transaction():
        person = db.session.get_one(Person, cast.trainee.person_id)
        account = accounts.add_account(person, login="second-account@example.org", at=at, by=None)
    from lms.accounts.queries import actor_of

    second = actor_of(account, at=at)
    entry = desk.log()
    with pytest.raises(NotAllowed):
        act_of("sign", desk, entry, second)
    assert state_of(entry) == rules.SUBMITTED


def test_even_a_pairing_with_oneself_could_not_be_signed_in_the_database(desk, app):
    """L1 holds below the services: the tables themselves refuse an own signer and an own signature."""
    entry = desk.log()
    with pytest.raises(DBAPIError), transaction():
        db.session.execute(
            text("UPDATE entry SET signer_person_id = author_person_id WHERE id = :id"), {"id": entry.id}
        )
    revision = db.session.scalars(select(EntryRevision)).one()
    own = Signature(
        entry_id=entry.id,
        revision_id=revision.id,
        author_person_id=entry.author_person_id,
        signer_person_id=entry.author_person_id,
        signer_account_id=desk.cast.trainee.account_id,
        acted_as="mentor",
        level=5,
        method="pin",
        payload_sha256=revision.payload_sha256,
        statement_sha256="0" * 64,
        signed_at=desk.at,
    )
    with pytest.raises(DBAPIError), transaction():
        db.session.add(own)


def test_a_mentor_whose_pairing_was_over_on_that_day_cannot_sign(desk, app):
    from lms.programmes.models import Pairing

    entry = desk.log()
    with transaction():
        for pairing in db.session.scalars(
            select(Pairing).where(Pairing.mentor_person_id == desk.cast.mentor.person_id)
        ):
            pairing.to_on = clock.today(desk.at) - timedelta(days=1)
    with pytest.raises(RuleBroken) as problem:
        desk.sign(entry)
    assert problem.value.code == "signer_invalid"


def test_a_pairing_that_ended_later_still_signs_for_its_days(desk, app):
    from lms.programmes.models import Pairing

    entry = desk.log(ago=3)
    with transaction():
        for pairing in db.session.scalars(
            select(Pairing).where(Pairing.mentor_person_id == desk.cast.mentor.person_id)
        ):
            pairing.to_on = clock.today(desk.at) - timedelta(days=1)
    assert desk.sign(entry).acted_as == "mentor"


def test_a_return_with_its_reason_comes_back_as_a_new_revision_and_is_signed(desk, app):
    entry = desk.log()
    desk.give_back(entry, words="请写明并发症。")
    assert state_of(entry) == rules.RETURNED
    act_of("resubmit", desk, entry, desk.cast.trainee)
    with transaction():
        found = queries.entry(entry.public_id, desk.cast.mentor)
    desk.sign(found, at=desk.at + timedelta(minutes=4))
    with transaction():
        found = queries.entry(entry.public_id, desk.cast.mentor)
        story = queries.history(found)
    assert [step.act for step in story.steps] == ["submitted", "returned", "submitted", "signed"]
    assert [checked.broken for checked in story.signatures] == [""]
    assert story.signatures[0].number == 2


# ---------------------------------------------------------------- what follows


def test_signing_tells_the_fact_inside_the_transaction(desk, app):
    told = []
    ports.fact_changed.subscribe(told.append)
    try:
        entry = desk.log()
        assert told == []
        desk.sign(entry)
        desk.sign(entry)
    finally:
        ports.fact_changed.subscribers.remove(told.append)
    assert [(fact.fact, fact.enrolment_id) for fact in told] == [("entries_signed", desk.cast.enrolment.id)]


def test_the_mentor_hears_of_a_new_entry_and_the_trainee_of_each_answer(desk, app):
    first, second = desk.log(), desk.log()
    desk.sign(first)
    desk.give_back(second)
    found = db.session.execute(select(Notice.account_id, Notice.kind, Notice.url).order_by(Notice.id)).all()
    mentor, trainee = desk.cast.mentor.account_id, desk.cast.trainee.account_id
    assert [tuple(row) for row in found] == [
        (mentor, "logbooks.entry_submitted", f"/to-sign/{first.public_id}"),
        (mentor, "logbooks.entry_submitted", f"/to-sign/{second.public_id}"),
        (trainee, "logbooks.entry_signed", f"/logbook/{first.public_id}"),
        (desk.cast.second_assessor.account_id, "logbooks.entry_second", f"/to-sign/{first.public_id}"),
        (trainee, "logbooks.entry_returned", f"/logbook/{second.public_id}"),
    ]


def test_every_act_stands_in_the_logbook_s_own_trail_without_words_of_people(desk, app):
    entry = desk.log(note="很顺利")
    desk.give_back(entry, words="请补充")
    act_of("resubmit", desk, entry, desk.cast.trainee)
    with transaction():
        found = queries.entry(entry.public_id, desk.cast.mentor)
    desk.sign(found, words="做得好", at=desk.at + timedelta(minutes=4))
    scope = f"logbook:{desk.cast.enrolment.id}"
    events = db.session.scalars(
        select(audit.AuditEvent).where(audit.AuditEvent.scope == scope).order_by(audit.AuditEvent.seq)
    ).all()
    assert [event.act.rpartition(".")[2] for event in events] == [
        "write",
        "submit",
        "return",
        "submit",
        "sign",
    ]
    assert not any(word in str(event.detail) for event in events for word in ("很顺利", "请补充", "做得好"))
    assert not audit.verify(scope=scope).broken


def test_facts_count_signed_entries_for_the_whole_cohort_and_for_one(desk, app):
    for _ in range(2):
        desk.sign(desk.log())
    desk.log()
    desk.give_back(desk.log())
    desk.sign(desk.log(by=desk.cast.other_trainee), by=desk.cast.other_mentor)
    mine, other = desk.cast.enrolment.id, desk.cast.other_enrolment.id
    assert queries.entry_facts(desk.cast.cohort.id) == {mine: 2, other: 1}
    assert queries.signed_count(mine) == 2
    assert queries.signed_count(10_000) == 0


def test_the_home_page_puts_returned_entries_first(desk, app, at):
    entry = desk.log()
    desk.give_back(entry, words="请写明并发症。")
    task = queries.tasks(desk.cast.trainee, at)[0]
    assert (task.kind, task.urgency, task.url) == ("entry_returned", 0, f"/logbook/{entry.public_id}/edit")
    assert "请写明并发症。" in task.meta[0]
    desk.log()
    assert [task.kind for task in queries.tasks(desk.cast.mentor, at)] == ["entries_to_sign"]
    assert queries.to_sign_count(desk.cast.mentor) == 1
    assert queries.to_sign_count(desk.cast.other_mentor) == 0


def test_an_inbox_holds_exactly_what_its_owner_may_sign(desk, app):
    """The rows of the list are those that the policy admits."""
    from lms import policy

    mine, other = desk.log(), desk.log(by=desk.cast.other_trainee)
    second = desk.log(signer=desk.cast.second_assessor.person_id)
    signed = desk.log()
    desk.sign(signed)
    for who in CAST:
        by = part(desk, who)
        rows = {card.entry.id for card in queries.to_sign(by)[0]}
        everything = db.session.scalars(queries.shown(select(Entry))).all()
        admitted = {
            entry.id
            for entry in everything
            if entry.state == rules.SUBMITTED
            and policy.allows(by, policy.Permission.ENTRY_SIGN, queries.scope_of(entry))
        }
        assert rows == admitted, who
    assert {card.entry.id for card in queries.to_sign(desk.cast.mentor)[0]} == {mine.id}
    assert {card.entry.id for card in queries.to_sign(desk.cast.other_mentor)[0]} == {other.id}
    assert {card.entry.id for card in queries.to_sign(desk.cast.second_assessor)[0]} == {second.id}


def test_a_logbook_s_list_holds_exactly_what_its_reader_may_read(desk, app):
    from lms import policy

    for state in REACHED:
        in_state(desk, state)
    enrolment = programmes.own_enrolment(desk.cast.trainee)
    placements = programmes.placements(enrolment.id)
    everything = db.session.scalars(queries.shown(select(Entry))).all()
    for who in CAST:
        by = part(desk, who)
        own = who == "trainee"
        rows = (
            {row.id for row in queries.entries(enrolment, own=own)}
            if queries.may_read_entries(by, enrolment, placements)
            else set()
        )
        admitted = {
            entry.id
            for entry in everything
            if entry.state != rules.DISCARDED
            and policy.allows(by, policy.Permission.ENTRY_READ, queries.scope_of(entry))
        }
        assert rows == admitted, who


def test_a_card_says_the_how_many_eth_it_is_and_when_it_is_the_first_alone(desk, app):
    desk.sign(desk.log(ago=5, operator_role="A"))
    desk.log(ago=3, operator_role="P")
    desk.log(ago=1, operator_role="P")
    cards = sorted(queries.to_sign(desk.cast.mentor)[0], key=lambda card: card.entry.performed_on)
    assert [(card.nth, card.first_alone) for card in cards] == [(2, True), (3, False)]


# ---------------------------------------------------------------- frameworks


def test_the_samples_hold_fifty_items_marked_as_not_ratified(desk, app, at):
    with transaction():
        services.add_sample_frameworks(at)
    frameworks = db.session.scalars(select(Framework)).all()
    assert {(row.code, row.is_sample, row.state) for row in frameworks} == {
        ("NICU", True, "published"),
        ("PICU", True, "published"),
    }
    items = queries.items()
    assert [item.code for item in items] == [f"{unit}{n:02d}" for unit in "NP" for n in range(1, 26)]
    assert sum(item.critical for item in items) == 19
    puncture = next(item for item in items if item.code == "N13")
    assert (puncture.initials, puncture.targets["PED"], puncture.targets["NURSE"]) == (
        "xseyzcc",
        {"level": 3, "min_count": 5, "max_simulated": 2},
        {"assist": True},
    )
    assert not [item.code for item in items if not (item.title_zh and item.title_en and item.initials)]


def test_only_the_latest_published_version_can_be_logged(desk, app, at):
    with transaction():
        for version, state in ((2, "published"), (3, "draft")):
            framework = Framework(code="NICU", version=version, title_zh="新", title_en="New", state=state)
            framework.items = [
                Item(position=1, code="N13", kind="PROCEDURE", title_zh="腰椎穿刺", title_en=f"v{version}")
            ]
            db.session.add(framework)
    assert [item.title_en for item in queries.items() if item.framework.code == "NICU"] == ["v2"]


def test_own_frequent_items_come_first_then_the_unit_s_critical_procedures(desk, app):
    for code, times in (("P10", 2), ("N21", 3)):
        for _ in range(times):
            desk.log(code=code)
    found = [
        item.code for item in queries.frequent_items(desk.cast.enrolment.id, queries.items(), unit="NICU")
    ]
    assert found == ["N21", "P10", "N03", "N09", "N13", "N01"]
