"""Checks of an installation, each with one finding."""

import os
import platform
import shutil
from collections.abc import Callable
from dataclasses import dataclass

from histospace_core.errors import HistospaceError
from histospace_core.settings import Settings


@dataclass(frozen=True)
class Check:
    """What was checked, whether it works, and what was found."""

    name: str
    ok: bool
    finding: str


def check_installation(settings: Settings) -> list[Check]:
    """Check Python, slide readers, device, store, catalog, models and arithmetic."""
    checks: dict[str, Callable[[Settings], str]] = {
        "python": lambda _: platform.python_version(),
        "slide readers": _readers,
        "device": _device,
        "store": _store,
        "catalog": _catalog,
        "models": _models,
        "arithmetic": _arithmetic,
    }
    return [_run(name, check, settings) for name, check in checks.items()]


def _run(name: str, check: Callable[[Settings], str], settings: Settings) -> Check:
    try:
        return Check(name, True, check(settings))
    except (HistospaceError, ImportError, OSError) as error:  # ImportError: a C library is missing
        return Check(name, False, str(error))


def _readers(_: Settings) -> str:
    from importlib.metadata import version

    import openslide
    import pyvips

    return (
        f"OpenSlide {openslide.__library_version__}, tifffile {version('tifffile')}, "
        f"libvips {pyvips.version(0)}.{pyvips.version(1)}"
    )


def _device(_: Settings) -> str:
    import torch

    if torch.cuda.is_available():
        return f"{torch.cuda.get_device_name(0)}, torch {torch.__version__}"
    return f"CPU, {os.cpu_count()} cores, torch {torch.__version__}"


def _store(settings: Settings) -> str:
    settings.store.mkdir(parents=True, exist_ok=True)
    probe = settings.store / f".doctor-{os.getpid()}"
    probe.write_bytes(b"")  # permissions do not show a read-only disk
    probe.unlink()
    return f"{settings.store}, {shutil.disk_usage(settings.store).free / 1e9:.0f} GB free"


def _catalog(settings: Settings) -> str:
    from histospace_core.catalog import Catalog

    catalog = Catalog(settings.catalog_url)
    catalog.migrate()
    return f"{len(catalog.slides())} slides, {len(catalog.runs())} runs"


def _models(settings: Settings) -> str:
    from histospace_core.networks import list_packages

    packages = list_packages([settings.models, settings.trained_dir])
    if not packages:
        raise HistospaceError(f"no model package in {settings.models}")
    for package in packages:
        package.load()  # a package can be listed though its weights are damaged
    return ", ".join(p.name for p in packages)


def _arithmetic(settings: Settings) -> str:
    from histospace_core.cli.arithmetic import arithmetic

    return arithmetic(settings)
