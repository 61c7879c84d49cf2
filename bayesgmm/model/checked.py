"""Dataclasses that check themselves: plain mappings in and out, and what is wrong in a sentence."""

import functools
import inspect
import re
from collections.abc import Mapping
from dataclasses import fields
from typing import Any, ClassVar, Self, get_type_hints

from pydantic import TypeAdapter, ValidationError

from bayesgmm.advice import nearest, shown
from bayesgmm.cards import card
from bayesgmm.errors import ConfigError

__all__ = ["Checked", "raises_config_error"]


class Checked:
    """Plain mappings in and out, and pydantic's report turned into one sentence of ours."""

    other_names: ClassVar[Mapping[str, tuple[str, ...]]] = {}  # taken as a field's value too

    @classmethod
    def from_dict(cls, values: dict[str, Any]) -> Self:
        """Build from a plain mapping, as ``to_dict`` gives it or a TOML section holds it.

        Raises
        ------
        ConfigError
            For an unknown key or a value out of range.
        """
        try:
            return TypeAdapter(cls).validate_python(values)
        except ValidationError as error:
            raise _config_error(error, cls) from None

    def to_dict(self) -> dict[str, Any]:
        """Return the fields as plain JSON types."""
        return TypeAdapter(type(self)).dump_python(self, mode="json")

    def __repr__(self) -> str:
        """Show the call that makes it: what differs from the defaults."""
        shown = []
        for each in fields(self):  # type: ignore[arg-type]
            value = getattr(self, each.name)
            made = each.default_factory
            usual = made() if callable(made) else each.default
            if value != usual:
                shown.append(f"{each.name}={value!r}")
        return f"{type(self).__name__}({', '.join(shown)})"

    def _repr_html_(self) -> str:
        named = {each.name: getattr(self, each.name) for each in fields(self)}  # type: ignore[arg-type]
        rows = [(name, shown(value)) for name, value in named.items() if self._has(name)]
        return card(type(self).__name__, rows=rows)

    def _has(self, name: str) -> bool:
        """Whether a field says something of this one."""
        return getattr(self, name) is not None


def _config_error(error: ValidationError, cls: Any) -> ConfigError:
    """Say it in one sentence; pydantic names a positional argument by its place."""
    first = max(error.errors(), key=lambda one: len(one["loc"]))  # of a union, what came nearest
    place, *rest = first["loc"] or (cls.__name__,)
    outer = fields(cls)[place].name if isinstance(place, int) else place
    key = ".".join([outer, *(p for p in rest if isinstance(p, str) and p.isidentifier())])
    reason = first["msg"].removeprefix("Value error, ").replace("Input should", "must")
    if first["type"] == "unexpected_keyword_argument":
        return ConfigError(f"unknown key {key!r}.", key=key, value=first["input"])
    given = first["input"]
    hint = "."
    if first["type"] == "literal_error" and isinstance(given, str):
        allowed = {*re.findall(r"'([^']*)'", first["msg"]), *cls.other_names.get(key, ())}
        close = nearest(given, sorted(allowed))
        hint = f"; did you mean {close!r}?" if close else hint
    return ConfigError(f"{key} {reason}, got {shown(given)}{hint}", key=key, value=given)


def raises_config_error[Spec](cls: type[Spec]) -> type[Spec]:
    """Make the constructor report a wrong argument as ConfigError."""
    original: Any = cls.__init__

    @functools.wraps(original)
    def __init__(self: Any, *args: Any, **kwargs: Any) -> None:
        try:
            original(self, *args, **kwargs)
        except ValidationError as error:
            raise _config_error(error, cls) from None

    cls.__init__ = __init__  # type: ignore[method-assign]
    cls.__signature__ = _as_written(cls)  # type: ignore[attr-defined]
    return cls


def _as_written(cls: type) -> inspect.Signature:
    """Return the signature of a constructor without what pydantic checks of each value."""
    plain = get_type_hints(cls)
    given = inspect.signature(cls).parameters.values()
    return inspect.Signature([p.replace(annotation=plain[p.name]) for p in given])
