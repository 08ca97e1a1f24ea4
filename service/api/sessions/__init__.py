"""The way of a frame: to a session and back, as requests or over a WebSocket."""
