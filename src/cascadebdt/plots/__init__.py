"""Results -> figures: every function returns a matplotlib `Figure` and changes no global setting.

Examples
--------
>>> figure = cb.plots.regions(yields, cb.fit(workspace))
>>> png, pdf = cb.plots.save(figure, "plots/regions")
"""

from cascadebdt.plots.appearance import Appearance
from cascadebdt.plots.breakdown import breakdown
from cascadebdt.plots.comparison import ComparedStrategy, comparison
from cascadebdt.plots.corrections import corrections
from cascadebdt.plots.exclusion import ExclusionPoint, exclusion
from cascadebdt.plots.features import Elimination, feature_correlations, feature_sets, features
from cascadebdt.plots.fitted import fitted
from cascadebdt.plots.inference import fit
from cascadebdt.plots.inputs import inputs, separation
from cascadebdt.plots.limits import limits
from cascadebdt.plots.optimisation import optimisation
from cascadebdt.plots.predicted import predicted
from cascadebdt.plots.profiles import correlations, scan
from cascadebdt.plots.projection import projection
from cascadebdt.plots.purity import purity
from cascadebdt.plots.quality import quality
from cascadebdt.plots.ranking import ranking
from cascadebdt.plots.style import save
from cascadebdt.plots.systematics import pruning, systematics
from cascadebdt.plots.toys import toy_limit
from cascadebdt.plots.training import flow, scores
from cascadebdt.plots.tuning import Trials, tuning
from cascadebdt.plots.validation import validation
from cascadebdt.plots.yields import region, regions

__all__ = [
    "Appearance",
    "ComparedStrategy",
    "Elimination",
    "ExclusionPoint",
    "Trials",
    "breakdown",
    "comparison",
    "corrections",
    "correlations",
    "exclusion",
    "feature_correlations",
    "feature_sets",
    "features",
    "fit",
    "fitted",
    "flow",
    "inputs",
    "limits",
    "optimisation",
    "predicted",
    "projection",
    "pruning",
    "purity",
    "quality",
    "ranking",
    "region",
    "regions",
    "save",
    "scan",
    "scores",
    "separation",
    "systematics",
    "toy_limit",
    "tuning",
    "validation",
]
