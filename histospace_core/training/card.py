"""The model card: the training data of a model, its accuracy and its limits."""

from collections.abc import Mapping
from typing import Any

from jinja2 import Environment, PackageLoader

DATA_NOTE = (
    "The person who trained the model is responsible for licences and consent of the training data."
)


def model_card(name: str, config: Mapping[str, Any]) -> str:
    """Render the card (Markdown) from a package's `config.json`."""
    n_patients = len({s["patient"] for s in config["training_sections"]})
    loader = PackageLoader("histospace_core.training", "")
    cards = Environment(loader=loader, keep_trailing_newline=True, autoescape=False)  # noqa: S701
    template = cards.get_template("model_card.md.j2")  # Markdown, not HTML
    return template.render(name=name, m=config["metrics"], n_patients=n_patients, **config)
