"""The answers of studies of single stages as tables of text."""

from collections.abc import Iterator
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from cascadebdt.studies.rank import FeatureRank, FeatureRanking, StageRank
    from cascadebdt.studies.rank_sets import Proposal
    from cascadebdt.studies.stage_trials import Estimate
    from cascadebdt.studies.tune import Tuning

N_SHOWN = 8
"""Features of a stage that the table shows, those that it uses most first."""


def ranking(result: "FeatureRanking") -> str:
    """Return a table for each stage."""
    return "\n\n".join("\n".join(_stage(name, stage)) for name, stage in result.stages.items())


def _stage(name: str, stage: "StageRank") -> Iterator[str]:
    """Yield the lines of a stage."""
    counts = ", ".join(f"{count} events of {of_class}" for of_class, count in stage.events.items())
    yield f"stage {name}: {counts}"
    titles = f"{'split at':>10s} {'Gini gain':>10s} {'<S^2>':>7s} {'AUC':>15s} {'permutation':>17s} {'SHAP':>6s}"
    yield f"  {'feature':16s} {titles}"
    ordered = sorted(stage.features.items(), key=lambda item: -_use(item[1]))
    for feature, measures in ordered[:N_SHOWN]:
        yield f"  {feature:16s} {_measures(measures)}"
    if len(ordered) > N_SHOWN:
        yield f"  {len(ordered) - N_SHOWN} more in rank.json"
    if stage.proposal is not None:
        yield from _proposal(stage.proposal)


def _use(measures: "FeatureRank") -> float:
    """Return how much a stage uses a feature; one that it does not read comes last."""
    return float("-inf") if measures.permutation is None else measures.permutation.value


def _measures(measures: "FeatureRank") -> str:
    """Return the columns of a feature."""
    at, gain = (f"{measures.split.at:.4g}", f"{measures.split.gain:.4f}") if measures.split else ("-", "-")
    auc = f"{measures.area.auc:.3f} +- {measures.area.uncertainty:.3f}"
    lost = "-" if measures.permutation is None else estimate(measures.permutation)
    shap = "-" if measures.shap is None else f"{measures.shap:.3f}"
    return f"{at:>10s} {gain:>10s} {measures.separation:7.3f} {auc:>15s} {lost:>17s} {shap:>6s}"


def _proposal(proposal: "Proposal") -> Iterator[str]:
    """Yield the lines of a proposal."""
    share = f"{len(proposal.features)} of {proposal.steps[0].n_features}"
    yield f"  {share} features suffice: {', '.join(proposal.features)}"
    yield f"  change of the AUC {estimate(proposal.claimed)}, in a fold that took no part {estimate(proposal.held_out)}"


def estimate(number: "Estimate") -> str:
    """Write a small number with its uncertainty."""
    return f"{number.value:.4f} +- {number.uncertainty:.4f}"


def tuning(result: "Tuning") -> str:
    """Return a line for each stage: what the configuration gives, what is gained, and how much of it is luck."""
    titles = ("as configured", "gain claimed", "gain held out", "optimism")
    lines = [f"{result.objective:12s} {' '.join(f'{title:>17s}' for title in titles)}  proposal"]
    for name, stage in result.stages.items():
        columns = " ".join(
            f"{estimate(number):>17s}" for number in (stage.default, stage.claimed, stage.held_out, stage.optimism)
        )
        best = max((trial for trial in stage.trials if not trial.is_pruned), key=lambda trial: trial.merit)
        values = ", ".join(f"{key} {value:.3g}" for key, value in best.values.items())
        lines.append(f"{name:12s} {columns}  {values if stage.is_changed else 'as configured'}")
    return "\n".join(lines)
