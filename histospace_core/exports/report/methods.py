"""The methods paragraph of a report, with its references."""

from collections.abc import Callable
from typing import Final

from histospace_core.figures.colours import unit_label
from histospace_core.inference import Prediction, RunRecord

WORKS: Final = {
    "histospace": "Kumar S, Chatterjee S. HistoSPACE: Histology-inspired spatial transcriptome "
    "prediction and characterization engine. Methods 2024. doi:10.1016/j.ymeth.2024.11.002",
    "efficientnet": "Tan M, Le Q. EfficientNet: rethinking model scaling for convolutional neural "
    "networks. ICML 2019. arXiv:1905.11946",
    "openslide": "Goode A, Gilbert B, Harkes J, Jukic D, Satyanarayanan M. OpenSlide: a "
    "vendor-neutral software foundation for digital pathology. J Pathol Inform 2013;4:27. "
    "doi:10.4103/2153-3539.119005",
    "vahadane": "Vahadane A et al. Structure-preserving color normalization and sparse stain "
    "separation for histological images. IEEE Trans Med Imaging 2016;35:1962. "
    "doi:10.1109/TMI.2016.2529665",
    "macenko": "Macenko M et al. A method for normalizing histology slides for quantitative "
    "analysis. ISBI 2009. doi:10.1109/ISBI.2009.5193250",
    "reinhard": "Reinhard E, Ashikhmin M, Gooch B, Shirley P. Color transfer between images. IEEE "
    "Comput Graph Appl 2001;21:34. doi:10.1109/38.946629",
    "moderated": "Smyth GK. Linear models and empirical Bayes methods for assessing differential "
    "expression in microarray experiments. Stat Appl Genet Mol Biol 2004;3:3. "
    "doi:10.2202/1544-6115.1027",
    "clifford": "Clifford P, Richardson S, Hémon D. Assessing the significance of the correlation "
    "between two spatial processes. Biometrics 1989;45:123. doi:10.2307/2532039",
    "benjamini": "Benjamini Y, Hochberg Y. Controlling the false discovery rate. J R Stat Soc B "
    "1995;57:289. doi:10.1111/j.2517-6161.1995.tb02031.x",
    "leiden": "Traag VA, Waltman L, van Eck NJ. From Louvain to Leiden: guaranteeing "
    "well-connected communities. Sci Rep 2019;9:5233. doi:10.1038/s41598-019-41695-z",
}


def methods(prediction: Prediction, *, compared: bool, domains: bool) -> tuple[str, list[str]]:
    """Return the paragraph, with references as ``[1]``, and the references in that order."""
    record = prediction.record
    slide, model, tiles = record.slide, record.model, record.tiles
    cited: list[str] = []

    def cite(*keys: str) -> str:
        cited.extend(key for key in keys if key not in cited)
        return "[" + ", ".join(str(cited.index(key) + 1) for key in keys) + "]"

    side, stride = (px * slide.mpp for px in (tiles.side_level0_px, tiles.stride_level0_px))
    predicted = int((prediction.obs["qc"] == "ok").sum())
    text = [
        f"The H&E slide ({slide.width:,} x {slide.height:,} px at {slide.mpp:g} µm/px"
        + (f", read with OpenSlide {cite('openslide')}" if slide.reader == "openslide" else "")
        + f") was divided into tiles of {side:.0f} µm at a stride of {stride:.0f} µm wherever "
        f"tissue was detected; {predicted:,} of {prediction.n_tiles:,} tiles passed quality "
        "control.",
        _stain(record.settings.stain, cite),
        f"Expression of {len(prediction.var):,} genes was predicted in "
        f"{unit_label(model.expression_unit)} with the model {model.name} of HistoSPACE "
        f"{record.versions['histospace']} {cite('histospace')}"
        + (
            f", which also uses features of EfficientNet-lite0 {cite('efficientnet')}"
            if model.network == "histospace-plus"
            else ""
        )
        + ".",
        "Scores are Pearson correlations of predicted with measured expression over the spots of "
        "sections held out from training, compared with the mean profile of the training spots, "
        "which uses no image. A gene is called reliable if the lower end of the 95 % interval of "
        "its correlation is above 0 and its mean squared error is below that of the mean profile.",
    ]
    if prediction.predictive is not None:
        text.append(
            "Prediction intervals combine the spread of levels between patients, moderated over "
            f"genes {cite('moderated')}, the spread of spots around their prediction on held-out "
            "sections, and Poisson counting noise."
        )
    if prediction.predictive is not None and prediction.predictive.maps is not None:
        text.append(
            "The finest scale at which the map of a gene is confirmed comes from the regression of "
            "held-out counts on predicted deviations, with spatial autocorrelation, and from how "
            f"its slope differs between held-out {model.metrics.get('held_out_by', 'section')}s "
            "(local false sign rate below 10 %)."
        )
    if compared:
        text.append(
            "Measured spots were matched to the tiles that they overlap; p-values are based on the "
            f"effective number of spots {cite('clifford')}, and q-values on the method of "
            f"Benjamini and Hochberg {cite('benjamini')}."
        )
    if domains:
        text.append(f"Tissue domains were found by Leiden clustering {cite('leiden')}.")
    text.append(_versions(record))
    return " ".join(part for part in text if part), [WORKS[key] for key in cited]


def _stain(name: str, cite: Callable[..., str]) -> str:
    if name == "none":
        return "Stains were not normalised."
    return f"Stains were normalised by the method of {name.capitalize()} {cite(name)}."


def _versions(record: RunRecord) -> str:
    names = {"histospace": "HistoSPACE", "torch": "PyTorch", "python": "Python"}
    used = ", ".join(f"{names.get(k, k)} {v}" for k, v in sorted(record.versions.items()))
    settings = record.settings
    return f"Software: {used}; arithmetic on {settings.device}: {settings.arithmetic}."
