"""Results -> figures: every function returns a matplotlib `Figure` and changes no global setting.

::

    cascadebdt.plots.save(cascadebdt.plots.regions(yields, fit), "plots/regions")
"""

from cascadebdt.plots.inference import fit
from cascadebdt.plots.style import save
from cascadebdt.plots.training import flow, scores
from cascadebdt.plots.yields import region, regions

__all__ = ["fit", "flow", "region", "regions", "save", "scores"]
