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
        ("pixel", None),
        ("second", None),
        ("", None),
        ("Mm", None),
    ],
)
def test_units(unit: str, um: float | None) -> None:
    assert um_of(unit) == um
