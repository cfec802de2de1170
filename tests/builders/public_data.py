"""Small public data in the real layouts of ST-Net, 10x Genomics and HEST, for a server."""

import gzip
import hashlib
import io
import json
import tarfile
import tempfile
from functools import cache
from pathlib import Path

import anndata
import h5py
import numpy as np
import pandas as pd
from builders.slide_files import make_slide
from PIL import Image
from scipy import sparse

SIDE, MPP = 1400, 4.0  # a slide of 5.6 mm
GENES = {
    "ERBB2": "ENSG00000141736",
    "KRT8": "ENSG00000170421",
    "COL1A1": "ENSG00000108821",
    "CD74": "ENSG00000019582",
}


def make_image(path: Path) -> Path:
    """Write an H&E-like image whose tissue is no mirror image of itself in any orientation."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(_image())
    return path


@cache
def _image() -> bytes:
    with tempfile.TemporaryDirectory() as folder:
        image = Image.open(make_slide(Path(folder) / "slide.png", side=SIDE))
        stained = np.asarray(image.convert("RGB"))[500:900, 450:850]
        image.close()
    rows, columns = np.mgrid[:SIDE, :SIDE]
    tissue = _tissue(columns, rows)[..., None]
    pixels = np.where(tissue, np.tile(stained, (4, 4, 1))[:SIDE, :SIDE], np.uint8(244))
    packed = io.BytesIO()
    Image.fromarray(pixels).save(packed, "JPEG", quality=92)
    return packed.getvalue()


def _tissue(x: np.ndarray, y: np.ndarray) -> np.ndarray:
    """A thick L, its foot short: eight different orientations."""
    stem = (x > 150) & (x < 500) & (y > 100) & (y < 1250)
    return stem | ((x > 150) & (x < 1000) & (y > 950) & (y < 1250))


def _counts(n: int, rng: np.random.Generator) -> np.ndarray:
    return rng.poisson(5, (n, len(GENES))).astype(np.int64) + 1


def _spots_on_tissue(step: float, start: float = 60.0) -> tuple[np.ndarray, np.ndarray]:
    """Return array positions and pixel centres of a square grid, under tissue."""
    n = int((SIDE - start) / step)
    array = np.stack(np.meshgrid(np.arange(1, n), np.arange(1, n)), axis=-1).reshape(-1, 2)
    pixels = array * step + start
    under = _tissue(pixels[:, 0], pixels[:, 1])
    return array[under], pixels[under]


def make_stnet(folder: Path, address: str) -> None:
    """Write two sections of one patient, prefixed BC and BT, and one of another, with a listing."""
    rng = np.random.default_rng(0)
    rows, names = [], []
    for image, spots, counts in (
        ("HE_BT23287_C1.jpg", "spots_BT23287_C1.csv.gz", "BC23287_C1_stdata.tsv.gz"),
        ("HE_BC23287_C2.jpg", "spots_BC23287_C2.csv.gz", "BC23287_C2_stdata.tsv.gz"),
        ("HE_BT23903_D1.jpg", "spots_BT23903_D1.csv.gz", "BC23903_D1_stdata.tsv.gz"),
    ):
        section = counts.removesuffix("_stdata.tsv.gz")
        array, pixels = _spots_on_tissue(200 / MPP)
        ids = [f"{x}x{y}" for x, y in array]
        make_image(folder / image)
        positions = pd.DataFrame(pixels, index=ids, columns=["X", "Y"])
        (folder / spots).write_bytes(gzip.compress(positions.to_csv().encode()))
        off = [f"{x}x33" for x in range(1, 30)]  # all array spots are counted
        table = pd.DataFrame(
            _counts(len(ids) + len(off), rng), index=[*ids, *off], columns=list(GENES.values())
        )
        (folder / counts).write_bytes(gzip.compress(table.to_csv(sep="\t").encode()))
        patient, replicate = section.split("_")
        labels = f"{section}_Coords.tsv.gz"
        rows.append(["HER2_luminal", patient, replicate, counts, image, spots, labels])
        names += [image, spots, counts]
    columns = "type,patient,replicate,count_matrix,histology_image,spot_coordinates"
    metadata = pd.DataFrame(rows, columns=[*columns.split(","), "tumor_annotation"])
    metadata.to_csv(folder / "metadata.csv", index=False)
    write_listing(folder, address, [*names, "metadata.csv"])


def write_listing(folder: Path, address: str, names: list[str]) -> None:
    """Write what Mendeley answers for the data set, as `29ntw7sh4r`."""
    files = [
        {
            "filename": name,
            "size": (folder / name).stat().st_size,
            "content_details": {
                "sha256_hash": hashlib.sha256((folder / name).read_bytes()).hexdigest(),
                "download_url": f"{address}/{name}",
            },
        }
        for name in names
    ]
    (folder / "29ntw7sh4r").write_text(json.dumps({"version": 5, "files": files}))


def make_visium(
    folder: Path, positions: pd.DataFrame, scales: dict[str, float], image: Path | bytes
) -> None:
    """Write matrix, spatial archive and image of one data set under its own name.

    Parameters
    ----------
    folder : `<version>/<id>`.
    positions : six columns as in `tissue_positions_list.csv`.
    """
    folder.mkdir(parents=True)
    stem = folder.name
    barcodes = positions.loc[positions[1] == 1, 0].tolist()
    csr = sparse.csr_matrix(_counts(len(barcodes), np.random.default_rng(0)))
    with h5py.File(folder / f"{stem}_filtered_feature_bc_matrix.h5", "w") as file:
        group = file.create_group("matrix")
        group["data"], group["indices"], group["indptr"] = csr.data, csr.indices, csr.indptr
        group["shape"] = np.array(csr.shape[::-1])
        group["barcodes"] = np.array(barcodes, dtype="S")
        features = group.create_group("features")
        features["id"] = np.array(list(GENES.values()), dtype="S")
        features["name"] = np.array(list(GENES), dtype="S")
        features["feature_type"] = np.array(["Gene Expression"] * len(GENES), dtype="S")
    with tarfile.open(folder / f"{stem}_spatial.tar.gz", "w:gz") as archive:
        for name, text in (
            ("spatial/tissue_positions_list.csv", positions.to_csv(header=False, index=False)),
            ("spatial/scalefactors_json.json", json.dumps(scales)),
            ("../../escaped.txt", "no"),
        ):
            member = tarfile.TarInfo(name)
            member.size = len(text)
            archive.addfile(member, io.BytesIO(text.encode()))
    content = image.read_bytes() if isinstance(image, Path) else image
    (folder / f"{stem}_image.tif").write_bytes(content)


def make_hest(folder: Path, name: str, swap: bool = False, **metadata: object) -> None:
    """Write one sample as it lies on the hub, its axes swapped where asked; some spots outside."""
    make_image(folder / f"wsis/{name}.tif")
    _, centres = _spots_on_tissue(100 / MPP * 2)
    centres = np.vstack([centres, [[-139.0, 300.0], [200.0, SIDE + 50.0]]])
    adata = anndata.AnnData(
        sparse.csr_matrix(_counts(len(centres), np.random.default_rng(1)).astype(np.float32)),
        obs=pd.DataFrame(index=[f"{i:03d}x{i:03d}" for i in range(len(centres))]),
        var=pd.DataFrame(index=list(GENES)),
        obsm={"spatial": centres[:, ::-1].copy() if swap else centres},
    )
    (folder / "st").mkdir(exist_ok=True)
    adata.write_h5ad(folder / f"st/{name}.h5ad")
    (folder / "metadata").mkdir(exist_ok=True)
    stated = {
        "id": name,
        "patient": "Patient 1",
        "dataset_title": "A study of breast tissue",
        "pixel_size_um_embedded": float("nan"),
        "pixel_size_um_estimated": MPP,
        "license": "Creative Commons Attribution",
    }
    (folder / f"metadata/{name}.json").write_text(json.dumps(stated | metadata))
