import pytest

from histospace_core.slides.units import um_of


@pytest.mark.parametrize(
    ("unit", "um"),
    [
        ("micrometer", 1),
        ("micrometre", 1),
        ("Micrometers", 1),
        ("µm", 1),
        ("μm", 1),
        ("um", 1),
        ("micron", 1),
        ("nanometer", 1e-3),
        ("nm", 1e-3),
        ("millimetre", 1e3),
        ("mm", 1e3),
        ("meter", 1e6),
        ("angstrom", 1e-4),
        ("inch", 25400),
        ("inches", 25400),
        ("points", 25400 / 72),
        ("pt", 25400 / 72),
        ("ft", 304800),
        ("li", 25400 / 12),
        ("decimetre", 1e5),
        ("Å", 1e-4),
        ("\u212b", 1e-4),
        ("Âµm", 1),
        ("pixel", None),
        ("second", None),
        ("", None),
        ("Mm", None),
        ("megametre", None),
        ("kilometer", None),
    ],
)
def test_units(unit: str, um: float | None) -> None:
    assert um_of(unit) == um
