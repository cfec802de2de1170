"""An entry of the leaderboard: a network and one of its recipes."""

from dataclasses import dataclass

from histospace_core.training.registry import method_named


@dataclass(frozen=True)
class Entry:
    """A network and one of its recipes."""

    network: str
    recipe: str

    @classmethod
    def of(cls, name: str) -> "Entry":
        """Parse `network` or `network@recipe`; the default is the first recipe of the network.

        Raises
        ------
        CohortError
            There is no such network or recipe.
        """
        network, _, recipe = name.partition("@")
        method = method_named(network)
        if recipe:
            method.recipe(recipe)
        return cls(network, recipe or next(iter(method.recipes)))

    @property
    def folder(self) -> str:
        """Name of its folder, which omits a default recipe."""
        default = next(iter(method_named(self.network).recipes))
        name = self.network if self.recipe == default else f"{self.network}@{self.recipe}"
        return "".join(c if c.isalnum() or c in "@-_." else "-" for c in name)
