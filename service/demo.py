"""`make demo`: start the service, post the sample picture, show the reply, draw it, stop."""

import json
import os
import sys
from collections.abc import Mapping
from pathlib import Path

import httpx

from service.child import running

_SAMPLE = Path(__file__).resolve().parents[1] / "docs" / "sample.jpg"
_OVERLAY = Path("out") / "demo-overlay.png"


def main(environ: Mapping[str, str]) -> int:
    """Run the demo with these variables around it; return the exit status."""
    with running(environ) as child, httpx.Client(base_url=child.url, timeout=60) as client:
        image = _SAMPLE.read_bytes()
        jpeg = {"content-type": "image/jpeg"}
        reply = client.post("/segment", content=image, headers=jpeg).raise_for_status()
        drawn = client.post("/segment", content=image, headers={**jpeg, "accept": "image/png"})
        drawn.raise_for_status()
    _OVERLAY.parent.mkdir(exist_ok=True)
    _OVERLAY.write_bytes(drawn.content)
    body = reply.json()
    instances = body.pop("instances")
    sys.stdout.writelines(f"{json.dumps(part)}\n" for part in (body, *instances))
    sys.stdout.write(f"server-timing: {reply.headers['server-timing']}\n")
    sys.stdout.write(f"{_SAMPLE.name} with its masks drawn on it: {_OVERLAY}\n")
    return 0


if __name__ == "__main__":
    sys.exit(main(os.environ))
