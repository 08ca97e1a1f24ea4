"""Where a reader begins: `/` is the playground or points on, `/docs` is the API as one page."""

from fastapi import APIRouter, Request
from starlette.responses import HTMLResponse, JSONResponse, Response

from service import __version__
from service.api import playground, reference
from service.api.negotiation import HTML, prefers_html
from service.api.schemas import RootReply

router = APIRouter(tags=["documents"])


@router.get(
    "/",
    summary="Playground, or where to look",
    response_model=RootReply,
    responses={200: {"content": {HTML: {}}}},
)
async def root(request: Request) -> Response:
    """Return the playground to browsers; say to others what this is and where its documents are."""
    if prefers_html(request.headers.get("accept", "")):
        return await playground.files().page(request.scope)
    pointers = RootReply(name="maskd", version=__version__, docs="/docs", openapi="/openapi.json")
    return JSONResponse(pointers.model_dump(), headers={"vary": "accept"})


@router.get("/docs", include_in_schema=False)
async def docs(request: Request) -> HTMLResponse:
    """Return the API's page."""
    return HTMLResponse(reference.render(request.app.openapi()))
