"""What `/models` tells of a loaded model: its state, and what the zoo knows of its variant."""

from models import zoo
from service.api.schemas import CategoryReply, ImageSize, InputReply, LimitsReply, ModelReply
from service.engine.pool import ModelStatus
from service.settings import Settings

_EXAMPLE_SIZES = ((640, 480), (1920, 1080), (3000, 4000))  # width, height


def describe(model: ModelStatus, settings: Settings) -> ModelReply:
    """Return the card of one loaded model."""
    variant = zoo.available().get(model.variant)
    published = variant if model.name == model.variant else None  # weights of one's own are not
    return ModelReply(
        name=model.name,
        variant=model.variant,
        task=model.task,
        family=variant.family if variant else None,
        state=model.state,
        devices=list(model.devices),
        dtype=settings.dtype,
        memory_bytes=dict(model.memory_bytes),
        licence=variant.licence if variant else None,
        score=published.score if published else None,
        checkpoint=published.checkpoint if published else None,
        categories=[
            CategoryReply(id=category.id, name=category.name)
            for category in model.categories.values()
        ],
        prompts=sorted(model.prompts),
        inputs=[_input(model, width, height) for width, height in _EXAMPLE_SIZES],
        limits=LimitsReply(
            max_body_bytes=settings.max_body_bytes,
            max_image_megapixels=settings.max_image_megapixels,
            max_batch_size=settings.max_batch_size,
            max_queue_images=settings.max_queue_images,
            max_queue_megapixels=settings.max_queue_megapixels,
            deadline_s=settings.deadline_s,
        ),
    )


def _input(model: ModelStatus, width: int, height: int) -> InputReply:
    seen_height, seen_width = model.input_shape((height, width))
    return InputReply(
        image=ImageSize(width=width, height=height),
        network=ImageSize(width=seen_width, height=seen_height),
    )
