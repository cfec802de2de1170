"""The store's log, which the app's process and its workers share."""

import logging
from pathlib import Path

LOG_FILE = "histospace.log"


def log_to(store: Path) -> None:
    """Append this process's messages to the store's log, which several processes share.

    It has the full text of the errors of which users see one sentence.
    """
    logger = logging.getLogger("histospace_core")
    file = store / LOG_FILE
    # A worker asks for the log at every run.
    if any(getattr(h, "baseFilename", None) == str(file.absolute()) for h in logger.handlers):
        return
    store.mkdir(parents=True, exist_ok=True)
    handler = logging.FileHandler(file, encoding="utf-8", delay=True)
    line = "%(asctime)s %(levelname)s %(process)d %(name)s: %(message)s"
    handler.setFormatter(logging.Formatter(line))
    logger.addHandler(handler)
    logger.setLevel(logging.INFO)
