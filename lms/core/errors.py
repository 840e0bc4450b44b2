"""What can go wrong in the domain. The web turns these into pages, the command line into exit status 2."""

from collections.abc import Mapping


class LmsError(Exception):
    """Base of all errors that a person may meet."""


class NotFound(LmsError):
    """The thing does not exist, or the asker may not know that it does. 404."""


class NotAllowed(LmsError):
    """The asker may see the thing but not do this to it. 403."""

    def __init__(self, message: str = "") -> None:
        super().__init__(message)
        self.message = message


class RuleBroken(LmsError):
    """A rule of the domain refuses the act. 422 in its form, 409 elsewhere.

    ``code`` is stable and tested; ``message`` is the sentence for the person; ``field`` names the form field
    it belongs to, if one does.
    """

    def __init__(
        self,
        code: str,
        message: str,
        *,
        field: str | None = None,
        details: Mapping[str, object] | None = None,
    ) -> None:
        super().__init__(f"{code}: {message}")
        self.code = code
        self.message = message
        self.field = field
        self.details = dict(details or {})


class NeedsConfirmation(LmsError):
    """The act needs a fresh confirmation (PIN or passkey within five minutes) and there is none."""


class TooManyTries(LmsError):
    """A rate limit was hit. 429. ``wait_s``: seconds until another try makes sense."""

    def __init__(self, wait_s: int) -> None:
        super().__init__(f"wait {wait_s} s")
        self.wait_s = wait_s
