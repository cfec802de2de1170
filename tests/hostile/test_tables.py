"""Broken and hostile tables: each gets one sentence that names the file, and nothing else."""

import gzip
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from builders.refusal import refuse

from histospace_core.errors import MeasurementError
from histospace_core.expression import check_alignment, map_to_panel, read_measured


@pytest.fixture
def spot_file(tmp_path: Path) -> Path:
    path = tmp_path / "spots.tsv"
    path.write_text("x\ty\tpixel_x\tpixel_y\n1\t1\t100\t100\n1\t2\t100\t390\n2\t1\t390\t100\n")
    return path


@pytest.fixture
def table(tmp_path: Path) -> Callable[..., Path]:
    def write(text: str | bytes, name: str = "counts.tsv") -> Path:
        content = text.encode() if isinstance(text, str) else text
        (tmp_path / name).write_bytes(content)
        return tmp_path / name

    return write


class TestTables:
    """Legacy ST."""

    @pytest.mark.parametrize(
        ("cell", "message"),
        [
            ("NaN", "missing or infinite"),
            ("inf", "missing or infinite"),
            ("-3", "negative"),
            ("0.69", "looks normalised or log-transformed"),
            ("1e12", "values above"),
            ("many", "a cell that is not a number"),
            ("", "a cell that is not a number"),
        ],
    )
    def test_counts_that_are_not_counts(
        self, table: Callable[..., Path], spot_file: Path, cell: str, message: str
    ) -> None:
        refuse(table(f"\tERBB2\tKRT8\n1x1\t1\t{cell}\n1x2\t2\t2\n"), message, spot_file)

    def test_duplicate_genes_are_summed_and_said(
        self, table: Callable[..., Path], spot_file: Path
    ) -> None:
        path = table("\tERBB2\tKRT8\tERBB2\n1x1\t1\t5\t2\n1x2\t0\t1\t4\n")
        adata = read_measured(path, spot_file)
        assert adata.var_names.tolist() == ["ERBB2", "KRT8"]
        assert adata.X.toarray().tolist() == [[3, 5], [4, 1]]
        assert adata.uns["histospace"]["gene_report"]["n_duplicates"] == 1
        assert "1 columns with a repeated gene name were added" in str(adata.uns["histospace"])

    def test_ids_alike_but_for_the_version_are_summed(
        self, table: Callable[..., Path], spot_file: Path
    ) -> None:
        path = table("\tENSG00000182378.14\tENSG00000182378.14_PAR_Y\n1x1\t1\t2\n")
        adata = read_measured(path, spot_file)
        assert adata.var_names.tolist() == ["PLCXD1"]
        assert adata.X.toarray().tolist() == [[3]]

    def test_unknown_genes_are_kept_and_counted(
        self, table: Callable[..., Path], spot_file: Path
    ) -> None:
        adata = read_measured(table("\tERBB2\tNOSUCHGENE\n1x1\t1\t2\n"), spot_file)
        assert adata.uns["histospace"]["gene_report"]["unknown"] == 1
        assert adata.var.loc["NOSUCHGENE", ["gene", "gene_id"]].tolist() == ["", ""]
        assert "1 of 2 gene names are not in the reference." in adata.uns["histospace"]["notes"]

    def test_no_common_genes(self, table: Callable[..., Path], spot_file: Path) -> None:
        adata = read_measured(table("\tA_PROBE\tB_PROBE\n1x1\t1\t2\n"), spot_file)
        with pytest.raises(
            MeasurementError, match="A_PROBE, B_PROBE, but the model expects names such as"
        ):
            map_to_panel(adata, ["ERBB2", "KRT8"])

    def test_spots_without_counts_are_left_out_and_said(
        self, table: Callable[..., Path], spot_file: Path
    ) -> None:
        adata = read_measured(table("\tERBB2\n1x1\t1\n1x2\t0\n"), spot_file)
        assert adata.obs_names.tolist() == ["1x1"]
        assert "1 spots without counts left out." in adata.uns["histospace"]["notes"]

    def test_all_zero(self, table: Callable[..., Path], spot_file: Path) -> None:
        refuse(table("\tERBB2\n1x1\t0\n1x2\t0\n"), "every spot has a count of zero", spot_file)

    def test_a_spot_twice(self, table: Callable[..., Path], spot_file: Path) -> None:
        refuse(table("\tERBB2\n1x1\t1\n1x1\t2\n"), "1x1 occurs more than once", spot_file)

    def test_empty(self, table: Callable[..., Path], spot_file: Path) -> None:
        refuse(table(""), "the file is empty", spot_file)
        refuse(table("\tERBB2\n"), "the table has no rows of counts", spot_file)

    def test_ragged(self, table: Callable[..., Path], spot_file: Path) -> None:
        text = "\tERBB2\tKRT8\n1x1\t1\t2\n1x2\t1\n"
        refuse(table(text), r"row 2 \(1x2\) has 1 values", spot_file)

    def test_random_bytes(self, table: Callable[..., Path], spot_file: Path) -> None:
        refuse(table(np.random.default_rng(0).bytes(5000)), "cannot be read", spot_file)

    def test_an_image_by_mistake(self, table: Callable[..., Path], spot_file: Path) -> None:
        refuse(table(b"\x89PNG\r\n\x1a\n" + bytes(range(256))), "is an image", spot_file)

    def test_truncated_gzip(self, table: Callable[..., Path], spot_file: Path) -> None:
        text = "\tERBB2\n" + "".join(f"{i}x1\t{i}\n" for i in range(5000))
        content = gzip.compress(text.encode())[:-4000]
        refuse(table(content, "counts.tsv.gz"), "cannot be read", spot_file)

    def test_gzip_bomb_in_one_line(self, table: Callable[..., Path], spot_file: Path) -> None:
        bomb = gzip.compress(b"\t" * (80 * 2**20))
        assert len(bomb) < 2**20
        refuse(table(bomb, "counts.tsv.gz"), "over 64 million characters", spot_file)

    def test_the_spot_file_given_as_counts(self, spot_file: Path) -> None:
        refuse(spot_file, "rows are not named by an array position", spot_file)

    def test_spots_outside_the_image(self, table: Callable[..., Path], spot_file: Path) -> None:
        adata = read_measured(table("\tERBB2\n1x1\t1\n1x2\t1\n2x1\t1\n"), spot_file)
        found = check_alignment(adata.obsm["spatial"], np.ones((30, 30), dtype=bool), (10, 10))
        assert found.outside == pytest.approx(2 / 3)
        assert "67% outside the image" in found.message
        with pytest.raises(MeasurementError, match="67% outside the image"):
            found.require()

    def test_measurement_of_another_slide(
        self, table: Callable[..., Path], spot_file: Path
    ) -> None:
        adata = read_measured(table("\tERBB2\n1x1\t1\n1x2\t1\n2x1\t1\n"), spot_file)
        mask = np.zeros((60, 60), dtype=bool)
        mask[50:, 50:] = True
        with pytest.raises(MeasurementError, match="0% of the spots lie on tissue"):
            check_alignment(adata.obsm["spatial"], mask, (10, 10)).require()
