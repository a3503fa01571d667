"""Check `cascadebdt compare` with other code: `python benchmarks/strategies/independent.py FOLDER/compare.json`.

The package selects the events (of simulation) and computes their features; everything after that is plain NumPy,
XGBoost and pyhf: folds, training, regions, bins, templates, the model, its fit and the limit. The multiclass BDT and
the single BDT over its whole range are done again, out of fold, and set beside what `compare` wrote.
"""

import argparse
import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pyhf
import xgboost as xgb
from scipy.optimize import brentq
from scipy.stats import norm

import cascadebdt as cb

ROOT = Path(__file__).parents[2]
Array = Any


@dataclass(frozen=True)
class Data:
    """Events of simulation as plain arrays; process 0 is the signal."""

    x: Array
    weight: dict[str, Array]  # of variations with the same rows, the nominal one among them
    variation: Array  # names
    process: Array  # codes
    names: list[str]
    fold: Array
    n_folds: int


def data_of(config: cb.Config) -> Data:
    """Select events."""
    events = cb.select(config, jobs=1)
    rows = np.array(events.processes, object)[events.process] != "data"
    signal = config.cascade.signal
    names = [signal, *(name for name in config.processes if name not in (signal, "data"))]
    process = np.array([names.index(name) for name in np.array(events.processes, object)[events.process[rows]]])
    return Data(
        x=np.stack([events.columns[name][rows] for name in config.cascade.features], axis=1),
        weight={name: weight[rows] for name, weight in events.weights.items()},
        variation=np.array(events.variations, object)[events.variation[rows]],
        process=process,
        names=names,
        fold=(events.event_id[rows] % np.uint64(config.cascade.folds)).astype(int),
        n_folds=config.cascade.folds,
    )


def margins(data: Data, label: Array, n_classes: int, config: cb.Config) -> tuple[Array, Array]:
    """Train one booster per fold; return margins of events by models that never saw them, and the classes' weights."""
    assert config.cascade.final is not None
    bdt = config.cascade.final.bdt.model_dump()
    rounds, patience = bdt.pop("n_estimators"), bdt.pop("early_stopping_rounds")
    is_binary = n_classes == 2
    settings = (
        {"objective": "binary:logistic"} if is_binary else {"objective": "multi:softprob", "num_class": n_classes}
    )
    parameters = {**bdt, **settings, "tree_method": "hist", "base_score": 0.5, "nthread": 1, "seed": config.seed}
    nominal = data.variation == "nominal"
    weight = np.abs(data.weight["nominal"])
    total = np.array([np.count_nonzero(nominal & (label == c)) for c in range(n_classes)], float)
    for c in range(n_classes):
        of_class = nominal & (label == c)
        weight = np.where(of_class, weight * total[c] / weight[of_class].sum(), weight)
    found = np.zeros((len(label), 1 if is_binary else n_classes))
    for fold in range(data.n_folds):
        stop = nominal & (data.fold == (fold + 1) % data.n_folds)
        train = nominal & (data.fold != fold) & ~stop
        parts = [xgb.DMatrix(data.x[rows], label[rows], weight=weight[rows]) for rows in (train, stop)]
        booster = xgb.train(
            parameters,
            parts[0],
            rounds,
            evals=[(parts[1], "stop")],
            early_stopping_rounds=patience,
            verbose_eval=False,
        )
        own = data.fold == fold
        best = (0, booster.best_iteration + 1)
        predicted = booster.predict(xgb.DMatrix(data.x[own]), output_margin=True, iteration_range=best)
        found[own] = predicted.reshape(-1, found.shape[1])
    return found, total


def multiclass(data: Data, config: cb.Config) -> tuple[Array, Array, list[str]]:
    """Return the observable and the region of every event: the likelihood ratio where the signal is most probable."""
    z, weights = margins(data, data.process, len(data.names), config)
    nominal = data.variation == "nominal"
    yields = np.array([data.weight["nominal"][nominal & (data.process == k)].sum() for k in range(len(data.names))])
    density = z - np.log(weights)
    priors = np.log(yields[1:] / yields[1:].sum())
    ratio = density[:, 0] - np.logaddexp.reduce(density[:, 1:] + priors, axis=1)
    share = np.exp(z.max(axis=1) - np.logaddexp.reduce(z, axis=1))
    best = z.argmax(axis=1)
    return np.where(best == 0, ratio, share), best, ["SR", *(f"CR_{name}" for name in data.names[1:])]


def one_bdt(data: Data, config: cb.Config) -> tuple[Array, Array, list[str]]:
    """Return the margin of one BDT for every event, all in one region."""
    z, _ = margins(data, (data.process == 0).astype(int), 2, config)
    return z[:, 0], np.zeros(len(z), int), ["SR"]


def quantiles(values: Array, weights: Array, n_bins: int) -> Array:
    """Return inner edges of bins of equal weight."""
    order = np.argsort(values, kind="stable")
    cumulative = np.cumsum(np.abs(weights)[order])
    return values[order][np.searchsorted(cumulative, np.arange(1, n_bins) / n_bins * cumulative[-1])]


def merged(edges: Array, values: Array, weights: Array, least: float) -> Array:
    """Drop edges from the right until every bin has enough effective events of background."""

    def is_enough(low: float, high: float) -> bool:
        inside = weights[(values >= low) & (values < high)]
        return bool(inside.sum() > 0 and inside.sum() ** 2 >= least * (inside**2).sum())

    kept = [np.inf]
    for edge in edges[::-1]:
        if is_enough(edge, kept[-1]):
            kept.append(edge)
    if len(kept) > 1 and not is_enough(-np.inf, kept[-1]):
        kept.pop()
    return np.array([-np.inf, *kept[::-1]])


def bins_of(name: str, data: Data, values: Array, rows: Array, config: cb.Config, *, is_alone: bool) -> Array:
    """Return the edges of a region."""
    binning = config.regions.signal if name == "SR" else config.regions.control
    weights, signal = data.weight["nominal"], rows & (data.process == 0)
    background = rows & (data.process > 0)
    parts = [(signal, binning.n_bins)] if name == "SR" else [(background, binning.n_bins)]
    if is_alone:
        parts.append((background, config.regions.control.n_bins * len(config.cascade.stages)))
    edges = np.unique(np.concatenate([quantiles(values[which], weights[which], n) for which, n in parts]))
    return merged(edges, values[background], weights[background], binning.min_effective_events)


def templates(data: Data, values: Array, region: Array, names: list[str], config: cb.Config) -> dict[str, Any]:
    """Return, per region and process, the sums of weights per bin of every variation, and the nominal variances."""
    found: dict[str, Any] = {}
    for code, name in enumerate(names):
        inside = region == code
        nominal = inside & (data.variation == "nominal")
        edges = bins_of(name, data, values, nominal, config, is_alone=len(names) == 1)
        found[name] = {}
        for k, process in enumerate(data.names):
            of_process = inside & (data.process == k)
            sums = {}
            for variation in [*dict.fromkeys(data.variation), *(v for v in data.weight if v != "nominal")]:
                has_rows = variation not in data.weight or variation == "nominal"
                rows = of_process & (data.variation == (variation if has_rows else "nominal"))
                weight = data.weight["nominal" if has_rows else variation][rows]
                sums[variation] = np.histogram(values[rows], edges, weights=weight)[0]
            rows = of_process & (data.variation == "nominal")
            variance = np.histogram(values[rows], edges, weights=data.weight["nominal"][rows] ** 2)[0]
            if variance.any():
                found[name][process] = (sums, variance)
    return found


def floored(nominal: Array, variance: Array) -> tuple[Array, Array]:
    """Give empty bins a thousandth of the mean weight, and the variance of one event that could be in any of them."""
    empty = nominal <= 0
    weight = min(variance.sum() / nominal.sum(), np.sqrt(variance.sum()))
    unseen = np.maximum(variance, weight**2 / max(empty.sum(), 1))
    return np.where(empty, 1e-3 * weight, nominal), np.where(empty, unseen, variance)


def modifiers(systematic: Any, sums: dict[str, Array], values: Array) -> list[dict[str, Any]]:
    """Return the normalisation and the shape of a systematic; the average of both sides where it says so."""
    name = systematic.name
    if systematic.kind == "normalisation":
        return [{"name": name, "type": "normsys", "data": {"hi": 1 + systematic.size, "lo": 1 / (1 + systematic.size)}}]
    known = sums["nominal"] > 0
    norms, shapes = [], []
    for side in ("up", "down"):
        varied = sums[f"{name}_{side}"]
        norms.append(varied[known].sum() / sums["nominal"][known].sum())
        ratio = np.where(known, varied / norms[-1] / np.where(known, sums["nominal"], 1.0), 1.0)
        shapes.append(np.clip(ratio, 0.1, 10))
    if systematic.symmetrise == "average":
        up, half = np.sqrt(norms[0] / norms[1]), (shapes[0] - shapes[1]) / 2
        norms, shapes = [up, 1 / up], [np.maximum(1 + half, 0.1), np.maximum(1 - half, 0.1)]
    shape = {side: (values * of_side).tolist() for side, of_side in zip(("hi_data", "lo_data"), shapes, strict=True)}
    return [
        {"name": name, "type": "normsys", "data": {"hi": norms[0], "lo": norms[1]}},
        {"name": name, "type": "histosys", "data": shape},
    ]


def model_of(found: dict[str, Any], signal: str, config: cb.Config) -> Any:
    """Return a pyhf model."""
    channels = []
    for region, processes in found.items():
        samples = []
        for process, (sums, variance) in processes.items():
            if process == signal:
                values, own = sums["nominal"], [{"name": "mu", "type": "normfactor", "data": None}]
            else:
                values, spread = floored(sums["nominal"], variance)
                own = [{"name": f"stat_{region}", "type": "staterror", "data": np.sqrt(spread).tolist()}]
                if process in config.fit.free:
                    own.append({"name": f"norm_{process}", "type": "normfactor", "data": None})
            for systematic in config.systematics:
                own += modifiers(systematic, sums, values)
            samples.append({"name": process, "data": values.tolist(), "modifiers": own})
        channels.append({"name": region, "samples": samples})
    return pyhf.Model({"channels": channels}, poi_name="mu")


def judged(model: Any) -> dict[str, Any]:
    """Fit the nominal background, and find the median limit: where sqrt(q_A) = Phi^-1(1 - 0.05 / 2)."""
    start = np.array(model.config.suggested_init())
    start[model.config.poi_index] = 0.0
    data = model.expected_data(start)
    bounds = model.config.suggested_bounds()
    bounds[model.config.poi_index] = (-5.0, 50.0)
    fitted, lowest = pyhf.infer.mle.fit(
        data, model, init_pars=list(start), par_bounds=bounds, return_uncertainties=True, return_fitted_val=True
    )
    errors = dict(zip(model.config.par_names, fitted[:, 1], strict=True))

    def distance(mu: float) -> float:
        _, value = pyhf.infer.mle.fixed_poi_fit(
            mu, data, model, init_pars=list(start), par_bounds=bounds, return_fitted_val=True
        )
        return float(np.sqrt(max(value - lowest, 0.0)) - norm.isf(0.025))

    sigma = errors["mu"]
    return {
        "limit": brentq(distance, sigma, 5 * sigma, xtol=0.002 * sigma),
        "sigma_mu": sigma,
        "normalisation": {name[5:]: error for name, error in errors.items() if name.startswith("norm_")},
    }


def main() -> None:
    """Print both answers side by side."""
    parser = argparse.ArgumentParser()
    parser.add_argument("compare", type=Path, help="compare.json of the same configuration")
    parser.add_argument("--config", type=Path, default=ROOT / "configs" / "wh_dark_photon.yaml")
    options = parser.parse_args()
    pyhf.set_backend("numpy", pyhf.optimize.minuit_optimizer(maxiter=10**6))
    config = cb.load_config(options.config)
    data = data_of(config)
    strategies = json.loads(options.compare.read_text())["strategies"]
    for name, strategy in (("multiclass", multiclass), ("one_bdt", one_bdt)):
        found = templates(data, *strategy(data, config), config)
        own, other = judged(model_of(found, data.names[0], config)), strategies[name]
        print(f"{name:12s} limit {own['limit']:.3f}, compare {other['limit'][2]:.3f}", flush=True)
        print(f"{'':12s} sigma(mu) {own['sigma_mu']:.3f}, compare {other['sigma_mu']:.3f}")
        for process, error in own["normalisation"].items():
            print(f"{'':12s} {process} {error:.4f}, compare {other['normalisation'][process]:.4f}", flush=True)


if __name__ == "__main__":
    main()
