"""maskd: pictures and video in, masks out, over HTTP."""

__version__ = "0.1.0"
