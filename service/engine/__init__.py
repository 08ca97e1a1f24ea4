"""From one request to one batch and back: admission, batching, replicas; knows no HTTP.

`engine.Engine` is the way in; everything else is its inside.
"""
