"""What can go wrong with weights, for the command line to say."""


class WeightsError(Exception):
    """Weights that cannot be had, kept or trusted; the message is one line."""


class DownloadError(WeightsError):
    """A location that does not give its file."""
