"""Who looks at the pictures of a body: in threads, a few at a time, so that the server goes on answering.

A picture that was seen before is not decoded again: what is remembered is a few numbers by the digest of its address.
"""

import asyncio
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor

from providers.media.image_tokens import image_tokens
from providers.provider import ImageTokens
from providers.simulator.asked import Asked
from providers.simulator.chat import BadBodyError, Chat
from providers.simulator.draws import digest
from providers.simulator.pictures import Picture, Shown, decode, shown_pictures

_AT_ONCE = 2  # a decoded picture of the most pixels takes 400 MB
_REMEMBERED = 10_000
_TOKENS = ImageTokens(rule="tile")
_MINI_TOKENS = ImageTokens(rule="tile", base=2833, tile=5667)


class Viewer:
    """Decodes the pictures of bodies and remembers what they look like."""

    def __init__(self) -> None:
        self._seen: dict[bytes, Picture] = {}
        # A pool of its own: a call whose client leaves lets go of its turn only when its thread is done.
        self._pool = ThreadPoolExecutor(_AT_ONCE, "simulator-pictures")

    async def look(self, body_digest: bytes, chat: Chat) -> Asked:
        """The body with its pictures. Raises BadBodyError for one that cannot be seen."""
        shown = shown_pictures(chat)
        if not shown:
            return Asked(body_digest, chat)
        pictures = [await self._see(picture) for picture in shown]
        return _asked(body_digest, chat, shown, pictures)

    def look_at_once(self, body_digest: bytes, chat: Chat) -> Asked:
        """The same, without a thread."""
        shown = shown_pictures(chat)
        return _asked(body_digest, chat, shown, [self._recall_or_decode(picture) for picture in shown])

    async def _see(self, shown: Shown) -> Picture:
        return await asyncio.get_running_loop().run_in_executor(self._pool, self._recall_or_decode, shown)

    def _recall_or_decode(self, shown: Shown) -> Picture:
        """In a thread: a single step on the dictionary at a time, so that two threads do no harm to each other."""
        key = digest(shown.url.encode())
        known = self._seen.get(key)
        if known is not None:
            return known
        try:
            picture = decode(shown.url)
        except BadBodyError as problem:
            raise BadBodyError(problem.message, shown.param, problem.code) from None
        if len(self._seen) >= _REMEMBERED:
            self._seen.clear()
        self._seen[key] = picture
        return picture


def _asked(body_digest: bytes, chat: Chat, shown: Sequence[Shown], pictures: Sequence[Picture]) -> Asked:
    rule = _MINI_TOKENS if "gpt-4o-mini" in chat.model else _TOKENS
    tokens = sum(
        image_tokens(rule, picture.width, picture.height, part.detail)
        for picture, part in zip(pictures, shown, strict=True)
    )
    return Asked(body_digest, chat, tuple(pictures), tokens)
