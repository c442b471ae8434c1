"""The library's events in Python's ``logging``, under the logger ``kingcong``.

A thread takes them from the native half; it starts with the first client. Only events that the logger wants when a
client is opened are collected at all, so a level that is lowered later takes effect with the next client.
"""

from __future__ import annotations

import atexit
import logging
import os
import threading

from . import _green, _native

#: Graver than everything that the library tells.
SEVERITY_MAX = 255

_thread: threading.Thread | None = None
_process: int | None = None
_lock = threading.Lock()


def start() -> None:
    """Forwards events from now on."""
    global _thread, _process
    _native.start_log(min(logging.getLogger("kingcong").getEffectiveLevel(), SEVERITY_MAX))
    with _lock:
        # A forked child has its parent's thread object, but not the thread.
        if _thread is not None and _process == os.getpid() and _thread.is_alive():
            return
        _process = os.getpid()
        _thread = threading.Thread(target=_forward, name="kingcong-log", daemon=True)
        _thread.start()


def _forward() -> None:
    while records := _green.apart(_native.take_log):
        for severity, place, words in records:
            name = place.replace("::", ".").replace("kingcong_", "kingcong.")
            logging.getLogger(name).log(severity, "%s", words)


@atexit.register
def _stop() -> None:
    # Before the interpreter goes: a thread must not come back into one that is half gone.
    _native.end()
    _native.stop_log()
    if _thread is not None and _process == os.getpid():
        _thread.join(timeout=1)
