"""A lane on its own, for tests of what is decided about it."""

from orchestrator.lane import Lane
from providers.catalog import load_catalog
from providers.openai_chat import OpenAIAdapter
from providers.wire import HttpCall


class _NoTransport:
    async def post(self, call: HttpCall) -> tuple[int, dict[str, str], bytes]:
        raise AssertionError("nothing is sent here")

    async def close(self) -> None:
        return None


def make_lane() -> Lane:
    return Lane(
        provider_name="simulator",
        model="m",
        provider=load_catalog().provider("simulator"),
        adapter=OpenAIAdapter("http://127.0.0.1:1/v1", {}),
        transport=_NoTransport(),
        rates=None,
        concurrency=2,
    )
