from dataclasses import replace

import pytest
from builders.serving import Server

from histospace_core.errors import HistospaceError
from histospace_core.expression import read_measured
from histospace_core.server.samples import add_her2st, add_phantom
from histospace_core.slides.open import open_slide


@pytest.mark.slow
def test_the_phantom_is_a_slide_with_its_measurement_and_comes_back_after_deletion(server: Server):
    context = server.context
    first = add_phantom(context)
    assert first.is_sample
    assert first.mpp == 0.69
    with open_slide(first.file) as slide:
        assert (slide.width, slide.height) == (first.width, first.height)
    assert read_measured(first.counts_path, first.spots_path).n_obs > 100
    assert add_phantom(context).id == first.id, "the same sample is one slide"
    context.catalog.delete_slide(first.id)
    assert not first.file.exists()
    assert add_phantom(context).file.exists()
    assert not server.leftovers()


def test_without_a_network_nothing_is_entered(server: Server):
    settings = server.context.settings.model_copy(update={"her2st_url": "http://127.0.0.1:9"})
    context = replace(server.context, settings=settings)
    with pytest.raises(HistospaceError, match="cannot be reached"):
        add_her2st(context, "C5")
    assert not context.catalog.slides()
