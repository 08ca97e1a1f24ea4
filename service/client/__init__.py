"""The Python client: pictures and frames in, typed replies and numpy masks out.

    with Client("http://127.0.0.1:8000") as client:
        reply = client.segment("street.jpg", score_threshold=0.7)
        masks = [instance.mask() for instance in reply.instances]

Nothing that serves is imported, and no torch. `Client` and `AsyncClient` differ in how they wait,
and in nothing else: what is sent and how answers are read are pure functions that both share.
"""

from service.client.asks import Video
from service.client.async_client import AsyncClient, AsyncSession
from service.client.async_stream import AsyncStream
from service.client.async_video import AsyncVideoSteps
from service.client.errors import MaskdError, RequestFailed, Unreachable, UnreadableReply
from service.client.options import DetectOptions, SegmentOptions, SemanticOptions
from service.client.pictures import Picture
from service.client.prompts import Detect, NewObject
from service.client.replies import (
    Detection,
    DetectReply,
    Instance,
    Model,
    Segment,
    SegmentReply,
    SemanticReply,
)
from service.client.retry import Retry
from service.client.session_replies import (
    FrameReply,
    OpenedReply,
    SessionReply,
    StreamReply,
    TrackedObject,
    VideoStep,
    VideoSummary,
)
from service.client.sync_client import Client, Session
from service.client.sync_stream import Stream
from service.client.sync_video import VideoSteps

__all__ = [
    "AsyncClient",
    "AsyncSession",
    "AsyncStream",
    "AsyncVideoSteps",
    "Client",
    "Detect",
    "DetectOptions",
    "DetectReply",
    "Detection",
    "FrameReply",
    "Instance",
    "MaskdError",
    "Model",
    "NewObject",
    "OpenedReply",
    "Picture",
    "RequestFailed",
    "Retry",
    "Segment",
    "SegmentOptions",
    "SegmentReply",
    "SemanticOptions",
    "SemanticReply",
    "Session",
    "SessionReply",
    "Stream",
    "StreamReply",
    "TrackedObject",
    "Unreachable",
    "UnreadableReply",
    "Video",
    "VideoStep",
    "VideoSteps",
    "VideoSummary",
]
