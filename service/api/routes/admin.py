"""Loading and unloading models while the others serve; only where the operator set a token."""

import secrets

from fastapi import APIRouter, Depends, Request

from service.api.dependencies import ServicesDep
from service.api.inputs import read_members, validate
from service.api.model_cards import describe
from service.api.openapi import json_operation, problem_responses
from service.api.schemas import ModelChange, ModelsReply
from service.errors import Unauthorized


async def check_token(request: Request, services: ServicesDep) -> None:
    """Let only those pass who know the operator's token.

    Raises:
        Unauthorized: the request does not carry it.
    """
    scheme, _, token = request.headers.get("authorization", "").partition(" ")
    expected = services.settings.admin_token.get_secret_value()
    is_same = secrets.compare_digest(token.encode(), expected.encode())
    if scheme.lower() != "bearer" or not is_same:
        raise Unauthorized("This route asks for the token of MASKD_ADMIN_TOKEN.")


router = APIRouter(tags=["admin"], dependencies=[Depends(check_token)])


@router.post(
    "/admin/models",
    summary="Load or unload",
    responses=problem_responses(400, 401, 404, 409, 422),
    openapi_extra=json_operation(ModelChange),
)
async def change_models(request: Request, services: ServicesDep) -> ModelsReply:
    """Load one more model, or let one go; answer once that is done, with what is loaded then.

    The other models go on. A tracker with open sessions goes only with `force`, which ends them:
    they answer 410 from then on, and what waits for it gets 503. Whoever leaves before the answer
    ends the loading.
    """
    change = validate(ModelChange, read_members(await request.body()))
    if change.load is not None:
        await services.engine.load(change.load)
    if change.unload is not None:
        await services.engine.unload(change.unload, ends_sessions=change.force)
    return ModelsReply(
        models=[describe(model, services.settings) for model in services.engine.models()]
    )
