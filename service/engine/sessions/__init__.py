"""Tracking sessions: objects followed through a video, one frame at a time.

`sessions.Sessions` is the way in. A session's state is a value that is followed by the next one;
nothing of it stays with a model.
"""
