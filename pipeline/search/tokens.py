"""The token that every call to a chief carries: a file in the search's folder, which the chief and its workers share.

So whoever reaches the chief's port, but cannot read that folder, is refused. The token travels in plain text.
"""

import hmac
import secrets
from collections.abc import Callable
from pathlib import Path
from typing import Any

from pipeline.files.artefacts import atomic_write
from pipeline.search.tuner import grpc

# The name of the file, and of the metadata of a call.
_NAME = "token"
# The name of the metadata that tells apart two workers with one KERASTUNER_TUNER_ID.
_PROCESS = "process"


def new_token(folder: Path) -> str:
    """Leave a new token in ``folder``, for this user alone, and return it."""
    token = secrets.token_hex(32)
    with atomic_write(folder / _NAME) as temporary:
        temporary.touch(mode=0o600)
        temporary.write_text(token, encoding="utf-8")
    return token


class TokenSender(grpc.UnaryUnaryClientInterceptor):  # type: ignore[misc]
    """Adds to every call the token that lies in ``folder`` at the moment, and what tells this process from others."""

    def __init__(self, folder: Path) -> None:
        self.path, self.sent, self._process = folder / _NAME, "", secrets.token_hex(8)

    def read(self) -> str:
        """The token, empty where there is none."""
        return self.path.read_text(encoding="utf-8") if self.path.exists() else ""

    def intercept_unary_unary(self, continuation: Callable[..., Any], details: Any, request: Any) -> Any:
        """Add both to a call."""
        self.sent = self.read()
        return continuation(details._replace(metadata=((_NAME, self.sent), (_PROCESS, self._process))), request)


class TokenCheck(grpc.ServerInterceptor):  # type: ignore[misc]
    """Refuses every call that does not carry ``token``."""

    def __init__(self, token: str) -> None:
        self._token = token.encode()
        self._refusal = grpc.unary_unary_rpc_method_handler(
            lambda _, context: context.abort(grpc.StatusCode.UNAUTHENTICATED, "the call lacks the chief's token")
        )

    def intercept_service(self, continuation: Callable[..., Any], details: Any) -> Any:
        """Look at a call's token before anything else of it is read."""
        sent = dict(details.invocation_metadata).get(_NAME, "")
        return continuation(details) if hmac.compare_digest(sent.encode(), self._token) else self._refusal


def process(context: Any) -> str:
    """The process that made the call of ``context``."""
    return str(dict(context.invocation_metadata()).get(_PROCESS, ""))
