"""A ranking of features in a folder, with its figures."""

from collections.abc import Callable, Iterator, Mapping
from pathlib import Path

import numpy as np
from matplotlib.figure import Figure

from cascadebdt import plots
from cascadebdt.arrays import FloatArray
from cascadebdt.cascade import Cascade
from cascadebdt.config import Config
from cascadebdt.events import Events
from cascadebdt.products import Products, sealed
from cascadebdt.products.keys import Origin
from cascadebdt.products.ranking import FeatureRanking, Proposal
from cascadebdt.progress import Progress, silent
from cascadebdt.studies.keeping import kept
from cascadebdt.studies.rank_stages import Remember, rank_stages

FOLDER = ".rank"


def rank(
    config: Config,
    products: Products,
    *,
    with_proposals: bool = True,
    jobs: int = 1,
    progress: Progress = silent,
) -> FeatureRanking:
    """Rank the features of an analysis in a folder, with figures; see `rank_stages` and `keeping.kept`.

    The proposal of each stage is kept as soon as it is made: a ranking that was interrupted goes on with the next one.
    """

    def make(events: Events, cascade: Cascade, origin: Origin) -> tuple[FeatureRanking, list[Path]]:
        ranking = rank_stages(
            events,
            cascade,
            config,
            with_proposals=with_proposals,
            remember=_remembered_in(products.directory / FOLDER, origin),
            jobs=jobs,
            progress=progress,
        )
        return ranking, []

    settings = {"proposals": with_proposals}
    return kept(
        "rank",
        FeatureRanking,
        make,
        lambda ranking: figures(ranking, config.plots.labels),
        config,
        products,
        settings=settings,
        jobs=jobs,
        progress=progress,
    )


def _remembered_in(folder: Path, origin: Origin) -> Remember:
    """Return what keeps proposals as files of a folder."""

    def remember(stage: str, make: Callable[[], Proposal]) -> Proposal:
        path = folder / f"{stage}_{origin.key[:24]}.json"
        if (kept_before := sealed.read(path, Proposal)) is not None:
            return kept_before
        proposal = make()
        sealed.write(path, proposal)
        return proposal

    return remember


def figures(ranking: FeatureRanking, labels: Mapping[str, str]) -> Iterator[tuple[str, Figure]]:
    """Draw the figures, one at a time: name, figure.

    Parameters
    ----------
    ranking : what is drawn
    labels : feature -> label; without one it is its name
    """
    stages = ranking.stages
    names = [labels.get(name, name) for name in (next(iter(stages.values())).features if stages else ())]
    yield "rank_features", plots.features(_measures(ranking), names=names, stages=list(stages))
    for name, stage in stages.items():
        yield f"rank_correlations_{name}", plots.feature_correlations(stage.correlations, names=names)
    eliminations = {name: _elimination(stage.proposal) for name, stage in stages.items() if stage.proposal}
    if eliminations:
        yield "rank_sets", plots.feature_sets(eliminations)


def _measures(ranking: FeatureRanking) -> dict[str, FloatArray]:
    """Return title -> (n_features, n_stages) of what the heat maps show."""
    features = [list(stage.features.values()) for stage in ranking.stages.values()]
    nothing = float("nan")
    return {
        "Gini gain of the best split": _matrix([[f.split.gain if f.split else 0.0 for f in row] for row in features]),
        "AUC lost by permutation": _matrix(
            [[f.permutation.value if f.permutation else nothing for f in row] for row in features]
        ),
        "Mean |SHAP|": _matrix([[nothing if f.shap is None else f.shap for f in row] for row in features]),
    }


def _matrix(of_stages: list[list[float]]) -> FloatArray:
    return np.array(of_stages, np.float64).T


def _elimination(proposal: Proposal) -> plots.Elimination:
    return plots.Elimination(
        [step.n_features for step in proposal.steps],
        [step.change.value for step in proposal.steps],
        [step.change.uncertainty for step in proposal.steps],
        len(proposal.features),
    )
