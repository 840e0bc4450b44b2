"""The sentences that scripts speak, in the reader's language. A page carries them as a JSON data block.

Placeholders stay as they are (`%(n)s`): the script fills them.
"""

from lms.core import i18n
from lms.core.i18n import _


def js_texts(script: str) -> dict[str, str]:
    """The texts of the shell (outbox.js, app.js) and of the page's own script, `forms`, `practice`, `exam`, `player` or none of its own."""
    return (
        _shell()
        | {"forms": _forms, "practice": _practice, "exam": _exam, "player": _player}.get(script, dict)()
    )


def _shell() -> dict[str, str]:
    return {
        "synced": _("Synced"),
        "offline": _("Offline"),
        "offline_n": _("Offline, %(n)s waiting", n="%(n)s"),
        "sending_n": _("Sending %(n)s…", n="%(n)s"),
        "attention_n": _("%(n)s not accepted", n="%(n)s"),
        "queued": _("Waiting to be sent"),
        "sending": _("Sending…"),
        "attention": _("Not accepted"),
        "refused": _("The server did not accept this (%(status)s).", status="%(status)s"),
        "retry": _("Send again"),
        "edit": _("Edit"),
        "discard": _("Discard"),
        "discard_sure": _("Discard this for good? It has not reached the server."),
        "nothing_waiting": _("Everything is on the server."),
        "others_waiting": _(
            "%(n)s more wait here for another person and are sent when they sign in.", n="%(n)s"
        ),
        "sign_in_again": _("Sign in again to send what you saved."),
        "sign_in": _("Sign in"),
        "join": _(", "),
    }


def _forms() -> dict[str, str]:
    return {
        "sent": _("Sent to the server."),
        "saved_here": _("Saved on this device. It is sent as soon as there is a connection."),
        "undo": _("Undo"),
        "undone": _("Undone"),
        "draft_kept": _("Draft kept on this device at %(time)s", time="%(time)s"),
        "draft_back": _("Your unfinished draft is back."),
    }


def _practice() -> dict[str, str]:
    return _forms() | {"limit": _("Choose at most %(n)s.", n="%(n)s")}


def _exam() -> dict[str, str]:
    return {
        "answered": _("answered"),
        "unanswered": _("not answered"),
        "later": _("not open yet"),
        "not_open": _("%(n)s questions are not open yet: lock the one before.", n="%(n)s"),
        "limit": _("Choose at most %(n)s.", n="%(n)s"),
        "flagged": _("flagged"),
        "question_n": _("Question %(n)s", n="%(n)s"),
        "next": _("Next"),
        "review": _("Check and hand in"),
        "saving": _("Saving…"),
        "on_device": _("On this phone %(time)s", time="%(time)s"),
        "on_server": _("On the server %(time)s", time="%(time)s"),
        "no_connection": _("No connection. Safe on this phone; keep going"),
        "not_accepted": _("The server did not accept %(n)s answers. Tell the invigilator.", n="%(n)s"),
        "all_answered": _("Every question has an answer."),
        "not_answered": _("Not answered: %(list)s.", list="%(list)s"),
        "flags": _("Flagged: %(list)s.", list="%(list)s"),
        "list_join": ", " if i18n.locale() == "en" else "、",
        "minutes_left": _("%(n)s minutes left", n="%(n)s"),
        "minute_left": _("1 minute left"),
        "time_up": _("Time is up. Your answers are handed in."),
        "handed_in_here": _(
            "Handed in on this phone. It is sent as soon as there is a connection; keep this browser’s data."
        ),
    }


def _player() -> dict[str, str]:
    return {
        "quality": _("Picture"),
        "quality_auto": _("Automatic"),
        "quality_low": _("Save data"),
        "quality_middle": _("Standard"),
        "quality_high": _("Sharp"),
        "quality_mb": _(
            "%(name)s, %(lines)s lines, %(mb)s MB in 10 minutes",
            name="%(name)s",
            lines="%(lines)s",
            mb="%(mb)s",
        ),
        "speed": _("Speed"),
        "sound_only": _("Sound only"),
        "picture_out": _("Picture in picture"),
        "watched": _("Watched: %(percent)s%%", percent="%(percent)s"),
        "watched_all": _("Watched: %(percent)s%%. This lecture counts as watched.", percent="%(percent)s"),
        "watch_counted": _("Counted on the server."),
        "watch_kept": _("No connection. What you watched is kept on this device and counted later."),
        "watch_refused": _("This could not be counted. Please reload the page."),
    }
