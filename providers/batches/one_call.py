"""What clients have in common whose shards go inside the call that creates the batch: neither files nor connections."""

from providers.batches.wire import Shard


class OneCallClient:
    """The part of a `BatchClient` that such a client has no use for."""

    uploads = False

    async def upload(self, shard: Shard) -> str:
        """Never called: `uploads` is false."""
        raise NotImplementedError("the lines of a batch go inside the call that creates it")

    async def find_upload(self, shard: Shard) -> str | None:
        """Never called: `uploads` is false."""
        raise NotImplementedError("the lines of a batch go inside the call that creates it")

    async def close(self) -> None:
        """Nothing is open here."""
