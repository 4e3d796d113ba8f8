"""What a call asks: its body as it was read, with the pictures that were looked at."""

import msgspec

from providers.simulator.chat import Chat
from providers.simulator.pictures import Picture


class Asked(msgspec.Struct, frozen=True):
    """One body. `pictures` are in its order, `picture_tokens` what they count together."""

    body_digest: bytes
    chat: Chat
    pictures: tuple[Picture, ...] = ()
    picture_tokens: int = 0

    @property
    def prompt_tokens(self) -> int:
        return self.chat.text_tokens() + self.picture_tokens
