"""Event classification in high-energy physics with cascading boosted decision trees.

Modules load when they are first used, so that importing the package costs nothing::

    import cascadebdt as cb

    config = cb.config.load("configs/wh_dark_photon.yaml")
"""

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from cascadebdt import (
        cascade,
        config,
        diagnostics,
        errors,
        inference,
        pipeline,
        plots,
        report,
        simulation,
        store,
        workspace,
        yields,
    )
    from cascadebdt.cascade import Cascade
    from cascadebdt.expression import register

__version__ = "0.1.0"
__all__ = [
    "Cascade",
    "cascade",
    "config",
    "diagnostics",
    "errors",
    "inference",
    "pipeline",
    "plots",
    "register",
    "report",
    "simulation",
    "store",
    "workspace",
    "yields",
]


def __getattr__(name: str) -> Any:
    if name == "Cascade":
        return importlib.import_module("cascadebdt.cascade").Cascade
    if name == "register":
        return importlib.import_module("cascadebdt.expression").register
    if name in __all__:
        return importlib.import_module(f"cascadebdt.{name}")
    raise AttributeError(f"module 'cascadebdt' has no attribute '{name}'")


def __dir__() -> list[str]:
    return sorted(__all__)
