"""What may go wrong in a call of the openai package, as typed failures: by status, code and kind, never by wording."""

import contextlib
import time
from collections.abc import Iterator, Mapping

from providers.batches.wire import BatchCallError
from providers.error_bodies import MESSAGE_LIMIT, read_error
from providers.failures import classify
from providers.wire import Billing, Failure, FailureKind

QUEUE_FULL_CODES = frozenset({"token_limit_exceeded"})  # OpenAI's and Azure's, for tokens that wait in other batches


class RefusedError(Exception):
    """An answer other than a 2xx, on its way past the package, which would read it without a bound."""

    def __init__(self, status: int, headers: Mapping[str, str], body: bytes) -> None:
        super().__init__(status)
        self.status = status
        self.headers = headers
        self.body = body


@contextlib.contextmanager
def typed_failures(effect: bool) -> Iterator[None]:
    """Raise BatchCallError for all that may go wrong in a call."""
    import httpx2
    import openai

    try:
        yield
    except RefusedError as refused:
        raise _refusal(refused, effect) from None
    except openai.OpenAIError as error:
        raise BatchCallError(_unanswered(error.__cause__ or error, effect)) from error
    except (httpx2.HTTPError, httpx2.InvalidURL, httpx2.StreamError, TimeoutError) as error:
        raise BatchCallError(_unanswered(error, effect)) from error


def _refusal(refused: RefusedError, effect: bool) -> BatchCallError:
    failure = classify(refused.status, refused.headers, refused.body, now=time.time())
    error = read_error(refused.body)
    if refused.status < 500 and is_queue_full(error.code):
        return BatchCallError(_changed(failure, FailureKind.THROTTLED, Billing.UNBILLED), queue_full=True)
    return BatchCallError(failure if effect else _changed(failure, failure.kind, Billing.UNBILLED))


def is_queue_full(code: object) -> bool:
    """Whether an error's code says that the account's queue has no room, and not that the batch itself is wrong."""
    return isinstance(code, str) and code.lower() in QUEUE_FULL_CODES


def _changed(failure: Failure, kind: FailureKind, billing: Billing) -> Failure:
    return Failure(kind, billing, failure.message, failure.status, failure.code, failure.retry_after_s)


def _unanswered(error: BaseException, effect: bool) -> Failure:
    """The failure where no whole answer came; before the connection stood nothing can have happened."""
    import httpx2

    unsent = (
        httpx2.ConnectError,
        httpx2.ConnectTimeout,
        httpx2.PoolTimeout,
        httpx2.ProxyError,
        httpx2.UnsupportedProtocol,
        httpx2.InvalidURL,
    )
    effect = effect and not isinstance(error, unsent)
    late = isinstance(error, httpx2.TimeoutException | TimeoutError)
    kind = FailureKind.TIMED_OUT if late and effect else FailureKind.TRANSIENT
    text = f"{type(error).__name__}: {error}" if str(error) else type(error).__name__
    return Failure(kind, billing_of(effect), text[:MESSAGE_LIMIT])


def billing_of(effect: bool) -> Billing:
    """What is not known of a call without an answer: whether it took effect, where it has one."""
    return Billing.MAYBE if effect else Billing.UNBILLED
