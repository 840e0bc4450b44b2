"""What every act on an entry does beside its change: ask the policy, tell people, write the trail."""

import re
from collections.abc import Mapping
from datetime import datetime

from lms import policy
from lms.accounts import queries as accounts
from lms.core import audit, deid, notices
from lms.core.db import db
from lms.core.errors import RuleBroken
from lms.core.i18n import _, lazy
from lms.logbooks import queries, rules
from lms.logbooks.models import Entry, EntryAct
from lms.policy import Actor, Permission

SUBMITTED = notices.Kind(
    "logbooks.entry_submitted",
    lazy("%(trainee)s asks for your signature: %(item)s"),
    lazy("Done on %(day)s. Open the entry, read it, and sign it or return it with a word."),
    label=lazy("A trainee asks for your signature"),
    by_webhook=True,
    for_staff=True,
    gathers=True,
)
RETURNED = notices.Kind(
    "logbooks.entry_returned",
    lazy("Returned by %(signer)s: %(item)s"),
    lazy("Open the entry to read why, put it right and send it again."),
    label=lazy("An entry of yours was returned"),
)
DECLINED = notices.Kind(
    "logbooks.entry_declined",
    lazy("%(signer)s cannot sign: %(item)s"),
    lazy("Open the entry and choose somebody else who was there."),
    label=lazy("Somebody cannot sign an entry of yours"),
    by_webhook=True,
)
SIGNED = notices.Kind(
    "logbooks.entry_signed",
    lazy("Signed by %(signer)s at level %(level)s: %(item)s"),
    label=lazy("An entry of yours was signed"),
    by_mail=False,
)
SECOND = notices.Kind(
    "logbooks.entry_second",
    lazy("%(trainee)s needs a second signature: %(item)s"),
    lazy("A critical item, or a major complication: two who supervised on %(day)s sign."),
    label=lazy("An entry needs your second signature"),
    gathers=True,
)
AMENDED = notices.Kind(
    "logbooks.entry_amended",
    lazy("%(name)s corrected a signed entry: %(item)s"),
    lazy("The old version is kept and no longer counts; the new one waits for a signature."),
    label=lazy("A signed entry was corrected"),
)
VOIDED = notices.Kind(
    "logbooks.entry_voided",
    lazy("A signed entry was made void: %(item)s"),
    lazy("It stays visible with the reason and no longer counts."),
    label=lazy("A signed entry was made void"),
)
LAPSED = notices.Kind(
    "logbooks.entry_lapsed",
    lazy("Lapsed without a signature: %(item)s"),
    lazy("The placement ended more than thirty days ago. Only the director can bring the entry back."),
    label=lazy("An entry of yours lapsed"),
)
REMINDED = notices.Kind(
    "logbooks.entry_waits",
    lazy("Waiting for %(days)s days: %(item)s of %(trainee)s"),
    lazy("%(signer)s was asked to sign. Please see that it is signed or returned."),
    label=lazy("An entry waits too long for a signature"),
    by_webhook=True,
    gathers=True,
)
CROWDED = notices.Kind(
    "logbooks.inbox_crowded",
    lazy("%(count)s entries wait for %(signer)s"),
    lazy("Please find out what is in the way; another supervisor can be named."),
    label=lazy("Too many entries wait for one signer"),
    by_webhook=True,
)

_CONTROL = re.compile(r"[\x00-\x08\x0b-\x1f\x7f]")


def plain(text: str) -> str:
    """Typed text without control characters and outer blanks, line ends as one newline."""
    return _CONTROL.sub("", text.replace("\r\n", "\n").replace("\r", "\n")).strip()


def require(by: Actor, permission: Permission, entry: Entry) -> None:
    """NotFound for whoever may not read the entry, NotAllowed for whoever may only read it."""
    policy.require(by, permission, queries.scope_of(entry), see=Permission.ENTRY_READ)


def fact_key(entry: Entry, what: str = "") -> str:
    """The key under which a fact of an entry is told once."""
    return f"entry:{entry.public_id}:{entry.revision_no}:{what or entry.state}"


def tell(
    person_id: int,
    kind: notices.Kind,
    entry: Entry,
    values: Mapping[str, object],
    *,
    url: str,
    at: datetime,
    once: str = "",
) -> None:
    """A notice to every account of a person, the item named in the account's language."""
    for account in accounts.accounts_of_person(person_id):
        title = entry.item.title_en if account.locale == "en" else entry.item.title_zh
        notices.notify(
            account.id,
            kind,
            values={**values, "item": title},
            url=f"{url}/{entry.public_id}",
            at=at,
            once=once or fact_key(entry),
        )


def record(
    entry: Entry, act: str, *, at: datetime, by: Actor | None, acted_as: str = "", **detail: object
) -> None:
    """One event in the logbook's own trail; ``by`` None: the clock."""
    audit.record(
        f"logbooks.entry.{act}",
        scope=queries.chain_of(entry.enrolment_id),
        at=at,
        account_id=by.account_id if by else None,
        acted_as=acted_as,
        subject=f"entry:{entry.public_id}",
        **detail,
    )


def appended(entry: Entry, act: str, *, reason: str, words: str, at: datetime, by: Actor | None) -> EntryAct:
    """An act added to the entry's record with words of its own, which the trail never holds."""
    words = plain(words)
    if by is not None and not words:
        raise RuleBroken("reason_missing", _("Write the reason."), field="words")
    if len(words) > rules.WORDS_MAX:
        raise RuleBroken(
            "words_long", _("Use at most %(max)s characters.", max=rules.WORDS_MAX), field="words"
        )
    deid.require_clean(words, field="words")
    row = EntryAct(
        entry_id=entry.id,
        act=act,
        reason=reason,
        words=words,
        person_id=by.person_id if by else None,
        account_id=by.account_id if by else None,
        at=at,
    )
    db.session.add(row)
    db.session.flush()
    return row
