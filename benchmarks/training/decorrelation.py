"""What decorrelation costs and gains: AUC and sculpting of a spectator by a cut that keeps a fifth of the background.

One feature follows a mass, in which the signal peaks; another does not; a third is in between.

    python benchmarks/training/decorrelation.py
"""

import time

import numpy as np

from cascadebdt.config import BDTConfig, DecorrelateConfig
from cascadebdt.events.folds import Split
from cascadebdt.training import boosting, decorrelation
from cascadebdt.training.boosting import Runtime, TrainingSample
from cascadebdt.training.feature_rows import FeatureRows
from cascadebdt.training.quality import roc_auc

N_TRAIN, N_TEST = 40_000, 100_000
WAYS = (("none", 1.0), ("planing", 1.0), ("flatness", 1.0), ("flatness", 3.0), ("flatness", 10.0), ("flatness", 30.0))


def events(rows: int, seed: int) -> tuple[dict[str, np.ndarray], np.ndarray, np.ndarray]:
    """Return features, labels and masses."""
    rng = np.random.default_rng(seed)
    is_signal = rng.random(rows) < 0.5
    mass = np.where(is_signal, rng.normal(0.5, 0.08, rows), rng.random(rows))
    columns = {
        "follows": mass + rng.normal(0, 0.15, rows),
        "independent": rng.normal(0, 1, rows) + 1.2 * is_signal,
        "between": rng.normal(0, 1, rows) + 0.5 * is_signal + mass,
    }
    return {name: column.astype(np.float32) for name, column in columns.items()}, is_signal, mass.astype(np.float32)


def main() -> None:
    """Print a table."""
    columns, is_signal, mass = events(N_TRAIN, 1)
    test_columns, test_signal, test_mass = events(N_TEST, 2)
    test = np.stack(list(test_columns.values()), axis=1)
    stops = np.arange(N_TRAIN) % 4 == 0
    print(f"{'method':10s} {'strength':>8s} {'AUC':>7s} {'JS':>8s} {'KS':>7s} {'trees':>6s} {'s':>6s}")
    for method, strength in WAYS:
        sample = TrainingSample(
            FeatureRows(columns, tuple(columns), np.arange(N_TRAIN)),
            is_signal,
            np.ones(N_TRAIN),
            np.zeros(N_TRAIN, np.int16),
            "events",
            decorrelate=DecorrelateConfig(spectator="mass", method=method, strength=strength),
            spectator=mass,
        )
        start = time.perf_counter()
        (fitted,) = boosting.fit(sample, [Split(~stops, stops)], BDTConfig(n_estimators=800), Runtime(1, 1, "cpu"))
        seconds = time.perf_counter() - start
        scores = fitted.predict(test)
        passed = scores[~test_signal] >= np.quantile(scores[~test_signal], 0.8)
        found = decorrelation.sculpting(test_mass[~test_signal], np.ones(len(passed)), passed, n_bins=20)
        print(
            f"{method:10s} {strength:8g} {roc_auc(scores, np.ones(N_TEST), test_signal):7.4f} "
            f"{found['jensen_shannon']:8.5f} {found['kolmogorov_smirnov']:7.4f} "
            f"{fitted.booster.num_boosted_rounds():6d} {seconds:6.1f}"
        )


if __name__ == "__main__":
    main()
