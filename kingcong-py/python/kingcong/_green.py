"""Waiting where gevent has patched the standard library: only the greenlet waits, never the thread that all share.

A patched thread is a greenlet, and a patched lock is one of greenlets: whatever blocks a thread there, as the native
half does while it waits, stops everything. So a client asks as an event loop does, through a mailbox whose socket the
hub watches; any number of greenlets wait on it. What must block has a thread of the system.
"""

from __future__ import annotations

import importlib
import os
import sys
import threading
from collections.abc import Callable
from datetime import timedelta
from typing import Any, TypeVar

from ._native import Mailbox, Outcome, PendingAnswer

T = TypeVar("T")

#: What of the standard library gevent may have patched that a client's waiting meets.
_PATCHED = ("socket", "threading")
#: The name under which a hub keeps its answers.
_KEPT = "_kingcong_answers"
#: A hub watches a descriptor for something to read.
_READ = 1


def hub() -> Any | None:
    """The hub of this thread; None where gevent has patched nothing that matters here."""
    monkey = sys.modules.get("gevent.monkey")
    if monkey is None or not any(map(monkey.is_module_patched, _PATCHED)):
        return None
    return importlib.import_module("gevent").get_hub()


def apart(function: Callable[..., T], *args: Any) -> T:
    """Runs what blocks its thread. Where gevent has patched, on a thread of the hub's, and only the greenlet waits."""
    here = hub()
    if here is None:
        return function(*args)
    answer: T = here.threadpool.apply(function, args)
    return answer


def system(module: str, name: str) -> Any:
    """Something of the standard library as the system has it, and not as gevent patched it."""
    if hub() is None:
        return getattr(importlib.import_module(module), name)
    return importlib.import_module("gevent.monkey").get_original(module, name)


def start(name: str, function: Callable[..., None], *args: Any) -> int:
    """Starts a thread of the system, for which nobody waits at the end, and gives its ident."""
    if hub() is None:
        thread = threading.Thread(target=function, args=args, name=name, daemon=True)
        thread.start()
        ident: int = thread.ident or 0
    else:
        # A patched thread would be a greenlet; and the system's has no name.
        ident = system("_thread", "start_new_thread")(function, args)
    return ident


def leave() -> None:
    """Ends what a thread of the system has of gevent, before it ends itself."""
    here = hub()
    if here is not None:
        here.destroy(destroy_loop=True)


class Answers:
    """The answers to what the greenlets of one hub wait for."""

    def __init__(self, here: Any) -> None:
        self.process = os.getpid()
        self.mailbox = Mailbox()
        self._awaited: dict[int, Any] = {}
        self._watcher = here.loop.io(self.mailbox.fileno(), _READ)
        self._watcher.start(self._read)

    @classmethod
    def of_this_hub(cls) -> Answers | None:
        """The answers of this thread's hub; None where there is no gevent to mind."""
        here = hub()
        if here is None:
            return None
        kept: Answers | None = getattr(here, _KEPT, None)
        # A child of a fork has the hub of its parent, whose mailbox stays its parent's.
        if kept is None or kept.process != os.getpid():
            kept = cls(here)
            setattr(here, _KEPT, kept)
        return kept

    def of(self, asked: Outcome | PendingAnswer, timeout: timedelta | None = None) -> Outcome:
        """What was asked, once it is there. A TimeoutError ends the waiting, not what was asked."""
        if isinstance(asked, Outcome):
            return asked
        result = importlib.import_module("gevent.event").AsyncResult()
        self._awaited[asked.ticket] = result
        self.mailbox.hand_over()
        try:
            outcome: Outcome | None = result.wait(None if timeout is None else timeout.total_seconds())
        except BaseException:
            self._forget(asked)
            raise
        if outcome is None:
            self._forget(asked)
            raise TimeoutError("not answered in time")
        return outcome

    def _forget(self, asked: PendingAnswer) -> None:
        self._awaited.pop(asked.ticket, None)
        asked.drop()

    def _read(self) -> None:
        for _, ticket, outcome in self.mailbox.take():
            result = self._awaited.pop(ticket, None)
            if result is not None:
                result.set(outcome)
