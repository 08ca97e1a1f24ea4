"""The way of one picture through any route that takes one: read, admit, decode, predict, render.

A route adds only its options model, what it passes to the network, and how it renders the output.
"""

import json
from collections.abc import Awaitable, Callable, Hashable, Mapping
from dataclasses import dataclass
from functools import partial
from typing import Any, Generic, TypeVar

import numpy as np
import numpy.typing as npt
from fastapi import Request
from starlette.responses import Response

from models.predictor import BoxPrompts
from service.api import record
from service.api.codec import ImageHeader
from service.api.dependencies import Services, ServicesDep
from service.api.encoded import EncodedPicture
from service.api.inputs import merge_options, read_upload
from service.api.negotiation import JSON, PNG, prefers_png
from service.api.pictures.options import PictureOptions
from service.api.record import RequestRecord
from service.engine.engine import Prediction
from service.engine.pool import ModelStatus
from service.errors import InvalidOptions, NotReady

Options = TypeVar("Options", bound=PictureOptions)


@dataclass(frozen=True)
class Answered:
    """A picture and what a network said of it; all that rendering needs.

    Attributes:
        image: [h, w, 3] uint8, RGB, upright.
        output: the network's, by its task.
        model: that answered.
        request_id: of the request.
    """

    image: npt.NDArray[np.uint8]
    output: Any
    model: ModelStatus
    request_id: str

    def reply(self, **members: Any) -> bytes:
        """Return a JSON reply: a route's own members among those that every route has."""
        height, width = self.image.shape[:2]
        body = {
            "model": self.model.name,
            "image": {"width": width, "height": height},
            **members,
            "request_id": self.request_id,
        }
        return json.dumps(body, separators=(",", ":")).encode()


Render = Callable[[Answered], bytes]
ToPrompts = Callable[[ImageHeader], BoxPrompts]


class PictureCall(Generic[Options]):
    """A picture that has arrived, its options checked, the model that shall answer found.

    Args:
        services: of this process.
        story: of the request.
        image: the encoded picture.
        options: the route's.
        model: that shall answer.
        wants_png: whether the reply shall be a picture.
    """

    def __init__(
        self,
        services: Services,
        story: RequestRecord,
        image: bytes,
        options: Options,
        *,
        model: ModelStatus,
        wants_png: bool,
    ) -> None:
        self.options = options
        self.model = model
        self._services = services
        self._story = story
        self._image = image
        self._wants_png = wants_png
        limit_s = services.settings.deadline_s
        self._deadline = story.started + min(limit_s, options.timeout_s or limit_s)

    @property
    def labels(self) -> tuple[int, ...] | None:
        """The labels that the option `labels` names, rising; None for all.

        Raises:
            InvalidOptions: the model knows no category of such a name or id.
        """
        names = self.options.labels
        return None if names is None else tuple(sorted({*self.model.find_labels("labels", names)}))

    async def answer(
        self,
        network_options: Mapping[str, Hashable],
        *,
        to_json: Render,
        to_png: Render,
        to_prompts: ToPrompts | None = None,
    ) -> Response:
        """Run the picture through the model and render what comes back.

        Args:
            network_options: the family's own.
            to_json: makes the usual reply; both run in a codec thread.
            to_png: makes the picture with the result drawn on it.
            to_prompts: makes what is pointed out, once the picture's size is known; None: nothing.

        Raises:
            InvalidOptions: the model takes no boxes.
        """
        if to_prompts is not None and "box" not in self.model.prompts:
            raise InvalidOptions(f"boxes: {self.model.name} takes none.")
        codec_threads, engine, story = self._services.codec, self._services.engine, self._story
        picture = EncodedPicture(self._services, story, self._image, self._deadline)
        header = await picture.probe()
        prompts = to_prompts(header) if to_prompts else None
        pixels = header.width * header.height
        with engine.admit(self.model.name, pixels, self._deadline) as ticket:
            image = await picture.decode(header)
            prediction = await engine.predict(ticket, image, network_options, prompts)
            self._tell(prediction)
            answered = Answered(image, prediction.output, self.model, story.request_id)
            render = to_png if self._wants_png else to_json
            with story.timed("encode"):
                body = await codec_threads.run(partial(render, answered), self._deadline)
        return Response(body, media_type=PNG if self._wants_png else JSON)

    def _tell(self, prediction: Prediction) -> None:
        """Write down what the engine measured."""
        self._story.batch_size = prediction.batch_size
        self._story.timings["queue"] = prediction.queue_wait_s
        self._story.timings["infer"] = prediction.run_s


def receive_picture(
    task: str, options_model: type[Options]
) -> Callable[[Request, Services], Awaitable[PictureCall[Options]]]:
    """Return the dependency that reads the picture and the options of a route.

    Args:
        task: what the model must do, as the zoo calls it.
        options_model: the route's options.
    """

    async def receive(request: Request, services: ServicesDep) -> PictureCall[Options]:
        if services.engine.is_draining:
            raise NotReady("The service is shutting down.")
        services.engine.find(task)  # an upload that nobody could answer is not let in
        story = record.of(request.scope)
        deadline = story.started + services.settings.deadline_s
        upload = await read_upload(request, services.codec, deadline)
        options = merge_options(options_model, request.query_params.multi_items(), upload.options)
        model = services.engine.find(task, options.model)
        story.model = model.name
        wants_png = prefers_png(request.headers.get("accept", ""))
        return PictureCall(
            services, story, upload.content, options, model=model, wants_png=wants_png
        )

    return receive
