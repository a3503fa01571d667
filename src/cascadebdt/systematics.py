"""Systematics -> what a process's events need: weight factors, replaced branches, alternative samples; and the model."""

from fnmatch import fnmatchcase

from cascadebdt.config import (
    DATA,
    Config,
    KinematicSystematic,
    NormalisationSystematic,
    SampleSystematic,
    SystematicConfig,
    WeightSystematic,
)


def applies(systematic: SystematicConfig, process: str, region: str | None = None) -> bool:
    """Whether a systematic varies a process, in a region or in any if it is not given; data are never varied."""
    if process == DATA or not (systematic.processes is None or process in systematic.processes):
        return False
    return region is None or systematic.regions is None or any(fnmatchcase(region, p) for p in systematic.regions)


def sides(systematic: SystematicConfig) -> tuple[str, ...]:
    """Return the variations that belong to a systematic: ``<name>_up`` and, unless it is one-sided, ``<name>_down``."""
    if isinstance(systematic, NormalisationSystematic):
        return ()
    one_sided = isinstance(systematic, SampleSystematic) or systematic.down is None
    return tuple(f"{systematic.name}_{side}" for side in (("up",) if one_sided else ("up", "down")))


def parameter(systematic: SystematicConfig, process: str, region: str) -> str:
    """Return the nuisance parameter that varies a process in a region."""
    parts = [systematic.parameter or systematic.name]
    parts += [process] if "processes" in systematic.decorrelate else []
    parts += [region] if "regions" in systematic.decorrelate else []
    return "_".join(parts)


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


def alternative_samples(config: Config) -> dict[str, SampleSystematic]:
    """Return variation name -> sample systematic; only the upper side is a sample of its own."""
    return {sides(s)[0]: s for s in config.systematics if isinstance(s, SampleSystematic)}


def variations_with_rows(config: Config) -> tuple[str, ...]:
    """Names of the variations whose events differ from the nominal ones."""
    kinematic = [s for s in config.systematics if isinstance(s, KinematicSystematic)]
    return (*(variation for systematic in kinematic for variation in sides(systematic)), *alternative_samples(config))
