"""What a worker process does: claim a run, do its work, write how it ended.

Everything a worker needs comes from two arguments, the settings as plain values and the run's
id, so that it may be any process on any machine that reaches the catalog and the store.
"""

import errno
import logging
from functools import partial
from typing import Any

from histospace_core.catalog import Catalog, Kind, RunRow, State, new_id
from histospace_core.errors import Cancelled, HistospaceError, StoreError
from histospace_core.jobs import bodies
from histospace_core.jobs.disk_reserve import use_reserve
from histospace_core.jobs.heartbeat import Heartbeat
from histospace_core.jobs.identity import identity, is_alive
from histospace_core.jobs.log import log_to
from histospace_core.settings import Settings

_log = logging.getLogger(__name__)

# A worker may die for reasons of its machine, so Dask may send its run to another one. A run whose
# second worker dies too has probably killed both, by the memory it takes, and would kill more.
_ATTEMPTS = 2
_DIED = (
    "The worker process ended twice during this run, probably because memory was short: "
    "close other programs, then resume the run."
)
_BEGUN = (State.RUNNING, State.CANCELLING)


def perform(
    values: dict[str, Any], run_id: str, sent_after: int, body: bodies.Body | None = None
) -> str:
    """Do a queued run in this process and return the state it ended in.

    Parameters
    ----------
    values
        `Settings.model_dump(mode="json")` of the app.
    sent_after
        How often the run had been attempted when it was sent to Dask.
    body
        The work itself; by default what belongs to the run's kind.
    """
    settings = Settings(**values)
    log_to(settings.store)
    catalog = Catalog(settings.catalog_url, actor="worker")
    try:
        run = _claim(catalog, run_id, sent_after)
        if run is not None:  # else cancelled while it waited, or another worker has it
            _do(settings, catalog, run, body or bodies.BODIES[Kind(run.kind)])
        return catalog.run(run_id).state
    finally:
        catalog.close()


def _claim(catalog: Catalog, run_id: str, sent_after: int) -> RunRow | None:
    """Begin a run as its only worker, also one that an earlier worker has died over.

    Dask sends a task again when it has lost the connection to its worker. A process of this host
    is then looked for; one of another host that lives on after all is shut out by its attempt,
    which is no longer the run's, and stops at its next heartbeat.
    """
    run = catalog.run(run_id)
    lost = run.state in _BEGUN and not is_alive(run.worker)
    if run.attempt > sent_after and (lost or run.state in (State.QUEUED, State.INTERRUPTED)):
        move = partial(catalog.set_state, run_id, attempt=run.attempt)
        if run.state == State.CANCELLING:
            move(State.CANCELLED, only_from=[run.state])
        elif run.attempt < sent_after + _ATTEMPTS:
            move(State.QUEUED, only_from=[State.RUNNING, State.INTERRUPTED])
        else:
            move(State.INTERRUPTED, only_from=[run.state], error=_DIED)
    return catalog.claim(run_id, identity())


def _do(settings: Settings, catalog: Catalog, run: RunRow, body: bodies.Body) -> None:
    _log.info("Run %s (%s) begins, attempt %d", run.id, run.kind, run.attempt)
    try:
        with Heartbeat(catalog, run, settings.heartbeat_s) as heartbeat:
            outcome = body(bodies.Task(settings, catalog, run, heartbeat.on_progress))
        end = partial(catalog.finish, provenance=outcome.provenance, timings=outcome.timings)
    except Cancelled:
        cancelling = [State.CANCELLING.value]
        end = partial(catalog.set_state, state=State.CANCELLED, only_from=cancelling)
    except HistospaceError as error:
        end = partial(catalog.fail, sentence=_named(str(error), run))
    except Exception as error:
        end = partial(catalog.fail, sentence=_sentence(error, run))
    try:
        end(run.id, attempt=run.attempt)
    except StoreError:  # most likely the disk is full
        use_reserve(settings.store)
        end(run.id, attempt=run.attempt)
    _log.info("Run %s ended: %s", run.id, catalog.run(run.id).state)


def _named(sentence: str, run: RunRow) -> str:
    """Call the slide what its user calls it, not what its file in the store is called."""
    return sentence.replace(run.slide.file.name, run.slide.name) if run.slide else sentence


def _sentence(error: Exception, run: RunRow) -> str:
    """Say in one sentence what stopped a run, and keep the whole of it in the log."""
    reference = new_id()[:8]
    _log.error("Run %s failed, reference %s", run.id, reference, exc_info=error)
    if isinstance(error, OSError) and error.errno in (errno.ENOSPC, errno.EDQUOT, errno.EFBIG):
        return "The disk is full: free some space in the store, then resume the run."
    if isinstance(error, MemoryError) or type(error).__name__ == "OutOfMemoryError":
        return "The memory was not enough: close other programs or use another device, then resume."
    return (
        f"An unexpected error stopped the run (reference {reference}): "
        "resume it, or show your operator the log under this reference."
    )
