"""Model packages in the catalog."""

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from sqlalchemy import select

from histospace_core.catalog.database import Database
from histospace_core.catalog.tables import ModelRow, utc_now
from histospace_core.errors import ModelError

if TYPE_CHECKING:  # the catalog itself must not load torch
    from histospace_core.networks import ModelPackage

_SUMMARY = (
    "network",
    "training_sections",
    "data_note",
    "expression_unit",
    "tile_px",
    "um_per_px",
    "metrics",
    "adapted",
)


class ModelTable(Database):
    """The catalog's methods for model packages."""

    def add_model(self, name: str, sha256: str, folder: Path, summary: dict[str, Any]) -> ModelRow:
        """Register a package, or update the one with this name if it has changed.

        Runs keep the hash of the model that they used, so the source of an older result stays
        known.
        """
        with self.write() as session:
            row = session.get(ModelRow, name)
            if row is None:
                row = ModelRow(name=name)
                session.add(row)
                self.audit(session, "add", "model", name, sha256=sha256)
            elif row.sha256 != sha256:
                self.audit(session, "replace", "model", name, before=row.sha256, after=sha256)
            elif (row.folder, row.summary) == (str(folder), summary):
                return row  # every start registers all packages, mostly unchanged
            row.sha256, row.folder, row.summary = sha256, str(folder), summary
            row.registered_at = utc_now()
            session.flush()
            return row

    def register(self, package: "ModelPackage") -> ModelRow:
        """Register a package, with the facts that a list of models shows."""
        summary = {key: package.config[key] for key in _SUMMARY if key in package.config}
        summary["n_genes"] = len(package.genes)
        return self.add_model(package.name, package.sha256, package.directory, summary)

    def models(self) -> Sequence[ModelRow]:
        """Return all registered packages by name."""
        with self.read() as session:
            return session.scalars(select(ModelRow).order_by(ModelRow.name)).all()

    def model(self, name: str) -> ModelRow:
        """Return one package's row.

        Raises
        ------
        ModelError
            No package of this name is registered.
        """
        with self.read() as session:
            row = session.get(ModelRow, name)
        if row is None:
            raise ModelError(f"No model named {name} is registered: choose one from the list.")
        return row

    def forget_model(self, name: str) -> None:
        """Remove a package from the catalog, but keep its files and its runs."""
        with self.write() as session:
            row = session.get(ModelRow, name)
            if row is not None:
                session.delete(row)
                self.audit(session, "forget", "model", name, sha256=row.sha256)
