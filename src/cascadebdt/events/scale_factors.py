"""Scale factors from files of correctionlib: columns of simulated events, computed before anything else."""

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from cascadebdt import features
from cascadebdt.arrays import AnyArray, FloatArray
from cascadebdt.config import Config, ScaleFactorConfig
from cascadebdt.errors import ConfigError, InputError, did_you_mean
from cascadebdt.features import Branches, FeaturePlan


@dataclass(frozen=True, eq=False)
class ScaleFactor:
    """A scale factor ready to be computed.

    Attributes
    ----------
    config : what it is
    plan : of its inputs of numbers, as weights
    correction : of correctionlib
    """

    config: ScaleFactorConfig
    plan: FeaturePlan
    correction: Any

    def columns(self, branches: Branches) -> dict[str, tuple[None, FloatArray]]:
        """Return the nominal and the varied factors of the events of a chunk, as branches.

        Raises
        ------
        InputError
            If the correction has no value for an event.
        """
        numbers = self.plan.apply(branches, passing_only=True).weights
        known = np.ones(branches.n_events, np.bool_)
        for values in numbers.values():
            known &= np.isfinite(values)
        varied = self.config.varied
        texts = ("",) if varied is None else (varied.nominal, varied.up, varied.down)
        return {
            name: (None, self._values(numbers, np.flatnonzero(known), branches.n_events, text))
            for name, text in zip(self.config.names, texts, strict=True)
        }

    def _values(self, numbers: Mapping[str, FloatArray], rows: AnyArray, n_events: int, text: str) -> FloatArray:
        values = np.ones(n_events)
        if len(rows):
            arguments = [self._argument(variable, numbers, rows, text) for variable in self.correction.inputs]
            try:
                values[rows] = self.correction.evaluate(*arguments)
            except (RuntimeError, IndexError, ValueError) as error:
                reason = " ".join(str(error).split())
                raise InputError(f"scale_factors.{self.config.name}: {self.config.correction}: {reason}") from error
        return values

    def _argument(self, variable: Any, numbers: Mapping[str, FloatArray], rows: AnyArray, text: str) -> Any:
        """Return an input of the correction."""
        if variable.type == "string":
            is_varied = self.config.varied is not None and variable.name == self.config.varied.input
            return text if is_varied else self.config.inputs[variable.name]
        values = numbers[variable.name][rows]
        return values.astype(np.int64) if variable.type == "int" else values


def prepared(config: Config, branches: Collection[str]) -> tuple[ScaleFactor, ...]:
    """Open the files and plan the inputs of all scale factors.

    Raises
    ------
    ConfigError
        If a correction or an input does not exist, or a name is taken.
    InputError
        If correctionlib is not installed, or a file cannot be read.
    """
    return tuple(_prepared(config, factor, branches) for factor in config.scale_factors)


def _prepared(config: Config, factor: ScaleFactorConfig, branches: Collection[str]) -> ScaleFactor:
    path = f"scale_factors.{factor.name}"
    for name in factor.names:
        if name in branches or name in config.objects:
            raise ConfigError(f"{path}.name: '{name}' is a branch or an object; give it another name")
    correction = _correction(factor, config.directory, path)
    kinds = {variable.name: variable.type for variable in correction.inputs}
    given = {*factor.inputs, *({factor.varied.input} if factor.varied else ())}
    for name in sorted(given - kinds.keys()):
        raise ConfigError(f"{path}.inputs: '{factor.correction}' has no input '{name}'{did_you_mean(name, kinds)}")
    for name in sorted(kinds.keys() - given):
        raise ConfigError(f"{path}.inputs: '{factor.correction}' needs the input '{name}' ({kinds[name]})")
    if factor.varied is not None and kinds[factor.varied.input] != "string":
        raise ConfigError(f"{path}.varied: '{factor.varied.input}' is no input of text")
    inputs = {name: text for name, text in factor.inputs.items() if kinds[name] != "string"}
    try:
        plan = features.plan(objects=config.objects, selection=(), features={}, weights=inputs, branches=branches)
    except ConfigError as error:
        text = str(error).removeprefix("weights.")
        raise config.locate(ConfigError(f"{path}.inputs.{text}")) from None
    return ScaleFactor(factor, plan, correction)


def _correction(factor: ScaleFactorConfig, directory: Path, path: str) -> Any:
    try:
        import correctionlib
    except ImportError as error:
        raise InputError(f"{path}: needs an extra: pip install 'cascadebdt[correctionlib]'") from error
    file = directory / factor.file
    if not file.is_file():
        raise InputError(f"{path}.file: {file}: no such file")
    try:
        corrections = correctionlib.CorrectionSet.from_file(str(file))
    except (RuntimeError, ValueError, OSError) as error:
        raise InputError(f"{file}: not a file of correctionlib: {' '.join(str(error).split())}") from error
    if factor.correction in list(corrections.compound):
        return corrections.compound[factor.correction]
    if factor.correction not in list(corrections):
        cure = did_you_mean(factor.correction, [*corrections, *corrections.compound])
        raise ConfigError(f"{path}.correction: {file} has no correction '{factor.correction}'{cure}")
    return corrections[factor.correction]
