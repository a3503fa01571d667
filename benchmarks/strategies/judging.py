"""What the scripts of this folder share: samples of another folder, and the judgement of some scores."""

from collections.abc import Mapping

from cascadebdt.arrays import FloatArray
from cascadebdt.cascade import Scores
from cascadebdt.config import Config
from cascadebdt.events import Events
from cascadebdt.studies import evaluation
from cascadebdt.studies.evaluation import Expectation, Placed


def judge(scores: Scores, events: Events, config: Config, edges: Mapping[str, FloatArray]) -> Expectation:
    """Return what the fit of the nominal background says of simulated events in given bins."""
    filled, _ = evaluation.fittable(Placed.of(events, scores, config.regions).fill(edges), config.cascade.signal)
    return evaluation.expectation(evaluation.asimov(evaluation.model(filled, config)))
