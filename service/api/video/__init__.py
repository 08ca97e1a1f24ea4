"""The way of a video file: decoded frame by frame, followed, answered line by line."""
