"""Actors."""

from datetime import timedelta

from lms.accounts import queries, services
from lms.core.db import transaction
from lms.policy import Role


def test_the_cast_stands(app, cast, at):
    assert cast.trainee.has(Role.TRAINEE, f"cohort:{cast.cohort.id}")
    assert cast.mentor.is_any(Role.MENTOR)
    assert not cast.stranger.grants


def test_a_session_token_makes_its_actor_until_it_is_ended(app, cast, at):
    from lms.accounts.models import Account
    from lms.core.db import db

    with transaction():
        token = services.sign_in(
            db.session.get_one(Account, cast.trainee.account_id), at=at, user_agent="x", address="10.1.2.3"
        )
    found = queries.actor_of_token(token, at=at)
    assert found is not None
    assert found.person_id == cast.trainee.person_id
    assert queries.actor_of_token(token, at=at + timedelta(days=31)) is None
    with transaction():
        services.sign_out_everywhere(at=at, by=found)
    assert queries.actor_of_token(token, at=at) is None
