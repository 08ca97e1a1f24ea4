"""`POST /semantic`: a category for every pixel of a picture."""

from functools import partial
from typing import Annotated

from fastapi import APIRouter, Depends
from starlette.responses import Response

from service.api.openapi import picture_operation, picture_responses
from service.api.pictures import segments
from service.api.pictures.call import PictureCall, receive_picture
from service.api.pictures.options import SemanticOptions
from service.api.schemas import SemanticReply

router = APIRouter(tags=["pictures"])

EXAMPLE = {
    "model": "pointrend_demo",
    "image": {"width": 64, "height": 48},
    "refined": True,
    "segments": [
        {
            "label": "circle",
            "category_id": 1,
            "area": 480,
            "bbox": [20, 10, 24, 20],
            "segmentation": {
                "size": [48, 64],
                "counts": "Zn0d0l0000000000000000000000000000000000000000000000fm0",
            },
        }
    ],
    "label_map": None,
    "request_id": "7f0c2a5e4b1d4c0f9a3e6d8b5c2f1a70",
}

SemanticCall = Annotated[
    PictureCall[SemanticOptions], Depends(receive_picture("semantic", SemanticOptions))
]


@router.post(
    "/semantic",
    summary="Semantic segmentation",
    response_model=SemanticReply,
    responses=picture_responses(EXAMPLE),
    openapi_extra=picture_operation(SemanticOptions),
)
async def semantic(call: SemanticCall) -> Response:
    """Name the category of every pixel: one segment a category that is present.

    Without `labels` and `min_area`, every pixel is in exactly one segment. The picture and the
    options are sent as for `POST /segment`.
    """
    options = call.options
    wanted = segments.Wanted(labels=call.labels, min_area=options.min_area)
    return await call.answer(
        {"refine": options.refine},
        to_json=partial(segments.to_json, wanted=wanted, mask_format=options.mask_format),
        to_png=partial(segments.to_png, wanted=wanted),
    )
