"""The public functions that take a whole configuration; each calls the room that does the work with its part of it."""

from cascadebdt import training
from cascadebdt.cascade import Cascade, Scores
from cascadebdt.config import Config
from cascadebdt.events import Events
from cascadebdt.histograms import yields
from cascadebdt.histograms.yields import Yields
from cascadebdt.progress import Progress, silent


def train(events: Events, config: Config, *, jobs: int = 1, progress: Progress = silent) -> Cascade:
    """Train the cascade of a configuration, see `cascadebdt.training.train`."""
    return training.train(events, config.cascade, seed=config.seed, jobs=jobs, progress=progress)


def fill(events: Events, scores: Scores, config: Config) -> Yields:
    """Fill the regions of a configuration, see `cascadebdt.histograms.yields.fill`."""
    return yields.fill(events, scores, config.regions)
