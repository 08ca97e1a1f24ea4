"""The demo world, the trainer and the metrics; nothing that serves imports this package."""
