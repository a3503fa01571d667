"""YAML -> frozen, typed configuration: the only code that sees raw configuration, and the only home of defaults.

`load` reads a file, `parse` a mapping. Unknown keys are rejected with the closest known key, limits stand with
the field they limit, and every message starts with the path of what is wrong.
"""

from cascadebdt.config.reading import load, parse
from cascadebdt.config.sections import (
    DATA,
    ENTRY,
    NOMINAL,
    BDTConfig,
    BinningConfig,
    CascadeConfig,
    ClassBalance,
    Config,
    CutConfig,
    Device,
    FinalConfig,
    FitConfig,
    KinematicSystematic,
    Mode,
    NegativeWeights,
    NormalisationSystematic,
    NtupleConfig,
    ObjectConfig,
    RegionsConfig,
    SampleConfig,
    SampleSystematic,
    StageConfig,
    SystematicConfig,
    WeightSystematic,
    WorkingPointConfig,
)

__all__ = [
    "DATA",
    "ENTRY",
    "NOMINAL",
    "BDTConfig",
    "BinningConfig",
    "CascadeConfig",
    "ClassBalance",
    "Config",
    "CutConfig",
    "Device",
    "FinalConfig",
    "FitConfig",
    "KinematicSystematic",
    "Mode",
    "NegativeWeights",
    "NormalisationSystematic",
    "NtupleConfig",
    "ObjectConfig",
    "RegionsConfig",
    "SampleConfig",
    "SampleSystematic",
    "StageConfig",
    "SystematicConfig",
    "WeightSystematic",
    "WorkingPointConfig",
    "load",
    "parse",
]
