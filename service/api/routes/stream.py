"""`/sessions/{session_id}/stream`: a session over one WebSocket instead of a request a frame."""

from fastapi import APIRouter, WebSocket

from service.api.dependencies import ServicesDep
from service.api.sessions.stream import Stream

router = APIRouter()


@router.websocket("/sessions/{session_id}/stream")
async def stream_session(socket: WebSocket, session_id: str, services: ServicesDep) -> None:
    """Answer each binary message, an encoded frame, and each text message, an edit, in order."""
    await Stream(socket, services, session_id).run()
