"""Systematics -> what a process's events need: weight factors, replaced branches, alternative samples."""

from cascadebdt.config import (
    DATA,
    Config,
    KinematicSystematic,
    SampleSystematic,
    SystematicConfig,
    WeightSystematic,
)


def applies(systematic: SystematicConfig, process: str) -> bool:
    """Whether a systematic varies a process; data are never varied."""
    return process != DATA and (systematic.processes is None or process in systematic.processes)


def weight_factors(config: Config) -> dict[str, WeightSystematic]:
    """Return variation name -> weight systematic, for every weight variation."""
    return {
        f"{systematic.name}_{side}": systematic
        for systematic in config.systematics
        if isinstance(systematic, WeightSystematic)
        for side in ("up", "down")
    }


def shifts(config: Config, process: str) -> dict[str, dict[str, str]]:
    """Return variation name -> (branch -> expression), for every kinematic variation of a process."""
    return {
        f"{systematic.name}_{side}": branches
        for systematic in config.systematics
        if isinstance(systematic, KinematicSystematic) and applies(systematic, process)
        for side, branches in (("up", systematic.up), ("down", systematic.down))
    }


def alternative_samples(config: Config) -> dict[str, SampleSystematic]:
    """Return variation name -> sample systematic; only the upper side is a sample of its own."""
    return {f"{s.name}_up": s for s in config.systematics if isinstance(s, SampleSystematic)}


def variations_with_rows(config: Config) -> tuple[str, ...]:
    """Names of the variations whose events differ from the nominal ones."""
    kinematic = [s.name for s in config.systematics if isinstance(s, KinematicSystematic)]
    return (*(f"{name}_{side}" for name in kinematic for side in ("up", "down")), *alternative_samples(config))
