"""Which models answer, and what they know."""

from fastapi import APIRouter

from service.api.dependencies import ServicesDep
from service.api.model_cards import describe
from service.api.openapi import problem_responses
from service.api.schemas import ModelReply, ModelsReply
from service.errors import NotFound

router = APIRouter(tags=["models"])


@router.get("/models", summary="Loaded models")
async def models(services: ServicesDep) -> ModelsReply:
    """List the loaded models; of each task the first is the default."""
    return ModelsReply(
        models=[describe(model, services.settings) for model in services.engine.models()]
    )


@router.get("/models/{variant}", summary="One model", responses=problem_responses(404))
async def model(variant: str, services: ServicesDep) -> ModelReply:
    """Tell one loaded model's labels, input, licence and limits."""
    for known in services.engine.models():
        if known.name == variant:
            return describe(known, services.settings)
    raise NotFound(f"No model {variant[:60]} is loaded.")
