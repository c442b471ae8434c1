"""What runs on event loops: answers to awaited calls, and the host's own providers and key service.

Each loop that awaits has one :class:`Answers`; each client with providers has one :class:`Host`. Both are a mailbox of
the native half whose socket the loop watches: many answers cost one wake-up.
"""

from __future__ import annotations

import asyncio
import contextlib
import contextvars
import functools
import inspect
import logging
import queue
import threading
import traceback
import weakref
from collections.abc import Callable, Sequence
from decimal import Decimal
from typing import Any, ClassVar

from . import _green
from ._base import MasterKey
from ._native import Mailbox, Outcome, PendingAnswer, Shape, scrubbed
from ._wire import encoder, record_shape, shape
from .providers import (
    Accepted,
    Audio,
    Call,
    CloneVoiceWork,
    Failed,
    MadeVoice,
    Provider,
    ProviderFailure,
    Reply,
    Running,
    SpeechWork,
)

logger = logging.getLogger("kingcong.providers")

#: Providers that are plain functions run in at most so many threads of a client.
THREADS_MAX = 32
#: How long a loop's thread is waited for when its client closes, in seconds.
JOIN_S = 5.0


class Box:
    """A loop's mailbox: what comes is read in turn, what goes is handed over once per turn of the loop."""

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self.mailbox = Mailbox()
        self._loop = loop
        self._is_handing = False
        loop.add_reader(self.mailbox.fileno(), self._read)

    def _read(self) -> None:
        raise NotImplementedError

    def _hand_over(self) -> None:
        """Hands over what was sent, after everything else of this turn of the loop."""
        if not self._is_handing:
            self._is_handing = True
            self._loop.call_soon(self._hand)

    def _hand(self) -> None:
        self._is_handing = False
        self.mailbox.hand_over()


class Answers(Box):
    """The answers to what one loop awaits."""

    # Only the loop keeps its answers, so that both may go.
    _of_loops: ClassVar[weakref.WeakKeyDictionary[asyncio.AbstractEventLoop, Any]] = weakref.WeakKeyDictionary()

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        super().__init__(loop)
        self._awaited: dict[int, asyncio.Future[Outcome]] = {}

    @classmethod
    def of_running_loop(cls) -> Answers:
        """The answers of the loop that runs; a RuntimeError where none does."""
        loop = asyncio.get_running_loop()
        kept = cls._of_loops.get(loop)
        answers: Answers | None = None if kept is None else kept()
        if answers is None:
            answers = cls(loop)
            cls._of_loops[loop] = weakref.ref(answers)
        return answers

    async def wait(self, waiting: PendingAnswer) -> Outcome:
        """Awaits an answer. When it is cancelled the waiting ends, not what was asked."""
        future: asyncio.Future[Outcome] = self._loop.create_future()
        self._awaited[waiting.ticket] = future
        self._hand_over()
        try:
            return await future
        except BaseException:
            self._awaited.pop(waiting.ticket, None)
            waiting.drop()
            raise

    def _read(self) -> None:
        for _, ticket, outcome in self.mailbox.take():
            future = self._awaited.pop(ticket, None)
            if future is not None and not future.done():
                future.set_result(outcome)


class Host(Box):
    """The providers and the key service of one client, on the loop that it was opened on."""

    def __init__(self, providers: Sequence[Provider], master_key: MasterKey | None) -> None:
        super().__init__(asyncio.get_running_loop())
        self._context = contextvars.copy_context()
        self._providers = {provider.protocol: provider for provider in providers}
        self._master_key = master_key
        self._tasks: dict[int, asyncio.Task[None]] = {}
        self._threads = asyncio.Semaphore(THREADS_MAX)

    def stop(self) -> None:
        """Takes no more calls. May be called from anywhere."""
        try:
            here = asyncio.get_running_loop() is self._loop
        except RuntimeError:
            here = False
        if here:
            self._stop()
        else:
            # A loop that is closed has stopped already.
            with contextlib.suppress(RuntimeError):
                self._loop.call_soon_threadsafe(self._stop)

    def _stop(self) -> None:
        self._loop.remove_reader(self.mailbox.fileno())
        for task in self._tasks.values():
            task.cancel()

    def _read(self) -> None:
        for kind, ticket, told in self.mailbox.take():
            if kind == "call":
                self._start(ticket, self._call(ticket, *told))
            elif kind == "key":
                self._start(ticket, self._key(ticket, *told))
            elif ticket in self._tasks:
                self._tasks[ticket].cancel()

    def _start(self, ticket: int, work: Any) -> None:
        # In the context that the client was opened in.
        task = self._context.copy().run(self._loop.create_task, work)
        self._tasks[ticket] = task
        task.add_done_callback(functools.partial(self._ended, ticket))

    def _ended(self, ticket: int, task: asyncio.Task[None]) -> None:
        self._tasks.pop(ticket, None)
        if not task.cancelled():
            # What a provider raised was answered; this is for nothing that was.
            task.exception()

    async def _call(self, ticket: int, protocol: str, told: Outcome) -> None:
        secret, consequence = "", "nobody knows what its upstream did"
        try:
            try:
                call = told.open(_CALL)
                secret = call.secret
                if call.upstream_id is not None:
                    consequence = "it is asked again how far the work is"
                if call.upstream_id is None:
                    reply = await self._run(self._providers[protocol].call, call)
                    if isinstance(reply, Accepted):
                        self._poller(protocol)
                    wire, body = _reply_wire(reply)
                else:
                    wire, body = _progress_wire(await self._run(self._poller(protocol), call))
                self.mailbox.reply(ticket, wire, body)
            except ProviderFailure as failure:
                self.mailbox.fail(ticket, failure._wire())
        except BaseException as error:
            # Also what is no Exception: a provider must not end the loop of its host.
            self.mailbox.lost(ticket, _raised(f"the provider of {protocol!r}", error))
            if isinstance(error, asyncio.CancelledError):
                raise
            words = "".join(traceback.format_exception(error)).encode(errors="backslashreplace").decode()
            logger.error("the provider of %r failed; %s\n%s", protocol, consequence, scrubbed(words, secret))
        finally:
            self._hand_over()

    def _poller(self, protocol: str) -> Callable[[Call], Any]:
        poll: Callable[[Call], Any] | None = getattr(self._providers[protocol], "poll", None)
        if poll is None:
            raise TypeError(f"the provider of {protocol!r} returns Accepted, so it needs a function poll")
        return poll

    async def _key(self, ticket: int, step: str, data: bytes, context: bytes) -> None:
        try:
            answer = await self._run(getattr(self._master_key, step), data, context)
            self.mailbox.reply_key(ticket, encoder(bytes)(answer, f"what {step} returned"))
        except BaseException as error:
            self.mailbox.fail_key(ticket, _raised(step, error))
            if isinstance(error, asyncio.CancelledError):
                raise
        finally:
            self._hand_over()

    async def _run(self, function: Callable[..., Any], *args: Any) -> Any:
        if inspect.iscoroutinefunction(function):
            return await function(*args)
        async with self._threads:
            answer = await self._in_thread(function, *args)
        return await answer if inspect.isawaitable(answer) else answer

    async def _in_thread(self, function: Callable[..., Any], *args: Any) -> Any:
        # A thread of its own that nobody waits for: one that never comes back must not keep the process.
        future: asyncio.Future[Any] = self._loop.create_future()
        context = contextvars.copy_context()

        def settle(answer: Any, error: BaseException | None) -> None:
            if future.done():
                return
            if error is None:
                future.set_result(answer)
            elif isinstance(error, StopIteration):
                # No future can hold one.
                future.set_exception(RuntimeError(f"it raised StopIteration: {error}"))
            else:
                future.set_exception(error)

        def run() -> None:
            outcome: tuple[Any, BaseException | None]
            try:
                outcome = context.run(function, *args), None
            except BaseException as error:
                outcome = None, error
            # The loop may be closed meanwhile.
            with contextlib.suppress(RuntimeError):
                self._loop.call_soon_threadsafe(settle, *outcome)

        threading.Thread(target=run, name="kingcong-provider", daemon=True).start()
        return await future


def _raised(who: str, error: BaseException) -> bytes:
    """What somebody raised, in UTF-8 whatever it is: this must not fail, or nobody is answered."""
    try:
        return f"{who} raised {type(error).__name__}: {error}".encode("utf-8", "replace")
    except BaseException:
        return f"{who} raised what cannot be shown".encode("utf-8", "replace")


_WORK = Shape.one_of([("speech", shape(SpeechWork)), ("clone_voice", shape(CloneVoiceWork))])
_CALL = record_shape(Call, work=_WORK, secret=Shape.secret())


def _reply_wire(reply: Any) -> tuple[dict[str, Any], bytes]:
    match reply:
        case Reply():
            return _result_wire(reply)
        case Accepted(upstream_id=upstream_id, cost=cost):
            wire: dict[str, Any] = {"result": {"accepted": {"upstream_id": encoder(str)(upstream_id, "upstream_id")}}}
            if cost is not None:
                wire["cost"] = encoder(Decimal)(cost, "cost")
            return wire, b""
        case other:
            raise TypeError(f"call must return a Reply or an Accepted, not {type(other).__name__}: {other!r}")


def _progress_wire(progress: Any) -> tuple[dict[str, Any], bytes]:
    match progress:
        case Reply():
            return _result_wire(progress)
        case Running(percent=percent):
            told = {} if percent is None else {"percent": encoder(int)(percent, "percent")}
            return {"result": {"running": told}}, b""
        case Failed(failure=ProviderFailure() as failure):
            return {"result": {"failed": failure._wire()}}, b""
        case other:
            words = f"{type(other).__name__}: {other!r}"
            raise TypeError(f"poll must return a Reply, a Running or a Failed with a ProviderFailure, not {words}")


def _result_wire(reply: Reply) -> tuple[dict[str, Any], bytes]:
    text, count = encoder(str), encoder(int)
    wire: dict[str, Any] = {}
    body = b""
    match reply.result:
        case Audio(data=data, content_type=content_type, srt=srt):
            body = encoder(bytes)(data, "data")
            wire["result"] = {"audio": {"content_type": text(content_type, "content_type")}}
            if srt is not None:
                wire["result"]["audio"]["srt"] = text(srt, "srt")
        case MadeVoice(voice=voice):
            wire["result"] = {"voice": {"voice": text(voice, "voice")}}
        case other:
            raise TypeError(f"result must be an Audio or a MadeVoice, not {type(other).__name__}: {other!r}")
    if reply.cost is not None:
        wire["cost"] = encoder(Decimal)(reply.cost, "cost")
    for name in ("audio_ms", "characters"):
        value = getattr(reply, name)
        if value is not None:
            wire[name] = count(value, name)
    return wire, body


class HostThread:
    """A loop of its own for the providers of a blocking client, on a thread of the system."""

    def __init__(self, providers: Sequence[Provider], master_key: MasterKey | None) -> None:
        # Queues of the system's locks: this thread and the one that waits may not share a hub of gevent's.
        self._started, self._ended = (_green.system("queue", "SimpleQueue")() for _ in range(2))
        serve, context = self._serve(providers, master_key), contextvars.copy_context()
        self._ident = _green.start("kingcong-providers", self._run, context, serve)
        started = _green.apart(self._started.get)
        if isinstance(started, BaseException):
            raise started
        self.host: Host = started

    def _run(self, context: contextvars.Context, serve: Any) -> None:
        try:
            context.run(asyncio.run, serve)
        except BaseException as error:
            # Before it was started this is why it could not be; afterwards nobody reads it.
            self._started.put(error)
        finally:
            _green.leave()
            self._ended.put(None)

    async def _serve(self, providers: Sequence[Provider], master_key: MasterKey | None) -> None:
        self._loop, self._over = asyncio.get_running_loop(), asyncio.Event()
        self._started.put(Host(providers, master_key))
        await self._over.wait()

    def end(self) -> None:
        """Takes no more calls, and lets the thread end."""
        self.host.stop()
        # A loop that is closed has ended already.
        with contextlib.suppress(RuntimeError):
            self._loop.call_soon_threadsafe(self._over.set)

    def stop(self) -> None:
        """Ends the thread and waits for that; one that a provider keeps busy is left to itself."""
        self.end()
        if _green.system("_thread", "get_ident")() != self._ident:
            with contextlib.suppress(queue.Empty):
                _green.apart(self._ended.get, True, JOIN_S)
