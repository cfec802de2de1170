"""The names of a run's files on disk, and the sizes of its store's shards."""

from pathlib import Path

STORE = "prediction.zarr"
PARTIAL = "prediction.partial.zarr"
JOURNAL = "unfinished"
RECORD = "run.json"
OVERVIEW = "overview.jpg"
UNS_KEY = "histospace"
ROWS_PER_SHARD, GENES_PER_SHARD = 8_192, 512  # 8 MB in float16; zarr makes several copies
"""Approximate size of a shard file, in which each gene is its own chunk."""


def store_path(run_dir: Path) -> Path:
    return run_dir / STORE


def partial_path(run_dir: Path) -> Path:
    return run_dir / PARTIAL


def journal_path(run_dir: Path) -> Path:
    return run_dir / JOURNAL


def overview_path(run_dir: Path) -> Path:
    return run_dir / OVERVIEW


def record_path(run_dir: Path) -> Path:
    return run_dir / RECORD
