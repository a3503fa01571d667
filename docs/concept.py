"""Draw the figures of ``concept.md`` and print the numbers in its text: ``python docs/concept.py``, about a minute."""

from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
import xgboost as xgb
from matplotlib.axes import Axes
from matplotlib.figure import Figure

import cascadebdt as cb
from cascadebdt.arrays import BoolArray, FeatureArray, FloatArray
from cascadebdt.plots import style
from cascadebdt.studies import rank_measures
from cascadebdt.training.quality import roc_auc

HERE = Path(__file__).parent
FOLDER = HERE / "concept"
DPI = 80
RED, BLUE, ORANGE, GREY = style.SIGNAL_COLOUR, "#3f90da", "#e76300", "0.55"
BACKGROUNDS = ("zee", "gammajet", "ttbar", "wjets", "zgamma", "wgamma")
TELLING = {  # background -> a feature that works against it, its range, and what it is
    "zee": ("m_lg", (20, 250), "mass of lepton and photon, GeV"),
    "gammajet": ("met_sig", (0, 120), "significance of the missing momentum"),
    "ttbar": ("n_jet", (-0.5, 6.5), "number of jets"),
    "wjets": ("photon_r9", (0.5, 1.0), "shower shape R9 of the photon"),
    "zgamma": ("met", (20, 150), "missing transverse momentum, GeV"),
    "wgamma": ("mt_lmet", (0, 200), "transverse mass of the lepton, GeV"),
}


def save(figure: Figure, name: str) -> None:
    """Write a small PNG file."""
    FOLDER.mkdir(exist_ok=True)
    figure.savefig(FOLDER / f"{name}.png", dpi=DPI, metadata={"Software": None})


def split() -> None:
    """Draw the impurity after a cut on three events."""
    figure = style.figure(8.4, 3.2)
    examples = (
        ("Photon pT, GeV", np.array([20.0, 30.0, 50.0]), np.array([True, False, False]), (25, 40)),
        ("Lepton pT, GeV", np.array([14.0, 16.0, 20.0]), np.array([False, False, True]), (18,)),
    )
    for ax, (label, values, is_signal, cuts) in zip(figure.subplots(1, 2, sharey=True), examples, strict=True):
        low, high = values.min() - 4, values.max() + 4
        grid = np.linspace(low, high, 500)
        columns = values.astype(np.float32)
        impurity = [rank_measures.split_impurity(columns, np.ones(3), is_signal, at=cut) for cut in grid]
        ax.plot(grid, impurity, color="black", label="impurity after the cut")
        for mask, colour, name in ((is_signal, RED, "signal"), (~is_signal, BLUE, "background")):
            ax.plot(values[mask], np.full(mask.sum(), 0.56), "o", color=colour, markersize=11, label=name)
        for cut in cuts:
            at = rank_measures.split_impurity(columns, np.ones(3), is_signal, at=cut)
            ax.annotate(f"{cut} GeV:\n{at:.2f}", (cut, at + 0.02), ha="center", va="bottom", fontsize=9.5)
            ax.plot([cut], [at], "s", color="black", markersize=5)
        ax.set(xlabel=label, xlim=(low, high), ylim=(-0.02, 0.65))
        style.frame(ax)
    figure.axes[0].set_ylabel("Gini impurity")
    figure.legend(*figure.axes[0].get_legend_handles_labels(), loc="outside lower center", ncols=3, frameon=False)
    save(figure, "split")


Sample = tuple[FeatureArray, BoolArray, FloatArray]


def sample(events: cb.Events, background: str, features: Sequence[str]) -> Sample:
    """Return features, labels and weights with equal sums for signal and one background."""
    rows = np.flatnonzero(events.of_process("signal", background))
    is_signal = events.of_process("signal")[rows]
    matrix = np.stack([events.columns[name][rows] for name in features], axis=1)
    weights = np.abs(events.weights["nominal"][rows])
    return matrix, is_signal, rank_measures.class_shares(weights, is_signal) * len(rows)


def boosted(matrix: FeatureArray, is_signal: BoolArray, weights: FloatArray, depth: int, rate: float) -> xgb.Booster:
    """Train 400 trees on the events with even number."""
    data = xgb.DMatrix(matrix[::2], label=is_signal[::2], weight=weights[::2], nthread=1)
    parameters = {"objective": "binary:logistic", "base_score": 0.5, "max_depth": depth, "eta": rate, "nthread": 1}
    return xgb.train(parameters, data, 400)


def boosting(events: cb.Events) -> None:
    """Draw the score in the plane of two features after 1, 10 and 100 trees."""
    names = ("mt_lmet", "dr_lg")
    matrix, is_signal, weights = sample(events, "wgamma", names)
    booster = boosted(matrix, is_signal, weights, depth=2, rate=0.3)
    x, y = np.meshgrid(np.linspace(0, 200, 160), np.linspace(0.4, 5, 160))
    plane = np.stack([x.ravel(), y.ravel()], axis=1).astype(np.float32)
    figure = style.figure(9.6, 3.3)
    axes = figure.subplots(1, 3, sharey=True)
    for ax, n_trees in zip(axes, (1, 10, 100), strict=True):
        part = booster[:n_trees]
        score = part.inplace_predict(plane).reshape(x.shape)
        image = ax.pcolormesh(x, y, score, cmap="RdBu_r", vmin=0, vmax=1, shading="nearest", rasterized=True)
        unseen = part.inplace_predict(matrix[1::2])
        auc = roc_auc(unseen, weights[1::2], is_signal[1::2])
        ax.set_title(f"{n_trees} tree{'s' * (n_trees > 1)}, AUC {auc:.3f}", fontsize=11)
        ax.set_xlabel("mt_lmet, GeV")
        print(f"boosting: {n_trees} trees, AUC of unseen events {auc:.4f}")
    axes[0].set_ylabel("dr_lg")
    figure.colorbar(image, ax=axes.tolist(), label="Score")
    save(figure, "boosting")


def loss(margin: FeatureArray, is_signal: BoolArray, weights: FloatArray) -> float:
    """Return the mean logarithmic loss."""
    return float(np.average(np.logaddexp(0.0, np.where(is_signal, -margin, margin)), weights=weights))


def overtraining(events: cb.Events) -> None:
    """Draw the loss of events that train and of others against the number of trees, for shallow and deep trees."""
    figure = style.figure(8.4, 3.4)
    counts = np.unique(np.geomspace(1, 400, 40).astype(int))
    everything = sample(events, "wgamma", cb.load_config(HERE.parent / "configs/quick.yaml").cascade.features)
    matrix, is_signal, weights = (part[::4] for part in everything)  # few events overtrain sooner
    for ax, (depth, rate) in zip(figure.subplots(1, 2, sharey=True), ((2, 0.1), (8, 0.3)), strict=True):
        booster = boosted(matrix, is_signal, weights, depth=depth, rate=rate)
        for half, colour, label in ((slice(0, None, 2), BLUE, "events that train"), (slice(1, None, 2), RED, "others")):
            losses = []
            for n_trees in counts:
                margin = booster[: int(n_trees)].inplace_predict(matrix[half], predict_type="margin")
                losses.append(loss(margin, is_signal[half], weights[half]))
            ax.plot(counts, losses, color=colour, label=label)
            best = int(np.argmin(losses))
            if label == "others":
                ax.plot(counts[best], losses[best], "o", color="black", label="where to stop", zorder=3)
                print(f"overtraining: depth {depth}, stop at {counts[best]} trees with {losses[best]:.4f}, "
                      f"at 400 trees {losses[-1]:.4f}")  # fmt: skip
        ax.set(xscale="log", xlabel="Trees", title=f"depth {depth}, learning rate {rate}")
        style.frame(ax)
    figure.axes[0].set_ylabel("Logarithmic loss")
    figure.axes[0].legend(frameon=False, fontsize=10)
    save(figure, "overtraining")


def variables(events: cb.Events) -> None:
    """Draw a feature that works against each background."""
    figure = style.figure(10.2, 5.6)
    for ax, background in zip(figure.subplots(2, 3).ravel(), BACKGROUNDS, strict=True):
        name, limits, label = TELLING[background]
        matrix, is_signal, weights = sample(events, background, [name])
        edges = np.linspace(*limits, 8 if name == "n_jet" else 36)
        for mask, colour, of in ((is_signal, RED, "signal"), (~is_signal, BLUE, background)):
            ax.hist(
                matrix[mask, 0], edges, weights=weights[mask], density=True, histtype="step", color=colour, label=of
            )
        found = rank_measures.best_split(matrix[:, 0], weights, is_signal)
        assert found is not None
        ax.axvline(found.at, color="0.4", linestyle="--", linewidth=1)
        ax.set_xlabel(label, fontsize=9)
        ax.set_yticks([])
        ax.legend(frameon=False, fontsize=10, title=f"Gini gain {found.gain:.2f}", title_fontsize=9)
        print(f"variables: {background}, {name} split at {found.at:.4g}, gain {found.gain:.3f}")
    save(figure, "variables")


def kept_at(scores: FeatureArray, events: cb.Events, efficiency: float) -> dict[str, float]:
    """Return the share of each background that is kept where a share of the signal is."""
    weights = events.weights["nominal"]
    signal = events.of_process("signal")
    order = np.argsort(scores[signal])
    cumulative = np.cumsum(weights[signal][order])
    threshold = scores[signal][order][np.searchsorted(cumulative, (1 - efficiency) * cumulative[-1])]
    masks = {name: events.of_process(name) for name in BACKGROUNDS}
    return {name: weights[mask & (scores >= threshold)].sum() / weights[mask].sum() for name, mask in masks.items()}


def open_config(config: cb.Config, stages: Mapping[str, Sequence[str]]) -> cb.Config:
    """Return the configuration with stages that cut nothing: name -> background processes."""
    features = list(config.cascade.features)
    raw = [
        {"name": name, "against": list(against), "features": features, "working_point": {"threshold": 0.0}}
        for name, against in stages.items()
    ]
    plain = config.replace("regions", {}).replace("cascade.control", {}).replace("cascade.final", None)
    return plain.replace("cascade.stages", raw)


def own_or_all(events: cb.Events, config: cb.Config) -> None:
    """Draw what is left of each background at 90 % signal: by a BDT against it, and by one BDT against all."""
    own = cb.train(events, open_config(config, {name: [name] for name in BACKGROUNDS})).score(events).scores
    alone = cb.train(events, open_config(config, {"all": BACKGROUNDS})).score(events).scores[:, 0]
    yields = open_config(config, {"all": BACKGROUNDS}).replace("cascade.class_balance", "yields")
    as_expected = kept_at(cb.train(events, yields).score(events).scores[:, 0], events, 0.9)
    of_all = kept_at(alone, events, 0.9)
    of_own = {name: kept_at(own[:, k], events, 0.9)[name] for k, name in enumerate(BACKGROUNDS)}
    figure = style.figure(7.2, 3.4)
    ax = figure.subplots()
    x = np.arange(len(BACKGROUNDS))
    bars = (
        (of_own, RED, "a BDT against it alone"),
        (of_all, BLUE, "one BDT against all"),
        (as_expected, GREY, "one BDT against all, classes as expected"),
    )
    for k, (kept, colour, label) in enumerate(bars):
        ax.bar(x + 0.27 * (k - 1), [100 * kept[name] for name in BACKGROUNDS], 0.25, color=colour, label=label)
    ax.set_yscale("log")
    ax.set_xticks(x, BACKGROUNDS)
    ax.set_ylabel("Background kept at 90 % signal, %", fontsize=10)
    ax.set_ylim(0.05, 800)
    ax.legend(frameon=False, fontsize=9.5)
    style.frame(ax)
    ax.tick_params(axis="x", which="both", length=0)
    ax.xaxis.label.set_fontsize(11)
    save(figure, "own_or_all")
    for name in BACKGROUNDS:
        numbers = ", ".join(f"{100 * kept[name]:.2f} % {label}" for kept, _, label in bars)
        print(f"own_or_all: {name} {numbers}")


def composition(events: cb.Events, config: cb.Config) -> None:
    """Draw what the control regions are made of: what each stage rejects, and the same events sorted."""
    figure = style.figure(9.6, 3.6)
    colours = style.colours(BACKGROUNDS, signal="signal")
    axes: Sequence[Axes] = figure.subplots(1, 2, sharey=True)
    for ax, assign in zip(axes, ("stage", "sorter"), strict=True):
        control = {"assign": assign, "features": list(config.cascade.features)} if assign == "sorter" else {}
        scores = cb.train(events, config.replace("cascade.control", control)).score(events)
        for row, stage in enumerate(BACKGROUNDS):
            inside = scores.region == scores.regions.index(f"CR_{stage}")
            weights = events.weights["nominal"]
            yields = np.array([max(weights[inside & events.of_process(name)].sum(), 0.0) for name in BACKGROUNDS])
            shares = yields / yields.sum() if yields.sum() else yields
            left = np.concatenate([[0.0], np.cumsum(shares)[:-1]])
            for name, share, start in zip(BACKGROUNDS, shares, left, strict=True):
                label = name if row == 0 else None
                ax.barh(row, share, left=start, color=colours[name], height=0.75, label=label)
            own = shares[row]
            ax.text(1.01, row, f"{yields.sum():.0f}", va="center", fontsize=9)
            print(f"composition: {assign}, CR_{stage} {yields.sum():.0f} events, purity {own:.2f}")
        ax.set(xlim=(0, 1.12), xlabel="Share of the expected events")
        ax.set_title("what each stage rejects" if assign == "stage" else "sorted by the most probable background")
        ax.set_yticks(range(len(BACKGROUNDS)), [f"CR_{name}" for name in BACKGROUNDS])
        ax.tick_params(length=0)
    axes[0].invert_yaxis()
    figure.legend(*axes[0].get_legend_handles_labels(), loc="outside lower center", ncols=6, frameon=False)
    save(figure, "composition")


def control_region() -> None:
    """Draw the uncertainty of the signal strength against the purity of a control region."""
    signal, background, control = 20.0, 400.0, 2000.0
    purity = np.linspace(0.1, 1.0, 200)
    figure = style.figure(5.6, 3.6)
    ax = figure.subplots()
    for others, colour in ((0.3, BLUE), (0.1, ORANGE), (0.03, RED)):
        relative = np.hypot(1 / np.sqrt(control), others * (1 - purity)) / purity
        total = np.sqrt(background + np.square(background * relative)) / signal
        ax.plot(purity, total, color=colour, label=f"others known to {100 * others:.0f} %")
        low, high = np.interp([0.25, 0.9], purity, total)
        print(f"control_region: others to {others}, at a purity of 0.25 {low:.2f}, of 0.9 {high:.2f}")
    ax.axhline(np.sqrt(background) / signal, color=GREY, linestyle=":", label="background known exactly")
    ax.set(xlabel="Purity of the control region", ylim=(0.5, 20), yscale="log")
    ax.set_ylabel("Uncertainty of the signal strength", fontsize=10)
    ax.legend(frameon=False, fontsize=9.5)
    style.frame(ax)
    save(figure, "control_region")


def main() -> None:
    """Draw everything."""
    config = cb.load_config(HERE.parent / "configs" / "quick.yaml")
    events = cb.select(config)
    events = events.take(events.is_nominal & ~events.is_data)
    split()
    boosting(events)
    overtraining(events)
    variables(events)
    own_or_all(events, config)
    composition(events, config)
    control_region()


if __name__ == "__main__":
    main()
