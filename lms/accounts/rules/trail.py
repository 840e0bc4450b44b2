"""The audit trail in words: what each act is called, and what its details say."""

from collections.abc import Mapping
from typing import Any

from lms.core.i18n import _, lazy

ACTS: dict[str, str] = {
    "accounts.account.add": lazy("opened an account"),
    "accounts.account.disable": lazy("shut an account"),
    "accounts.account.enable": lazy("opened a shut account again"),
    "accounts.grant.add": lazy("gave a role"),
    "accounts.grant.end": lazy("ended a role"),
    "accounts.link.invite": lazy("made an invitation link"),
    "accounts.link.reset": lazy("sent a link for a new password"),
    "accounts.passkey.add": lazy("registered a passkey"),
    "accounts.passkey.remove": lazy("removed a passkey"),
    "accounts.password.change": lazy("changed their password"),
    "accounts.password.invite": lazy("set their first password"),
    "accounts.password.reset": lazy("set a new password by a link"),
    "accounts.people.export": lazy("exported the list of people"),
    "accounts.people.import": lazy("imported a list of people"),
    "accounts.person.add": lazy("made a person known"),
    "accounts.person.rename": lazy("put a person’s names right"),
    "accounts.pin.set": lazy("set their PIN"),
    "accounts.session.confirm": lazy("confirmed that it is them"),
    "accounts.session.end": lazy("signed out"),
    "accounts.session.end_all": lazy("signed out everywhere"),
    "accounts.session.start": lazy("signed in"),
    "assessments.bank.create": lazy("opened a question bank"),
    "assessments.bank.export": lazy("took the questions of a bank out as a file"),
    "assessments.card.make": lazy("made cards from what was missed in a test"),
    "assessments.checkpoint.place": lazy("put a question into a lecture"),
    "assessments.checkpoint.remove": lazy("took a question out of a lecture"),
    "assessments.practice.answer": lazy("answered a question in practice"),
    "assessments.practice.round": lazy("began a round of practice"),
    "assessments.import.close": lazy("closed a file of questions"),
    "assessments.import.take": lazy("handed in a file of questions"),
    "assessments.drill.finish": lazy("finished an exam drill"),
    "assessments.drill.request": lazy("asked for an exam drill"),
    "assessments.enrolment.accommodate": lazy("gave a trainee more time in tests"),
    "assessments.question.activate": lazy("took a question into use"),
    "assessments.question.add": lazy("added a question"),
    "assessments.question.describe": lazy("described a question"),
    "assessments.question.enemies": lazy("named questions that exclude each other"),
    "assessments.question.equivalent": lazy("named the practice question for an exam question"),
    "assessments.question.retire": lazy("retired a question"),
    "assessments.question.rewrite": lazy("wrote a question anew"),
    "assessments.question.suspend": lazy("suspended a question"),
    "assessments.appeal.partly": lazy("found an appeal right in part"),
    "assessments.appeal.raise": lazy("appealed the marking of a question"),
    "assessments.appeal.refuse": lazy("refused an appeal"),
    "assessments.appeal.uphold": lazy("found an appeal right"),
    "assessments.appeal.withdraw": lazy("took an appeal back"),
    "assessments.sitting.expire": lazy("time ran out in a sitting"),
    "assessments.sitting.extend": lazy("gave more time in a sitting"),
    "assessments.sitting.mark": lazy("marked a sitting"),
    "assessments.sitting.pause": lazy("stopped the clock of a sitting"),
    "assessments.sitting.resume": lazy("let the clock of a sitting run on"),
    "assessments.sitting.mark_again": lazy("had the marking of a sitting tried again"),
    "assessments.sitting.start": lazy("began a sitting"),
    "assessments.sitting.submit": lazy("handed in a sitting"),
    "assessments.sitting.take_over": lazy("took a sitting over to another device"),
    "assessments.test.extend": lazy("gave more time to all who sat a test"),
    "assessments.test.pause": lazy("stopped the clock for all who sat a test"),
    "assessments.test.resume": lazy("let the clock run on for all who sat a test"),
    "assessments.test.incident": lazy("wrote down an incident in a test"),
    "assessments.statistics.compute": lazy("computed the statistics of a test"),
    "assessments.statistics.request": lazy("asked for the statistics of a test"),
    "assessments.test.blueprint": lazy("wrote the blueprint of a test"),
    "assessments.test.delete": lazy("deleted the draft of a test"),
    "assessments.test.draw": lazy("drew the papers of a test"),
    "assessments.test.edit": lazy("changed the draft of a test"),
    "assessments.test.exchange": lazy("exchanged a question of a paper"),
    "assessments.test.judge": lazy("asked judges about the pass mark of a test"),
    "assessments.test.make": lazy("made a test"),
    "assessments.test.message": lazy("sent a message to candidates"),
    "assessments.test.publish": lazy("published a test"),
    "assessments.test.rate": lazy("judged the questions of a test"),
    "assessments.test.regrade": lazy("regraded a test"),
    "assessments.test.release": lazy("released the results of a test"),
    "assessments.test.reorder": lazy("put the questions of a paper in another order"),
    "assessments.test.seb": lazy("changed whether a test asks for Safe Exam Browser"),
    "assessments.test.seal": lazy("sealed the papers of a test"),
    "certificates.certificate.issue": lazy("issued a certificate"),
    "certificates.certificate.reserve": lazy("reserved a certificate number"),
    "certificates.certificate.retry": lazy("tried a certificate again"),
    "certificates.certificate.revoke": lazy("revoked a certificate"),
    "certificates.document.extend": lazy("extended the signature of a certificate's file"),
    "certificates.keys.revoke": lazy("withdrew a signing certificate"),
    "certificates.keys.rotate": lazy("made a new signing key"),
    "certificates.rule.pin": lazy("set the certificate rule of a cohort"),
    "certificates.rule.publish": lazy("published a certificate rule"),
    "core.webhook.add": lazy("added a webhook"),
    "core.webhook.disable": lazy("switched a webhook off"),
    "core.webhook.enable": lazy("switched a webhook on"),
    "core.webhook.remove": lazy("removed a webhook"),
    "core.webhook.test": lazy("sent a test message by a webhook"),
    "courses.captions.set": lazy("set the captions of a lecture"),
    "courses.course.add": lazy("made a course"),
    "courses.course.edit": lazy("edited a course"),
    "courses.course.publish": lazy("published a course"),
    "courses.lecture.add": lazy("added a lecture"),
    "courses.lecture.complete": lazy("watched a lecture to its end"),
    "courses.lecture.edit": lazy("edited a lecture"),
    "courses.module.add": lazy("added a module"),
    "courses.video.ready": lazy("a video became ready"),
    "courses.video.retry": lazy("prepared a video again"),
    "courses.video.upload": lazy("uploaded a video"),
    "logbooks.entry.amend": lazy("corrected an entry"),
    "logbooks.entry.decline": lazy("declined to sign an entry"),
    "logbooks.entry.discard": lazy("discarded an entry"),
    "logbooks.entry.return": lazy("returned an entry"),
    "logbooks.entry.sign": lazy("signed an entry"),
    "logbooks.entry.submit": lazy("submitted an entry"),
    "logbooks.entry.withdraw": lazy("withdrew an entry"),
    "logbooks.entry.write": lazy("wrote an entry"),
    "logbooks.framework.add": lazy("added a competency framework"),
    "programmes.cohort.add": lazy("opened a cohort"),
    "programmes.enrolment.add": lazy("enrolled a trainee"),
    "programmes.hospital.add": lazy("added a hospital"),
    "programmes.pairing.add": lazy("paired a trainee with a mentor"),
    "programmes.placement.add": lazy("placed a trainee"),
    "programmes.programme.add": lazy("opened a programme"),
}
"""Acts in the words of a sentence whose subject stands before it; an act that is missing is shown by its code."""

_BROKEN: dict[str, str] = {
    "gap": lazy("an event is missing before it"),
    "prev": lazy("it does not follow the event before it"),
    "hash": lazy("it was changed after it had been written"),
    "head": lazy("events at the end of the chain are missing"),
    "sealed": lazy("it differs from what a daily seal holds"),
    "root": lazy("a daily seal was changed"),
    "root-order": lazy("a daily seal does not follow the one before it"),
}


def act_name(act: str) -> str:
    """What an act is called in the reader's language; an unknown one by its code."""
    return str(ACTS.get(act, act))


def broken_name(why: str) -> str:
    """Why a link of a chain does not hold."""
    return str(_BROKEN.get(why, why))


def chain_name(scope: str, names: Mapping[str, str]) -> str:
    """What a chain is about: the site, a programme by its name, an account, a logbook, a sitting."""
    if scope in names:
        return names[scope]
    kind, _colon, number = scope.partition(":")
    kinds = {
        "account": _("Account %(number)s", number=number),
        "logbook": _("Logbook %(number)s", number=number),
        "sitting": _("Sitting %(number)s", number=number),
        "course": _("Course %(number)s", number=number),
        "test": _("Test %(number)s", number=number),
    }
    return kinds.get(kind, scope)


def detail_words(detail: Mapping[str, Any]) -> str:
    """Codes of an event as they are kept, for whoever investigates."""
    return " · ".join(f"{key}: {value}" for key, value in sorted(detail.items()) if value not in (None, ""))
