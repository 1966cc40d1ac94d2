"""One conversation on Hansard's record, by OpenAI's own client: read from its end, added to, removed from."""

import re
from collections.abc import Callable, Mapping, Sequence
from itertools import takewhile
from typing import Any, Final, cast
from urllib.parse import quote

from openai import AsyncOpenAI, ConflictError, NotFoundError

CONVERSATION: Final = re.compile(r"conv_[0-9a-f]{32}")
PAGE: Final = 100
BATCH: Final = 1_000
"""The most items that Hansard takes in one request."""
AS_GIVEN: Final = {"as_given": "true"}
EVERYTHING: Final[Mapping[str, Any]] = {}
NOT_BEGUN: Final = "conversation_not_found"
BEGUN: Final = "name_taken"

Item = dict[str, Any]


class Record:
    def __init__(self, client: AsyncOpenAI, conversation: str) -> None:
        """By its id, or by a name of its application's own: under that it begins with its first items."""
        self._client = client
        self._conversation = conversation
        self._path = f"/conversations/{quote(conversation, safe='')}/items"

    async def newest(self, limit: int | None, is_end: Callable[[Item], bool]) -> list[Item]:
        """Newest first and as they were given; what is the end, and what is before that, is left out."""
        found: list[Item] = []
        query: dict[str, Any] = {}
        while limit is None or len(found) < limit:
            page = await self._page(PAGE if limit is None else min(limit - len(found), PAGE), query)
            shown = list(takewhile(lambda item: not is_end(item), page["data"]))
            found += shown
            if len(shown) < len(page["data"]) or not page["has_more"]:
                break
            query = {"after": page["last_id"]}
        return found

    async def last(self) -> tuple[Item, str] | None:
        """The last item, and the id that leads to it."""
        page = await self._page(1)
        return (page["data"][0], page["last_id"]) if page["data"] else None

    async def add(self, items: Sequence[Item], key: str) -> None:
        """All of them or none, as far as one request holds them; under the same key never twice."""
        for start in range(0, len(items), BATCH):
            await self._begun_add(items[start : start + BATCH], f"{key}-{start}")

    async def remove(self, item_id: str, key: str) -> None:
        path = f"{self._path}/{quote(item_id, safe='')}"
        await self._client.delete(path, cast_to=object, options=keyed(key))

    async def _begun_add(self, items: Sequence[Item], key: str) -> None:
        try:
            await self._add(items, key)
        except NotFoundError as unknown:
            if not self._has_only_not_begun(unknown):
                raise
            await self._begin()
            await self._add(items, key)

    async def _add(self, items: Sequence[Item], key: str) -> None:
        options = keyed(key) | {"params": AS_GIVEN}
        await self._client.post(self._path, cast_to=object, body={"items": items}, options=options)

    def _has_only_not_begun(self, unknown: NotFoundError) -> bool:
        """A name can be given at any time; an id is one that Hansard gave."""
        return unknown.code == NOT_BEGUN and not CONVERSATION.fullmatch(self._conversation)

    async def _begin(self) -> None:
        """Another process may have been quicker: it is the same conversation."""
        try:
            await self._client.conversations.create(extra_body={"name": self._conversation})
        except ConflictError as known:
            if known.code != BEGUN:
                raise

    async def _page(self, limit: int, query: Mapping[str, Any] = EVERYTHING) -> dict[str, Any]:
        params = {"limit": limit, **query, **AS_GIVEN}
        try:
            page = await self._client.get(self._path, cast_to=object, options={"params": params})
        except NotFoundError as unknown:
            if not self._has_only_not_begun(unknown):
                raise
            return {"data": [], "has_more": False}
        return cast(dict[str, Any], page)


def keyed(key: str) -> Any:
    return {"headers": {"Idempotency-Key": key}}
