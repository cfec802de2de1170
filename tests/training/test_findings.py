"""How a cohort with errors is refused."""

import pytest

from histospace_core.errors import CohortError
from histospace_core.training.findings import Finding, require_sound


def test_a_refusal_names_three_errors_and_counts_the_others() -> None:
    def findings(n: int) -> list[Finding]:
        return [Finding("error", "spot pitch", (str(i),), f"Error {i}.") for i in range(n)]

    warning = Finding("warning", "ambiguous orientation", ("w",), "A warning.")
    require_sound([warning])
    for n, sentence in {
        1: "Error 0.",
        3: "Error 0. Error 1. Error 2.",
        4: "Error 0. Error 1. Error 2. There is 1 more error.",
        5: "Error 0. Error 1. Error 2. There are 2 more errors.",
    }.items():
        with pytest.raises(CohortError) as refused:
            require_sound([warning, *findings(n)])
        assert str(refused.value) == sentence
