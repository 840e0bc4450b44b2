"""The process that signs (``lms signer``), and what others may know of it.

It takes no digest and no bytes from anybody: it finds rows of the register in the database, reads what they say, draws and
signs. It reads no queue, whose messages are pickled objects: whoever can write them could run code where they are read.
"""

import logging
import os
import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from functools import partial

from flask import Flask

from lms.core import jobs, signing, site
from lms.core.jobs import Job, Worker

log = logging.getLogger("lms.signer")


@dataclass(frozen=True)
class State:
    """Who signs on this site, and whether they are at work."""

    is_apart: bool
    """A process of its own signs."""
    seen_at: datetime | None
    """When it was last at work; None: not within a day."""
    is_at_work: bool
    trouble: str
    """Why it cannot sign although it runs; empty where it can."""

    @property
    def waits(self) -> bool:
        """Whether what is to be signed stands still until somebody looks after the signer."""
        return self.is_apart and (not self.is_at_work or bool(self.trouble))


def state(at: datetime) -> State:
    """Who signs here. Of several signers one that can sign is enough."""
    if not site.settings().signs_apart:
        return State(is_apart=False, seen_at=None, is_at_work=True, trouble="")
    seen = jobs.workers(at, kind=jobs.SIGNER)
    alive = [one for one in seen if one.seen_at > at - jobs.WORKER_REST]
    trouble = "" if any(not one.trouble for one in alive) else next((one.trouble or "" for one in alive), "")
    return State(
        is_apart=True, seen_at=seen[0].seen_at if seen else None, is_at_work=bool(alive), trouble=trouble
    )


def readable_keys() -> list[str]:
    """Names of the signing keys that this very process could read although another one signs; empty is as it should be."""
    settings = site.settings()
    if not settings.signs_apart:
        return []
    return [path.name for path in signing.private_files(settings.keys_dir) if os.access(path, os.R_OK)]


class Signer(Worker):
    """The process that signs: it takes what needs a key and nothing else, and finds it in the database alone."""

    def __init__(self, app: Flask, *, trouble: Callable[[], str], sweep_s: float = 15.0) -> None:
        """``trouble``: asked inside the app's context why nothing can be signed now, in words; empty where it can."""
        super().__init__(app, sweep_s=sweep_s)
        self._ask = trouble
        self.trouble = ""
        self._urgent_only = False

    def takes(self, job: Job) -> bool:
        """Only what needs a private key."""
        return job.signs and (job.urgent or not self._urgent_only)

    def run(self) -> None:
        """Look every second for what somebody waits for, every ``sweep_s`` for the rest, until ``stop``."""
        next_whole = 0.0
        while not self.stopping.is_set():
            self.look()
            if not self.trouble:
                self._urgent_only = time.monotonic() < next_whole
                worked = self._guarded(partial(self.sweep_once, between=self._chores_if_due))
                if not self._urgent_only and not worked:
                    next_whole = time.monotonic() + self.sweep_s
                self._urgent_only = False
                if worked:
                    continue
            self._chores_if_due()
            self.stopping.wait(5.0 if self.trouble else 1.0)

    def look(self) -> None:
        """Ask whether the key is at hand; a change is written down at once, for the pages and the log."""
        with self.app.app_context():
            try:
                found = self._ask()
            except Exception as problem:
                log.exception("the key cannot be looked at")
                found = f"{type(problem).__name__}: {problem}"
        if found != self.trouble:
            if found:
                log.warning("nothing can be signed: %s", found)
            else:
                log.info("the key is at hand again")
            self.trouble, self._next_chores = found, 0.0

    def chores(self) -> None:
        """Say that the signer is here, and sign what is due by the day, if it can."""
        note = partial(jobs.note_worker, kind=jobs.SIGNER, trouble=self.trouble)
        for act in (note, *(() if self.trouble else jobs.SIGNED)):
            self._guarded(partial(self._do, act))

    def drain(self, *, rounds: int = 500) -> int:
        """See Worker; nothing is taken while the key is not at hand."""
        self.look()
        return 0 if self.trouble else super().drain(rounds=rounds)
