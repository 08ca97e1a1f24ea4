"""A picture that has arrived: measured first, decoded once there is room for it."""

from dataclasses import dataclass
from functools import partial

import numpy as np
import numpy.typing as npt

from service.api import codec
from service.api.codec import ImageHeader
from service.api.dependencies import Services
from service.api.record import RequestRecord


@dataclass(frozen=True)
class EncodedPicture:
    """The bytes of a picture and what it takes to read them.

    Attributes:
        services: of this process.
        story: of the request; the time goes to its phase `decode`.
        data: the encoded picture.
        deadline: monotonic seconds.
    """

    services: Services
    story: RequestRecord
    data: bytes
    deadline: float

    async def probe(self) -> ImageHeader:
        """Read its header.

        Raises:
            UnreadableImage: it is no picture of a known format.
            TooLarge: it claims more pixels than the settings allow.
            DeadlineExceeded: no thread was free until then.
        """
        max_pixels = int(self.services.settings.max_image_megapixels * 1e6)
        with self.story.timed("decode"):
            return await self.services.codec.run(
                partial(codec.probe, self.data, max_pixels), self.deadline
            )

    async def decode(self, header: ImageHeader) -> npt.NDArray[np.uint8]:
        """Return [h, w, 3] uint8, RGB, upright.

        Args:
            header: what `probe` said of it.

        Raises:
            UnreadableImage: it is damaged, cut short or of an exotic kind.
            DeadlineExceeded: no thread was free until then.
        """
        with self.story.timed("decode"):
            return await self.services.codec.run(
                partial(codec.decode, self.data, header), self.deadline
            )
