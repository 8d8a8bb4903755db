"""Ctrl-C and SIGTERM in training: finish the piece at hand, save a checkpoint, and end."""

import signal
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType


class Stopped(BaseException):
    """The user or the system asked to stop. Not an Exception: nothing but the end of the program may catch it."""

    def __init__(self, number: int, message: str) -> None:
        super().__init__(message)
        self.number = number


class StopRequest:
    """Set by a signal, read between two pieces of work. ``number`` is the signal's, or None."""

    number: int | None = None

    def raise_if_requested(self, place: str, *, saved: bool) -> None:
        """After a signal, raise :class:`Stopped` with a message that says how to continue."""
        if self.number is not None:
            state = "the state is saved: run the same command again to continue" if saved else "the state is not saved"
            raise Stopped(self.number, f"stopped in {place}; {state}")


@contextmanager
def stop_request() -> Iterator[StopRequest]:
    """Within this context SIGINT and SIGTERM only set the request."""
    request = StopRequest()

    def on_signal(number: int, frame: FrameType | None) -> None:
        request.number = number

    before = {number: signal.signal(number, on_signal) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield request
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
