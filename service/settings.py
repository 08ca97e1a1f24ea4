"""Every setting of the service: one frozen model, read from `MASKD_*` by `Settings.from_env`."""

import difflib
import re
from collections.abc import Mapping
from typing import Annotated, Literal

from pydantic import (
    BaseModel,
    ConfigDict,
    Field,
    SecretStr,
    ValidationError,
    ValidationInfo,
    field_validator,
)
from pydantic_core import ErrorDetails

_PREFIX = "MASKD_"
_SIZE = re.compile(r"[1-9]\d{0,4}x[1-9]\d{0,4}")
_NOT_OURS = {"MASKD_REFERENCE_DIR"}  # read by the tests alone


class SettingsError(ValueError):
    """The environment holds a setting that cannot be used; the message is one readable line."""


def _split(value: object) -> object:
    """Read `a,b` as a list; anything else is left for the field's own check."""
    if isinstance(value, str):
        return tuple(part.strip() for part in value.split(",") if part.strip())
    return value


class Settings(BaseModel):
    """What an operator may choose; each field is `MASKD_` + its name in capitals."""

    # Defaults are checked too: one may contradict what another variable says.
    model_config = ConfigDict(frozen=True, extra="forbid", validate_default=True)

    host: Annotated[str, Field(min_length=1, description="Address to listen on.")] = "127.0.0.1"
    port: Annotated[int, Field(ge=0, le=65535, description="Port; 0 picks a free one.")] = 8000
    log_format: Annotated[
        Literal["text", "json"], Field(description="Log lines for people or for machines.")
    ] = "text"

    models: Annotated[
        tuple[str, ...],
        Field(
            min_length=1,
            description="Variants to load, comma separated; the first of a task is its default.",
        ),
    ] = (
        "mask_rcnn_demo",
        "pointrend_demo",
        "deformable_detr_demo",
        "aot_demo",
        "siammask_demo",
    )
    devices: Annotated[
        tuple[str, ...],
        Field(
            min_length=1,
            description="Devices, comma separated; each model gets a replica on every one. "
            "`auto`: all CUDA devices, else the CPU.",
        ),
    ] = ("auto",)
    dtype: Annotated[
        Literal["float32", "bfloat16", "float16"],
        Field(description="Arithmetic of the networks' convolutions and products."),
    ] = "float32"
    weights_dir: Annotated[
        str,
        Field(description="Folder of checkpoints, each `<variant>.safetensors` or `.pth`."),
    ] = "weights"
    weights_urls: Annotated[
        Mapping[str, str],
        Field(
            default_factory=dict,
            description="Where `maskd weights fetch` finds a variant's file instead of where it is "
            "published, as `variant=URL`, comma separated.",
        ),
    ]

    warm_up_sizes: Annotated[
        tuple[str, ...],
        Field(
            description="Sizes of the pictures that every model sees before it is ready, as "
            "`width`x`height`, comma separated; those that your clients send."
        ),
    ] = ("640x480",)

    max_batch_size: Annotated[int, Field(ge=1, description="Pictures in one forward pass.")] = 8
    max_batch_wait_ms: Annotated[
        float,
        Field(
            ge=0, description="Longest wait for company while other work runs; idle never waits."
        ),
    ] = 5.0
    max_queue_images: Annotated[
        int, Field(ge=1, description="Pictures admitted and not yet answered, per model.")
    ] = 256
    max_queue_megapixels: Annotated[
        float, Field(gt=0, description="The same bound in millions of pixels.")
    ] = 512.0

    max_sessions: Annotated[int, Field(ge=1, description="Tracking sessions open at once.")] = 64
    max_session_megabytes: Annotated[
        float, Field(gt=0, description="Millions of bytes that all sessions may remember.")
    ] = 4096.0
    max_session_objects: Annotated[int, Field(ge=1, description="Objects of one session.")] = 20
    max_session_requests: Annotated[
        int, Field(ge=1, description="Requests that may wait for the one that a session answers.")
    ] = 16
    session_gather_ms: Annotated[
        float,
        Field(
            ge=0,
            description="Longest wait of a frame for those of other sessions that answer promptly.",
        ),
    ] = 25.0
    session_idle_s: Annotated[
        float, Field(gt=0, description="Seconds without a request after which a session ends.")
    ] = 300.0
    session_age_s: Annotated[
        float, Field(gt=0, description="Seconds after which a session ends in any case.")
    ] = 3600.0
    session_dir: Annotated[
        str,
        Field(
            description="Folder in which sessions outlive their process; processes may share it. "
            "Empty: they do not."
        ),
    ] = ""
    session_snapshot_frames: Annotated[
        int, Field(ge=1, description="Frames after which a session is written there again.")
    ] = 25

    admin_token: Annotated[
        SecretStr,
        Field(
            description="Token with which `POST /admin/models` loads and unloads models; without "
            "one there is no such route."
        ),
    ] = SecretStr("")

    max_body_bytes: Annotated[int, Field(ge=1, description="Bytes of one request body.")] = (
        32 * 1024 * 1024
    )
    max_buffered_bytes: Annotated[
        int,
        Field(ge=1, description="Bytes of request bodies held at once, all requests together."),
    ] = 256 * 1024 * 1024
    max_video_bytes: Annotated[
        int,
        Field(
            ge=1,
            description="Bytes of one video file. Those that are larger than other bodies may take "
            "longer to arrive, in proportion.",
        ),
    ] = 128 * 1024 * 1024
    max_buffered_video_bytes: Annotated[
        int, Field(ge=1, description="Bytes of video files held at once, all requests together.")
    ] = 512 * 1024 * 1024
    max_image_megapixels: Annotated[
        float, Field(gt=0, le=89, description="Millions of pixels of one picture or frame.")
    ] = 50.0
    codec_threads: Annotated[
        int, Field(ge=1, description="Threads that decode pictures and encode replies.")
    ] = 4
    deadline_s: Annotated[
        float,
        Field(
            gt=0, description="Seconds a request may take, upload included; clients may ask less."
        ),
    ] = 30.0
    drain_s: Annotated[
        float, Field(gt=0, description="Seconds that running work has to finish at shutdown.")
    ] = 25.0

    @field_validator("models", "devices", "warm_up_sizes", mode="before")
    @classmethod
    def _split_lists(cls, value: object) -> object:
        return _split(value)

    @field_validator("weights_urls", mode="before")
    @classmethod
    def _split_pairs(cls, value: object) -> object:
        if not isinstance(value, str):
            return value
        pairs = [part.strip().partition("=") for part in value.split(",") if part.strip()]
        if any(not variant or not url for variant, _, url in pairs):
            raise ValueError("variant=URL expected, several separated by commas")
        return {variant: url for variant, _, url in pairs}

    @field_validator("models", "devices")
    @classmethod
    def _without_repeats(cls, names: tuple[str, ...]) -> tuple[str, ...]:
        if len(set(names)) < len(names):
            raise ValueError("a name is given twice")
        return names

    @field_validator("warm_up_sizes")
    @classmethod
    def _are_sizes(cls, sizes: tuple[str, ...]) -> tuple[str, ...]:
        if not all(_SIZE.fullmatch(size) for size in sizes):
            raise ValueError("width x height expected, such as 640x480")
        return sizes

    @field_validator("max_buffered_bytes")
    @classmethod
    def _holds_one_body(cls, size: int, info: ValidationInfo) -> int:
        if size < info.data.get("max_body_bytes", 0):
            raise ValueError("must not be less than MASKD_MAX_BODY_BYTES")
        return size

    @field_validator("max_buffered_video_bytes")
    @classmethod
    def _holds_one_video(cls, size: int, info: ValidationInfo) -> int:
        if size < info.data.get("max_video_bytes", 0):
            raise ValueError("must not be less than MASKD_MAX_VIDEO_BYTES")
        return size

    @field_validator("max_image_megapixels")
    @classmethod
    def _fits_the_queue(cls, megapixels: float, info: ValidationInfo) -> float:
        if megapixels > info.data.get("max_queue_megapixels", megapixels):
            raise ValueError("must not be more than MASKD_MAX_QUEUE_MEGAPIXELS")
        return megapixels

    @classmethod
    def from_env(cls, environ: Mapping[str, str]) -> "Settings":
        """Return the settings that the environment names, defaults elsewhere.

        Args:
            environ: variables by name; those without the prefix are ignored.

        Raises:
            SettingsError: a variable is unknown or its value cannot be used.
        """
        values = {
            name.removeprefix(_PREFIX).lower(): value
            for name, value in environ.items()
            if name.startswith(_PREFIX) and name not in _NOT_OURS
        }
        try:
            return cls.model_validate(values)
        except ValidationError as error:
            raise SettingsError("; ".join(map(_explain, error.errors()))) from None


def variable(field: str) -> str:
    """Return the name that a field of `Settings` has in the environment."""
    return _PREFIX + field.upper()


def _explain(item: ErrorDetails) -> str:
    """Name one wrong variable and what is wrong about it."""
    field = str(item["loc"][0])
    if item["type"] != "extra_forbidden":
        message = item["msg"].removeprefix("Value error, ")
        return f"{variable(field)}: {message[0].lower()}{message[1:]}"
    near = difflib.get_close_matches(field, Settings.model_fields, n=1)
    hint = f"; did you mean {variable(near[0])}?" if near else ""
    return f"{variable(field)}: there is no such setting{hint}"
