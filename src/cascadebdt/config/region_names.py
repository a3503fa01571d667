"""The names of regions.

``CR_<stage>`` holds what a stage rejects, the control region of its background. Where the stage has a second, looser
threshold, the band between the two is the validation region ``VR_<stage>``. ``SR`` passes every stage.
"""

from collections.abc import Iterable

CONTROL, VALIDATION, SIGNAL_REGION = "CR_", "VR_", "SR"


def names(stages: Iterable[tuple[str, bool]]) -> tuple[str, ...]:
    """Return the regions of stages in order: control, validation, next stage; the signal region last.

    Parameters
    ----------
    stages : name of each stage, and whether it has a validation region
    """
    regions: list[str] = []
    for stage, is_validated in stages:
        regions += [f"{CONTROL}{stage}", *([f"{VALIDATION}{stage}"] if is_validated else [])]
    return (*regions, SIGNAL_REGION)


def is_control(region: str) -> bool:
    """Whether a region is a control region."""
    return region.startswith(CONTROL)


def is_validation(region: str) -> bool:
    """Whether a region is a validation region, which no fit sees."""
    return region.startswith(VALIDATION)


def stage_of(region: str) -> str | None:
    """Return the stage that rejects the events of a region, None for the signal region."""
    return region[len(CONTROL) :] if is_control(region) or is_validation(region) else None
