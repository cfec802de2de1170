"""Expression profiles of the phantom's regions, and counts drawn from them."""

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from histospace_core.sample.histology import REGIONS

MARKERS: dict[str, str] = {
    "tumour": (
        "ERBB2 GRB7 STARD3 PGAP3 MIEN1 KRT7 KRT8 KRT18 KRT19 EPCAM MUC1 CDH1 CLDN3 CLDN4 CLDN7 "
        "ELF3 AGR2 TFF1 TFF3 XBP1 GATA3 ESR1 SPDEF SCD FASN AZGP1 KRT81 TACSTD2 CD24 S100A14 PERP "
        "DSP JUP SPINT2 CRABP2 EVL TOP2A MKI67 CCND1 MYC PSMD3 MED1 CALML5 LCN2 CEACAM6 PIP "
        "SCGB2A2"
    ),
    "stroma": (
        "COL1A1 COL1A2 COL3A1 COL5A1 COL5A2 COL6A1 COL6A2 COL6A3 COL12A1 SPARC FN1 DCN LUM VIM "
        "BGN FBN1 POSTN THY1 ACTA2 TAGLN MYL9 TPM2 CALD1 MMP2 MMP14 TIMP1 TIMP3 CTSK AEBP1 SFRP2 "
        "SFRP4 FBLN1 FBLN2 IGFBP4 IGFBP7 SERPINF1 C1R C1S PCOLCE LRP1 PDGFRB CAV1 A2M VWF PECAM1"
    ),
    "immune": (
        "CD74 IGKC IGHG1 IGHG3 IGHM IGHA1 JCHAIN IGLC2 PTPRC CD3D CD3E CD2 CD52 CD37 CD48 CD79A "
        "MS4A1 LTB TRAC TRBC2 IL7R CXCL9 CXCL10 CXCL13 CCL5 CCL19 CCL21 GZMA GZMK NKG7 HLA-DRA "
        "HLA-DRB1 HLA-DPA1 HLA-DPB1 HLA-DQA1 CORO1A LAPTM5 TYROBP FCER1G C1QA C1QB C1QC CD68 CD14 "
        "LYZ"
    ),
    "fat": (
        "ADIPOQ PLIN1 PLIN4 FABP4 LEP CIDEC CIDEA LPL ADH1B GPD1 CFD CD36 G0S2 RBP4 PCK1 AQP7 "
        "PNPLA2 LIPE THRSP MGST1"
    ),
}
HOUSEKEEPING = (
    "ACTB ACTG1 GAPDH EEF1A1 EEF1B2 EEF1G EEF2 TPT1 FTL FTH1 B2M HLA-A HLA-B HLA-C TMSB4X "
    "TMSB10 UBA52 UBC FAU NACA BTF3 PFN1 CFL1 MYL6 MYL12B HSP90AA1 HSP90AB1 HSPA8 HSPB1 PPIA "
    "PGK1 ENO1 ALDOA LDHA PKM TPI1 CALR P4HB PDIA3 CANX HNRNPA1 HNRNPA2B1 YBX1 OAZ1 SERF2 "
    "SLC25A6 ATP5F1E COX4I1 COX6C COX7C NDUFA4 UQCRB GNAS RACK1 PTMA PABPC1 EIF4A1 EIF4G2 "
    "DDX5 TUBA1B TUBB CD63 CD9 LGALS1 LGALS3 S100A6 S100A10 S100A11 ANXA2 ANXA5 CTSB CTSD "
    "PSAP GRN APP ITM2B BSG CLIC1 ARPC2 ARPC3 GSTP1 PRDX1 MT-CO1 MT-CO2 MT-CO3 MT-CYB MT-ND1 "
    "MT-ND2 MT-ND3 MT-ND4 MT-ND5 MT-ATP6 RPL3 RPL4 RPL5 RPL6 RPL7 RPL7A RPL8 RPL9 RPL10 "
    "RPL10A RPL11 RPL12 RPL13 RPL13A RPL14 RPL15 RPL18 RPL18A RPL19 RPL21 RPL23 RPL23A RPL24 "
    "RPL26 RPL27 RPL27A RPL28 RPL29 RPL30 RPL31 RPL32 RPL34 RPL35 RPL35A RPL36 RPL37 RPL37A "
    "RPL38 RPL39 RPL41 RPLP0 RPLP1 RPLP2 RPS2 RPS3 RPS3A RPS4X RPS5 RPS6 RPS7 RPS8 RPS9 RPS10 "
    "RPS11 RPS12 RPS13 RPS14 RPS15 RPS15A RPS16 RPS18 RPS19 RPS20 RPS21 RPS23 RPS24 RPS25 "
    "RPS27 RPS27A RPS28 RPS29 RPSA"
)
DEPTH = {"tumour": 7_000, "stroma": 4_000, "immune": 6_000, "fat": 900}  # mean counts per spot
DISPERSION = 12.0  # shape of the gamma factor: 1/12 extra variance over Poisson


def expression_profiles(rng: np.random.Generator) -> pd.DataFrame:
    """Return genes x regions: each gene's share of a region's counts; columns sum to 1."""
    rates = {}
    for gene in HOUSEKEEPING.split():
        rates[gene] = rng.lognormal(0.0, 0.8) * np.exp(rng.normal(0, 0.12, len(REGIONS)))
    for region, genes in MARKERS.items():
        for gene in genes.split():
            level = rng.lognormal(1.0, 0.6)
            leak = level * rng.uniform(0.02, 0.10, len(REGIONS))
            leak[REGIONS.index(region)] = level
            rates[gene] = leak
    profiles = pd.DataFrame(rates, index=list(REGIONS)).T
    return profiles / profiles.sum()


def expected_expression(composition: pd.DataFrame, profiles: pd.DataFrame) -> pd.DataFrame:
    """Return spots x genes: the expected share of counts in spots that mix regions.

    A region contributes in proportion to its area and to its depth.
    """
    weight = composition * pd.Series(DEPTH)
    weight = weight.div(weight.sum(axis=1), axis=0)
    return weight @ profiles.T


def draw_counts(
    rng: np.random.Generator, expected: pd.DataFrame, composition: pd.DataFrame
) -> NDArray[np.int64]:
    """Draw counts (spots x genes): negative binomial around `expected`, at a random depth."""
    # A log-mean of -0.04 (half the variance, 0.28²) keeps the mean depth.
    depth = (composition @ pd.Series(DEPTH)).to_numpy() * rng.lognormal(-0.04, 0.28, len(expected))
    mean = expected.to_numpy() * depth[:, None]
    # The factor has mean 1.
    return rng.poisson(mean * rng.gamma(DISPERSION, 1 / DISPERSION, mean.shape))
