"""The networks, and the model packages with their weights."""

from histospace_core.networks.autoencoder import Autoencoder, TileEncoder, to_pixels
from histospace_core.networks.domain import Domain
from histospace_core.networks.histospace import TILE_PX, UM_PER_PX, HistoSPACE, n_parameters
from histospace_core.networks.histospace_plus import HistoSPACEPlus
from histospace_core.networks.memory import release_memory
from histospace_core.networks.package import (
    GENE_COLUMNS,
    NETWORKS,
    OPTIONAL_GENE_COLUMNS,
    ModelPackage,
    list_packages,
    load_package,
    pick_device,
    save_package,
)
from histospace_core.networks.predictor import Predictor

__all__ = [
    "GENE_COLUMNS",
    "NETWORKS",
    "OPTIONAL_GENE_COLUMNS",
    "TILE_PX",
    "UM_PER_PX",
    "Autoencoder",
    "Domain",
    "HistoSPACE",
    "HistoSPACEPlus",
    "ModelPackage",
    "Predictor",
    "TileEncoder",
    "list_packages",
    "load_package",
    "n_parameters",
    "pick_device",
    "release_memory",
    "save_package",
    "to_pixels",
]
