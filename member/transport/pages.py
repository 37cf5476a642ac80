"""Lists that the exchange shows page by page: read to their end, and no further than a list can be long.

A server that names one more page for ever, or the same ones again, would hold a command and fill its memory. Waiting
for the pages of one list is bounded by time, bytes and number; what is done with them between does not count.
"""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Protocol, TypeVar

from member.errors import AnswerError
from member.transport.channel import Channel, decode

LONGEST_SECONDS = 1_800.0
"""Of waiting for one list: a million hits, 2,000 pages, take some minutes."""
MAX_BYTES = 1024 * 1024 * 1024
MAX_PAGES = 20_000


class Paged(Protocol):
    """One page; `next` is the cursor of the one behind it, if there is one."""

    @property
    def next(self) -> str | int | None: ...


P = TypeVar("P", bound=Paged)


class ListBound:
    """What one list, `what` in words, has cost. AnswerError is raised where one more page would be too much."""

    def __init__(self, what: str, most_pages: int = MAX_PAGES, most_bytes: int = MAX_BYTES) -> None:
        self._what = what
        self._pages_left, self._bytes_left, self._seconds_left = most_pages, most_bytes, LONGEST_SECONDS

    @contextmanager
    def page(self) -> Iterator[None]:
        """Around the call that brings a page."""
        if self._pages_left <= 0 or self._bytes_left <= 0 or self._seconds_left <= 0:
            raise AnswerError(f"the exchange shows {self._what} without end", "tell the registrars")
        began = time.monotonic()
        yield
        self._pages_left -= 1
        self._seconds_left -= time.monotonic() - began

    def count_bytes(self, size: int) -> None:
        """Of the page that came."""
        self._bytes_left -= size


def walk(
    channel: Channel,
    path: str,
    parameters: Mapping[str, str | int],
    form: type[P],
    bound: ListBound,
) -> Iterator[tuple[P, bytes]]:
    """Every page of a list, decoded and as it came, `parameters` being those of the first. Raises AnswerError for one
    of another form or without end, and as Channel.get does.
    """
    seen: set[str | int] = set()
    following: dict[str, str | int] = {}
    while True:
        with bound.page():
            body = channel.get(path, {**parameters, **following}).body
        bound.count_bytes(len(body))
        page = decode(body, form, channel.base_url)
        yield page, body
        if page.next is None:
            return
        if page.next in seen:
            raise AnswerError("the exchange repeats a page cursor")
        seen.add(page.next)
        following = {"cursor": page.next}
