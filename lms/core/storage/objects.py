"""The doorman of obstore: the objects of one bucket, whole or in ranges, and nothing else of S3.

obstore (Rust's ``object_store``) is loaded at the first call: a site that keeps its files in a folder never pays for it.
"""

import threading
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import suppress
from datetime import datetime, timedelta
from functools import cached_property, partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, TypeVar

from lms.core.storage.port import Away, Stored, media_type
from lms.settings import Settings

if TYPE_CHECKING:
    from obstore.store import S3Credential, S3Store

T = TypeVar("T")

PART_BYTES = 8 << 20
"""What one request carries; S3 takes no smaller parts than 5 MB and no more than 10,000 of them."""

PARTS_AT_ONCE = 4

OPENS_FOR = timedelta(minutes=10)
"""How long a signed address opens a file: a web server in front asks at once, and the clocks may differ by minutes."""

_SMALL_S, _LARGE_S = 15, 120
"""How long a request may last that carries little, and one that carries a part."""

_SLOW_S, _REST_S = 2.0, 5.0
"""Whoever waited longer than the first in vain spares the next ones the wait for the second: no request of a site piles up
behind a service that is away, and it is asked again soon."""


class Objects:
    """One bucket, under the folder of the settings. Raises FileNotFoundError for what is not there, Away for everything else."""

    def __init__(self, settings: Settings) -> None:
        bucket = settings.bucket
        assert bucket is not None
        self.bucket = bucket
        self._keys = (settings.media_access_key, settings.media_secret_key)
        self._lock = threading.Lock()
        self._rests_until, self._said = 0.0, ""

    def _credential(self) -> "S3Credential":
        access, secret = self._keys
        return {"access_key_id": access, "secret_access_key": secret, "token": None, "expires_at": None}

    def _store(self, seconds: int) -> "S3Store":
        from obstore.store import S3Store

        endpoint = self.bucket.url.removesuffix(f"/{self.bucket.name}")
        return S3Store(
            self.bucket.name,
            prefix=self.bucket.prefix or None,
            region=self.bucket.region,
            endpoint=endpoint,
            aws_endpoint_url_s3=endpoint,  # this one too: AWS_ENDPOINT_URL_S3 of the shell would win over the other
            skip_signature=False,
            virtual_hosted_style_request=self.bucket.is_in_host,
            # By a function, because else AWS_SESSION_TOKEN and its like of the shell would take part.
            credential_provider=self._credential,
            client_options={
                "allow_http": self.bucket.url.startswith("http://"),
                "connect_timeout": timedelta(seconds=3),
                "timeout": timedelta(seconds=seconds),
            },
            retry_config={
                "max_retries": 3,
                "retry_timeout": timedelta(seconds=10),
                "backoff": {
                    "init_backoff": timedelta(milliseconds=100),
                    "max_backoff": timedelta(seconds=1),
                    "base": 2,
                },
            },
        )

    @cached_property
    def _small(self) -> "S3Store":
        return self._store(_SMALL_S)

    @cached_property
    def _large(self) -> "S3Store":
        return self._store(_LARGE_S)

    def _ask(self, act: Callable[[], T]) -> T:
        from obstore.exceptions import BaseError

        began = time.monotonic()
        if began < self._rests_until:
            raise Away(self._said)
        try:
            return act()
        except (BaseError, OSError) as problem:
            said = f"the bucket {self.bucket.name} does not answer as it should: {_in_one_line(problem)}"
            if isinstance(problem, FileNotFoundError) and "NoSuchBucket" not in said:
                raise
            if time.monotonic() - began > _SLOW_S:
                with self._lock:
                    self._rests_until, self._said = time.monotonic() + _REST_S, said
            raise Away(said) from problem

    def path_of(self, key: str) -> str:
        """Where an object lies below the bucket's address."""
        return f"{self.bucket.prefix}/{key}".lstrip("/")

    def put(self, key: str, data: bytes | Path) -> None:
        """Keep bytes, or a file in parts of which several travel at once; durable when this returns."""
        import obstore

        self._ask(
            lambda: obstore.put(
                self._large,
                key,
                data,
                attributes={"Content-Type": media_type(key)},
                chunk_size=PART_BYTES,
                max_concurrency=PARTS_AT_ONCE,
            )
        )

    def get(self, key: str) -> bytes:
        """All of a small object."""
        import obstore

        return self._ask(lambda: obstore.get(self._large, key).bytes().to_bytes())

    def ranges(self, key: str, start: int, stop: int) -> Iterator[bytes]:
        """An object from ``start`` up to ``stop``, a request for each part; the first is made before this returns."""
        import obstore

        def part(at: int) -> bytes:
            end = min(at + PART_BYTES, stop)
            return self._ask(lambda: obstore.get_range(self._large, key, start=at, end=end).to_bytes())

        def rest(first: bytes) -> Iterator[bytes]:
            yield first
            for at in range(start + PART_BYTES, stop, PART_BYTES):
                yield part(at)

        return rest(part(start)) if start < stop else iter(())

    def facts(self, key: str) -> Stored:
        """How an object stands."""
        import obstore

        return _stored(self._ask(lambda: obstore.head(self._small, key)))

    def has(self, key: str) -> bool:
        """Whether an object is there."""
        try:
            self.facts(key)
        except FileNotFoundError:
            return False
        return True

    def below(self, folder: str = "") -> Iterator[Stored]:
        """All objects in a folder and its folders, in the order of their keys."""
        import obstore

        # One more than S3 answers at once: a page of its own for each request.
        pages = self._ask(lambda: obstore.list(self._small, folder or None, chunk_size=1000))
        while page := self._ask(lambda: next(pages, None)):
            yield from map(_stored, page)

    def directly_below(self, folder: str) -> list[str]:
        """The names of objects and folders in a folder."""
        import obstore

        found = self._ask(lambda: obstore.list_with_delimiter(self._small, folder))
        paths = [one["path"] for one in found["objects"]] + list(found["common_prefixes"])
        return sorted(path.rstrip("/").rpartition("/")[2] for path in paths)

    def delete(self, keys: Iterable[str]) -> None:
        """Forget objects, one after the other: not every service takes a list. Nothing happens to those that are not there."""
        import obstore

        for key in keys:
            with suppress(FileNotFoundError):
                self._ask(partial(obstore.delete, self._small, key))

    def signed(self, key: str, *, method: Literal["GET", "HEAD"], lasts: timedelta = OPENS_FOR) -> str:
        """An address that opens one object for a while, to whoever has it; nothing is asked of the service."""
        import obstore

        return self._ask(lambda: obstore.sign(self._small, method, key, lasts))


def _stored(meta: Any) -> Stored:
    changed: datetime = meta["last_modified"]
    return Stored(meta["path"], meta["size"], int(changed.timestamp() * 1_000_000_000))


def _in_one_line(problem: BaseException) -> str:
    """What went wrong, short enough for a log; the address of a request stays, the keys were never in it."""
    return " ".join(str(problem).split())[:400] or type(problem).__name__
