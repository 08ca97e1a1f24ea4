"""Draw the playground's sample picture and sample clip, from fixed seeds of the demo world.

python -m docs.samples    writes them to service/static/samples
"""

from pathlib import Path

import av
from PIL import Image

from models.training.scenes import World, render, scene_at
from models.training.videos import Video, video_at

FRAME_RATE = 12

_FOLDER = Path(__file__).resolve().parents[1] / "service" / "static" / "samples"
_PICTURE_WORLD = World(short_side=(400, 400), max_aspect=1.5, figures=(5, 8))
_CLIP_WORLD = World(short_side=(240, 240), max_aspect=1.5, figures=(3, 3))


def sample_clip(frames: int) -> Video:
    """Return the clip's first frames: three figures, of which two meet."""
    return video_at(43, 0, _CLIP_WORLD, (frames, frames))


def write_clip(video: Video, path: Path) -> None:
    """Write a clip as VP8 in WebM, which every browser plays."""
    height, width = video.scene.image_size
    with av.open(str(path), "w") as container:
        stream = container.add_stream("libvpx", rate=FRAME_RATE)
        stream.width, stream.height, stream.pix_fmt = width, height, "yuv420p"
        stream.options = {"crf": "24", "b": "260k"}
        for number in range(len(video)):
            frame = av.VideoFrame.from_ndarray(render(video.frame(number)).image, format="rgb24")
            container.mux(stream.encode(frame))
        container.mux(stream.encode(None))


def main() -> None:
    """Write both files."""
    picture = Image.fromarray(render(scene_at(41, 4, _PICTURE_WORLD)).image)
    picture.save(_FOLDER / "figures.jpg", quality=88)
    write_clip(sample_clip(40), _FOLDER / "figures.webm")


if __name__ == "__main__":
    main()
