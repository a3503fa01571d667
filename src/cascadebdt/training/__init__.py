"""Training: how a cascade comes to be, from the samples of a stage to its boosters and their quality."""

from cascadebdt.training.trainer import train, train_final

__all__ = ["train", "train_final"]
