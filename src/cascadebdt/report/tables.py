"""Results -> rows of the report's tables about fits, systematics, edited bins and migrations."""

from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass

from scipy import stats

from cascadebdt.corrections import Corrections
from cascadebdt.histograms.contents import RegionSummary
from cascadebdt.histograms.migration import Migration, MigrationTable
from cascadebdt.inference import Breakdown, FitResult, Limits, ToyAnswers, Validation
from cascadebdt.plots.style import significant
from cascadebdt.workspace.assembly import Notes
from cascadebdt.workspace.treatment import VariationNote


@dataclass(frozen=True)
class LargestEffect:
    """The largest effect of a systematic, and where it is."""

    size: float
    where: str


@dataclass(frozen=True)
class SystematicRow:
    """A systematic over all regions and processes.

    Attributes
    ----------
    parameters, effects : number of parameters, and of pairs of region and process that it affects
    normalisation, shape : the largest change of a yield, and of a bin beyond it
    actions : what was done to the effects, and how often
    """

    name: str
    parameters: int
    effects: int
    normalisation: LargestEffect
    shape: LargestEffect
    actions: str


@dataclass(frozen=True)
class CorrectionRow:
    """How well a corrected process describes the data of a region.

    Attributes
    ----------
    parameters : number of nuisance parameters
    before, after : sum of chi2 over the variables
    bins : number of bins of all variables
    p_value : after the correction, of the worst variable, for as many of them as there are
    """

    process: str
    learnt_in: str
    method: str
    parameters: int
    region: str
    before: float
    after: float
    bins: int
    p_value: str


def corrections(learnt: Corrections) -> list[CorrectionRow]:
    """Return a row per correction and region that it was looked at in."""
    rows = []
    for process, correction in learnt.processes.items():
        for region in dict.fromkeys(closure.region for closure in correction.closure):
            closures = [closure for closure in correction.closure if closure.region == region]
            worst = min(stats.chi2.sf(one.chi2(corrected=True), max(1, len(one.data) - 1)) for one in closures)
            rows.append(
                CorrectionRow(
                    process=process,
                    learnt_in=correction.region,
                    method=correction.method,
                    parameters=len(correction.parameters),
                    region=region,
                    before=sum(closure.chi2(corrected=False) for closure in closures),
                    after=sum(closure.chi2(corrected=True) for closure in closures),
                    bins=sum(len(closure.data) for closure in closures),
                    p_value=f"{min(1.0, worst * len(closures)):.2g}",
                )
            )
    return rows


def systematics(treatment: Notes) -> list[SystematicRow]:
    """Return a row per systematic."""
    rows: dict[str, list[VariationNote]] = {}
    for note in treatment.variations:
        rows.setdefault(note.systematic, []).append(note)
    return [
        SystematicRow(
            name=name,
            parameters=len({note.parameter for note in notes}),
            effects=len(notes),
            normalisation=_largest(notes, lambda note: max(abs(side - 1) for side in note.normalisation)),
            shape=_largest(notes, lambda note: max(note.shape)),
            actions=_counted(action for note in notes for action in note.actions),
        )
        for name, notes in rows.items()
    ]


def _largest(notes: Sequence[VariationNote], size: Callable[[VariationNote], float]) -> LargestEffect:
    note = max(notes, key=size)
    return LargestEffect(size(note), f"{note.process} in {note.region}")


def _counted(actions: Iterable[str]) -> str:
    return ", ".join(f"{action} ({count} ×)" for action, count in Counter(actions).items())


def effective_events(regions: Mapping[str, RegionSummary]) -> dict[str, dict[str, float]]:
    """Return region -> process -> (sum w)^2 / sum w^2 of its simulated events, 0 without any."""
    return {
        region: {process: (value / error) ** 2 if error else 0.0 for process, (value, error) in summary.yields.items()}
        for region, summary in regions.items()
    }


@dataclass(frozen=True)
class MigrationRow:
    """Shares, in the nominal yield of a process, of what changes region, leaves and enters the selection."""

    variation: str
    process: str
    moved: float | None
    left: float | None
    entered: float | None


def migrations(table: MigrationTable) -> list[MigrationRow]:
    """Return a row per variation and process."""
    return [
        _moves(variation, process, migration)
        for variation, processes in table.variations.items()
        for process, migration in processes.items()
    ]


def _moves(variation: str, process: str, migration: Migration) -> MigrationRow:
    inside = migration.sumw[:-1]
    total, stayed, left = float(inside.sum()), float(inside.trace()), float(inside[:, -1].sum())
    shares = (total - stayed - left, left, float(migration.sumw[-1].sum()))
    moved, gone, entered = (value / total if total else None for value in shares)
    return MigrationRow(variation, process, moved, gone, entered)


@dataclass(frozen=True)
class NormalisationRow:
    """A floating process: normalisation with uncertainty, and its profile interval as distances from the value."""

    name: str
    pair: tuple[float, float]
    interval: str


def normalisations(fit: FitResult) -> list[NormalisationRow]:
    """Return a row per floating process."""
    intervals = fit.intervals or {}
    return [
        NormalisationRow(name, pair, _interval(intervals.get(f"norm_{name}", intervals.get(name)), pair))
        for name, pair in fit.normalisation.items()
    ]


def _interval(ends: tuple[float, float] | None, pair: tuple[float, float]) -> str:
    if ends is None:
        return "–"
    value, error = pair
    return f"{significant(ends[0] - value, error)} / +{significant(ends[1] - value, error)}"


@dataclass(frozen=True)
class PartRow:
    """A part of the uncertainty of the signal strength, below and above."""

    name: str
    below: str
    above: str
    kind: str


def parts(breakdown: Breakdown) -> list[PartRow]:
    """Return a row for the whole, its statistical and systematic parts, and each group, the largest first."""
    size = {name: max(end or 0.0 for end in ends) for name, ends in breakdown.groups.items()}
    rows = [
        ("total", breakdown.total, "profile of all parameters"),
        ("statistical", breakdown.statistical, "with all constrained parameters held"),
        ("systematic", breakdown.systematic, "total minus statistical, in quadrature"),
        ("data alone", breakdown.data, "with all other parameters held"),
        *(
            (name, breakdown.groups[name], _count(breakdown.members[name]))
            for name in sorted(size, key=lambda name: -size[name])
        ),
    ]
    return [PartRow(name, *ends(sides), kind) for name, sides, kind in rows]


def ends(sides: tuple[float | None, float | None]) -> tuple[str, str]:
    """Return distances below and above as text."""
    below, above = (
        "(to the bound)" if side is None else f"{sign}{significant(side, side)}"
        for sign, side in zip("−+", sides, strict=True)
    )
    return below, above


def _count(names: Sequence[str]) -> str:
    return names[0] if len(names) == 1 else f"{len(names)} parameters"


@dataclass(frozen=True)
class ExclusionRow:
    """A tested signal strength: CLs expected with its bands, and observed with its p-values."""

    mu: str
    expected: str
    band: str
    observed: str


def exclusions(limits: Limits) -> list[ExclusionRow]:
    """Return a row per signal strength that was tested."""
    rows = []
    for found in limits.exclusions or ():
        low, lower, median, higher, high = (f"{value:.3g}" for value in found.expected)
        seen = found.observed
        observed = "–" if seen is None else f"{seen.cls:.3g} (CLsb {seen.cl_sb:.3g}, CLb {seen.cl_b:.3g})"
        rows.append(ExclusionRow(f"{found.mu:g}", median, f"68 %: {lower} – {higher}, 95 %: {low} – {high}", observed))
    return rows


@dataclass(frozen=True)
class ToyRow:
    """An answer from pseudo-experiments with its uncertainty, and the band of what is expected."""

    question: str
    value: str
    band: str


def toys(answers: ToyAnswers | None) -> list[ToyRow]:
    """Return a row per question that pseudo-experiments answer."""
    if answers is None:
        return []
    tests = (("p-value of the fit", answers.goodness_of_fit), ("p-value without signal", answers.significance))
    rows = [ToyRow(name, f"{test.value:.3g} ± {test.uncertainty:.2g}", "") for name, test in tests if test is not None]
    if (limit := answers.limit) is not None:
        low, lower, median, higher, high = (f"{value:.3g}" for value in limit.expected)
        value = median if limit.observed is None else f"{limit.observed:.3g}"
        band = f"expected {median}, 68 %: {lower} – {higher}, 95 %: {low} – {high}"
        name = f"{100 * (1 - limit.level):g} % CLs limit, {'expected' if limit.observed is None else 'observed'}"
        rows.append(ToyRow(name, f"{value} ± {limit.uncertainty:.2g}", band))
    return rows


def noticeable(fit: FitResult) -> list[str]:
    """Return a sentence each for the parameters beyond one sigma, constrained below one half, and at bounds."""
    pulled = [f"{name} ({pull:+.2f})" for name, pull in fit.pulled().items()]
    constrained = [f"{name} ({part:.2f})" for name, part in fit.constrained().items()]
    held = [f"{name} ({fit.measured(name)})" for name in fit.at_bound]
    titles = (
        ("Pulled by more than one standard deviation of the constraint", pulled),
        ("Constrained to less than half the width of the constraint", constrained),
        ("At a bound", held),
    )
    return [f"{title}: {', '.join(names)}." for title, names in titles if names]


@dataclass(frozen=True)
class ValidationRow:
    """A validation region: prediction with uncertainty, data, p-values of the sum and of all bins."""

    name: str
    pair: tuple[float, float] | None
    data: str
    total_p_value: str
    p_value: str


def validated(validation: Validation | None) -> list[ValidationRow]:
    """Return a row per validation region, and one for all of them together if there are several."""
    if validation is None:
        return []
    rows = [
        ValidationRow(
            name=name,
            pair=(region.total, region.total_uncertainty),
            data=f"{sum(region.data):,.0f}",
            total_p_value=f"{region.total_p_value:.2g}",
            p_value=f"{region.p_value:.2g}",
        )
        for name, region in validation.regions.items()
    ]
    if len(rows) > 1:
        rows.append(ValidationRow("together", None, "", "", f"{validation.p_value:.2g}"))
    return rows
