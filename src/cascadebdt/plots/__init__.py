"""Results -> figures: every function returns a matplotlib `Figure` and changes no global setting.

::

    cascadebdt.plots.save(cascadebdt.plots.regions(yields, fit), "plots/regions")
"""

from cascadebdt.plots.inference import fit
from cascadebdt.plots.quality import quality
from cascadebdt.plots.style import save
from cascadebdt.plots.training import flow, scores
from cascadebdt.plots.yields import region, regions

__all__ = ["fit", "flow", "quality", "region", "regions", "save", "scores"]
