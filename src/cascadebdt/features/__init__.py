"""Chunk -> objects -> flat columns: features, cut decisions and weights of every event.

`plan` checks all names once, without reading data; the `FeaturePlan` it returns is applied to any number of chunks.
Beyond this package there are no ragged arrays.

An object is a list of candidates per event: those of its collections, in the order of `from`, that satisfy `where` and
are away from the selected candidates of other objects, sorted by `order` (ascending, stable, NaN last). A field
``pt`` is the branch ``Photon_pt`` of the collection ``Photon``; ``source`` is the position of the collection in
`from`; a collection without a branch for ``mass`` holds massless particles. In `where` and `order` a bare name is a
field, or else a branch with one number per event. Everything is float64 until features become float32.
"""

from cascadebdt.features.branches import Branches
from cascadebdt.features.definition import definition, difference
from cascadebdt.features.planner import plan
from cascadebdt.features.table import FeaturePlan, FeatureTable

__all__ = ["Branches", "FeaturePlan", "FeatureTable", "definition", "difference", "plan"]
