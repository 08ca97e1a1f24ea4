"""Where a reader begins: `/` points on, `/docs` is the API as one page."""

from fastapi import APIRouter, Request
from starlette.responses import HTMLResponse

from service import __version__
from service.api import reference
from service.api.schemas import RootReply

router = APIRouter(tags=["documents"])


@router.get("/", summary="Where to look")
async def root() -> RootReply:
    """Say what this is and where its documents are."""
    return RootReply(name="maskd", version=__version__, docs="/docs", openapi="/openapi.json")


@router.get("/docs", include_in_schema=False)
async def docs(request: Request) -> HTMLResponse:
    """Return the API's page."""
    return HTMLResponse(reference.render(request.app.openapi()))
