"""HTTP ranges (RFC 9110, section 14): which bytes of a representation an answer has."""

import re

#: With fewer digits than Python refuses to read, and more than any length has.
_ONE_RANGE = re.compile(r"bytes=([0-9]{0,18})-([0-9]{0,18})")


class NotSatisfiableError(Exception):
    """No byte of the representation is in the range."""


def part_of(length: int, etag: str, asked: str | None, version: str | None) -> tuple[int, int] | None:
    """The bytes from the first to before the second that the headers ask for; None for all of them.

    ``asked`` is ``Range``, ``version`` is ``If-Range``. A range of another version, several ranges, another
    unit and what is no range at all are left aside, as the RFC allows or demands.
    """
    found = _ONE_RANGE.fullmatch(asked or "")
    if found is None or version not in (None, etag):
        return None
    first, last = found.groups()
    if not first:
        if not last:
            return None
        if int(last) == 0:
            raise NotSatisfiableError
        return max(0, length - int(last)), length
    if last and int(last) < int(first):
        return None
    if int(first) >= length:
        raise NotSatisfiableError
    return int(first), min(int(last) + 1, length) if last else length
