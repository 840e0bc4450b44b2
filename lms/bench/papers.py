"""What the file of a certificate costs: credential, drawing and P-256 signature, without register, and where the time goes."""

import resource
import tempfile
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import date
from pathlib import Path

from lms.bench.figures import CHUNK, Figure, Target
from lms.certificates import summary
from lms.certificates.credential import signed_badge
from lms.certificates.face import CertificateFace
from lms.certificates.rendering import render_face
from lms.core import clock, credentials, signing
from lms.core.digests import read_ed25519_key

DRAWN, STAMPED = Target(130), Target(55)
WORD = "a passphrase for measuring"
FAMILY, GIVEN = "王李张刘陈杨赵黄周吴徐孙马朱胡", "伟芳娜敏静丽强磊军洋勇艳杰娟涛明超霞平刚"

FACE = CertificateFace(
    serial="FFLY-2026-000001-K",
    name_zh="陈晓燕",
    name_latin="Chen Xiaoyan",
    hospital_zh="青石县人民医院",
    hospital_en="Qingshi County People’s Hospital",
    programme_zh="萤火高级儿科培训项目",
    programme_en="Firefly Advanced Pediatric Training Programme",
    cohort_zh="2026年春季班",
    cohort_en="Spring 2026 cohort",
    sponsor_zh="东湖大学附属儿童医院",
    sponsor_en="Children’s Hospital of Donghu University",
    from_on=date(2026, 3, 2),
    to_on=date(2026, 6, 21),
    weeks=16,
    units=(("新生儿重症监护病房", "the neonatal intensive care unit"),),
    hours=320,
    director_name="林知远",
    issued_on=date(2026, 11, 21),
    verify_url="https://firefly.example.org/verify/FFLY-2026-000001-K?k=0123456789ab",
    summary=summary.FORM,
)


def figures(*, drawn: int = 60, stamped: int = 1000) -> Iterator[Figure]:
    """So many certificates drawn from nothing, and so many of a cohort, stamped where that is the same."""
    with tempfile.TemporaryDirectory(prefix="firefly-keys-") as name:
        folder, at = Path(name) / "keys", clock.now()
        signing.create_authority(
            folder,
            organisation="Bench",
            at=at,
            passphrase=WORD,
            kind="p-256",
            address="https://firefly.example.org",
        )
        signer = signing.load_signer(folder, WORD)
        key = read_ed25519_key((folder / signing.CREDENTIALS).read_bytes(), WORD)

        def paper(number: int, *, afresh: bool) -> int:
            face = _face(number)
            badge = credentials.as_file(signed_badge(face, number=number, private_key=key))
            code = summary.address_of(face, number=number, private_key=key)
            data = render_face(face, credential=badge, address=code, afresh=afresh)
            signed = signing.sign_pdf(data, signer=signer, reason="Certificate", location="Bench", at=at)
            return len(signed)

        yield _measured("certificate's file, drawn", DRAWN, drawn, lambda n: paper(n, afresh=True))
        yield _measured("certificate's file, stamped", STAMPED, stamped, lambda n: paper(n, afresh=False))


def _face(number: int) -> CertificateFace:
    name = FAMILY[number % 15] + GIVEN[number % 20] + GIVEN[number * 7 % 19]
    serial = f"FFLY-2026-{number:06d}-K"
    return replace(
        FACE,
        serial=serial,
        name_zh=name,
        verify_url=f"https://firefly.example.org/verify/{serial}?k={number * 7919 % 10**12:012d}",
    )


def _measured(job: str, target: Target, n: int, act: Callable[[int], int]) -> Figure:
    for number in range(3):  # what is compiled and loaded once
        act(number + 1)
    before = _memory_mb()
    walls, chunks, size = [], [], 0
    for first in range(0, n, CHUNK):
        cpu = time.process_time()
        several = range(first, min(first + CHUNK, n))
        for number in several:
            began = time.perf_counter()
            size = act(number + 10)
            walls.append(1000 * (time.perf_counter() - began))
        chunks.append((1000 * (time.process_time() - cpu), len(several)))
    walls.sort()
    return Figure(
        job=job,
        trainees=0,
        n=n,
        cpu_ms=sum(cpu for cpu, _ in chunks) / n,
        cpu_best_ms=min(cpu / count for cpu, count in chunks),
        queries=0.0,
        queries_most=0,
        wall_p50_ms=walls[n // 2],
        wall_p95_ms=walls[n * 95 // 100],
        bytes=size,
        target=target,
        more={"memory_mb_most_so_far": _memory_mb(), "memory_mb_grown": _memory_mb() - before},
    )


def _memory_mb() -> float:
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
