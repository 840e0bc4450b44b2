"""Typed work of a session that had ended: it passes through the sign-in page and back to the account that typed it.

A form that nobody signed in sends is answered by the sign-in page, which carries the form's fields and its address. They
are sealed with whose session it was, so that they come back to the same account only, and as they were sent.
"""

import hashlib
import hmac
import json
from dataclasses import dataclass

from flask import current_app, request

from lms.web.back import own_page

LIMIT_BYTES = 500_000
"""Of a sealed form; a long question in two languages is a tenth of it."""

SECRETS = frozenset(
    {"pin", "password", "pin_password", "old", "new", "again", "form_token", "identity_number"}
)
"""Fields that never leave the request they came with: each password field of the product (tests/house/test_doors.py)."""


@dataclass(frozen=True)
class Kept:
    """A form that was refused at its door."""

    owner: str
    """Public id of the account whose session had ended."""
    address: str
    """Path on this site to which the form was sent."""
    fields: tuple[tuple[str, str], ...]
    had_files: bool

    def sealed(self) -> str:
        """As one hidden field; empty where it is too large to be carried along."""
        content = json.dumps([self.owner, self.address, self.fields, self.had_files])
        return f"{_seal(content)}{content}" if len(content) <= LIMIT_BYTES else ""


def _seal(content: str) -> str:
    key = str(current_app.secret_key).encode()
    return hmac.digest(key, b"kept|" + content.encode(), hashlib.sha256).hex()


def opened(sealed: str | None) -> Kept | None:
    """What the sign-in page carried; None where it carried nothing, or something that we did not seal."""
    seal, content = (sealed or "")[:64], (sealed or "")[64:]
    if not content or not hmac.compare_digest(seal.encode(), _seal(content).encode()):
        return None
    owner, address, fields, had_files = json.loads(content)
    return Kept(owner, own_page(address), tuple((name, value) for name, value in fields), bool(had_files))


def of_request(owner: str) -> Kept | None:
    """What the current request's form holds; None where it holds nothing that was typed or chosen, or too much to look at."""
    length = request.content_length
    if length is None or length > 2 * LIMIT_BYTES:
        return None  # an upload: nobody who is not signed in makes us take it
    fields = tuple((name, value) for name, value in request.form.items(multi=True) if name not in SECRETS)
    if not any(name != "client_uuid" for name, _value in fields):
        return None
    had_files = any(file.filename for file in request.files.values())
    return Kept(owner, request.full_path.rstrip("?"), fields, had_files)
