"""Find genes of a model by any of their names."""

import re
from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

from histospace_core.expression.genes import (
    ENSEMBL,
    REFERENCE,
    guess_species,
    load_gene_table,
    reconcile_genes,
    strip_version,
)

MAX_NAMES = 10_000
"""Maximum number of names that are read from a list."""


@dataclass(frozen=True)
class GeneMatches:
    """Result of a search for a list of names.

    Attributes
    ----------
    genes : tuple of str
        The model's genes, in the order of the list, each once.
    renamed : dict of str to str
        Names that the model calls otherwise: as given -> the model's.
    absent : tuple of str
        Known genes that the model does not predict.
    unknown : tuple of str
        Names that no gene has.
    ambiguous : dict of str to tuple of str
        Names that mean more than one gene -> those genes; none is guessed.
    """

    genes: tuple[str, ...]
    renamed: dict[str, str]
    absent: tuple[str, ...]
    unknown: tuple[str, ...]
    ambiguous: dict[str, tuple[str, ...]]

    @property
    def names(self) -> tuple[str, ...]:
        """All names: first the genes that were found, then the others as given."""
        return (*self.genes, *self.absent, *self.unknown, *self.ambiguous)


class GeneFinder:
    """A search for the genes of a model by all their names.

    Parameters
    ----------
    genes : sequence of str
        The model's names of its genes.
    gene_ids : sequence of str
        Their Ensembl ids, "" if there is none.
    folder : Path
        Folder of the reference tables.
    """

    def __init__(
        self, genes: Sequence[str], gene_ids: Sequence[str], folder: Path = REFERENCE
    ) -> None:
        self._folder = folder
        self._species = guess_species(genes, folder)
        table = load_gene_table(self._species, folder)
        self._ambiguous = table.ambiguous
        self._by_id = {g: gene for gene, g in zip(genes, gene_ids, strict=True) if g}
        # the model may use an older symbol; its Ensembl id gives the current one
        self._by_symbol = {
            table.symbols.get(i, gene): gene for gene, i in zip(genes, gene_ids, strict=True)
        }
        # reversed, so that the first of two genes that differ only in case wins
        self._by_folded = {gene.casefold(): gene for gene in reversed(genes)}
        others: dict[str, list[str]] = defaultdict(list)
        for names in (table.aliases, table.previous):
            for other, symbol in names.items():
                if symbol in self._by_symbol:
                    others[self._by_symbol[symbol]].append(other)
        self._others = others

    def other_names(self, gene: str) -> list[str]:
        """Return aliases and previous symbols that mean this gene and no other."""
        return self._others.get(gene, [])

    def find(self, text: str) -> GeneMatches:
        """Look up names, separated by blanks, commas, semicolons or line ends."""
        return self.find_names(name for name in re.split(r"[\s,;]+", text.strip()) if name)

    def find_names(self, names: Iterable[str]) -> GeneMatches:
        """Look up at most `MAX_NAMES` names."""
        genes: dict[str, None] = {}
        renamed: dict[str, str] = {}
        absent: list[str] = []
        unknown: list[str] = []
        ambiguous: dict[str, tuple[str, ...]] = {}
        for name in list(dict.fromkeys(names))[:MAX_NAMES]:
            gene, known = self._one(name)
            if gene is not None:
                genes[gene] = None
                if gene != name:
                    renamed[name] = gene
            elif known:
                absent.append(name)
            elif meant := self._ambiguous.get(name) or self._ambiguous.get(name.upper()):
                ambiguous[name] = meant
            else:
                unknown.append(name)
        return GeneMatches(tuple(genes), renamed, tuple(absent), tuple(unknown), ambiguous)

    def _one(self, name: str) -> tuple[str | None, bool]:
        """Return the model's gene of a name, and whether any gene has this name."""
        if gene := self._by_folded.get(name.casefold()):
            return gene, True
        # human symbols are in capitals, mouse symbols capitalised
        for spelling in dict.fromkeys((name, name.upper(), name.capitalize())):
            row = reconcile_genes([spelling], self._species, self._folder).iloc[0]
            known = row.gene or (ENSEMBL.match(strip_version(spelling)) and row.gene_id)
            if known:
                return self._by_id.get(row.gene_id) or self._by_symbol.get(row.gene), bool(row.gene)
        return None, False
