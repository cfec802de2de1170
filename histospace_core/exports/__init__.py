"""Export of predictions to formats that other programs read."""

from histospace_core.exports.csv import file_name, genes_csv, map_csv, spots_csv
from histospace_core.exports.geojson import write_geojson
from histospace_core.exports.h5ad import write_h5ad
from histospace_core.exports.ometiff import write_ometiff
from histospace_core.exports.run import FORMS, Form, export_run
from histospace_core.exports.spatialdata import write_spatialdata

__all__ = [
    "FORMS",
    "Form",
    "export_run",
    "file_name",
    "genes_csv",
    "map_csv",
    "spots_csv",
    "write_geojson",
    "write_h5ad",
    "write_ometiff",
    "write_spatialdata",
]
