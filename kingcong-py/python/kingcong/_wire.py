"""Between Python's types and the JSON of the native half.

Both directions follow the type hints: of a door's parameters and answer, and of a record's fields. A value that is not
what its hint says is refused with a :class:`TypeError` that names it, before anything is sent.
"""

from __future__ import annotations

import dataclasses
import functools
import json
import os
import types
import typing
from collections.abc import Callable, Mapping, Sequence
from datetime import datetime, timedelta, timezone
from decimal import Decimal
from enum import Enum
from typing import Any, TypeVar, cast, get_args, get_origin, get_type_hints

from ._errors import invalid

EPOCH = datetime(1970, 1, 1, tzinfo=timezone.utc)
MICROSECOND = timedelta(microseconds=1)
MILLISECOND = timedelta(milliseconds=1)
#: Digits that an amount may have before or after the point.
DIGITS_MAX = 28

#: Writes JSON, quicker than with the checks that what is made here does not need.
to_json: Callable[[Any], str] = json.JSONEncoder(ensure_ascii=False, check_circular=False, separators=(",", ":")).encode

#: Checks a value, named by the second argument, and gives what JSON has for it.
Encoder = Callable[[Any, str], Any]
#: Gives the value that JSON stands for.
Decoder = Callable[[Any], Any]

T = TypeVar("T")


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
            return {key: _plain(item) for key, item in value.items()}
        case _:
            return value


@_cached
def _field_names(cls: Any) -> tuple[str, ...]:
    return tuple(field.name for field in dataclasses.fields(cls))


# --- what is sent


def wire_name(name: str, hint: Any) -> str:
    """Lengths of time are sent in milliseconds, and say so."""
    return f"{name}_ms" if timedelta in (hint, *get_args(hint)) else name


def _of_type(cls: type, words: str) -> Encoder:
    def encode(value: Any, name: str) -> Any:
        if type(value) is cls or (isinstance(value, cls) and not isinstance(value, bool)):
            return value
        raise TypeError(f"{name} must be {words}, not {type(value).__name__}: {value!r}")

    return encode


def _encode_text(value: Any, name: str) -> Any:
    if not isinstance(value, str):
        raise TypeError(f"{name} must be a str, not {type(value).__name__}: {value!r}")
    if not value.isascii():
        try:
            value.encode()
        except UnicodeEncodeError:
            raise invalid(f"{name} has half a character in it: a surrogate without its other half") from None
    return value


def _encode_count(value: Any, name: str) -> Any:
    if not isinstance(value, int) or isinstance(value, bool):
        raise TypeError(f"{name} must be an int, not {type(value).__name__}: {value!r}")
    if value < 0:
        raise invalid(f"{name} must not be negative, and is {value}")
    return value


def _encode_bool(value: Any, name: str) -> Any:
    if isinstance(value, bool):
        return value
    raise TypeError(f"{name} must be a bool, not {type(value).__name__}: {value!r}")


def _encode_decimal(value: Any, name: str) -> Any:
    if isinstance(value, float):
        raise TypeError(
            f"{name} must be decimal.Decimal or int, not float: a float cannot hold 0.1; write Decimal({str(value)!r})"
        )
    if isinstance(value, int) and not isinstance(value, bool):
        value = Decimal(value)
    if isinstance(value, Decimal):
        if not value.is_finite():
            raise invalid(f"{name} must be a number, not {value}")
        if value and not -DIGITS_MAX <= value.adjusted() <= DIGITS_MAX:
            raise invalid(f"{name} has more than {DIGITS_MAX} digits before or after its point")
        return format(value, "f")
    raise TypeError(f"{name} must be decimal.Decimal or int, not {type(value).__name__}: {value!r}")


def _encode_datetime(value: Any, name: str) -> Any:
    if not isinstance(value, datetime):
        raise TypeError(f"{name} must be a datetime, not {type(value).__name__}: {value!r}")
    if value.utcoffset() is None:
        raise invalid(f"{name} must have a time zone, and {value!r} has none: write datetime(…, tzinfo=timezone.utc)")
    return (value - EPOCH) // MICROSECOND


def _encode_timedelta(value: Any, name: str) -> Any:
    if not isinstance(value, timedelta):
        raise TypeError(f"{name} must be a timedelta, not {type(value).__name__}: {value!r}")
    if value < timedelta(0):
        raise invalid(f"{name} must not be negative, and is {value}")
    return value // MILLISECOND


def _encode_path(value: Any, name: str) -> Any:
    try:
        return os.fspath(value)
    except TypeError:
        message = f"{name} must be a path, not {type(value).__name__}: {value!r}"
        raise TypeError(message) from None


def _enum_encoder(cls: type[Enum]) -> Encoder:
    def encode(value: Any, name: str) -> Any:
        try:
            return cls(value).value
        except ValueError:
            known = ", ".join(repr(member.value) for member in cls)
            raise invalid(f"{name} must be one of {known}, not {value!r}") from None

    return encode


def _record_encoder(cls: type) -> Encoder:
    def encode(value: Any, name: str) -> Any:
        if isinstance(value, cls):
            return wire_of(value)
        raise TypeError(f"{name} must be a {cls.__name__}, not {type(value).__name__}: {value!r}")

    return encode


def _sequence_encoder(item: Encoder) -> Encoder:
    def encode(value: Any, name: str) -> Any:
        if isinstance(value, str) or not isinstance(value, Sequence):
            raise TypeError(f"{name} must be a list or tuple, not {type(value).__name__}: {value!r}")
        return [item(one, f"{name}[{place}]") for place, one in enumerate(value)]

    return encode


def _mapping_encoder(item: Encoder) -> Encoder:
    def encode(value: Any, name: str) -> Any:
        if not isinstance(value, Mapping):
            raise TypeError(f"{name} must be a dict, not {type(value).__name__}: {value!r}")
        return {_encode_text(key, f"a key of {name}"): item(one, f"{name}[{key!r}]") for key, one in value.items()}

    return encode


_ENCODERS: dict[Any, Encoder] = {
    str: _encode_text,
    int: _encode_count,
    bytes: _of_type(bytes, "bytes"),
    bool: _encode_bool,
    Decimal: _encode_decimal,
    datetime: _encode_datetime,
    timedelta: _encode_timedelta,
    os.PathLike: _encode_path,
}


@_cached
def encoder(hint: Any) -> Encoder:
    """What checks and encodes values of a type."""
    origin = get_origin(hint)
    if origin in (typing.Union, types.UnionType):
        options = [option for option in get_args(hint) if option is not type(None)]
        # An amount may be a Decimal or an int, a path a text too: the wider encoder takes both.
        wider = [option for option in options if option is Decimal or get_origin(option) is os.PathLike]
        one = encoder(wider[0] if wider else options[0])
        if len(options) == len(get_args(hint)):
            return one
        return lambda value, name: None if value is None else one(value, name)
    if origin is typing.Literal:
        return encoder(str)
    if origin in (tuple, list, Sequence):
        return _sequence_encoder(encoder(get_args(hint)[0]))
    if origin in (dict, Mapping):
        return _mapping_encoder(encoder(get_args(hint)[1]))
    if (origin or hint) in _ENCODERS:
        return _ENCODERS[origin or hint]
    if isinstance(hint, type) and issubclass(hint, Enum):
        return _enum_encoder(hint)
    return _record_encoder(hint)


def wire_of(value: Any) -> dict[str, Any]:
    """A record as its door takes it: by its own ``_wire`` if it has one, else field by field."""
    own = getattr(value, "_wire", None)
    return own() if own is not None else fields_of(value)


def fields_of(value: Any) -> dict[str, Any]:
    """The fields of a record that are given, encoded."""
    wire = {}
    for name, key, encode, _ in _field_encoders(type(value)):
        field = getattr(value, name)
        if field is not None:
            wire[key] = encode(field, name)
    return wire


def changed_fields_of(value: Any) -> dict[str, Any]:
    """The fields of a record that are not at their defaults, encoded: for doors that know the same defaults."""
    wire = {}
    for name, key, encode, default in _field_encoders(type(value)):
        field = getattr(value, name)
        if field is not default:
            wire[key] = encode(field, name)
    return wire


@_cached
def _field_encoders(cls: Any) -> tuple[tuple[str, str, Encoder, Any], ...]:
    hints = get_type_hints(cls)
    return tuple(
        (field.name, wire_name(field.name, hints[field.name]), encoder(hints[field.name]), field.default)
        for field in dataclasses.fields(cls)
    )


# --- what comes back


def _instant(micros: int) -> datetime:
    return EPOCH + timedelta(microseconds=micros)


def _length(ms: int) -> timedelta:
    return timedelta(milliseconds=ms)


@_cached
def decoder(hint: Any) -> Decoder:
    """What decodes values of a type."""
    origin = get_origin(hint)
    if origin in (typing.Union, types.UnionType):
        options = [option for option in get_args(hint) if option is not type(None)]
        one = decoder(options[0])
        return lambda value: None if value is None else one(value)
    if origin is tuple:
        item = decoder(get_args(hint)[0])
        return lambda values: tuple([item(value) for value in values])
    if hint is Decimal:
        return Decimal
    if hint is datetime:
        return _instant
    if hint is timedelta:
        return _length
    if isinstance(hint, type) and issubclass(hint, Enum):
        return hint
    if isinstance(hint, type) and dataclasses.is_dataclass(hint):
        return functools.partial(_record_of, hint)
    return lambda value: value


@_cached
def _field_decoders(cls: Any) -> tuple[tuple[str, Decoder], ...]:
    hints = get_type_hints(cls)
    return tuple((wire_name(name, hints[name]), decoder(hints[name])) for name in _field_names(cls))


def _record_of(cls: type[T], value: Mapping[str, Any]) -> T:
    return cls(*[decode(value.get(key)) for key, decode in _field_decoders(cls)])
