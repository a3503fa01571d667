"""Oddities of a model, before any fit: one line for each finding, with region, process, bin, parameter and number.

The checks are those of Combine's ValidateDatacards and a few more. No data are looked at.
"""

import logging
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from cascadebdt.arrays import AnyArray, FloatArray
from cascadebdt.inference.checks import check_parts
from cascadebdt.inference.likelihood import Likelihood, Objective, objective
from cascadebdt.records import Record

logger = logging.getLogger(__name__)

Json = Mapping[str, Any]

NONE = 1e-9
"""Relative change of a yield that is none."""


@dataclass(frozen=True)
class Thresholds:
    """From where on something is worth a line.

    Parameters
    ----------
    variation : relative change of a yield by a systematic
    same_direction : relative change, up and down alike, of a yield by a systematic
    relevance : share of all events in a bin (of the signal, for the signal) below which a change by a systematic is let
        pass
    contamination : share of the signal, at its nominal strength, in a region that is not the signal's
    correlation : of two free normalisations, as expected after the fit
    events : expected background in the region of the signal below which asymptotic formulas are approximate
    condition : ratio of the largest to the smallest eigenvalue of the correlation matrix of the free normalisations
    """

    variation: float = 0.5
    same_direction: float = 0.01
    relevance: float = 0.002
    contamination: float = 0.05
    correlation: float = 0.95
    condition: float = 1000.0
    events: float = 10.0


@dataclass(frozen=True)
class Finding(Record):
    """Something odd.

    Parameters
    ----------
    check : kind of finding, such as ``same direction``
    region, process, bin, parameter : where; None where it concerns all
    number : how much
    text : the same as one sentence
    """

    check: str
    text: str
    region: str | None = None
    process: str | None = None
    bin: int | None = None
    parameter: str | None = None
    number: float | None = None


@dataclass(frozen=True)
class Lint(Record):
    """All that is odd in a model: ``lint.json``.

    Parameters
    ----------
    counts : number of findings of each kind
    findings : one by one
    """

    counts: dict[str, int]
    findings: tuple[Finding, ...]

    @classmethod
    def of(cls, findings: Iterable[Finding]) -> "Lint":
        """Count the findings of each kind."""
        kept = tuple(findings)
        return cls(dict(Counter(finding.check for finding in kept)), kept)

    def headlines(self) -> list[str]:
        """Return the findings that matter most as lines; see `headlines`."""
        return headlines(self.findings)


def lint(workspace: Json, thresholds: Thresholds | None = None) -> tuple[Finding, ...]:
    """Return what is odd in a model; the ten groups that matter most are logged.

    Raises
    ------
    FitError
        If the workspace cannot be fitted at all.

    References
    ----------
    Combine documentation, "Validating datacards" (ValidateDatacards.py).
    """
    limits = thresholds or Thresholds()
    likelihood = objective(workspace).likelihood
    poi = check_parts(workspace)["poi"]
    findings = (
        *_of_samples(workspace, poi),
        *_of_variations(workspace, poi, limits),
        *_of_expectations(likelihood),
        *_few_events(workspace, poi, limits),
        *_contamination(workspace, poi, limits),
        *_degeneracies(likelihood, limits),
    )
    for line in headlines(findings):
        logger.info("%s", line)
    return findings


SEVERITY = (
    "few events",
    "no expectation",
    "degenerate",
    "signal contamination",
    "large variation",
    "same direction",
    "identical",
    "empty process",
    "no effect",
)
"""Kinds of findings, the one that changes a result most first."""


def headlines(findings: Iterable[Finding], n_shown: int = 10) -> list[str]:
    """Return the findings that matter most, one line for each kind and parameter, and how many there are besides.

    Parameters
    ----------
    findings : of `lint`
    n_shown : largest number of lines, without the last one, which counts the others

    Returns
    -------
    Lines, the most severe kind and the largest number first; systematics without effect share one line.
    """
    groups: dict[tuple[str, str | None], list[Finding]] = {}
    for finding in findings:
        groups.setdefault((finding.check, None if finding.check == "no effect" else finding.parameter), []).append(
            finding
        )
    ranked = sorted(
        ((max(group, key=_size), len(group)) for group in groups.values()),
        key=lambda pair: (SEVERITY.index(pair[0].check), -_size(pair[0])),
    )
    lines = [worst.text + (f" (and {n - 1} more of this kind)" if n > 1 else "") for worst, n in ranked[:n_shown]]
    if len(ranked) > n_shown:
        lines.append(f"{len(ranked) - n_shown} more groups of findings are in lint.json")
    return lines


def _size(finding: Finding) -> float:
    return abs(finding.number or 0.0)


def _samples(workspace: Json) -> Iterator[tuple[str, Json]]:
    for channel in workspace["channels"]:
        for sample in channel["samples"]:
            yield channel["name"], sample


def _is_signal(sample: Json, poi: str) -> bool:
    return any(modifier["name"] == poi for modifier in sample["modifiers"])


def _of_samples(workspace: Json, poi: str) -> Iterator[Finding]:
    """Find processes without events."""
    total: dict[str, float] = {}
    for region, sample in _samples(workspace):
        name = sample["name"]
        total[name] = total.get(name, 0.0) + sum(sample["data"])
        if not any(sample["data"]):
            kind = "signal" if _is_signal(sample, poi) else "process"
            text = f"region '{region}': {kind} '{name}' has no events"
            yield Finding("empty process", text, region=region, process=name, number=0.0)
    for name, events in total.items():
        if not events:
            yield Finding("empty process", f"process '{name}' has no events in any region", process=name, number=0.0)


@dataclass(frozen=True, eq=False)
class _Variation:
    """Relative changes of the yields of one process, in all or per bin, and its share of all events there."""

    up: FloatArray
    down: FloatArray
    shares: FloatArray
    bins: tuple[int | None, ...]


def _of_variations(workspace: Json, poi: str, limits: Thresholds) -> Iterator[Finding]:
    """Find systematics that do nothing, too much, or the same in both directions."""
    totals = {
        channel["name"]: np.sum([sample["data"] for sample in channel["samples"]], axis=0)
        for channel in workspace["channels"]
    }
    for region, sample in _samples(workspace):
        total = np.asarray(sample["data"]) if _is_signal(sample, poi) else totals[region]
        for modifier in sample["modifiers"]:
            if not (variation := _variation(modifier, np.asarray(sample["data"], dtype=np.float64), total)):
                continue
            for check, number, where, words in _odd(variation, limits):
                at = "" if where is None else f", bin {where}"
                text = f"region '{region}', process '{sample['name']}'{at}: '{modifier['name']}' {words}"
                yield Finding(check, text, region, sample["name"], where, modifier["name"], number)


def _variation(modifier: Json, nominal: FloatArray, total: FloatArray) -> _Variation | None:
    """Return what a modifier changes, None if it is no systematic or there is nothing to change."""
    filled = np.flatnonzero(nominal)
    if modifier["type"] == "normsys" and filled.size:
        up, down = (np.array([modifier["data"][side] - 1.0]) for side in ("hi", "lo"))
        return _Variation(up, down, np.array([_share(nominal.sum(), total.sum())]), (None,))
    if modifier["type"] == "histosys" and filled.size:
        up, down = (np.asarray(modifier["data"][side])[filled] / nominal[filled] - 1 for side in ("hi_data", "lo_data"))
        return _Variation(up, down, _share(nominal[filled], total[filled]), tuple(filled.tolist()))
    return None


def _share(part: AnyArray, total: AnyArray) -> FloatArray:
    """Return a part of a total as a positive share, 1 where negative rates make the total vanish."""
    positive = np.where(total > 0, total, 1.0)
    return np.asarray(np.where(total > 0, np.abs(part) / positive, 1.0))


def _odd(variation: _Variation, limits: Thresholds) -> Iterator[tuple[str, float, int | None, str]]:
    """Yield check, number, bin and words; the worst bin stands for all."""
    up, down, bins = variation.up, variation.down, variation.bins
    if np.all(np.abs(up) < NONE) and np.all(np.abs(down) < NONE):
        yield "no effect", 0.0, None, "has no effect"
        return
    if np.all(np.abs(up - down) < NONE):
        worst = int(np.argmax(np.abs(up)))
        yield "identical", float(up[worst]), bins[worst], f"is the same up and down, {up[worst]:+.1%}"
        return
    alike = np.where(up * down > 0, np.minimum(np.abs(up), np.abs(down)), 0.0)
    alike[alike * variation.shares < limits.relevance] = 0.0
    worst = int(np.argmax(alike))
    if alike[worst] > limits.same_direction:
        number = int(np.sum(alike > limits.same_direction))
        more = "" if number == 1 else f", and so in {number} bins"
        words = f"goes in the same direction up and down, {up[worst]:+.1%} and {down[worst]:+.1%}{more}"
        yield "same direction", float(alike[worst]), bins[worst], words
    for side, changes in (("up", up), ("down", down)):
        relevant = np.where(np.abs(changes) * variation.shares < limits.relevance, 0.0, changes)
        worst = int(np.argmax(np.abs(relevant)))
        if abs(relevant[worst]) > limits.variation:
            words = f"changes the yield by {changes[worst]:+.0%} {side}"
            yield "large variation", float(changes[worst]), bins[worst], words


def _of_expectations(likelihood: Likelihood) -> Iterator[Finding]:
    """Find bins that expect nothing."""
    totals = likelihood.totals(likelihood.start)
    for region, bins in likelihood.regions.items():
        for number, rate in enumerate(totals[bins]):
            if not rate > 0:
                text = f"region '{region}', bin {number}: expects {rate:g} events"
                yield Finding("no expectation", text, region=region, bin=number, number=float(rate))


def _few_events(workspace: Json, poi: str, limits: Thresholds) -> Iterator[Finding]:
    """Find a region of the signal that expects too few events for asymptotic formulas."""
    signal, background = _by_region(workspace, poi)
    if not signal:
        return
    region = _region_of_signal(signal, background)
    events = background.get(region, 0.0)
    if events < limits.events:
        n_bins = next(len(sample["data"]) for name, sample in _samples(workspace) if name == region)
        bins = "" if n_bins == 1 else f" in {n_bins} bins"
        text = (
            f"region '{region}': {events:.3g} events of background are expected{bins}; below {limits.events:g}, "
            "intervals, limits and significances from asymptotic formulas are approximate: compare with toys, "
            "cascadebdt.inference.toy_cls(workspace, mu, 1000, seed=1) and toy_significance(workspace, 1000, seed=1)"
        )
        yield Finding("few events", text, region=region, number=events)


def _by_region(workspace: Json, poi: str) -> tuple[dict[str, float], dict[str, float]]:
    """Return the events of signal and of background per region."""
    signal: dict[str, float] = {}
    background: dict[str, float] = {}
    for region, sample in _samples(workspace):
        part = signal if _is_signal(sample, poi) else background
        part[region] = part.get(region, 0.0) + sum(sample["data"])
    return signal, background


def _region_of_signal(signal: Mapping[str, float], background: Mapping[str, float]) -> str:
    """Return where the signal stands out most, by signal over root of background."""
    return max(signal, key=lambda region: signal[region] / np.sqrt(max(background.get(region, 0.0), 1.0)))


def _contamination(workspace: Json, poi: str, limits: Thresholds) -> Iterator[Finding]:
    """Find regions with signal beside the one where it stands out most, by signal over root of background."""
    signal, background = _by_region(workspace, poi)
    if not signal:
        return
    best = _region_of_signal(signal, background)
    for region, events in signal.items():
        share = events / max(events + background.get(region, 0.0), 1e-300)
        if region != best and share > limits.contamination:
            text = f"region '{region}': {share:.0%} of it is signal, though '{best}' is the region of the signal"
            yield Finding("signal contamination", text, region=region, number=share)


def _degeneracies(likelihood: Likelihood, limits: Thresholds) -> Iterator[Finding]:
    """Find free normalisations that the regions cannot tell apart, from the expectation of the model."""
    expected = Objective(likelihood, likelihood.asimov(likelihood.start), likelihood.fillable.astype(np.float64))
    hessian = expected.hessian(likelihood.start)
    shown = np.flatnonzero(~likelihood.constrained & ~likelihood.fixed)
    if len(shown) < 2 or not np.isfinite(hessian).all():
        return
    names = [likelihood.names[index] for index in shown]
    correlation = _correlation(hessian, likelihood, shown)
    if correlation is None:
        yield Finding("degenerate", f"the regions do not determine all of {', '.join(names)}")
        return
    eigenvalues = np.linalg.eigvalsh(correlation)
    condition = float(eigenvalues[-1] / max(eigenvalues[0], 1e-300))
    if condition > limits.condition:
        text = f"the free normalisations are nearly degenerate, condition number {condition:.3g}"
        yield Finding("degenerate", text, number=condition)
    for i, j in zip(*np.triu_indices(len(shown), 1), strict=True):
        if abs(correlation[i, j]) > limits.correlation:
            text = f"'{names[i]}' and '{names[j]}' have an expected correlation of {correlation[i, j]:+.3f}"
            yield Finding("degenerate", text, parameter=names[i], number=float(correlation[i, j]))


def _correlation(hessian: FloatArray, likelihood: Likelihood, shown: Any) -> FloatArray | None:
    """Return the expected correlation of some parameters, None if the regions do not determine them."""
    free = np.flatnonzero(~likelihood.fixed)
    matrix = hessian[np.ix_(free, free)]
    diagonal = np.diag(matrix)
    if not (diagonal > 0).all():
        return None
    scale = 1 / np.sqrt(diagonal)
    eigenvalues, eigenvectors = np.linalg.eigh(scale[:, None] * matrix * scale)
    if eigenvalues[0] < 1e-10:
        return None
    spread = scale[:, None] * (eigenvectors / eigenvalues @ eigenvectors.T) * scale
    places = np.searchsorted(free, shown)
    block = spread[np.ix_(places, places)]
    errors = np.sqrt(np.diag(block))
    return np.asarray(block / np.outer(errors, errors))
