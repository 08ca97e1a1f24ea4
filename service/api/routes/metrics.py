"""What is measured, as Prometheus reads it."""

from fastapi import APIRouter
from prometheus_client import CONTENT_TYPE_LATEST, generate_latest
from starlette.responses import Response

from service.api.dependencies import ServicesDep

router = APIRouter(tags=["health"])

_TEXT = {"content": {"text/plain": {"schema": {"type": "string"}}}, "description": "Metrics."}


@router.get("/metrics", summary="Metrics", response_class=Response, responses={200: _TEXT})
async def metrics(services: ServicesDep) -> Response:
    """Return every metric in Prometheus' text format."""
    return Response(generate_latest(services.registry), media_type=CONTENT_TYPE_LATEST)
