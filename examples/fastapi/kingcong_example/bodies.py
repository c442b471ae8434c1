"""No request may be larger than anything that is taken here, whether it says its length beforehand or not."""

from starlette.types import ASGIApp, Message, Receive, Scope, Send

from .errors import Refused


class LimitBodies:
    """Ends the reading of a body that is too large before it fills the disk."""

    def __init__(self, app: ASGIApp, bytes_max: int) -> None:
        self._app = app
        self._bytes_max = bytes_max

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        read = 0

        async def counted() -> Message:
            nonlocal read
            message = await receive()
            read += len(message.get("body", b""))
            if read > self._bytes_max:
                raise too_large(self._bytes_max)
            return message

        await self._app(scope, counted if scope["type"] == "http" else receive, send)


def too_large(bytes_max: int) -> Refused:
    """For a body or a file of more bytes."""
    mebibytes = bytes_max // 1024**2
    return Refused(413, "too_large", f"At most {mebibytes} MiB are taken", f"Tối đa {mebibytes} MiB")
