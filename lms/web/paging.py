"""Lists that do not end."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Generic, TypeVar

from flask import request, url_for

Row = TypeVar("Row")

PER_PAGE = 50


@dataclass(frozen=True)
class Page(Generic[Row]):
    """One page of a list."""

    rows: Sequence[Row]
    number: int
    total: int
    per_page: int = PER_PAGE

    @property
    def pages(self) -> int:
        """How many pages there are; at least one."""
        return max(1, -(-self.total // self.per_page))

    def url(self, number: int) -> str:
        """This same address with another page number."""
        args = {**(request.view_args or {}), **request.args.to_dict(), "page": number}
        return url_for(request.endpoint or "", **args)


def page_number() -> int:
    """The page asked for in the address; 1 where it makes no sense."""
    try:
        return min(max(1, int(request.args.get("page", "1"))), 100_000)
    except ValueError:
        return 1
