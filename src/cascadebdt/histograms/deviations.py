"""Systematics -> how far they move the total background of a histogram, as nuisance parameters do to first order."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import product
from typing import Self

import numpy as np

from cascadebdt.arrays import BoolArray, FloatArray
from cascadebdt.config import NormalisationSystematic, SystematicConfig, applies, sides
from cascadebdt.config.systematics import parameter


@dataclass(frozen=True, eq=False)
class Deviations:
    """Which systematic moves which background in which region, and by which nuisance parameter.

    Attributes
    ----------
    acting : nuisance parameter -> the systematics it moves, and where, ``(n_regions, n_processes) bool``
    """

    acting: Mapping[str, Sequence[tuple[SystematicConfig, BoolArray]]]

    @classmethod
    def of(cls, systematics: Sequence[SystematicConfig], regions: Sequence[str], backgrounds: Sequence[str]) -> Self:
        """Find where systematics act; a process that is no background has the name of none, ``""``."""
        acting: dict[str, list[tuple[SystematicConfig, BoolArray]]] = {}
        for systematic in systematics:
            places: dict[str, BoolArray] = {}
            for (row, region), (column, process) in product(enumerate(regions), enumerate(backgrounds)):
                if process and applies(systematic, process, region):
                    name = parameter(systematic, process, region)
                    where = places.setdefault(name, np.zeros((len(regions), len(backgrounds)), np.bool_))
                    where[row, column] = True
            for name, where in places.items():
                acting.setdefault(name, []).append((systematic, where))
        return cls(acting)

    def variance(self, nominal: FloatArray, varied: Mapping[str, FloatArray]) -> FloatArray:
        """Return the sum of squared deviations of the total background, ``(n_regions, n_bins) float64``.

        The deviation of a nuisance parameter is half the difference of both sides, or that of the only side to the
        nominal one, summed with its sign over systematics and processes that share it; parameters are independent.

        Parameters
        ----------
        nominal : (n_regions, n_processes, n_bins) sums of weights
        varied : variation -> the same sums of the varied events
        """
        total = np.zeros((nominal.shape[0], nominal.shape[2]))
        for parts in self.acting.values():
            shift = np.zeros_like(total)
            for systematic, where in parts:
                shift += np.sum(_shift(systematic, nominal, varied), axis=1, where=where[:, :, None])
            total += shift**2
        return total


def _shift(systematic: SystematicConfig, nominal: FloatArray, varied: Mapping[str, FloatArray]) -> FloatArray:
    """Return by how much one standard deviation of a systematic moves every process."""
    if isinstance(systematic, NormalisationSystematic):
        return systematic.size * nominal
    up, *down = (varied[variation] for variation in sides(systematic))
    return (up - down[0]) / 2 if down else up - nominal
