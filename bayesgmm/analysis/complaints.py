"""What is wrong in a model file, in one sentence that names the place and the way out."""

import dataclasses
from difflib import get_close_matches
from typing import Any

from pydantic import ValidationError

from bayesgmm.advice import Advice, Option, shown
from bayesgmm.errors import ConfigError

__all__ = ["explained", "sections_of", "unknown_name"]

_UNKNOWN = "unexpected_keyword_argument"
_WORDING = {
    "Value error, ": "",
    "Input should": "must",
    ", unable to parse string as a number": "",
    "Field required": "must have as many values as its kind needs",
    "a valid tuple": "a list",
    "a valid dictionary": "a section",
    "a dictionary or an instance of Priors": "a section",
    "a valid string": "text",
    "a valid boolean": "true or false",
    "a valid integer": "an integer",
    "a valid number": "a number",
    "String should match pattern": "has a key that must match",
}


def explained(error: ValidationError, values: Any, root: Any, where: str) -> ConfigError:
    """Turn pydantic's complaints, unknown names first, into one sentence of ours.

    Parameters
    ----------
    error : pydantic.ValidationError
    values : mapping
        What was given.
    root : type
        The dataclass of the whole; its fields that are dataclasses are the sections.
    where : str
        The file, as a reader knows it.
    """
    complaints = error.errors(include_url=False, include_context=False)
    first = min(complaints, key=lambda complaint: complaint["type"] != _UNKNOWN)
    sections, key = _place(first["loc"], root)
    if first["type"] == _UNKNOWN:
        return unknown_name(str(first["loc"][-1]), sections, first["input"], root, where)
    if first["type"] == "missing" and first["loc"] == (*sections, key):
        what = f"{key!r} in {_heading(sections)}" if sections else f"the section [{key}]"
        return ConfigError(f"{where} lacks {what}.", key=key, path=where)
    got = _value_at(values, (*sections, key))
    if not sections:
        reasons = f"must be a section, [{key}]"
    else:
        same = [c["msg"] for c in complaints if _place(c["loc"], root) == (sections, key)]
        reasons = ", or ".join(dict.fromkeys(_reason(message) for message in same))
        where = f"{_heading(sections)} of {where}"
    named = f"{key} in {where}"
    place = Option(key, text=named) if len(sections) == 1 else named
    return ConfigError(Advice(place, f" {reasons}, got {shown(got)}."), key=key, value=got)


def sections_of(root: Any) -> list[str]:
    """Return the names of the sections of a whole."""
    return [f.name for f in dataclasses.fields(root) if dataclasses.is_dataclass(f.type)]


def _reason(message: str) -> str:
    for theirs, ours in _WORDING.items():
        message = message.replace(theirs, ours)
    return message


def unknown_name(
    key: str, sections: tuple[str, ...], value: Any, root: Any, where: str
) -> ConfigError:
    """Say that a section or key does not exist, and name the nearest that does."""
    here = _section_type(root, sections)
    allowed = [f.name for f in dataclasses.fields(here)] if sections else sections_of(root)
    close = get_close_matches(key, allowed, 1)
    homes = [] if sections else [s for s in allowed if _has(_section_type(root, (s,)), key)]
    is_section = not sections and isinstance(value, dict)
    shown = "[{}]" if is_section else "{!r}"
    kind = "section" if is_section else "key"
    place = f"{_heading(sections)} of {where}" if sections else where
    hint = (
        f"did you mean {shown.format(close[0])}?"
        if close
        else f"it belongs in [{homes[0]}]."
        if homes
        else f"allowed: {', '.join(shown.format(name) for name in allowed)}."
    )
    return ConfigError(
        f"unknown {kind} {shown.format(key[:80])} in {place}; {hint}",
        key=key,
        value=value,
        path=where,
    )


def _has(section: Any, key: str) -> bool:
    return any(field.name == key for field in dataclasses.fields(section))


def _heading(sections: tuple[str, ...]) -> str:
    return f"[{'.'.join(sections)}]"


def _section_type(root: Any, sections: tuple[str, ...]) -> Any:
    found = root
    for name in sections:
        found = {f.name: f.type for f in dataclasses.fields(found)}[name]
    return found


def _place(location: tuple[int | str, ...], root: Any) -> tuple[tuple[str, ...], str]:
    """Split a complaint's location into the sections that lead to it and the key."""
    sections: tuple[str, ...] = ()
    for part in map(str, location[:-1]):
        types = {f.name: f.type for f in dataclasses.fields(_section_type(root, sections))}
        if not dataclasses.is_dataclass(types.get(part)):
            return sections, part
        sections = (*sections, part)
    return sections, str(location[-1])


def _value_at(values: Any, keys: tuple[str, ...]) -> Any:
    for key in keys:
        values = values.get(key) if isinstance(values, dict) else None
    return values
