"""HTTP: bytes in, problem+json or results out; no networks, no threads."""
