"""`maskd doctor`: what this machine can do, what would not work with these settings, and why."""

import argparse
import asyncio
import os
import platform
import socket
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import torch

from service import __version__
from service.engine.engine import Engine
from service.engine.loader import EngineStartError
from service.engine.replica import resolve_devices
from service.settings import Settings

_GIB = 2**30
_MIB = 2**20
_WIDTH = 24


@dataclass(frozen=True)
class Finding:
    """One line of what the doctor says.

    Attributes:
        about: what was looked at.
        says: what was found.
        is_well: False where the service would not work.
    """

    about: str
    says: str
    is_well: bool = True


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add nothing: what is looked at follows from the settings."""
    del parser


def run(given: argparse.Namespace, settings: Settings) -> int:
    """Tell what is found as it is found; return 1 if anything would not work."""
    del given
    failures = 0
    for finding in examine(settings):
        mark = "ok" if finding.is_well else "NO"
        failures += not finding.is_well
        sys.stdout.write(f"{mark}  {finding.about.ljust(_WIDTH)} {finding.says}\n")
        sys.stdout.flush()
    return min(failures, 1)


def examine(settings: Settings) -> Iterator[Finding]:
    """Look at the machine, the settings, and every configured model."""
    yield Finding("versions", f"maskd {__version__}, {_versions()}")
    yield Finding("processor", f"{os.cpu_count()} cores, {platform.machine()}, {_memory()}")
    yield from _cuda()
    yield _address(settings)
    yield _weights(settings)
    try:
        devices = resolve_devices(settings.devices)
    except ValueError as error:
        yield Finding("MASKD_DEVICES", str(error), is_well=False)
        return
    yield Finding("MASKD_DEVICES", f"{', '.join(devices)}; arithmetic in {settings.dtype}")
    for name in settings.models:
        yield asyncio.run(_model(settings, name))


def _versions() -> str:
    return f"Python {platform.python_version()}, torch {torch.__version__}"


def _memory() -> str:
    page = os.sysconf("SC_PAGE_SIZE")
    whole, free = (os.sysconf(f"SC_{name}_PAGES") * page / _GIB for name in ("PHYS", "AVPHYS"))
    return f"{whole:.1f} GiB of memory, {free:.1f} unused"


def _cuda() -> Iterator[Finding]:
    if not torch.cuda.is_available():
        why = "torch is built without CUDA" if torch.version.cuda is None else "no device answers"
        yield Finding("CUDA", f"none ({why}); networks run on the processor")
        return
    for index in range(torch.cuda.device_count()):
        free, whole = (size / _GIB for size in torch.cuda.mem_get_info(index))
        name = torch.cuda.get_device_name(index)
        yield Finding(f"cuda:{index}", f"{name}, {whole:.1f} GiB of memory, {free:.1f} free")


def _address(settings: Settings) -> Finding:
    where = f"{settings.host}:{settings.port}"
    family = socket.AF_INET6 if ":" in settings.host else socket.AF_INET
    try:
        socket.create_server((settings.host, settings.port), family=family).close()
    except OSError as error:
        return Finding("address", f"cannot listen on {where}: {error.strerror}", is_well=False)
    return Finding("address", f"{where} is free")


def _weights(settings: Settings) -> Finding:
    folder = Path(settings.weights_dir)
    if not folder.is_dir():
        return Finding("MASKD_WEIGHTS_DIR", f"{folder} is not there: included weights only")
    return Finding("MASKD_WEIGHTS_DIR", f"{folder} has {len(list(folder.iterdir()))} files")


async def _model(settings: Settings, name: str) -> Finding:
    """Load one model as the service would, and let it answer once."""
    engine = Engine(settings.model_copy(update={"models": (name,)}))
    began = time.monotonic()
    try:
        await engine.start()
        (model,) = engine.models()
    except EngineStartError as error:
        return Finding(name, str(error), is_well=False)
    finally:
        await engine.aclose()
    seconds = time.monotonic() - began
    size = max(model.memory_bytes.values()) / _MIB
    return Finding(name, f"loads and answers in {seconds:.1f} s; weights take {size:.1f} MiB")
