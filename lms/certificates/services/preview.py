"""One certificate as it would be printed today: not signed, with no number of the register, and it says so."""

from dataclasses import replace
from datetime import date, datetime

from lms import policy
from lms.certificates import queries
from lms.certificates.face import CertificateFace
from lms.certificates.rendering import render_face
from lms.certificates.services.issuing import annex_of, face_of
from lms.certificates.services.statements import credit_face, refused
from lms.core import clock, pdf, site
from lms.core.errors import RuleBroken
from lms.core.i18n import _
from lms.logbooks.queries import committee
from lms.policy import Actor, Permission
from lms.programmes.models import Cohort, Enrolment

SERIAL = "样张 PREVIEW"
"""Where the number stands on the real one; no number has this form."""


def preview(enrolment: Enrolment, cohort: Cohort, *, at: datetime, by: Actor) -> bytes:
    """Draw it with the facts of now; nothing is kept and no number is taken. ``enrolment`` comes from ``queries.chosen``.

    Raises RuleBroken with the code of what would stop it at issue (``name_missing``, ``name_glyphs``, ``text_long``).
    """
    policy.require(by, Permission.CERTIFICATE_ISSUE, cohort)
    for one in queries.before_issue(enrolment):
        if one.blocks:
            raise RuleBroken(one.code, one.words)
    today = clock.today(at)
    annex = annex_of(committee.entrustments(enrolment, today=today))
    return _drawn(face_of(enrolment, cohort, annex, serial=SERIAL, verify_key="", issued_on=today))


def preview_credits(
    enrolment: Enrolment, cohort: Cohort, *, first: date, last: date, at: datetime, by: Actor
) -> bytes:
    """The same for a certificate of credits of a period, as the ledger is now; raises ``no_credits`` where it has none."""
    policy.require(by, Permission.CERTIFICATE_ISSUE, cohort)
    plan = queries.credit_plan(cohort.id)
    years = queries.sums(queries.ledger(enrolment.id), plan.rules if plan else None, first=first, last=last)
    refusal = refused(enrolment, years)
    if plan is None or refusal is not None:
        code, detail = refusal or ("no_credits", "")
        raise RuleBroken(code, queries.refusal_words(code, detail))
    return _drawn(
        credit_face(
            enrolment,
            cohort,
            plan,
            years,
            first=first,
            last=last,
            serial=SERIAL,
            verify_key="",
            issued_on=clock.today(at),
        )
    )


def _drawn(face: CertificateFace) -> bytes:
    face = replace(face, verify_url=f"{site.settings().base_url}/verify")
    try:
        return render_face(face, preview=True)
    except pdf.MissingGlyphs as problem:
        raise RuleBroken(
            "name_glyphs", queries.refusal_words("name_glyphs", " ".join(problem.labels))
        ) from problem
    except pdf.TooManyPages as problem:
        raise RuleBroken(
            "text_long",
            _("The texts do not fit on one sheet. Shorten the names of programme, hospital or cohort."),
        ) from problem
