"""Cascades and single stages as estimators of scikit-learn, by the same code as those of a run."""

from cascadebdt.estimators.classifiers import BDTClassifier, CascadeClassifier

__all__ = ["BDTClassifier", "CascadeClassifier"]
