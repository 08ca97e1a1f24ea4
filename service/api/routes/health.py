"""Whether the process lives, and whether it takes work."""

from fastapi import APIRouter

from service.api.dependencies import ServicesDep
from service.api.openapi import problem_responses
from service.api.schemas import AliveReply, ReadyReply
from service.errors import NotReady

router = APIRouter(tags=["health"])


@router.get("/livez", summary="Live")
@router.get("/healthz", summary="Live (alias)", include_in_schema=False)
@router.get("/v2/health/live", summary="Live (alias)", include_in_schema=False)
async def live() -> AliveReply:
    """Say that the process answers; no model is touched."""
    return AliveReply()


@router.get("/readyz", summary="Ready", responses=problem_responses(503))
@router.get("/health", summary="Ready (alias)", include_in_schema=False)
@router.get("/v2/health/ready", summary="Ready (alias)", include_in_schema=False)
async def ready(services: ServicesDep) -> ReadyReply:
    """Say that every configured model is warm and new work is taken."""
    if services.engine.is_draining:
        raise NotReady("The service is shutting down.")
    if not services.engine.is_ready:
        raise NotReady("Not every model is ready.")
    return ReadyReply()
