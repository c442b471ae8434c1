"""Between Python's types and what the native half takes and gives.

Both directions follow the type hints: of a door's parameters and answer, and of a record's fields. A value that is not
what its hint says is refused with a :class:`TypeError` that names it, before anything is sent.
"""

from __future__ import annotations

import dataclasses
import functools
import os
import types
import typing
from collections.abc import Callable, Mapping, Sequence
from datetime import datetime, timedelta, timezone
from decimal import Decimal
from enum import Enum
from typing import Any, TypeVar, cast, get_args, get_origin, get_type_hints

from ._native import Encoder, Fields, Shape

EPOCH = datetime(1970, 1, 1, tzinfo=timezone.utc)
MICROSECOND = timedelta(microseconds=1)
MILLISECOND = timedelta(milliseconds=1)


F = TypeVar("F", bound=Callable[[Any], Any])


def _cached(make: F) -> F:
    """Makes something of each type once."""
    return cast(F, functools.cache(make))


class Record:
    """What all records can: they are compared, hashed and printed by their fields."""

    __slots__ = ()

    def to_dict(self) -> dict[str, Any]:
        """The fields as plain values, ready for JSON: decimals as texts, instants in ISO 8601, lengths in seconds."""
        return {name: _plain(getattr(self, name)) for name in _field_names(type(self))}


class Word(str, Enum):
    """A word of a closed set; equal to its text."""

    def __str__(self) -> str:
        return str(self.value)


def _plain(value: Any) -> Any:
    match value:
        case Record():
            return value.to_dict()
        case Enum():
            return value.value
        case Decimal():
            return str(value)
        case datetime():
            return value.isoformat()
        case timedelta():
            return value.total_seconds()
        case tuple():
            return [_plain(item) for item in value]
        case Mapping():
            return {_plain(key): _plain(item) for key, item in value.items()}
        case _:
            return value


@_cached
def _field_names(cls: Any) -> tuple[str, ...]:
    return tuple(field.name for field in dataclasses.fields(cls))


# --- what is sent


def wire_name(name: str, hint: Any) -> str:
    """Lengths of time are sent in milliseconds, and say so."""
    return f"{name}_ms" if timedelta in (hint, *get_args(hint)) else name


_ENCODERS: dict[Any, Encoder] = {
    str: Encoder.text(),
    int: Encoder.count(),
    bytes: Encoder.bytes(),
    bool: Encoder.flag(),
    Decimal: Encoder.decimal(Decimal),
    datetime: Encoder.instant(datetime, EPOCH, MICROSECOND),
    timedelta: Encoder.length(MILLISECOND),
    os.PathLike: Encoder.path(os.fspath),
}


@_cached
def encoder(hint: Any) -> Encoder:
    """What checks and encodes values of a type."""
    origin = get_origin(hint)
    if origin in (typing.Union, types.UnionType):
        options = [option for option in get_args(hint) if option is not type(None)]
        words = [option for option in options if _is_word(option)]
        if words and len(options) == 2:
            (other,) = (option for option in options if option not in words)
            one = Encoder.word_or(_texts(words[0]), encoder(other))
            return one if len(options) == len(get_args(hint)) else Encoder.maybe(one)
        # An amount may be a Decimal or an int, a path a text too: the wider encoder takes both.
        wider = [option for option in options if option is Decimal or get_origin(option) is os.PathLike]
        one = encoder(wider[0] if wider else options[0])
        return one if len(options) == len(get_args(hint)) else Encoder.maybe(one)
    if origin is typing.Literal:
        return encoder(str)
    if origin in (tuple, list, Sequence):
        return Encoder.many(encoder(get_args(hint)[0]))
    if origin in (dict, Mapping):
        return Encoder.mapping(encoder(get_args(hint)[1]))
    if (origin or hint) in _ENCODERS:
        return _ENCODERS[origin or hint]
    if _is_word(hint):
        return Encoder.word(_texts(hint))
    return Encoder.record(hint, wire_of)


def _is_word(hint: Any) -> bool:
    return isinstance(hint, type) and issubclass(hint, Enum)


def _texts(words: type[Enum]) -> dict[str, str]:
    return {member.value: member.value for member in words}


def wire_of(value: Any) -> dict[str, Any]:
    """A record as its door takes it: by its own ``_wire`` if it has one, else field by field."""
    own = getattr(value, "_wire", None)
    return own() if own is not None else fields_of(value)


def fields_of(value: Any) -> dict[str, Any]:
    """The fields of a record that are given, encoded."""
    return _fields(type(value)).given(value)


def changed_fields_of(value: Any) -> dict[str, Any]:
    """The fields of a record that are not at their defaults, encoded: for doors that know the same defaults."""
    return _fields(type(value)).changed(value)


@_cached
def _fields(cls: Any) -> Fields:
    hints = get_type_hints(cls)
    return Fields(
        [
            (field.name, _path(field, hints[field.name]), encoder(hints[field.name]), field.default)
            for field in dataclasses.fields(cls)
            if field.metadata.get("sent") != ""
        ]
    )


def sent(path: str) -> dict[str, str]:
    """Metadata of a field that goes elsewhere than under its name: ``outer.inner``, or nowhere when empty."""
    return {"sent": path}


def _path(field: dataclasses.Field[Any], hint: Any) -> list[str]:
    path: str = field.metadata.get("sent", wire_name(field.name, hint))
    return path.split(".")


# --- what comes back


@_cached
def shape(hint: Any) -> Shape:
    """What an answer of a type becomes."""
    origin = get_origin(hint)
    if origin in (typing.Union, types.UnionType):
        (one, *_) = (option for option in get_args(hint) if option is not type(None))
        return Shape.maybe(shape(one))
    if origin is tuple:
        return Shape.many(shape(get_args(hint)[0]))
    if origin is Mapping:
        of_key, of_value = get_args(hint)
        return Shape.mapping(shape(of_key), shape(of_value))
    if hint is Decimal:
        return Shape.decimal()
    if hint is datetime:
        return Shape.instant(EPOCH)
    if hint is timedelta:
        return Shape.length()
    if hint is bytes:
        return Shape.attachment()
    if isinstance(hint, type) and issubclass(hint, Enum):
        return Shape.word({member.value: member for member in hint})
    if isinstance(hint, type) and dataclasses.is_dataclass(hint):
        return record_shape(hint)
    return Shape.plain()


def record_shape(cls: type, **shapes: Shape) -> Shape:
    """What a record becomes; ``shapes`` are those of fields that their hints do not tell."""
    hints = get_type_hints(cls)
    return Shape.record(
        cls,
        [
            (wire_name(name, hints[name]), getattr(cls, name).__set__, shapes.get(name) or shape(hints[name]))
            for name in _field_names(cls)
        ],
    )


def tagged(records: Mapping[str, type[Record]]) -> Shape:
    """One of these records, by its kind, or nothing."""
    return Shape.maybe(Shape.tagged([(kind, shape(cls)) for kind, cls in records.items()]))
