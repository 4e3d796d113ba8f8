"""The calls of the openai package that a batch takes, each as a stream whose answer is read as it came."""

from collections.abc import Callable
from contextlib import AbstractAsyncContextManager
from typing import TYPE_CHECKING, Any, BinaryIO, Protocol

from providers.batches.wire import KEY_NAME, Shard

if TYPE_CHECKING:
    from openai import AsyncOpenAI
    from openai._response import AsyncAPIResponse

PAGE = 100  # the most that a list of batches gives at once

Answering = AbstractAsyncContextManager["AsyncAPIResponse[Any]"]
Ask = Callable[["AsyncOpenAI"], Answering]


class AskForPage(Protocol):
    """A call for the page of a list that begins behind the item `after`, or for the first."""

    def __call__(self, sdk: "AsyncOpenAI", *, after: str | None) -> Answering: ...


def upload_call(sdk: "AsyncOpenAI", shard: Shard, file: BinaryIO) -> Answering:
    """Upload the shard's file under its key's name; `file` is read piece by piece."""
    named = (f"{shard.key}.jsonl", file, "application/jsonl")
    return sdk.files.with_streaming_response.create(file=named, purpose="batch")


def create_call(sdk: "AsyncOpenAI", shard: Shard, window: str) -> Answering:
    """Make a batch of the shard's uploaded file."""
    words: dict[str, Any] = {"endpoint": shard.group, "completion_window": window}  # servers know more than the package
    metadata = {KEY_NAME: shard.key}
    return sdk.batches.with_streaming_response.create(input_file_id=shard.file or "", metadata=metadata, **words)


def retrieve_call(sdk: "AsyncOpenAI", batch_id: str) -> Answering:
    """Show a batch."""
    return sdk.batches.with_streaming_response.retrieve(batch_id)


def cancel_call(sdk: "AsyncOpenAI", batch_id: str) -> Answering:
    """End a batch."""
    return sdk.batches.with_streaming_response.cancel(batch_id)


def list_batches(sdk: "AsyncOpenAI", *, after: str | None) -> Answering:
    """A page of all batches, the newest first."""
    from openai import omit

    return sdk.batches.with_streaming_response.list(limit=PAGE, after=after or omit)


def list_files(sdk: "AsyncOpenAI", *, after: str | None) -> Answering:
    """A page of the files that were uploaded for batches, the newest first."""
    from openai import omit

    return sdk.files.with_streaming_response.list(purpose="batch", order="desc", limit=PAGE, after=after or omit)


def content(sdk: "AsyncOpenAI", file_id: str) -> Answering:
    """What is in a file."""
    return sdk.files.with_streaming_response.content(file_id)
