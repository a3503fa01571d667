"""Yields that cannot become a workspace: each is refused with region, process and bin."""

from collections.abc import Mapping
from typing import TYPE_CHECKING

import numpy as np

from cascadebdt.config import DATA, NOMINAL, Config, applies, sides
from cascadebdt.config.region_names import SIGNAL_REGION
from cascadebdt.errors import YieldError, did_you_mean
from cascadebdt.workspace.templates import Templates, content, names

if TYPE_CHECKING:
    from cascadebdt.histograms.yields import Histogram


def require_usable(region: str, histogram: "Histogram", *, needs_data: bool) -> None:
    """Require what does not depend on the roles of processes: axes, numbers, data."""
    axes = [axis.name for axis in histogram.axes]
    if axes[:2] != ["process", "variation"] or len(axes) != 3:
        raise YieldError(f"region '{region}': expected the axes process, variation and an observable, got {axes}")
    if NOMINAL not in names(histogram, "variation"):
        raise YieldError(f"region '{region}': there is no variation '{NOMINAL}'")
    processes = names(histogram, "process")
    if needs_data and DATA not in processes:
        raise YieldError(f"region '{region}': there are no data, got the processes {processes}")
    for process in processes:
        if process != DATA or needs_data:
            _require_finite(region, process, histogram)
    if needs_data:
        data, _ = content(histogram, DATA, NOMINAL)
        if (data < 0).any():
            bin_index = int(np.argmin(data))
            raise YieldError(f"region '{region}', process '{DATA}', bin {bin_index}: negative, got {data[bin_index]:g}")


def _require_finite(region: str, process: str, histogram: "Histogram") -> None:
    """Require that every yield and variance of a process is a number."""
    for variation in names(histogram, "variation"):
        is_finite = np.isfinite(np.stack(content(histogram, process, variation))).all(axis=0)
        if not is_finite.all():
            raise YieldError(
                f"region '{region}', process '{process}', bin {int(np.argmin(is_finite))}: "
                f"the yield of variation '{variation}' is not a finite number"
            )


def require_normalised(regions: Mapping[str, Templates], config: Config) -> None:
    """Require that the signal and the processes of free normalisation have events in some region."""
    for role, processes in (("fit.signal", (config.fit.signal,)), ("fit.free", config.fit.free)):
        for process in processes:
            if not any(process in templates and templates[process].values.any() for templates in regions.values()):
                known = {name for templates in regions.values() for name in templates}
                raise YieldError(
                    f"process '{process}' of {role} has no events in any region{did_you_mean(process, sorted(known))}"
                )


def require_variations(regions: Mapping[str, Templates], config: Config) -> None:
    """Require that every process a systematic affects was filled with it."""
    processes = dict.fromkeys(process for templates in regions.values() for process in templates)
    for systematic in config.systematics:
        for side in sides(systematic):
            for process in processes:
                varied = [templates[process].varied.get(side) for templates in regions.values() if process in templates]
                if applies(systematic, process) and not any(v is not None and v.any() for v in varied):
                    raise YieldError(f"process '{process}': the variation '{side}' is empty in every region")


def shapes_of(
    yields: Mapping[str, "Histogram"], config: Config, given: Mapping[str, "Histogram"]
) -> dict[str, "Histogram"]:
    """Return the shapes that backgrounds borrow, region by region."""
    if config.templates.shapes == "own":
        return {}
    if SIGNAL_REGION in yields and SIGNAL_REGION not in given:
        raise YieldError(
            f"region '{SIGNAL_REGION}': templates.shapes is '{config.templates.shapes}', but there are no shapes to "
            "borrow; give those that 'apply' fills, or set it to 'own'"
        )
    for region in (name for name in given if name in yields):
        if not np.array_equal(given[region].axes[2].edges, yields[region].axes[2].edges):
            raise YieldError(
                f"region '{region}': the shapes to borrow have other bins than the yields; fill both again"
            )
    return {region: given[region] for region in given if region in yields}
