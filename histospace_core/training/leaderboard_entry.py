"""A network together with one of its recipes, as a leaderboard lists it."""

from dataclasses import dataclass

from histospace_core.training.registry import method_named


@dataclass(frozen=True)
class Entry:
    """A network with one of its recipes; `name` is `network` or `network@recipe`."""

    network: str
    recipe: str

    @classmethod
    def of(cls, name: str) -> "Entry":
        """Read a name; the recipe is the network's first if none is given.

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
        """Name of its folder, a default recipe unnamed."""
        default = next(iter(method_named(self.network).recipes))
        name = self.network if self.recipe == default else f"{self.network}@{self.recipe}"
        return "".join(c if c.isalnum() or c in "@-_." else "-" for c in name)
