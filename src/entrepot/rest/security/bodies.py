"""What the security endpoints read: JSON objects as typed values, forms, and names in paths."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final, TypeVar
from urllib.parse import parse_qs, quote, unquote

import msgspec

from entrepot.errors import Invalid, NotFound
from entrepot.messages import Request
from entrepot.rest.json_bodies import LIMIT, PUBLIC, json_object, json_value

T = TypeVar("T")

_FIELDS: Final = 100
_PAGE: Final = 1000


async def typed(request: Request, kind: type[T], names: Mapping[str, str] | None = None, *, limit: int = LIMIT) -> T:
    """Return the JSON body as a value; `names` translates fields first. Raises Invalid, TooLarge."""
    return converted(await json_object(request, limit), kind, names)


def converted(stated: Mapping[str, Any], kind: type[T], names: Mapping[str, str] | None = None) -> T:
    """Return an object that was read as a value of a type; fields that it does not know are passed over."""
    translated = {(names or {}).get(name, name): value for name, value in stated.items()}
    try:
        return msgspec.convert(translated, kind)
    except msgspec.ValidationError as error:
        raise Invalid(str(error)) from None


async def names_in(request: Request) -> list[str]:
    """Return the JSON body as a list of names. Raises Invalid, TooLarge."""
    try:
        return msgspec.convert(await json_value(request), list[str])
    except msgspec.ValidationError as error:
        raise Invalid(str(error)) from None


async def form_or_json(request: Request) -> dict[str, Any]:
    """Return the body's fields, whichever of the two it is by its type; none without a body. Raises Invalid, TooLarge."""
    body = await request.body.read(PUBLIC)
    kind = (request.headers.get("content-type") or "").partition(";")[0].strip().lower()
    if kind == "application/x-www-form-urlencoded":
        return _form(body)
    try:
        return msgspec.json.decode(body, type=dict[str, Any]) if body else {}
    except (msgspec.MsgspecError, RecursionError):
        raise Invalid("The body must be a form or a JSON object.") from None


def _form(body: bytes) -> dict[str, Any]:
    try:
        fields = parse_qs(body.decode(), keep_blank_values=True, max_num_fields=_FIELDS, errors="strict")
    except ValueError:
        raise Invalid("The form is not valid.") from None
    return {name: values[0] for name, values in fields.items()}


def word(request: Request, name: str) -> str:
    """Return a word of the path, decoded. Raises NotFound for what is not UTF-8: nothing has such a name."""
    try:
        return unquote(request.words[name], errors="strict")
    except UnicodeDecodeError:
        raise NotFound from None


def link(request: Request, path: str, name: str) -> str:
    """Return the URL of a thing by its name."""
    return f"{request.base}{path}/{quote(name, safe='@')}"


def asked(request: Request, name: str) -> str:
    """Return a parameter of the query; empty when it is absent."""
    values = request.query.get(name)
    return values[0] if values else ""


def limit(request: Request, most: int = _PAGE) -> int:
    """Return how many entries of a list are asked for. Raises Invalid."""
    text = asked(request, "limit")
    if not text:
        return most
    if not (text.isascii() and text.isdigit()) or int(text[:9]) == 0:
        raise Invalid("The limit must be a positive number.")
    return min(int(text[:9]), most)
