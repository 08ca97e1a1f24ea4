"""Weights into the folder: from where they are published, or from a file carried in."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path

import httpx

from models import zoo
from service.weights.download import Download, Progress, open_client, without_secrets
from service.weights.errors import DownloadError, WeightsError
from service.weights.folder import Folder, digest


def locations(variant: str, urls: Mapping[str, str]) -> tuple[zoo.PublishedFile, ...]:
    """Return the files that hold a variant's weights, the preferred one first.

    Args:
        variant: a name of the zoo.
        urls: variant -> where its preferred file is to be had, and no other then.

    Raises:
        WeightsError: there is no such variant, or nobody published it.
    """
    known = _variant(variant)
    if not known.files:
        raise WeightsError(f"{variant} is {known.checkpoint}: nothing to fetch")
    if variant in urls:
        return (replace(known.files[0], url=urls[variant]),)
    return known.files


def fetch(
    variant: str,
    files: Sequence[zoo.PublishedFile],
    folder: Folder,
    *,
    progress: Callable[[str], Progress] = lambda _: lambda *_: None,
    say: Callable[[str], object] = lambda _: None,
) -> None:
    """Bring a variant's published weights into the folder.

    Of several locations the next is tried where one does not answer.

    Args:
        variant: a name of the zoo.
        files: that hold its weights, at least one.
        folder: where to.
        progress: given a file's name, makes what its download reports to.
        say: takes a line about a location that does not answer.

    Raises:
        WeightsError: no location gives the file, or it is not the published one, or no weights of
            the variant.
    """
    path, file = _download(files, folder, variant, progress, say)
    try:
        sha256 = digest(path)
        if not sha256.startswith(file.sha256):
            raise WeightsError(_other(file.file, sha256, file.sha256))
        origin = zoo.Origin(variant, without_secrets(file.url), sha256)
        folder.add(variant, path, file.file, origin)
    finally:
        path.unlink(missing_ok=True)


def bring_in(
    variant: str, path: Path, folder: Folder, *, labels: Path | None = None, name: str | None = None
) -> str:
    """Put a file's weights into the folder; return the name that they have there.

    Args:
        variant: a name of the zoo, whose network the weights fit.
        path: the file: as published, trained by somebody, or out of another weights folder.
        folder: where to.
        labels: what its classes are, where they are not the variant's.
        name: of its own; None: the variant's, which only the published weights may have.

    Raises:
        WeightsError: there is no such variant or file, the file is not the published one and has
            no name of its own, or its weights do not fit.
    """
    known = _variant(variant)
    if name in zoo.available():
        raise WeightsError(f"{name} is a variant's name: weights of your own need another")
    if name is None and labels is not None:
        raise WeightsError("weights with labels of their own need a name of their own: --name")
    origin = _origin(variant, path, labels)
    if name is None:
        digests = [file.sha256 for file in known.files]
        if digests and not origin.sha256.startswith(tuple(digests)):
            advice = "; if it is your own, give it a name: --name"
            raise WeightsError(_other(path.name, origin.sha256, " or ".join(digests)) + advice)
    folder.add(name or variant, path, path.name, origin)
    return name or variant


def _download(
    files: Sequence[zoo.PublishedFile],
    folder: Folder,
    variant: str,
    progress: Callable[[str], Progress],
    say: Callable[[str], object],
) -> tuple[Path, zoo.PublishedFile]:
    """The first of the files that is to be had, and which it is."""
    with open_client() as client:
        for file in files[:-1]:
            try:
                return _bring(client, file, folder, variant, progress), file
            except DownloadError as error:
                say(f"{error}; trying the next location")
        return _bring(client, files[-1], folder, variant, progress), files[-1]


def _bring(
    client: httpx.Client,
    file: zoo.PublishedFile,
    folder: Folder,
    variant: str,
    progress: Callable[[str], Progress],
) -> Path:
    path = folder.downloads() / f"{variant}-{file.file}"
    Download(client, file.url, path, progress=progress(file.file)).run()
    return path


def _origin(variant: str, path: Path, labels: Path | None) -> zoo.Origin:
    """What a file that was carried in says of itself, or can be said of it."""
    try:
        categories = None if labels is None else zoo.read_labels(labels)
        origin = zoo.read_origin(path)
        if origin is None:
            return zoo.Origin(variant, path.name, digest(path), categories)
    except (OSError, zoo.CheckpointError, zoo.LabelsError) as error:
        raise WeightsError(str(error)) from error
    if origin.variant != variant:
        raise WeightsError(f"{path} holds weights of {origin.variant}, not of {variant}")
    return origin if categories is None else replace(origin, categories=categories)


def _variant(name: str) -> zoo.Variant:
    try:
        return zoo.available()[name]
    except KeyError:
        raise WeightsError(str(zoo.UnknownVariant(name))) from None


def _other(file: str, sha256: str, expected: str) -> str:
    return f"{file} is not the published file: its SHA-256 is {sha256}, not {expected}"
