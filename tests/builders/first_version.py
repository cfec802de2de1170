"""The store that the first version of HistoSPACE left, as its user finds it after an update."""

import sqlite3
import zipfile
from pathlib import Path

FIXTURE = Path(__file__).parent.parent / "fixtures" / "first_version" / "store.zip"
WAS_AT = "/tmp/first_version/store"
SECTION = "909d25c4bbbc42cab4e7aca9e320a5f9"
RUN = "0789869808004cb0af944ae7c5df1f29"
REINHARD = "ae99fb2f3ee948618cb269812a16f3a6"
CHARACTERISATION = "694dd0508aad4cb0a9ecd877cf0d6a1e"
EXPORT = "7347837e7abe4f5fbe6d0fd3b3a8a4d2"
FAILED_EXPORT = "68f98bd4de9d4b74bf3ec2c71d86b01d"
TRAINING = "aae41115f9994657b68a05f188f8c591"
EVALUATION = "04e7287b37c04e979b9236d325b56b7c"
_PATHS = {
    "models": ["folder"],
    "slides": ["path", "counts_path", "spots_path"],
    "runs": ["settings", "folder"],
    "comparisons": ["folder"],
}


def unpack_store(folder: Path) -> Path:
    """Unpack the store into a folder and let its catalog name the paths there."""
    with zipfile.ZipFile(FIXTURE) as archive:
        archive.extractall(folder)
    store = folder / "store"
    catalog = sqlite3.connect(store / "catalog.db")
    for table, columns in _PATHS.items():
        for column in columns:
            catalog.execute(
                f"UPDATE {table} SET {column} = replace({column}, ?, ?)", (WAS_AT, str(store))
            )
    catalog.commit()
    catalog.close()
    return store
