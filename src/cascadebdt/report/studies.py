"""Answers of studies -> what the report says of them, and the same tables as text for a terminal."""

import base64
import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import Self

from cascadebdt.products import Products
from cascadebdt.products.comparison import Comparison, StrategyResult
from cascadebdt.products.inventory import Inventory
from cascadebdt.products.optimised import Choice, Optimised, Sensitivity
from cascadebdt.products.ranking import Estimate, FeatureRank, FeatureRanking, StageRank
from cascadebdt.products.tuning import StageTuning, Tuning

N_SHOWN = 8  # features of a stage in a table, those that it uses most first


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


def optimisation(result: Optimised) -> StudyAnswer:
    """Return what an optimisation found, and what of it is kept."""
    rows = {
        "configured, searched": result.start_claimed,
        "configured, held out": result.start_held_out,
        "proposed, claimed": result.claimed,
        "proposed, held out": result.held_out,
        "gain, claimed": result.gain_claimed,
        "gain, held out": result.gain_held_out,
        "gain of the luckiest trial, claimed": result.luckiest_gain_claimed,
        "gain of the luckiest trial, held out": result.luckiest_gain_held_out,
    }
    if result.retrained_claimed and result.retrained_held_out:
        rows |= {"trained again, searched": result.retrained_claimed}
        rows |= {"trained again, held out": result.retrained_held_out}
    trained = [
        f"{variant.name}: σ(μ) {variant.ratio:.3f} ± {variant.standard_error:.3f} of the best before, "
        f"{'taken' if variant.is_taken else 'not taken'}."
        for variant in result.variants
    ]
    return StudyAnswer(
        title="Optimisation",
        paragraphs=(
            f"{_words(result.best)} Chosen by {result.objective} from {result.trials:,} settings on half of the "
            "simulation, which stands for all of it; the other half judges. The halves differ by the statistics of the "
            "simulation: compare rows of the same half, and gains.",
            *trained,
        ),
        tables=(StudyTable("Expected", OPTIMISED, tuple((name, *_sensitivity(row)) for name, row in rows.items())),),
        captions={
            "optimise": "Settings in the order in which they were tried; fits of finalists; claimed and held-out "
            "uncertainty of the signal strength."
        },
    )


OPTIMISED = ("", "σ(μ)", "limit", "significance")


def _words(best: Choice) -> str:
    cuts = [f"{name} {best.efficiencies[name]:.4g}" for name in best.stages if best.thresholds[name] > 0]
    scoring = [name for name in best.stages if best.thresholds[name] == 0]
    return (
        f"Proposed: signal efficiencies {', '.join(cuts) or 'of no stage'}"
        + (f"; {', '.join(scoring)} only {'score' if len(scoring) > 1 else 'scores'}" if scoring else "")
        + f"; at most {best.n_signal} bins of the signal region and {best.n_control} of each control region."
    )


def _sensitivity(found: Sensitivity) -> tuple[str, str, str]:
    return f"{found.sigma_mu:.3f}", f"{found.limit:.3f}", f"{found.significance:.3f}"


def ranking(result: FeatureRanking) -> StudyAnswer:
    """Return what a ranking of features says."""
    captions = {
        "rank_features": "What each feature does at each stage; the colours compare the features of a stage.",
        "rank_sets": "Area under the ROC curve against the number of features, relative to all features.",
    }
    return StudyAnswer(
        title="Ranking of features",
        paragraphs=tuple(text for name, stage in result.stages.items() for text in _proposed(name, stage)),
        tables=tuple(_features(name, stage) for name, stage in result.stages.items()),
        captions=captions
        | {f"rank_correlations_{name}": f"Correlations of the features at stage {name}." for name in result.stages},
    )


RANKED = ("feature", "split at", "Gini gain", "<S²>", "AUC", "lost by permutation", "SHAP")


def _features(name: str, stage: StageRank) -> StudyTable:
    """Return the features that a stage uses most."""
    counts = ", ".join(f"{count} events of {of_class}" for of_class, count in stage.events.items())
    ordered = sorted(stage.features.items(), key=lambda item: -_use(item[1]))
    rows = tuple((feature, *_measures(measures)) for feature, measures in ordered[:N_SHOWN])
    more = f"; {len(ordered) - N_SHOWN} more features in rank.json" if len(ordered) > N_SHOWN else ""
    return StudyTable(f"Stage {name}: {counts}{more}", RANKED, rows)


def _use(measures: FeatureRank) -> float:
    """Return how much a stage uses a feature; one that it does not read comes last."""
    return float("-inf") if measures.permutation is None else measures.permutation.value


def _measures(measures: FeatureRank) -> tuple[str, ...]:
    split = measures.split
    return (
        "–" if split is None else f"{split.at:.4g}",
        "–" if split is None else f"{split.gain:.4f}",
        f"{measures.separation:.3f}",
        f"{measures.area.auc:.3f} ± {measures.area.uncertainty:.3f}",
        "–" if measures.permutation is None else _estimate(measures.permutation),
        "–" if measures.shap is None else f"{measures.shap:.3f}",
    )


def _proposed(name: str, stage: StageRank) -> tuple[str, ...]:
    """Return the sentence about the features that suffice."""
    if (proposal := stage.proposal) is None:
        return ()
    return (
        f"Stage {name}: {len(proposal.features)} of {proposal.steps[0].n_features} features suffice "
        f"({', '.join(proposal.features)}); change of the AUC {_estimate(proposal.claimed)}, "
        f"in a fold that took no part {_estimate(proposal.held_out)}.",
    )


def tuning(result: Tuning) -> StudyAnswer:
    """Return what tuning hyperparameters says."""
    merits = {
        "auc": "area under the ROC curve",
        "log_loss": "negative logarithmic loss",
        "sigma_mu": "minus the expected uncertainty of the signal strength",
    }
    header = ("stage", "as configured", "gain claimed", "gain held out", "optimism", "trials", "proposal")
    return StudyAnswer(
        title="Hyperparameters",
        paragraphs=(
            f"Merit: {merits[result.objective]}, of scores out of fold. The gain of the best trial over the "
            "configuration, in the folds that chose it and in one that took no part; the difference of both is the "
            "optimism of the choice.",
        ),
        tables=(StudyTable("Tuning", header, tuple((name, *_tuned(one)) for name, one in result.stages.items())),),
        captions={"tune": "Gain of every trial over the configuration; trials far below are on the lower edge."},
    )


def _tuned(stage: StageTuning) -> tuple[str, ...]:
    best = max((trial for trial in stage.trials if not trial.is_pruned), key=lambda trial: trial.merit)
    values = ", ".join(f"{name} {value:.3g}" for name, value in best.values.items())
    numbers = (stage.default, stage.claimed, stage.held_out, stage.optimism)
    return (
        *map(_estimate, numbers),
        str(len(stage.trials)),
        values if stage.is_changed else "as configured",
    )


def _estimate(number: Estimate) -> str:
    if not math.isfinite(number.value):
        return "–"
    return f"{number.value:.4f} ± {number.uncertainty:.4f}"


@dataclass(frozen=True)
class _Study:
    """A study that may have left an answer: the name of its product, its type, and what is said of it."""

    product: str
    read: Callable[[Products], StudyAnswer]


STUDIES = (
    _Study("compare", lambda products: comparison(products.read(Comparison, "compare", made_by="compare"))),
    _Study("optimise", lambda products: optimisation(products.read(Optimised, "optimise", made_by="optimise"))),
    _Study("rank", lambda products: ranking(products.read(FeatureRanking, "rank", made_by="rank"))),
    _Study("tune", lambda products: tuning(products.read(Tuning, "tune", made_by="tune"))),
)
"""Those that the report shows, in this order."""


def answers(products: Products, config_hash: str) -> tuple[StudyAnswer, ...]:
    """Return the answers of all studies of a configuration that are beside a run.

    An answer that belongs to another configuration or cascade, or that somebody changed, is left out.
    """
    inventory = Inventory.read(products.directory)
    current = [
        study
        for study in STUDIES
        if _is_current(study.product, inventory, config_hash) and not inventory.alteration(f"{study.product}.json")
    ]
    return tuple(study.read(products).illustrated(products) for study in current)


def _is_current(study: str, inventory: Inventory, config_hash: str) -> bool:
    """Whether an answer is of this configuration or, where it depends on the cascade alone, of the cascade here."""
    if study not in inventory.steps:
        return False
    origin = inventory.steps[study]
    trained = inventory.steps.get("train")
    is_of_cascade = trained is not None and origin.inputs == {"train": trained.key}
    return is_of_cascade or origin.parts.get("config_hash") == config_hash
