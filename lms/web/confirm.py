"""Fresh confirmation inside any feature's form: one POST carries the act and the PIN.

A form that derives from ``ConfirmingForm`` shows ``confirm_field(state, form)`` (templates/_macros/confirm.html) and its
view does::

    @bp.post("/entry/<public_id>/sign")
    @members
    @reads_first                      # the PIN is hashed before the writing transaction opens
    def sign(public_id: str) -> ResponseReturnValue:
        at, form = clock.now(), SignForm.of_request()
        if confirmed(form, at=at) and form.run(lambda: services.sign(..., by=actor(), at=at)):
            return redirect(..., 303)
        return render_template(..., form=form, confirmation=confirmation(at)), form.status

The service itself asks ``accounts.queries.confirmation(by, at=at)``, which raises NeedsConfirmation: a forgotten
``confirmed`` refuses, it never lets through. Scripts that post JSON get 403 ``needs_confirmation``, send the PIN to
``POST /confirm`` (204, or 422 with the reason) and try again.
"""

from datetime import datetime

from wtforms import PasswordField
from wtforms.validators import Length, Optional

from lms.core import ports
from lms.core.db import transaction
from lms.core.errors import RuleBroken, TooManyTries
from lms.core.i18n import _, _n, lazy
from lms.core.ports import ConfirmationState
from lms.web.forms import Form
from lms.web.guard import actor


class ConfirmingForm(Form):
    """A form whose act needs a fresh confirmation."""

    pin = PasswordField(lazy("PIN"), [Optional(), Length(max=20)])


def confirmation(at: datetime) -> ConfirmationState:
    """Whether whoever asks has confirmed lately, and what they could confirm with; for ``confirm_field``."""
    return ports.presence[0].state(actor(), at)


def confirmed(form: ConfirmingForm, *, at: datetime) -> bool:
    """Take the PIN that came with the form, or an earlier fresh confirmation. False: the form says what is wrong.

    A right PIN stays noted for five minutes even when the act itself is then refused, so it is not asked twice.
    """
    if not form.validate():
        return False
    pin = form.pin.data or ""
    if not pin:
        if ports.presence[0].state(actor(), at).fresh:
            return True
        form.refuse(RuleBroken("needs_confirmation", _("Confirm with your PIN or passkey."), field="pin"))
        return False
    try:
        ports.presence[0].check_pin(actor(), pin, at)
    except RuleBroken as refusal:
        form.refuse(refusal)
        return False
    except TooManyTries as refusal:
        form.refuse(RuleBroken("too_many_tries", wait_text(refusal), field="pin"))
        return False
    with transaction():
        ports.presence[0].note_pin(actor(), at)
    return True


def wait_text(refusal: TooManyTries) -> str:
    """A hit rate limit in words, with the time to wait."""
    return _n(
        "Too many tries. Wait %(num)s minute, then try again.",
        "Too many tries. Wait %(num)s minutes, then try again.",
        -(-refusal.wait_s // 60),
    )
