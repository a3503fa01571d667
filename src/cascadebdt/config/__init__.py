"""YAML -> frozen, typed configuration: the only code that sees raw configuration, and the only home of defaults.

`load` reads a file, `parse` a mapping. Unknown keys are rejected with the closest known key, limits and meaning stand
with the field they belong to, and every message starts with the file, the line and the path of what is wrong.
"""

from cascadebdt.config.analysis import NOMINAL, Config, DataSource, FitConfig
from cascadebdt.config.cascade import CascadeConfig, ClassBalance, Device, Memory, Mode, NegativeWeights
from cascadebdt.config.corrections import CorrectionConfig
from cascadebdt.config.inputs import DATA, ENTRY, CutConfig, NtupleConfig, ObjectConfig, SampleConfig
from cascadebdt.config.learning import BDTConfig, ConstraintsConfig, DecorrelateConfig
from cascadebdt.config.plots import PlotsConfig, PlotStyle
from cascadebdt.config.reading import load, parse
from cascadebdt.config.regions import BinChoiceConfig, BinningConfig, RegionsConfig
from cascadebdt.config.scale_factors import ScaleFactorConfig
from cascadebdt.config.stages import ControlConfig, FinalConfig, Part, StageConfig, WorkingPointConfig
from cascadebdt.config.systematics import (
    KinematicSystematic,
    NormalisationSystematic,
    PruneConfig,
    SampleSystematic,
    SmoothConfig,
    SystematicConfig,
    WeightSystematic,
    applies,
    parameter,
    sides,
)
from cascadebdt.config.templates import TemplatesConfig

__all__ = [
    "DATA",
    "ENTRY",
    "NOMINAL",
    "BDTConfig",
    "BinChoiceConfig",
    "BinningConfig",
    "CascadeConfig",
    "ClassBalance",
    "Config",
    "ConstraintsConfig",
    "ControlConfig",
    "CorrectionConfig",
    "CutConfig",
    "DataSource",
    "DecorrelateConfig",
    "Device",
    "FinalConfig",
    "FitConfig",
    "KinematicSystematic",
    "Memory",
    "Mode",
    "NegativeWeights",
    "NormalisationSystematic",
    "NtupleConfig",
    "ObjectConfig",
    "Part",
    "PlotStyle",
    "PlotsConfig",
    "PruneConfig",
    "RegionsConfig",
    "SampleConfig",
    "SampleSystematic",
    "ScaleFactorConfig",
    "SmoothConfig",
    "StageConfig",
    "SystematicConfig",
    "TemplatesConfig",
    "WeightSystematic",
    "WorkingPointConfig",
    "applies",
    "load",
    "parameter",
    "parse",
    "sides",
]
