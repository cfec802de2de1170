"""The report of a real small run, read as HTML, and as PDF rendered to pixels."""

import json
import re
from pathlib import Path

import numpy as np
import pandas as pd
import pypdfium2
import pytest
from builders.characterised_runs import make_run
from builders.packages import make_package
from builders.sections import make_section_files
from builders.slide_files import MPP

import histospace_core as hs
from histospace_core.comparison.compare import compare_run
from histospace_core.errors import StoreError
from histospace_core.exports import export_run
from histospace_core.expression import read_measured
from histospace_core.inference import RESEARCH_USE, Prediction, open_prediction, predict_slide
from histospace_core.inference.layout import record_path
from histospace_core.slides.open import open_slide


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Prediction:
    """A predicted section with a comparison and domains in its folder."""
    folder = tmp_path_factory.mktemp("section")
    files = make_section_files(folder, "B4", seed=1)
    with open_slide(files.image, MPP) as slide:
        predict_slide(slide, make_package(folder), folder / "run", fast=False)
    measured = read_measured(files.counts, files.spots)
    compare_run(folder / "run", measured, folder / "run" / "comparisons" / "one")
    prediction = open_prediction(folder / "run")
    _characterise(prediction, folder / "run" / "characterisation")
    return prediction


def _characterise(prediction: Prediction, out: Path) -> None:
    """Leave two domains, left and right, in the files that `histospace characterise` writes."""
    out.mkdir()
    right = prediction.centres[:, 0] > np.median(prediction.centres[:, 0])
    names = np.where(right, "D2: Stroma", "D1: Epithelium")
    table = pd.DataFrame({"tile": prediction.obs.index, "domain": names})
    table.to_csv(out / "domains.csv", index=False)
    (out / "markers.csv").write_text("region,gene\n")
    domains = [
        {"domain": name, "n_tiles": int((names == name).sum()), "confidence": 0.9,
         "top_markers": ["ERBB2"], "trust": ""}
        for name in sorted(set(names))
    ]  # fmt: skip
    summary = {"domains": domains, "warnings": ["Two domains were drawn by hand."]}
    (out / "summary.json").write_text(json.dumps(summary))


@pytest.fixture(scope="module")
def html(run: Prediction, tmp_path_factory: pytest.TempPathFactory) -> str:
    out = tmp_path_factory.mktemp("html") / "report.html"
    export_run(run.run_dir, "report", out)
    return out.read_text("utf-8")


@pytest.fixture(scope="module")
def pdf(run: Prediction, tmp_path_factory: pytest.TempPathFactory) -> bytes:
    out = tmp_path_factory.mktemp("pdf") / "report.pdf"
    export_run(run.run_dir, "report", out)
    return out.read_bytes()


def test_every_part_is_there(html: str, run: Prediction) -> None:
    heads = re.findall(r"<h2>(.*?)</h2>", html)
    assert heads == [
        "Slide",
        "Model and its scores",
        "Maps",
        "Genes with the best scores",
        "Comparison with measured expression",
        "Tissue domains",
        "Methods",
    ]
    assert html.count(RESEARCH_USE) >= 2
    assert run.record.slide.sha256 in html
    assert "10.1016/j.ymeth.2024.11.002" in html
    assert "Two domains were drawn by hand." in html


def test_scores_stand_beside_the_mean_profile(html: str, run: Prediction) -> None:
    (held_out, compared) = re.findall(r"<thead>.*?mean profile, no image.*?</table>", html, re.S)
    first = re.findall(r"<t[dh][^>]*>(.*?)</t[dh]>", held_out)
    mean = run.var["held_out_pearson"].mean()
    assert first[4:6] == [f"{mean:.2f}", "0"]
    summary = json.loads((run.run_dir / "comparisons" / "one" / "summary.json").read_text())
    assert f"{summary['per_spot_pearson']:.2f}".replace("-", "−") in compared
    assert f"{summary['mean_profile_per_spot_pearson']:.2f}".replace("-", "−") in compared


def test_a_map_of_a_gene_that_is_not_reliable_says_so(html: str, run: Prediction) -> None:
    captions = re.findall(r"<figcaption><b>(.*?)</b>(.*?)</figcaption>", html, re.S)
    unreliable = {gene for gene, text in captions if "unreliable" in text}
    assert {gene for gene, _ in captions} == set(run.genes)
    assert unreliable == set(run.var.index[~run.var["reliable"]])


def test_the_html_is_one_file_whose_pictures_speak(html: str) -> None:
    pictures = re.findall(r"<img [^>]*>", html)
    assert len(pictures) == 1 + 1 + 5 + 3 + 1
    assert all('src="data:image/' in picture for picture in pictures)
    assert all(re.search(r'alt="[^"]{20,}"', picture) for picture in pictures)
    assert not re.search(r"(?:src|href)=\"(?!data:)", html)
    assert "url(" not in html


def test_the_same_run_gives_the_same_bytes(
    html: str, pdf: bytes, run: Prediction, tmp_path: Path
) -> None:
    export_run(run.run_dir, "report", tmp_path / "again.html")
    export_run(run.run_dir, "report", tmp_path / "again.pdf")
    assert (tmp_path / "again.html").read_text("utf-8") == html
    assert (tmp_path / "again.pdf").read_bytes() == pdf


def test_the_pdf_shows_what_it_should_on_paper(pdf: bytes, run: Prediction) -> None:
    document = pypdfium2.PdfDocument(pdf)
    texts = [page.get_textpage().get_text_bounded() for page in document]
    pixels = [np.asarray(page.render(scale=1).to_pil().convert("RGB")) for page in document]
    document.close()
    assert 3 <= len(texts) <= 8
    assert all("Research use only" in text for text in texts), "on every page"
    assert "mean profile" in " ".join(texts)
    assert run.record.slide.name in texts[0]
    for page in pixels:
        assert page.shape[:2] == (842, 596), "A4"
        assert (page[:30] == 255).all(), "nothing runs off the top"
        assert (page[:, :30] == 255).all(), "nor off the left"
        assert (page[:, -30:] == 255).all(), "nor off the right"
    viridis = np.array([68, 1, 84]), np.array([253, 231, 37])
    everything = np.concatenate([page.reshape(-1, 3) for page in pixels]).astype(int)
    for colour in viridis:
        assert (np.abs(everything - colour).sum(1) < 40).sum() > 20, "the ends of the colour scale"


def test_a_report_of_chosen_genes(run: Prediction, tmp_path: Path) -> None:
    export_run(run.run_dir, "report", tmp_path / "r.html", ["CD74"])
    text = (tmp_path / "r.html").read_text("utf-8")
    assert re.findall(r"<figcaption><b>(.*?)</b>", text) == ["CD74"]


def test_names_are_shown_and_not_run(prediction: Prediction, tmp_path: Path) -> None:
    """The bare record of the smallest run is enough; what its user typed is text."""
    record = json.loads(record_path(prediction.run_dir).read_text())
    record["slide"]["name"] = "<script>alert(1)</script>.svs"
    record_path(prediction.run_dir).write_text(json.dumps(record))
    export_run(prediction.run_dir, "report", tmp_path / "r.html")
    text = (tmp_path / "r.html").read_text("utf-8")
    assert "<script" not in text
    assert "&lt;script&gt;" in text
    assert "Tissue domains" not in text


@pytest.mark.parametrize(
    ("name", "said"), [("report.docx", "HTML or PDF"), ("report", "HTML or PDF")]
)
def test_other_endings_are_refused(run: Prediction, tmp_path: Path, name: str, said: str) -> None:
    with pytest.raises(StoreError, match=said):
        export_run(run.run_dir, "report", tmp_path / name)
    assert not list(tmp_path.iterdir())


def test_domains_are_those_that_characterise_finds(tmp_path: Path) -> None:
    make_run(tmp_path / "run")
    found = hs.characterise_run(
        tmp_path / "run", out=tmp_path / "run" / "characterisations" / "one"
    )
    export_run(tmp_path / "run", "report", tmp_path / "r.html", ["KRT8"])
    text = (tmp_path / "r.html").read_text("utf-8")
    table, controlled, *_ = text.split("Tissue domains")[1].split("</table>")
    level = found.summary["levels"][found.domains.chosen]
    assert f"<td>{level['stability']:.2f}</td>" in controlled
    assert "noise without domains" in controlled
    described = found.summary["levels"][found.domains.chosen]["domains"]
    assert re.findall(r"</span>(.*?)</th>", table) == [d["domain"] for d in described]
    assert re.findall(r"</th><td>([\d,]+)</td>", table) == [f"{d['n_tiles']:,}" for d in described]


def test_a_damaged_part_is_named(run: Prediction, tmp_path: Path) -> None:
    damaged = run.run_dir / "characterisation" / "summary.json"
    before = damaged.read_text()
    damaged.write_text("{")
    try:
        with pytest.raises(StoreError, match="characterisation 'characterisation' is damaged"):
            export_run(run.run_dir, "report", tmp_path / "r.html")
    finally:
        damaged.write_text(before)
