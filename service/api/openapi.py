"""What `/openapi.json` says of routes that take a picture or a video, from their options model."""

from collections.abc import Sequence
from typing import Any

from pydantic import BaseModel

from service.api import problems, schemas
from service.api.inputs import IMAGE_TYPES, VIDEO_TYPES

# One white pixel: the smallest picture that a curious reader can send as it stands.
_PIXEL = (
    "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAIAAACQd1PeAAAADElEQVR42mP4//8/AAX+Av4zEpUUAAAAAElFTkSuQmCC"
)
FAILURES = (400, 404, 408, 413, 415, 422, 429, 500, 503, 504, 507)


def picture_operation(options: type[BaseModel]) -> dict[str, Any]:
    """Return the parameters and the body of a route that takes a picture with `options`."""
    properties = _properties(options)
    content = {
        **_uploads("image", IMAGE_TYPES, properties),
        "application/json": {
            "schema": _form("image", {"type": "string", "contentEncoding": "base64"}, properties),
            "example": {"image": _PIXEL},
        },
    }
    return _operation(properties, content)


def video_operation(options: type[BaseModel]) -> dict[str, Any]:
    """Return the parameters and the body of a route that takes a video with `options`."""
    properties = _properties(options)
    return _operation(properties, _uploads("video", VIDEO_TYPES, properties))


def json_operation(options: type[BaseModel]) -> dict[str, Any]:
    """Return the body of a route that takes `options` alone, as JSON."""
    schema = {
        "type": "object",
        "required": [name for name, one in options.model_fields.items() if one.is_required()],
        "additionalProperties": False,
        "properties": options.model_json_schema()["properties"],
    }
    return {"requestBody": {"required": True, "content": {"application/json": {"schema": schema}}}}


def picture_responses(
    reply_example: dict[str, Any], *, status: int = 200, is_drawn: bool = True
) -> dict[int | str, dict[str, Any]]:
    """Return the replies of a route that takes a picture: its own, the overlay, every problem.

    Args:
        reply_example: its own reply.
        status: of that.
        is_drawn: the route can draw the result on the picture.
    """
    content: dict[str, Any] = {"application/json": {"example": reply_example}}
    description = "What was found"
    if is_drawn:
        content["image/png"] = {"schema": {"type": "string", "format": "binary"}}
        description += (
            "; as a PNG of the picture with the result drawn on it where `Accept` prefers "
            "`image/png`"
        )
    answered = {"description": f"{description}.", "content": content}
    return {status: answered, **problem_responses(*FAILURES)}


def problem_responses(*statuses: int) -> dict[int | str, dict[str, Any]]:
    """Return the documentation of the problems with these statuses."""
    return {
        status: {
            "description": " or ".join(
                f"`{kind.code}`: {kind.title}" for kind in problems.ALL if kind.status == status
            ),
            "content": {problems.MEDIA_TYPE: {"schema": schemas.ProblemReply.model_json_schema()}},
        }
        for status in statuses
    }


def _operation(properties: dict[str, Any], content: dict[str, Any]) -> dict[str, Any]:
    """Options in the query, and a body."""
    return {
        "parameters": [
            {
                "name": name,
                "in": "query",
                "required": False,
                "description": schema["description"],
                "schema": {key: value for key, value in schema.items() if key != "description"},
            }
            for name, schema in _as_texts(properties).items()
        ],
        "requestBody": {"required": True, "content": content},
    }


def _uploads(part: str, types: Sequence[str], properties: dict[str, Any]) -> dict[str, Any]:
    """A file as the body, or as a part of a form."""
    binary = {"type": "string", "format": "binary"}
    form = _form(part, binary, _as_texts(properties))
    return {**{kind: {"schema": binary} for kind in types}, "multipart/form-data": {"schema": form}}


def _form(part: str, schema: dict[str, Any], properties: dict[str, Any]) -> dict[str, Any]:
    return {
        "type": "object",
        "required": [part],
        "additionalProperties": False,
        "properties": {part: schema, **properties},
    }


def _properties(options: type[BaseModel]) -> dict[str, Any]:
    """Return the options as JSON schemas; what may be left out is left out, never null."""
    properties = options.model_json_schema()["properties"]
    return {name: _without_null(schema) for name, schema in properties.items()}


def _without_null(schema: dict[str, Any]) -> dict[str, Any]:
    kept = {key: value for key, value in schema.items() if key not in ("anyOf", "title")}
    if "anyOf" in schema:
        kept.pop("default")
        kept |= next(kind for kind in schema["anyOf"] if kind["type"] != "null")
    return kept


def _as_texts(properties: dict[str, Any]) -> dict[str, Any]:
    """Return the options as they are sent where there is only text: a list or an object as one."""
    return {
        name: {"type": "string", "minLength": 1, "description": schema["description"]}
        if schema["type"] in ("array", "object")
        else schema
        for name, schema in properties.items()
    }
