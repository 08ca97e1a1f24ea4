"""What routes are given: the parts that `service.app` wired together."""

from dataclasses import dataclass
from typing import Annotated

from fastapi import Depends
from fastapi.requests import HTTPConnection
from prometheus_client import CollectorRegistry

from service.api.codec_pool import CodecPool
from service.api.intake import BufferBudget
from service.api.middleware import Activity
from service.engine.engine import Engine
from service.settings import Settings


@dataclass(frozen=True)
class Services:
    """The parts of one running service.

    Attributes:
        settings: the operator's choices.
        engine: runs the networks.
        codec: threads for picture and text work.
        activity: requests being answered.
        buffers: bounds what has arrived and is not answered.
        registry: every metric.
    """

    settings: Settings
    engine: Engine
    codec: CodecPool
    activity: Activity
    buffers: BufferBudget
    registry: CollectorRegistry


async def services_of(request: HTTPConnection) -> Services:
    """Return the parts of the service that a request or a WebSocket came to.

    What routes depend on is `async`, though it awaits nothing: FastAPI takes plain functions to a
    thread.
    """
    services: Services = request.app.state.services
    return services


ServicesDep = Annotated[Services, Depends(services_of)]
