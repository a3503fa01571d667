"""Figures of studies: as the configuration wants them, and drawn anew where that alone has changed."""

from collections.abc import Iterable
from importlib.metadata import version

from matplotlib.figure import Figure

from cascadebdt.config import Config
from cascadebdt.plots import Appearance
from cascadebdt.products import Products
from cascadebdt.products.inventory import Inventory
from cascadebdt.products.keys import Origin

SUFFIX = "_figures"


def draw(study: Origin, figures: Iterable[tuple[str, Figure]], config: Config, products: Products) -> None:
    """Draw the figures of a study, where they are not there as they should be.

    Parameters
    ----------
    study : what its result is made from
    figures : name, figure; none is made where all are there
    config : the analysis
    products : where they go
    """
    parts = {
        "plots": config.plots.model_dump(mode="json", by_alias=True),
        "luminosity_fb": config.luminosity_fb,  # above the figures
        "versions": {"cascadebdt": version("cascadebdt")},
    }
    origin = Origin(study.step + SUFFIX, 1, parts, {study.step: study.key})
    inventory = Inventory.read(products.directory)
    if inventory.fault(origin) is not None:
        saved = Appearance.of(config).saved(figures, products.plots)
        inventory.with_step(origin, [path for paths in saved.values() for path in paths]).write()
