"""`POST /segment`: the objects of a picture, each with its mask."""

from collections.abc import Hashable
from functools import partial
from typing import Annotated

from fastapi import APIRouter, Depends
from starlette.responses import Response

from service.api.openapi import picture_operation, picture_responses
from service.api.pictures import boxes, instances
from service.api.pictures.call import PictureCall, receive_picture
from service.api.pictures.options import SegmentOptions
from service.api.schemas import SegmentReply

router = APIRouter(tags=["pictures"])

EXAMPLE = {
    "model": "mask_rcnn_demo",
    "image": {"width": 64, "height": 48},
    "instances": [
        {
            "label": "circle",
            "category_id": 1,
            "score": 0.9,
            "bbox": [20.0, 10.0, 24.0, 20.0],
            "area": 480,
            "segmentation": {
                "size": [48, 64],
                "counts": "Zn0d0l0000000000000000000000000000000000000000000000fm0",
            },
        }
    ],
    "request_id": "7f0c2a5e4b1d4c0f9a3e6d8b5c2f1a70",
}

SegmentCall = Annotated[
    PictureCall[SegmentOptions], Depends(receive_picture("segment", SegmentOptions))
]


@router.post(
    "/segment",
    summary="Instance segmentation",
    response_model=SegmentReply,
    responses=picture_responses(EXAMPLE),
    openapi_extra=picture_operation(SegmentOptions),
)
async def segment(call: SegmentCall) -> Response:
    """Find the objects of a picture.

    Send the picture as the raw body, as the part `image` of a form, or in base64 as the member
    `image` of a JSON object. Options are query parameters, or further parts or members. The
    members `category_id`, `bbox`, `score` and `segmentation` can be fed to pycocotools as they are.

    With `boxes` the answer is one instance a box, in their order: the mask of what is in the box,
    and as score the probability that it is of that category. The boxes are cut to the picture,
    and otherwise taken as they are.
    """
    options = call.options
    network_options: dict[str, Hashable] = {"labels": call.labels}
    to_prompts = None
    if options.boxes is None:
        network_options["score_threshold"] = options.score_threshold
        network_options["max_detections"] = options.max_detections
    else:
        labels = call.model.find_labels("box_labels", options.box_labels or ())
        to_prompts = partial(boxes.to_prompts, boxes=options.boxes, labels=labels)
    return await call.answer(
        network_options,
        to_json=partial(instances.to_json, mask_format=options.mask_format),
        to_png=instances.to_png,
        to_prompts=to_prompts,
    )
