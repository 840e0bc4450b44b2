"""The table of permissions: what is not written there is refused."""

from dataclasses import dataclass
from types import SimpleNamespace
from typing import Any

import pytest
from flask import Flask
from hypothesis import given, settings
from hypothesis import strategies as st

from lms import policy
from lms.core.errors import NotAllowed, NotFound
from lms.policy import SITE, TABLE, Actor, Permission, Role, allows, require


def someone(*grants: tuple[Role, str], person: int = 1) -> Actor:
    return Actor(
        account_id=person, account_public_id="a", person_id=person, name="", grants=frozenset(grants)
    )


@dataclass
class Thing:
    """Everything that a predicate may look at; the trainee is person 2, signed by 3, mentored by 3 and 4."""

    person_id: int = 2
    trainee_person_id: int = 2
    author_person_id: int = 2
    signer_person_id: int = 3
    mentor_person_ids: tuple[int, ...] = (3, 4)
    cohort_id: int = 10
    programme_id: int = 20
    hospital_id: int = 30
    state: str = "published"


def test_every_permission_has_a_line() -> None:
    assert set(TABLE) == set(Permission)
    for ways in TABLE.values():
        assert ways
        for together in ways:
            assert together  # an empty AND would let everybody in


def test_every_permission_is_named_feature_thing_act() -> None:
    assert all(len(permission.value.split(".")) == 3 for permission in Permission)
    assert len({permission.value for permission in Permission}) == len(list(Permission))


@pytest.mark.parametrize("permission", list(Permission))
def test_nobody_and_a_person_without_a_role_may_do_nothing_to_what_is_others(permission: Permission) -> None:
    assert not allows(None, permission, Thing())
    assert not allows(someone(person=99), permission, Thing())
    assert not allows(someone(person=99), permission, None)
    assert not allows(someone(person=99), permission, SimpleNamespace())


def test_what_is_not_in_the_table_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delitem(TABLE, Permission.COURSE_EDIT)
    everything = someone(*((role, SITE) for role in Role))
    assert not allows(everything, Permission.COURSE_EDIT, Thing())


OF_THE_SITE = {
    Permission.FRAMEWORK_READ,
    Permission.FRAMEWORK_EDIT,
    Permission.FRAMEWORK_PUBLISH,
    Permission.FRAMEWORK_REVIEW,
    Permission.FRAMEWORK_RATIFY,
}
"""Frameworks belong to no programme: whoever has the role in one has it for them."""


@pytest.mark.parametrize("permission", [one for one in Permission if one not in OF_THE_SITE])
def test_a_role_in_another_scope_opens_nothing(permission: Permission) -> None:
    elsewhere = someone(
        *(
            (role, scope)
            for role in Role
            for scope in ("cohort:11", "programme:21", "hospital:31", "cohort:1", "cohort:100")
        ),
        person=99,
    )
    assert not allows(elsewhere, permission, Thing())


def test_a_role_counts_in_each_scope_of_the_thing() -> None:
    for scope in (SITE, "cohort:10", "programme:20", "hospital:30"):
        assert allows(someone((Role.COORDINATOR, scope)), Permission.COHORT_READ, Thing())


def test_an_administrator_does_not_sign_and_does_not_answer() -> None:
    administrator = someone((Role.ADMINISTRATOR, SITE), person=99)
    for permission in (
        Permission.ENTRY_SIGN,
        Permission.ENTRY_CHANGE,
        Permission.ENTRY_WRITE,
        Permission.SITTING_ANSWER,
    ):
        assert not allows(administrator, permission, Thing(state="submitted"))


def test_an_auditor_reads_and_changes_nothing() -> None:
    auditor = someone((Role.AUDITOR, SITE), person=99)
    for permission in Permission:
        if allows(auditor, permission, Thing()):
            assert permission.value.endswith(".read")


def test_nobody_signs_their_own_entry_though_it_was_submitted_to_them() -> None:
    entry = Thing(signer_person_id=2, state="submitted")
    mentor_of_self = someone(*((role, SITE) for role in Role), person=2)
    assert not allows(mentor_of_self, Permission.ENTRY_SIGN, entry)
    assert allows(someone(person=3), Permission.ENTRY_SIGN, Thing(state="submitted"))
    assert not allows(someone((Role.MENTOR, SITE), person=4), Permission.ENTRY_SIGN, Thing(state="submitted"))


def test_a_draft_is_the_trainees_own() -> None:
    for state in ("draft", "discarded"):
        assert allows(someone(person=2), Permission.ENTRY_READ, Thing(state=state))
        for person in (3, 4, 99):
            everything = someone(*((role, SITE) for role in Role), person=person)
            assert not allows(everything, Permission.ENTRY_READ, Thing(state=state))


def test_what_is_not_published_is_not_for_trainees() -> None:
    trainee = someone((Role.TRAINEE, "cohort:10"), person=2)
    for permission in (
        Permission.COURSE_READ,
        Permission.LECTURE_WATCH,
        Permission.TEST_READ,
        Permission.SITTING_START,
    ):
        assert allows(trainee, permission, Thing())
        assert not allows(trainee, permission, Thing(state="draft"))


grants = st.frozensets(
    st.tuples(
        st.sampled_from(list(Role)),
        st.sampled_from([SITE, "cohort:10", "cohort:11", "programme:20", "hospital:30"]),
    ),
    max_size=6,
)
things = st.builds(
    Thing,
    trainee_person_id=st.integers(1, 4),
    author_person_id=st.integers(1, 4),
    signer_person_id=st.integers(1, 4),
    mentor_person_ids=st.tuples(st.integers(1, 4)),
    cohort_id=st.sampled_from([10, 11]),
    state=st.sampled_from(["draft", "submitted", "signed", "published"]),
)


@given(
    some=grants,
    more=grants,
    thing=things,
    permission=st.sampled_from(list(Permission)),
    person=st.integers(1, 4),
)
@settings(max_examples=200, deadline=None)
def test_a_further_role_never_takes_anything_away(
    some: frozenset[Any], more: frozenset[Any], thing: Thing, permission: Permission, person: int
) -> None:
    if allows(someone(*some, person=person), permission, thing):
        assert allows(someone(*some, *more, person=person), permission, thing)


def test_what_one_may_not_see_does_not_exist(app: Flask) -> None:
    with pytest.raises(NotFound):
        require(someone(person=99), Permission.ENTRY_SIGN, Thing(), see=Permission.ENTRY_READ)
    with pytest.raises(NotFound):
        require(someone(person=99), Permission.ENTRY_SIGN, Thing())
    with pytest.raises(NotAllowed):
        require(someone(person=4), Permission.ENTRY_SIGN, Thing(state="submitted"), see=Permission.ENTRY_READ)
    with pytest.raises(NotAllowed):
        require(someone(person=99), Permission.GRANT_MANAGE)
    require(someone(person=3), Permission.ENTRY_SIGN, Thing(state="submitted"), see=Permission.ENTRY_READ)


def test_the_scopes_of_a_role() -> None:
    actor = someone((Role.MENTOR, "cohort:10"), (Role.MENTOR, "hospital:30"), (Role.DIRECTOR, "cohort:11"))
    assert actor.scope_ids("cohort", Role.MENTOR) == {10}
    assert actor.scope_ids("cohort", Role.MENTOR, Role.DIRECTOR) == {10, 11}
    assert actor.scope_ids("programme", Role.MENTOR) == set()
    assert someone((Role.MENTOR, SITE)).scope_ids("cohort", Role.MENTOR) is None
    assert actor.is_any(Role.DIRECTOR)
    assert not actor.is_any(Role.AUDITOR)


def test_the_table_in_words_names_every_permission() -> None:
    text = policy.permissions_markdown()
    for permission in Permission:
        assert f"| `{permission.value}` |" in text
    assert "the actor is " in text
    assert "<lambda>" not in text
