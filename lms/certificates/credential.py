"""A face as a credential that machines read: Open Badges 3.0 on W3C Verifiable Credentials 2.0, unsigned."""

from datetime import datetime, time
from typing import Any
from urllib.parse import urlsplit
from zoneinfo import ZoneInfo

from lms.certificates.face import CertificateFace, CreditFace
from lms.core import credentials

ZONE = ZoneInfo("Asia/Shanghai")
PURPOSES = ("revocation", "suspension")
CREDITS = "credits"
"""Ends the id of the achievement of a certificate of credits, so that a file tells its kind without a register."""


def created(face: CertificateFace) -> datetime:
    """The moment that stands in the proof: the day of issue, so that the same facts give the same bytes."""
    return datetime.combine(face.issued_on, time(), ZONE)


def list_address(base_url: str, purpose: str, number: int) -> str:
    """Where a status list is published."""
    return f"{base_url}/status/{purpose}/{number}"


def open_badge(face: CertificateFace, *, number: int) -> dict[str, Any]:
    """The credential of a certificate; ``number``: its place in the status lists."""
    base_url = "{0.scheme}://{0.netloc}".format(urlsplit(face.verify_url))
    did = credentials.did_of(base_url)
    issuer = {
        "id": did,
        "type": ["Profile"],
        "name": _both(face.sponsor_zh, face.sponsor_en),
        "url": base_url,
    }
    names = dict.fromkeys(name for name in (face.name_zh, face.name_latin, face.name_native) if name)
    page = f"{base_url}/verify/{face.serial}"
    name, narrative, earned = _said(face)
    return {
        "@context": [credentials.VC, credentials.OPEN_BADGES],
        "id": page,
        "type": ["VerifiableCredential", "OpenBadgeCredential"],
        "name": name,
        "issuer": issuer,
        "validFrom": created(face).isoformat(),
        "credentialSubject": {
            "type": ["AchievementSubject"],
            "identifier": [
                {"type": "IdentityObject", "identityType": "name", "hashed": False, "identityHash": name}
                for name in names
            ],
            "activityStartDate": datetime.combine(face.from_on, time(), ZONE).isoformat(),
            "activityEndDate": datetime.combine(face.to_on, time(), ZONE).isoformat(),
            **({"creditsEarned": earned} if earned else {}),
            "achievement": {
                "id": f"{page}#{CREDITS if isinstance(face, CreditFace) else 'achievement'}",
                "type": ["Achievement"],
                "achievementType": "Certificate",
                "name": name,
                "description": _both(face.cohort_zh, face.cohort_en)
                or _both(face.programme_zh, face.programme_en),
                "criteria": {"narrative": narrative},
                "creator": issuer,
            },
        },
        "credentialStatus": status_places(base_url, number),
    }


def status_places(base_url: str, number: int) -> list[dict[str, Any]]:
    """Where the status lists of a site speak of the certificate with this number."""
    list_number, index = credentials.status_place(number)
    return [
        {
            "id": f"{list_address(base_url, purpose, list_number)}#{index}",
            "type": "BitstringStatusListEntry",
            "statusPurpose": purpose,
            "statusListIndex": str(index),
            "statusListCredential": list_address(base_url, purpose, list_number),
        }
        for purpose in PURPOSES
    ]


def _said(face: CertificateFace) -> tuple[str, str, float | int | None]:
    """Name of the achievement, what it was earned by, and the credits."""
    name = _both(face.programme_zh, face.programme_en)
    if not isinstance(face, CreditFace):
        return (
            name,
            f"各项考核合格。 Met every requirement of the {face.weeks}-week programme.",
            face.hours,
        )
    tables = ", ".join(dict.fromkeys(one.table for one in face.years))
    return (
        f"学分证明 Continuing education credits · {name}",
        (
            f"{face.credits} 学分，{face.study_hours} 学时（{tables}）。 "
            f"{face.credits} credits and {face.study_hours} hours by the rules {tables}, counted from minutes attended."
        ),
        float(face.credits),
    )


def signed_badge(face: CertificateFace, *, number: int, private_key: bytes) -> dict[str, Any]:
    """The credential with the site's proof."""
    document = open_badge(face, number=number)
    return credentials.sign(
        document,
        private_key=private_key,
        method=credentials.key_id(document["issuer"]["id"]),
        created=created(face),
    )


def _both(zh: str, en: str) -> str:
    return " · ".join(filter(None, (zh, en)))
