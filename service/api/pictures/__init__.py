"""The way of a picture: its options, its passes through a network, its replies."""
