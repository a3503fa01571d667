"""A trained cascade on toy events with all their scores, and the configuration that goes with it."""

from dataclasses import dataclass
from typing import Any

from cascadebdt import config as configuration
from cascadebdt import training
from cascadebdt.cascade import Cascade
from cascadebdt.config import Config
from cascadebdt.studies.open_scores import OpenScores
from tiny_analysis import toy_cascade, toy_events

SYSTEMATICS = [
    {"name": "lumi", "kind": "normalisation", "size": 0.02},
    {"name": "pileup", "kind": "weight", "up": "w", "down": "w", "symmetrise": "average"},
]


@dataclass(frozen=True)
class ToyStudy:
    """A cascade, its configuration, and the scores of its events."""

    cascade: Cascade
    config: Config
    scores: OpenScores


def toy_study(assign: str, n_events: int = 6000, **regions: Any) -> ToyStudy:
    """Train the toy cascade; rejected events go by `assign` to the region of a stage or of a background."""
    events = toy_events(n_events)
    cascade_config = toy_cascade(control={"assign": assign})
    cascade = training.train(events, cascade_config)
    config = configuration.parse(
        {
            "analysis": "toy",
            "luminosity_fb": 1.0,
            "samples": [{"name": name, "process": name, "files": f"{name}.root"} for name in events.processes],
            "features": {"x": "x", "y": "y"},
            "cascade": cascade_config.model_dump(mode="json"),
            "regions": {"signal": {"observable": "final", "n_bins": 5}, "control": {"n_bins": 3}, **regions},
            "systematics": SYSTEMATICS,
            "fit": {"free": ["zee", "wjets"]},
        }
    )
    return ToyStudy(cascade, config, OpenScores.of(cascade, events))
