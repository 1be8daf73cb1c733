"""Names of images and tags, and references to manifests (distribution specification, "Pulling manifests").

Names are plain text inside; `ImageName` and `Tag` say that this text has passed the grammar, and are made here alone.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import lru_cache
from typing import NewType
from urllib.parse import unquote

from entrepot.blobs.digest import Digest
from entrepot.formats.docker.errors import NameInvalid, NameUnknown, TagInvalid, shown

ImageName = NewType("ImageName", str)
Tag = NewType("Tag", str)

MAX_NAME = 255  # characters, with the repository key before it: what clients take, less the host

_COMPONENT = r"[a-z0-9]+(?:(?:\.|_|__|-+)[a-z0-9]+)*"
_COMPONENT_ONLY = re.compile(_COMPONENT)
_NAME = re.compile(rf"{_COMPONENT}(?:/{_COMPONENT})*")
_TAG = re.compile(r"[a-zA-Z0-9_][a-zA-Z0-9._-]{0,127}")


@dataclass(frozen=True, slots=True)
class Reference:
    """How a request names a manifest: by exactly one of tag and digest."""

    tag: Tag | None
    digest: Digest | None


def check_image(name: str, key: str = "") -> ImageName:
    """Return the name of an image within the repository `key`. Raises NameInvalid."""
    length = len(name) + len(key) + 1 if key else len(name)
    if length > MAX_NAME or not _NAME.fullmatch(name):
        raise _name_invalid(name, length)
    return ImageName(name)


@lru_cache(maxsize=8192)
def split_name(name: str) -> tuple[str, ImageName]:
    """Split `docker-local/lib/app` into repository key and image. Raises NameInvalid, NameUnknown when it is one word.

    That is a name like any other, which registries cannot know that hold several repositories; and Docker asks only once more
    for whatever it is told is unknown, but for a minute for what it is told is invalid.
    """
    key, _, image = name.partition("/")
    if len(name) > MAX_NAME or not _NAME.fullmatch(name):
        raise _name_invalid(name, len(name))
    if not image:
        raise NameUnknown(name, f"a name begins with that of a repository here, as docker-local/{shown(name)} does")
    return key, ImageName(image)


def _name_invalid(name: str, length: int) -> NameInvalid:
    told = f"invalid repository name: it is longer than {MAX_NAME} characters" if length > MAX_NAME else None
    return NameInvalid(told, detail={"name": shown(name)})


def is_component(key: str) -> bool:
    """Whether clients can address a repository of this key by the first component of a name."""
    return len(key) < MAX_NAME and _COMPONENT_ONLY.fullmatch(key) is not None


def check_tag(text: str) -> Tag:
    """Return the tag. Raises TagInvalid."""
    if not _TAG.fullmatch(text):
        raise TagInvalid(
            "The tag is not valid: 1 to 128 letters, digits and _ . -, the first neither . nor -.",
            detail={"tag": shown(text)},
        )
    return Tag(text)


@lru_cache(maxsize=8192)
def parse_digest(raw: str) -> Digest:
    """Read a digest from the path of a URL, where clients may write the colon as `%3A`. Raises DigestInvalid."""
    return Digest.parse(unquote(raw) if "%" in raw else raw)


@lru_cache(maxsize=8192)
def parse_reference(text: str) -> Reference:
    """Read a tag, or a digest when there is a colon. Raises TagInvalid, DigestInvalid."""
    if ":" in text:
        return Reference(None, Digest.parse(text))
    return Reference(check_tag(text), None)
