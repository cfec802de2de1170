"""The store's log, for the operator: what users see as one sentence stands here in full."""

import logging
from pathlib import Path

LOG_FILE = "histospace.log"


def log_to(store: Path) -> None:
    """Append this process's messages to the store's log; several processes may."""
    logger = logging.getLogger("histospace_core")
    file = store / LOG_FILE
    if any(getattr(h, "baseFilename", None) == str(file.absolute()) for h in logger.handlers):
        return
    store.mkdir(parents=True, exist_ok=True)
    handler = logging.FileHandler(file, encoding="utf-8", delay=True)
    line = "%(asctime)s %(levelname)s %(process)d %(name)s: %(message)s"
    handler.setFormatter(logging.Formatter(line))
    logger.addHandler(handler)
    logger.setLevel(logging.INFO)
