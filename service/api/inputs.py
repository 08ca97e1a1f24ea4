"""A picture or a video and its options out of a request, whichever way they were sent.

Raw bytes with options in the query, a multipart form, or, for pictures, JSON with base64: all end
as one `Upload` and one validated options model. Nothing here looks into what was sent.
"""

import base64
import json
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import partial
from typing import Any, TypeVar

from fastapi import Request
from pydantic import BaseModel, ValidationError
from pydantic_core import ErrorDetails
from starlette.datastructures import FormData
from starlette.formparsers import MultiPartException, MultiPartParser

from service.api.codec_pool import CodecPool
from service.errors import InvalidOptions, MalformedBody, UnreadableImage, UnsupportedMediaType

IMAGE_TYPES = ("image/jpeg", "image/png", "image/webp", "image/bmp", "image/tiff")
VIDEO_TYPES = ("video/mp4", "video/quicktime", "video/webm", "video/x-matroska", "video/x-msvideo")
_FORM = "multipart/form-data"
_ANY_TYPES = frozenset(("application/octet-stream", ""))
_RAW_TYPES = frozenset((*IMAGE_TYPES, "image/jpg", "image/x-ms-bmp", "image/x-bmp", *_ANY_TYPES))
_MAX_FIELDS = 32
_MAX_FIELD_BYTES = 1024 * 1024  # masks of objects to follow come in fields
_MAX_JSON_COMMAS = 10_000  # values in arrays and objects cost far more memory than their bytes
_DATA_URI = re.compile(r"data:[^,]{0,100};base64,")
_SHOWN = 60  # characters of a caller's own words that an error repeats

Options = TypeVar("Options", bound=BaseModel)
Pair = tuple[str, str]


@dataclass(frozen=True)
class Upload:
    """What a body held.

    Attributes:
        content: the encoded picture or video.
        options: names and values that came beside it, as text.
    """

    content: bytes
    options: tuple[Pair, ...] = ()


async def read_upload(request: Request, codec: CodecPool, deadline: float) -> Upload:
    """Read a picture from the body of a request.

    Args:
        request: whose body was not yet read.
        codec: threads for what takes long.
        deadline: monotonic seconds.

    Raises:
        UnsupportedMediaType: its content type or encoding is none that is read here.
        MalformedBody: it is not what its content type says.
        UnreadableImage: there is no picture in it.
        InvalidOptions: a part or member has no place here.
    """
    kind = _kind_of(request)
    if kind == _FORM:
        upload = await _read_form(request, "image")
        return Upload(_not_empty(upload.content), upload.options)
    if kind == "application/json":
        return await codec.run(partial(parse_json, await request.body()), deadline)
    if kind in _RAW_TYPES:
        return Upload(_not_empty(await request.body()))
    raise UnsupportedMediaType(
        f"Bodies of type {_shorten(kind)} are not read; send {', '.join(IMAGE_TYPES)}, "
        "multipart/form-data or application/json."
    )


async def read_video(request: Request) -> Upload:
    """Read a video from the body of a request.

    Args:
        request: whose body was not yet read.

    Raises:
        UnsupportedMediaType: its content type or encoding is none that is read here.
        MalformedBody: it is not what its content type says.
        InvalidOptions: a part has no place here.
    """
    kind = _kind_of(request)
    if kind == _FORM:
        return await _read_form(request, "video")
    if kind.startswith("video/") or kind in _ANY_TYPES:
        return Upload(await request.body())
    raise UnsupportedMediaType(
        f"Bodies of type {_shorten(kind)} are not read; send video/mp4 or another video, "
        "or multipart/form-data."
    )


def parse_json(body: bytes) -> Upload:
    """Read a JSON body: member `image` in base64, all others options.

    Raises:
        MalformedBody: it is no JSON object, names a member twice or has too many values.
        UnreadableImage: `image` is no base64, or empty.
        InvalidOptions: `image` is missing, or a value is of no simple kind.
    """
    members = read_members(body)
    image = members.pop("image", None)
    if not isinstance(image, str):
        raise InvalidOptions("The member image is missing: the picture, in base64.")
    options = tuple(
        (name, _as_text(name, value)) for name, value in members.items() if value is not None
    )
    return Upload(_not_empty(from_base64(image)), options)


def read_members(body: bytes) -> dict[str, Any]:
    """Read a JSON object.

    Raises:
        MalformedBody: it is none, names a member twice or has too many values.
    """
    if body.count(b",") > _MAX_JSON_COMMAS:
        raise MalformedBody("The body is JSON of too many values.")
    try:
        members = json.loads(body, object_pairs_hook=_unique)
    except (ValueError, RecursionError):
        raise MalformedBody("The body is not JSON, or names a member twice.") from None
    if not isinstance(members, dict):
        raise MalformedBody("The body is JSON, but not an object.")
    return members


def merge_options(model: type[Options], *sources: Iterable[Pair]) -> Options:
    """Validate the options that came from all places together.

    Args:
        model: the route's options; it forbids names that it does not know.
        sources: names and values as text. A name may come twice only with the same value.

    Raises:
        InvalidOptions: a name is unknown or given twice, or a value cannot be used.
    """
    merged: dict[str, str] = {}
    for name, value in (pair for source in sources for pair in source):
        if merged.setdefault(name, value) != value:
            both = f"{_shorten(merged[name])} and {_shorten(value)}"
            raise InvalidOptions(f"The option {_shorten(name)} is given twice: {both}.")
    return validate(model, merged)


def validate(model: type[Options], members: Mapping[str, Any]) -> Options:
    """Return members as the model has them.

    Raises:
        InvalidOptions: a name is unknown, or a value cannot be used.
    """
    try:
        return model.model_validate(members)
    except ValidationError as error:
        known = ", ".join(model.model_fields)
        raise InvalidOptions(" ".join(_explain(item, known) for item in error.errors())) from None


def _kind_of(request: Request) -> str:
    """The content type, without its parameters."""
    encoding = request.headers.get("content-encoding", "identity").strip().lower()
    if encoding != "identity":
        raise UnsupportedMediaType(f"Bodies in the encoding {_shorten(encoding)} are not read.")
    return request.headers.get("content-type", "").partition(";")[0].strip().lower()


async def _read_form(request: Request, part: str) -> Upload:
    parser = MultiPartParser(
        request.headers,
        request.stream(),
        max_files=1,
        max_fields=_MAX_FIELDS,
        max_part_size=_MAX_FIELD_BYTES,
    )
    # Files stay in memory: the body is bounded already, and the disk may be read-only.
    parser.spool_max_size = 0
    try:
        form = await parser.parse()
    except MultiPartException as error:
        raise MalformedBody(f"The form cannot be read: {error.message}") from None
    except UnicodeError:  # Python knows a charset that reads nothing
        raise MalformedBody("The form's charset cannot be read.") from None
    try:
        return _from_form(form, part)
    finally:
        await form.close()


def _from_form(form: FormData, name_of_file: str) -> Upload:
    options = tuple((name, part) for name, part in form.multi_items() if isinstance(part, str))
    files = [(name, part.file) for name, part in form.multi_items() if not isinstance(part, str)]
    if [name for name, _ in files] != [name_of_file]:
        raise InvalidOptions(f"The form needs one file part, named {name_of_file}.")
    return Upload(files[0][1].read(), options)


def _unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    members = dict(pairs)
    if len(members) < len(pairs):
        raise ValueError("a member is named twice")
    return members


def _as_text(name: str, value: object) -> str:
    """Write a JSON value as the same option would be written in a query."""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, str | int | float):
        return str(value)
    if isinstance(value, list) and all(isinstance(item, str | int) for item in value):
        return ",".join(str(item) for item in value)
    if isinstance(value, dict) or (
        isinstance(value, list) and all(isinstance(item, dict | list) for item in value)
    ):
        return json.dumps(value)  # the option reads it again
    raise InvalidOptions(f"The member {_shorten(name)} must be a text, a number or a list of them.")


def from_base64(text: str) -> bytes:
    """Decode base64, with or without the head of a data URI.

    Raises:
        UnreadableImage: it is no base64.
    """
    match = _DATA_URI.match(text)
    digits = text[match.end() :] if match else text
    try:
        # Line breaks are common in base64 (the command of that name makes them).
        return base64.b64decode(digits.encode().translate(None, b" \t\r\n"), validate=True)
    except ValueError:
        raise UnreadableImage("The member image is not base64.") from None


def _not_empty(image: bytes) -> bytes:
    if not image:
        raise UnreadableImage("There is no picture: it is empty.")
    return image


def _explain(item: ErrorDetails, known: str) -> str:
    """Say in one sentence what is wrong with one option."""
    message = item["msg"].removeprefix("Value error, ") + "."
    if not item["loc"]:  # options that do not go together: the message names them
        return message
    name = ".".join(str(part) for part in item["loc"])
    if item["type"] == "extra_forbidden":
        return f"There is no option {_shorten(name)}; known are {known}."
    return f"{name}: {message}"


def _shorten(text: str) -> str:
    return text if len(text) <= _SHOWN else text[:_SHOWN] + "…"
