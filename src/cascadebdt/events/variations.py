"""Systematics -> what a process's events need: weight factors, replaced branches, alternative samples."""

from cascadebdt.config import (
    Config,
    KinematicSystematic,
    SampleConfig,
    SampleSystematic,
    WeightSystematic,
    applies,
    sides,
)


def weight_factors(config: Config) -> dict[str, tuple[WeightSystematic, str]]:
    """Return variation name -> its systematic and expression, for every weight variation."""
    return {
        variation: (systematic, expression)
        for systematic in config.systematics
        if isinstance(systematic, WeightSystematic)
        for variation, expression in zip(sides(systematic), (systematic.up, systematic.down), strict=False)
        if expression is not None
    }


def shifts(config: Config, process: str) -> dict[str, dict[str, str]]:
    """Return variation name -> (branch -> expression), for every kinematic variation of a process."""
    return {
        variation: branches
        for systematic in config.systematics
        if isinstance(systematic, KinematicSystematic) and applies(systematic, process)
        for variation, branches in zip(sides(systematic), (systematic.up, systematic.down), strict=False)
        if branches is not None
    }


def samples_by_name(config: Config) -> dict[str, SampleConfig | SampleSystematic]:
    """Return all samples by their names, alternative ones last."""
    samples: dict[str, SampleConfig | SampleSystematic] = {sample.name: sample for sample in config.samples}
    return samples | {sample.name: sample for sample in alternative_samples(config).values()}


def alternative_samples(config: Config) -> dict[str, SampleSystematic]:
    """Return variation name -> sample systematic; only the upper side is a sample of its own."""
    return {sides(s)[0]: s for s in config.systematics if isinstance(s, SampleSystematic)}


def variations_with_rows(config: Config) -> tuple[str, ...]:
    """Names of the variations whose events differ from the nominal ones."""
    kinematic = [s for s in config.systematics if isinstance(s, KinematicSystematic)]
    return (*(variation for systematic in kinematic for variation in sides(systematic)), *alternative_samples(config))
