"""Names that seem to tell who a patient is."""

import pytest

from histospace_core.catalog.privacy import find_identifier


@pytest.mark.parametrize(
    ("name", "what", "part"),
    [
        ("S23-12345 HE.svs", "an accession number", "S23-12345"),
        ("sp-21-001234_B2.ndpi", "an accession number", "sp-21-001234"),
        ("H2021-12345.svs", "an accession number", "H2021-12345"),
        ("23-456789.svs", "an accession number", "23-456789"),
        ("12345678.ndpi", "a medical record number", "12345678"),
        ("HE_0012345678_2.tif", "a medical record number", "0012345678"),
        ("MRN 4711.svs", "a patient's number or date of birth", "MRN 4711"),
        ("DOB010203.svs", "a patient's number or date of birth", "DOB010203"),
        ("liver 1961-04-02.svs", "a date, perhaps of birth", "1961-04-02"),
        ("liver_19610402_HE.svs", "a date, perhaps of birth", "19610402"),
        ("2.4.1961.svs", "a date, perhaps of birth", "2.4.1961"),
        ("04-25-1961.svs", "a date, perhaps of birth", "04-25-1961"),
        ("Miller, Ann.svs", "a person's name", "Miller, Ann"),
        ("MILLER^ANN.dcm", "a person's name", "MILLER^ANN"),
    ],
)
def test_what_looks_personal(name: str, what: str, part: str) -> None:
    assert find_identifier(name) == (what, part)


@pytest.mark.parametrize(
    "name",
    [
        "TCGA-CR-7395-01A-01-TS1.svs",
        "TCGA-A1-A0SB-01Z-00-DX1.B34C267B-CAAB-4C9A-8D9F-3C1C1E1E6C55.svs",
        "CMU-1-Small-Region.svs",
        "5714_HE_BT_E1.jpg",
        "V19L29-096.tif",
        "GSM4797916_HE.jpg",
        "151673_full_image.tif",
        "Visium_FFPE_Human_Breast_Cancer_1.3.0.tif",
        "slide a1b2c3.svs",
        "case 12.svs",
        "unnamed",
    ],
)
def test_what_does_not(name: str) -> None:
    assert find_identifier(name) is None
