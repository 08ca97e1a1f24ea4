"""What kind of reply a caller prefers, from `Accept`."""

HTML = "text/html"
JSON = "application/json"
PNG = "image/png"
NDJSON = "application/x-ndjson"


def prefers_png(accept: str) -> bool:
    """Return whether a picture is liked better than JSON; a tie or nonsense means JSON.

    Args:
        accept: value of the `Accept` header.
    """
    return _is_liked_better(PNG, accept)


def prefers_html(accept: str) -> bool:
    """Return whether a page is liked better than JSON, as by a browser; else as `prefers_png`.

    Args:
        accept: value of the `Accept` header.
    """
    return _is_liked_better(HTML, accept)


def _is_liked_better(kind: str, accept: str) -> bool:
    ranges = [_weighed(item) for item in accept.split(",")]
    return _weight(kind, ranges) > _weight(JSON, ranges)


def _weighed(item: str) -> tuple[str, float]:
    """Split one media range from its weight."""
    name, *parameters = (part.strip().lower() for part in item.split(";"))
    weights = [part[2:] for part in parameters if part.startswith("q=")]
    try:
        return name, float(weights[0]) if weights else 1.0
    except ValueError:
        return name, 0.0


def _weight(kind: str, ranges: list[tuple[str, float]]) -> float:
    """Return the weight of the most specific range that covers a type; 0 if none does."""
    family = kind.partition("/")[0]
    for name in (kind, f"{family}/*", "*/*"):
        weights = [weight for covered, weight in ranges if covered == name]
        if weights:
            return max(weights)
    return 0.0
