"""Event classification in high-energy physics with cascading boosted decision trees.

The names below are the public interface; everything else is private and may move. Each loads when it is first used, so
that importing the package costs nothing::

    import cascadebdt as cb

    config = cb.load_config("configs/wh_dark_photon.yaml")
    events = cb.select(config)
    cascade = cb.train(events, config)
"""

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from cascadebdt import plots, studies
    from cascadebdt._api import fill, run, train
    from cascadebdt.cascade import Cascade, Scores
    from cascadebdt.config import Config
    from cascadebdt.config import load as load_config
    from cascadebdt.errors import CascadeBDTError
    from cascadebdt.estimators import BDTClassifier, CascadeClassifier
    from cascadebdt.events import Events
    from cascadebdt.events.loading import select
    from cascadebdt.expression import register
    from cascadebdt.histograms.contents import flow, score_histograms
    from cascadebdt.inference import FitResult, fit, limit, ranking, scan, significance, toys
    from cascadebdt.workspace import Workspace
    from cascadebdt.workspace import build as build_workspace

__version__ = "0.1.0"

_HOME = {  # public name -> its module, and its name there
    "BDTClassifier": ("estimators", "BDTClassifier"),
    "Cascade": ("cascade", "Cascade"),
    "CascadeBDTError": ("errors", "CascadeBDTError"),
    "CascadeClassifier": ("estimators", "CascadeClassifier"),
    "Config": ("config", "Config"),
    "Events": ("events", "Events"),
    "FitResult": ("inference", "FitResult"),
    "Scores": ("cascade", "Scores"),
    "Workspace": ("workspace", "Workspace"),
    "build_workspace": ("workspace", "build"),
    "fill": ("_api", "fill"),
    "fit": ("inference", "fit"),
    "flow": ("histograms.contents", "flow"),
    "limit": ("inference", "limit"),
    "load_config": ("config", "load"),
    "plots": ("plots", ""),
    "ranking": ("inference", "ranking"),
    "register": ("expression", "register"),
    "run": ("_api", "run"),
    "scan": ("inference", "scan"),
    "score_histograms": ("histograms.contents", "score_histograms"),
    "select": ("events.loading", "select"),
    "significance": ("inference", "significance"),
    "studies": ("studies", ""),
    "toys": ("inference", "toys"),
    "train": ("_api", "train"),
}
__all__ = [
    "BDTClassifier",
    "Cascade",
    "CascadeBDTError",
    "CascadeClassifier",
    "Config",
    "Events",
    "FitResult",
    "Scores",
    "Workspace",
    "build_workspace",
    "fill",
    "fit",
    "flow",
    "limit",
    "load_config",
    "plots",
    "ranking",
    "register",
    "run",
    "scan",
    "score_histograms",
    "select",
    "significance",
    "studies",
    "toys",
    "train",
]


def __getattr__(name: str) -> Any:
    if name not in _HOME:
        raise AttributeError(f"module 'cascadebdt' has no attribute '{name}'")
    home, attribute = _HOME[name]
    module = importlib.import_module(f"cascadebdt.{home}")
    return getattr(module, attribute) if attribute else module


def __dir__() -> list[str]:
    return sorted(__all__)
