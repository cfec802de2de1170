"""Folders and zips of Space Ranger output, in the layouts that people make of them."""

import gzip
import json
import shutil
import zipfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from builders.measured import BARCODES, GENES, write_10x_h5, write_10x_mtx
from hypothesis import given, settings
from hypothesis import strategies as st

from histospace_core.errors import MeasurementError
from histospace_core.expression import Choice, read_measured
from histospace_core.expression.choice import ONLY

EXAMPLES = 1_340
POSITIONS = ["tissue_positions_list.csv", "tissue_positions.csv", "tissue_positions.parquet"]
JUNK = ["._matrix.mtx.gz", ".DS_Store", "Thumbs.db", "web_summary.html", "notes.txt", "__MACOSX/x"]


@dataclass(frozen=True)
class Sample:
    """A sample whose counts and positions bear its number."""

    number: int
    name: str
    matrix: str
    positions: str
    in_tissue: tuple[bool, ...]
    nested: bool
    raw_too: bool

    @property
    def counts(self) -> np.ndarray:
        return np.arange(1, 31).reshape(6, 5) * 10 + self.number

    @property
    def table(self) -> pd.DataFrame:
        return pd.DataFrame(
            {
                "barcode": BARCODES,
                "in_tissue": [int(t) for t in self.in_tissue],
                "array_row": range(6),
                "array_col": range(6),
                "pxl_row_in_fullres": np.arange(6) * 100 + 10_000 * self.number + 7,
                "pxl_col_in_fullres": np.arange(6) * 10 + 10_000 * self.number,
            }
        )

    def write(self, folder: Path) -> None:
        outs = folder / "outs" if self.nested else folder
        spatial = outs / "spatial"
        spatial.mkdir(parents=True)
        kinds = ["filtered", "raw"] if self.raw_too else [self.matrix.split("-")[0]]
        for kind in kinds:
            name = f"{kind}_feature_bc_matrix"
            if self.matrix.endswith("h5"):
                write_10x_h5(outs / f"{name}.h5", self.counts)
            else:
                write_10x_mtx(outs / name, self.counts)
        file, table = spatial / self.positions, self.table
        if file.suffix == ".parquet":
            table.to_parquet(file, index=False)
        else:
            table.to_csv(file, index=False, header="list" not in file.name)
        scale = {"spot_diameter_fullres": 50.0 + self.number, "tissue_hires_scalef": 0.1}
        (spatial / "scalefactors_json.json").write_text(json.dumps(scale))

    def require(self, read: Any) -> None:
        """The counts, positions and spot diameter are all this sample's."""
        rows = [i for i, inside in enumerate(self.in_tissue) if inside]
        assert sorted(read.obs_names) == sorted(BARCODES[i] for i in rows)
        read = read[[BARCODES[i] for i in rows]]
        assert read.X.toarray().tolist() == self.counts[rows].tolist()
        assert read.var_names.tolist() == GENES
        pixels = self.table.loc[rows, ["pxl_col_in_fullres", "pxl_row_in_fullres"]]
        assert read.obsm["spatial"].tolist() == pixels.to_numpy().tolist()
        assert read.uns["histospace"]["spot_diameter_px"] == 50.0 + self.number


@st.composite
def several(draw: st.DrawFn) -> list[Sample]:
    names = draw(
        st.lists(
            st.sampled_from(["A", "B", "sample 1", "V1_Breast", "a.b", "Schnitt Ä", "outs2"]),
            min_size=1,
            max_size=3,
            unique=True,
        )
    )
    return [
        Sample(
            number,
            name,
            draw(st.sampled_from(["filtered-h5", "raw-h5", "filtered-mtx", "raw-mtx"])),
            draw(st.sampled_from(POSITIONS)),
            tuple(draw(st.lists(st.booleans(), min_size=6, max_size=6))),
            draw(st.booleans()),
            draw(st.booleans()),
        )
        for number, name in enumerate(names, start=1)
    ]


def fresh(folder: Path) -> Path:
    shutil.rmtree(folder / "case", ignore_errors=True)
    (folder / "case").mkdir()
    return folder / "case"


def outcome(path: Path, choice: Choice = ONLY) -> Any:
    try:
        return read_measured(path, None, choice)
    except MeasurementError as error:
        return error


@pytest.mark.slow
class TestLayouts:
    @settings(max_examples=EXAMPLES, derandomize=True)
    @given(
        samples=several(),
        at_root=st.booleans(),
        junk=st.lists(st.sampled_from(JUNK), unique=True),
        zipped=st.booleans(),
    )
    def test_samples_are_never_mixed(
        self, folder: Path, samples: list[Sample], at_root: bool, junk: list[str], zipped: bool
    ) -> None:
        """One sample is read; of several, the one that is chosen."""
        root = fresh(folder) / "run"
        for sample in samples:
            sample.write(root if at_root and len(samples) == 1 else root / sample.name)
        for name in junk:
            (root / name).parent.mkdir(exist_ok=True)
            (root / name).write_bytes(b"\0\5\x16\7 not what its name says")
        path = root
        if zipped:
            path = folder / "case" / "run.zip"
            with zipfile.ZipFile(path, "w") as archive:
                for file in sorted(p for p in root.rglob("*") if p.is_file()):
                    archive.write(file, f"run/{file.relative_to(root).as_posix()}")
        got = outcome(path)
        if len(samples) == 1:
            if any(samples[0].in_tissue):
                assert not isinstance(got, MeasurementError), str(got)
                samples[0].require(got)
            else:
                assert "tissue" in str(got)
            return
        assert isinstance(got, MeasurementError)
        assert got.alternatives is not None, str(got)
        assert got.alternatives.option == "sample"
        assert len(got.alternatives.names) == len(samples)
        for name in got.alternatives.names:
            (sample,) = [s for s in samples if s.name in Path(name).parts]
            chosen = outcome(path, Choice(sample=name))
            if any(sample.in_tissue):
                assert not isinstance(chosen, MeasurementError), str(chosen)
                sample.require(chosen)

    @settings(max_examples=EXAMPLES // 4, derandomize=True)
    @given(samples=several(), moved=st.sampled_from(["spatial", "matrix"]))
    def test_half_a_sample_takes_nothing_from_another(
        self, folder: Path, samples: list[Sample], moved: str
    ) -> None:
        """Where one sample lacks its counts or its positions, it does not borrow them."""
        if len(samples) < 2:
            return
        root = fresh(folder) / "run"
        for sample in samples:
            sample.write(root / sample.name)
        first = samples[0]
        outs = root / first.name / "outs" if first.nested else root / first.name
        for item in list(outs.iterdir()):
            if (item.name == "spatial") == (moved == "spatial"):
                shutil.rmtree(item) if item.is_dir() else item.unlink()
        got = outcome(root)
        if not isinstance(got, MeasurementError):  # one whole sample is left
            assert len(samples) == 2
            samples[1].require(got)

    @settings(max_examples=EXAMPLES // 4, derandomize=True)
    @given(
        samples=several(),
        prefixed=st.booleans(),
        header=st.booleans(),
        packed=st.booleans(),
    )
    def test_flat_folders_of_a_repository(
        self, folder: Path, samples: list[Sample], prefixed: bool, header: bool, packed: bool
    ) -> None:
        """`GSM1_A_matrix.mtx.gz` and its companions in one folder, as GEO offers them."""
        root = fresh(folder) / "GSE"
        root.mkdir()
        for sample in samples:
            before = f"GSM{100 + sample.number}_{sample.number}_" if prefixed else ""
            if not prefixed and len(samples) > 1:
                return
            write_10x_mtx(folder / "case" / "matrix", sample.counts)
            for file in (folder / "case" / "matrix").iterdir():
                file.rename(root / f"{before}{file.name}")
            (folder / "case" / "matrix").rmdir()
            name = "tissue_positions.csv" if header else "tissue_positions_list.csv"
            text = sample.table.to_csv(index=False, header=header).encode()
            suffix = ".gz" if packed else ""
            content = gzip.compress(text, 1) if packed else text
            (root / f"{before}{name}{suffix}").write_bytes(content)
            scale = json.dumps({"spot_diameter_fullres": 50.0 + sample.number}).encode()
            content = gzip.compress(scale, 1) if packed else scale
            (root / f"{before}scalefactors_json.json{suffix}").write_bytes(content)
        got = outcome(root)
        if len(samples) > 1:
            assert isinstance(got, MeasurementError)
        elif not isinstance(got, MeasurementError):
            samples[0].require(got)
        if isinstance(got, MeasurementError) and got.alternatives:
            for name, sample in zip(sorted(got.alternatives.names), samples, strict=True):
                chosen = outcome(root, Choice(sample=name))
                if not isinstance(chosen, MeasurementError):
                    sample.require(chosen)
