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
    return _render("model_card.md.j2", name, config, n_patients=n_patients)


def adapted_card(name: str, config: Mapping[str, Any]) -> str:
    """Render the card (Markdown) of a model that was adapted to a patient."""
    return _render("adapted_card.md.j2", name, config, a=config["adapted"])


def _render(template: str, name: str, config: Mapping[str, Any], **more: Any) -> str:
    loader = PackageLoader("histospace_core.training", "")
    cards = Environment(loader=loader, keep_trailing_newline=True, autoescape=False)  # noqa: S701
    # Markdown, not HTML
    return cards.get_template(template).render(name=name, m=config["metrics"], **config, **more)
