"""Forms: plain WTForms. ``run`` is where a page's transaction opens."""

import logging
from collections.abc import Callable
from typing import Any, Self

import wtforms
from flask import request
from markupsafe import Markup
from werkzeug.datastructures import CombinedMultiDict, FileStorage, MultiDict

from lms.core import i18n, ids
from lms.core.db import transaction
from lms.core.errors import RuleBroken
from lms.core.storage import Away
from lms.web.guard import form_token, sends_origin

log = logging.getLogger("lms.web")


class FileField(wtforms.FileField):  # type: ignore[misc]
    """A chosen file. Text sent in its place is no file."""

    def process_formdata(self, valuelist: list[Any]) -> None:
        """See WTForms."""
        self.raw_data = [given for given in valuelist if isinstance(given, FileStorage)]
        super().process_formdata(self.raw_data)


class Form(wtforms.Form):  # type: ignore[misc]
    """A page's form. A refusal keeps what was typed, names the field, and answers 422."""

    class Meta:
        """WTForms' own messages in the reader's language."""

        @property
        def locales(self) -> list[str]:
            """WTForms names Chinese ``zh``."""
            return ["en"] if i18n.locale() == "en" else ["zh"]

    _status = 422
    result: Any = None
    """What the act gave back."""
    problems: list[str]
    """Refusals that belong to no field."""
    linked: list[tuple[str, str]]
    """Refusals at controls that the page writes itself: the control's id and the sentence."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.problems = []
        self.linked = []

    @classmethod
    def of_request(cls, **kwargs: Any) -> Self:
        """The form filled from the current request (POST) or from ``kwargs`` (GET)."""
        if request.method == "POST":
            if request.is_json:
                given = request.get_json(silent=True)
                flat = given if isinstance(given, dict) else {}
                return cls(MultiDict({k: v for k, v in flat.items() if isinstance(v, (str, list))}), **kwargs)
            return cls(CombinedMultiDict([request.form, request.files]), **kwargs)
        return cls(**kwargs)

    def run(self, act: Callable[[], Any]) -> bool:
        """Validate, then do ``act`` in one transaction. False: the page shows the refusal, nothing was changed."""
        if not self.validate():
            return False
        try:
            with transaction():
                self.result = act()
        except RuleBroken as refusal:
            self.refuse(refusal)
            return False
        except Away as problem:  # what was typed stays on the page, to be sent once more
            log.warning("files_away: %s", problem)
            self.refuse(RuleBroken("files_away", problem.message))
            self._status = 503
            return False
        return True

    def refuse(self, refusal: RuleBroken) -> None:
        """Show a broken rule at its field, or above the form."""
        field = self._fields.get(refusal.field or "")
        if field is None:
            self.problems.append(refusal.message)
        else:
            field.errors = [*field.errors, refusal.message]

    @property
    def failed(self) -> bool:
        """Whether there is anything to put right."""
        return bool(self.problems or self.linked) or any(field.errors for field in self)

    @property
    def status(self) -> int:
        """HTTP status of the page that shows this form."""
        return self._status if self.failed else 200


def request_value(name: str) -> str:
    """What was sent for a field whose name depends on what is written (rows of a table); empty if nothing."""
    return request.form.get(name, "")


def request_values() -> dict[str, str]:
    """Everything that was sent, by name."""
    return request.form.to_dict()


def token() -> Markup:
    """The hidden form token, only for a browser that sends neither Origin nor Sec-Fetch-Site; each POST form begins with it."""
    if sends_origin():
        return Markup("")
    return Markup('<input type="hidden" name="form_token" value="{}">').format(form_token())


def once() -> Markup:
    """A hidden random key that makes a form's act happen once, however often the button is pressed."""
    kept = request.form.get("client_uuid", "") if request.method == "POST" else ""
    return Markup('<input type="hidden" name="client_uuid" value="{}">').format(kept or ids.token())
