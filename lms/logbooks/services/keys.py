"""A signer's own key: made when they first sign, used when they have just confirmed."""

import base64
from collections.abc import Mapping
from datetime import datetime
from typing import Any

from sqlalchemy.exc import IntegrityError

from lms.core import audit, ids, site
from lms.core.db import db
from lms.core.digests import (
    canonical_json,
    ed25519_private_key,
    ed25519_public_key,
    seal,
    sign_ed25519,
    unseal,
)
from lms.logbooks import queries
from lms.logbooks.models import SigningKey
from lms.policy import Actor


def key_of(by: Actor, *, at: datetime) -> SigningKey:
    """The actor's own key, made when they first sign; the trail of keys knows its public half."""
    found = queries.key_of(by.person_id)
    if found is not None:
        return found
    private_key = ed25519_private_key()
    made = SigningKey(
        public_id=ids.public_id(),
        person_id=by.person_id,
        public_key=ed25519_public_key(private_key).hex(),
        sealed=base64.b64encode(seal(private_key, site.settings().keys_passphrase)).decode(),
        made_at=at,
    )
    try:
        with db.session.begin_nested():
            db.session.add(made)
            db.session.flush()
    except IntegrityError:  # two first signatures at the same moment
        found = queries.key_of(by.person_id)
        if found is None:
            raise
        return found
    audit.record(
        queries.KEY_MADE,
        scope=queries.KEYS,
        at=at,
        account_id=by.account_id,
        subject=f"key:{made.public_id}",
        public_key=made.public_key,
    )
    return made


def signed_with(key: SigningKey, said: Mapping[str, Any]) -> str:
    """The key's Ed25519 signature over the canonical JSON of a statement, hexadecimal."""
    private_key = unseal(base64.b64decode(key.sealed), site.settings().keys_passphrase)
    return sign_ed25519(canonical_json(dict(said)), private_key=private_key).hex()
