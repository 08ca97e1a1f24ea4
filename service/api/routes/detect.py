"""`POST /detect`: the objects of a picture, each with its box."""

from typing import Annotated

from fastapi import APIRouter, Depends
from starlette.responses import Response

from service.api.openapi import picture_operation, picture_responses
from service.api.pictures import detections
from service.api.pictures.call import PictureCall, receive_picture
from service.api.pictures.options import DetectOptions
from service.api.schemas import DetectReply

router = APIRouter(tags=["pictures"])

EXAMPLE = {
    "model": "deformable_detr_demo",
    "image": {"width": 64, "height": 48},
    "detections": [
        {"label": "circle", "category_id": 1, "score": 0.9, "bbox": [20.0, 10.0, 24.0, 20.0]}
    ],
    "request_id": "7f0c2a5e4b1d4c0f9a3e6d8b5c2f1a70",
}

DetectCall = Annotated[
    PictureCall[DetectOptions], Depends(receive_picture("detect", DetectOptions))
]


@router.post(
    "/detect",
    summary="Detection",
    response_model=DetectReply,
    responses=picture_responses(EXAMPLE),
    openapi_extra=picture_operation(DetectOptions),
)
async def detect(call: DetectCall) -> Response:
    """Find the objects of a picture, without masks.

    The picture and the options are sent as for `POST /segment`. There is no suppression of boxes
    that overlap (NMS): the networks of this route were trained to name every object once, so two
    boxes over each other are two objects, and suppression could only lose one of them. A box may
    come twice with different labels where the network cannot decide. Boxes are cut to the picture;
    the members `category_id`, `bbox` and `score` can be fed to pycocotools as they are.
    """
    return await call.answer(
        {
            "score_threshold": call.options.score_threshold,
            "max_detections": call.options.max_detections,
            "labels": call.labels,
        },
        to_json=detections.to_json,
        to_png=detections.to_png,
    )
