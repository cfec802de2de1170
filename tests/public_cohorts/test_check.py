import pytest

from histospace_core.expression import Alignment
from histospace_core.expression.align import ORIENTATIONS
from histospace_core.public_cohorts.check import fitting_orientation


def alignment(verdict: str, **shares: float) -> Alignment:
    named = {name: shares.get(name.replace(" ", "_"), 0.2) for name in ORIENTATIONS}
    return Alignment(named, 0.0, verdict, "")


@pytest.mark.parametrize(
    ("found", "name"),
    [
        (alignment("aligned", as_given=0.99), "as given"),
        (alignment("unclear", as_given=0.97, x_and_y_swapped=0.99), "as given"),
        (alignment("misaligned", as_given=0.6, x_and_y_swapped=0.99), "x and y swapped"),
        (alignment("misaligned", x_and_y_swapped=0.99, turned_by_180_degrees=0.97), None),
        (alignment("misaligned", x_and_y_swapped=0.45), None),
    ],
)
def test_only_what_clearly_fits_is_used(found: Alignment, name: str | None) -> None:
    assert fitting_orientation(found) == name
