"""`make demo`: start the service, post the sample picture, follow a clip, draw both, stop."""

import json
import os
import sys
from collections.abc import Mapping
from pathlib import Path

import httpx

from service import demo_clip
from service.child import running
from service.client import Client

_SAMPLE = Path(__file__).resolve().parents[1] / "docs" / "sample.jpg"
_OUT = Path("out")
_OVERLAY, _SHEET, _VIDEO = (
    _OUT / name for name in ("demo-overlay.png", "demo-track.png", "demo-track.mp4")
)


def main(environ: Mapping[str, str]) -> int:
    """Run the demo with these variables around it; return the exit status."""
    _OUT.mkdir(exist_ok=True)
    with running(environ) as child:
        _show_picture(child.url)
        _show_clip(child.url)
    return 0


def _show_picture(url: str) -> None:
    """Post the sample picture; print the reply, write the overlay."""
    with httpx.Client(base_url=url, timeout=60) as client:
        image = _SAMPLE.read_bytes()
        jpeg = {"content-type": "image/jpeg"}
        reply = client.post("/segment", content=image, headers=jpeg).raise_for_status()
        drawn = client.post("/segment", content=image, headers={**jpeg, "accept": "image/png"})
        drawn.raise_for_status()
    _OVERLAY.write_bytes(drawn.content)
    body = reply.json()
    instances = body.pop("instances")
    sys.stdout.writelines(f"{json.dumps(part)}\n" for part in (body, *instances))
    sys.stdout.write(f"server-timing: {reply.headers['server-timing']}\n")
    sys.stdout.write(f"{_SAMPLE.name} with its masks drawn on it: {_OVERLAY}\n")


def _show_clip(url: str) -> None:
    """Post a clip that is drawn here; write it with its masks, as a video and as a sheet."""
    clip = demo_clip.draw_clip()
    with Client(url) as client, client.track_video(clip.video, clip.objects) as steps:
        drawn = [clip.with_masks(step) for step in steps]
    _VIDEO.write_bytes(demo_clip.encode(drawn))
    demo_clip.contact_sheet(drawn).save(_SHEET)
    if steps.summary is not None:
        for one in steps.summary.objects:
            seen = f"visible on {one.frames_visible} of {steps.summary.frames} frames"
            sys.stdout.write(f"object {one.id}: {seen}\n")
    sys.stdout.write(f"a clip of three figures with their masks: {_VIDEO}, {_SHEET}\n")


if __name__ == "__main__":
    sys.exit(main(os.environ))
