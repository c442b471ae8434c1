"""What a door is: a method whose signature says what is sent and what comes back."""

from __future__ import annotations

import functools
import inspect
from collections.abc import Callable, Iterable
from typing import Any, TypeVar, get_type_hints

from ._native import Encoder, Shape
from ._wire import encoder, shape, wire_name

__all__ = ["Group", "door"]

F = TypeVar("F", bound=Callable[..., Any])


def door(door_name: str, *, within: str | None = None) -> Callable[[F], F]:
    """Makes a method the door of that name. What it is given is sent as it is, or in one field."""

    def make(method: F) -> F:
        signature = inspect.signature(method)
        parameters = list(signature.parameters.values())[1:]
        positional = [parameter.name for parameter in parameters if parameter.kind is not parameter.KEYWORD_ONLY]
        required = [parameter.name for parameter in parameters if parameter.default is parameter.empty]
        # So many arguments are needed; more than there are where one of those has to be named.
        fewest = len(required) if required == positional[: len(required)] else len(parameters) + 1
        encoders: dict[str, tuple[str, Encoder]] = {}
        preset: dict[str, Any] = {}
        answer: Shape | None = None

        def prepare() -> None:
            # When it is first needed, because hints name what is defined further down.
            nonlocal answer
            hints = get_type_hints(method)
            returned = hints.pop("return")
            encoders.update({name: (wire_name(name, hint), encoder(hint)) for name, hint in hints.items()})
            for parameter in parameters:
                if parameter.name not in required and parameter.default is not None:
                    key, encode = encoders[parameter.name]
                    preset[key] = encode(parameter.default, parameter.name)
            answer = shape(returned)

        @functools.wraps(method)
        def knock(self: Any, *args: Any, **kwargs: Any) -> Any:
            if answer is None:
                prepare()
            given: Iterable[tuple[str, Any]]
            if not kwargs and fewest <= len(args) <= len(positional):
                given = zip(positional, args, strict=False)
            else:
                # What does not fit the signature is refused as Python does.
                given = list(signature.bind(self, *args, **kwargs).arguments.items())[1:]
            wire = dict(preset)
            for name, value in given:
                key, encode = encoders[name]
                if value is None:
                    wire.pop(key, None)
                else:
                    wire[key] = encode(value, name)
            return self._knock(door_name, wire if within is None else {within: wire}, answer)

        return knock  # type: ignore[return-value]

    return make


class Group:
    """Doors that belong together."""

    __slots__ = ("_client",)

    def __init__(self, client: Any) -> None:
        self._client = client

    def _knock(self, name: str, given: dict[str, Any], answer: Shape) -> Any:
        return self._client._knock(name, given, answer)

    def __repr__(self) -> str:
        return f"<{type(self).__name__} of {self._client!r}>"
