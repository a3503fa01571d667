"""Answers of studies -> what the report says of them, and the same tables as text for a terminal."""

import base64
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import Self

from cascadebdt.products import Products
from cascadebdt.products.comparison import Comparison, StrategyResult
from cascadebdt.products.inventory import Inventory


@dataclass(frozen=True)
class StudyTable:
    """A table whose first column has names.

    Attributes
    ----------
    title : above it
    header : names of the columns
    rows : their entries, as text
    """

    title: str
    header: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]

    def text(self) -> str:
        """Return the table for a terminal, columns aligned."""
        lines = [self.header, *self.rows]
        widths = [max(map(len, column)) for column in zip(*lines, strict=True)]
        aligned = (
            "  ".join(
                [line[0].ljust(widths[0]), *(entry.rjust(n) for entry, n in zip(line[1:], widths[1:], strict=True))]
            )
            for line in lines
        )
        return "\n".join([self.title, *(line.rstrip() for line in aligned)])


@dataclass(frozen=True)
class StudyAnswer:
    """What the report says of a study.

    Attributes
    ----------
    title : its heading
    paragraphs : text before the tables
    tables : of numbers
    captions : names of PNG files in ``plots`` -> their captions
    pictures : source and caption of those that are there
    """

    title: str
    paragraphs: tuple[str, ...]
    tables: tuple[StudyTable, ...]
    captions: Mapping[str, str]
    pictures: tuple[Mapping[str, str], ...] = ()

    def illustrated(self, products: Products) -> Self:
        """Return the answer with its figures that are there."""
        paths = {products.plots / f"{name}.png": caption for name, caption in self.captions.items()}
        pictures = [
            {"source": f"data:image/png;base64,{base64.b64encode(path.read_bytes()).decode()}", "caption": caption}
            for path, caption in paths.items()
            if path.is_file()
        ]
        return replace(self, pictures=tuple(pictures))


def comparison(result: Comparison) -> StudyAnswer:
    """Return what a comparison says."""
    strategies = result.strategies
    normalised = list(dict.fromkeys(name for found in strategies.values() for name in found.normalisation))
    regions = list(dict.fromkeys(name for found in strategies.values() for name in found.purity))
    notes = [f"{name}: {note}." for name, found in strategies.items() for note in found.notes]
    numbers = "{trained:,} simulated events train, {judged:,} judge ({how}).".format(**result.events)
    return StudyAnswer(
        title="Comparison of strategies",
        paragraphs=(f"Data: {result.asimov}. {numbers} Each strategy has {result.budget}.", *notes),
        tables=(
            StudyTable("Reach", REACH, tuple((name, *_reach(found)) for name, found in strategies.items())),
            StudyTable(
                "Uncertainty of every normalisation",
                ("strategy", *normalised),
                tuple(
                    (name, *(_number(found.normalisation.get(process)) for process in normalised))
                    for name, found in strategies.items()
                ),
            ),
            StudyTable(
                "Purity of every region",
                ("strategy", *regions),
                tuple(
                    (name, *(_number(found.purity.get(region)) for region in regions))
                    for name, found in strategies.items()
                ),
            ),
        ),
        captions={
            "compare": "Expected limits, uncertainties of the signal strength relative to one strategy with the spread "
            "of a paired bootstrap, and spurious signals of tilted backgrounds."
        },
    )


REACH = (
    "strategy", "limit", "-1 σ", "+1 σ", "σ(μ)", "without MC stat.", "significance", "ratio of σ(μ)", "spurious rms",
    "largest", "seconds",
)  # fmt: skip


def _reach(found: StrategyResult) -> tuple[str, ...]:
    numbers = (found.limit[2], found.limit[1], found.limit[3], found.sigma_mu, found.sigma_mu_no_mcstat)
    return (
        *(f"{number:.3g}" for number in numbers),
        f"{found.significance:.2f}",
        f"{found.bootstrap.mean:.2f} ± {found.bootstrap.std:.2f}",
        f"{found.spurious.rms:.3f}",
        f"{found.spurious.max:.2f}",
        f"{found.wall_s:.0f}",
    )


def _number(value: float | None) -> str:
    return "–" if value is None else f"{value:.3f}"


@dataclass(frozen=True)
class _Study:
    """A study that may have left an answer: the name of its product, its type, and what is said of it."""

    product: str
    read: Callable[[Products], StudyAnswer]


STUDIES = (_Study("compare", lambda products: comparison(products.read(Comparison, "compare", made_by="compare"))),)
"""Those that the report shows, in this order."""


def answers(products: Products, config_hash: str) -> tuple[StudyAnswer, ...]:
    """Return the answers of all studies of a configuration that are beside a run.

    An answer that belongs to another configuration, or that somebody changed, is left out.
    """
    inventory = Inventory.read(products.directory)
    current = [
        study
        for study in STUDIES
        if study.product in inventory.steps
        and inventory.steps[study.product].parts.get("config_hash") == config_hash
        and not inventory.alteration(f"{study.product}.json")
    ]
    return tuple(study.read(products).illustrated(products) for study in current)
