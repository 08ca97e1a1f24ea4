"""From one request to one batch and back: admission, batching, replicas; knows no HTTP."""
