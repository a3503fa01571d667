"""The plan: which steps there are, from what each makes its products, and which products can be used as they are."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from cascadebdt import ntuple
from cascadebdt.config import Config
from cascadebdt.errors import InputError
from cascadebdt.events.variations import samples_by_name
from cascadebdt.ntuple.fingerprints import fingerprints
from cascadebdt.pipeline import origins
from cascadebdt.products.inventory import Inventory
from cascadebdt.products.keys import Origin

STEPS = ("train", "apply", "fit", "report")


@dataclass(frozen=True)
class Plan:
    """The steps of an analysis in a folder.

    Attributes
    ----------
    inventory : of the products that are there
    steps : step -> what its products are to be made from
    models : stage (or ``final``) -> what its models are to be made from
    selections : sample -> what its selected events are to be made from
    """

    inventory: Inventory
    steps: Mapping[str, Origin]
    models: Mapping[str, Origin]
    selections: Mapping[str, Origin]

    @classmethod
    def of(
        cls,
        config: Config,
        folder: Path,
        *,
        elsewhere: Mapping[str, str] | None = None,
        files: Mapping[str, Sequence[str]] | None = None,
        jobs: int = 1,
    ) -> "Plan":
        """Look at the input files and at what is in the folder.

        Parameters
        ----------
        config : the analysis
        folder : of its products
        elsewhere : name -> key of what was made elsewhere and is applied; see `origins.of_steps`
        files : sample -> its files; those that the configuration names if not given
        jobs : files looked at at a time

        Raises
        ------
        InputError
            If an input file is not there, or the manifest cannot be understood.
        """
        inventory = Inventory.read(folder)
        locations = configured(config) if files is None else files
        wanted = dict.fromkeys(location for of_sample in locations.values() for location in of_sample)
        inputs = fingerprints(wanted, config.ntuples, known=inventory.inputs, jobs=jobs)
        identities = {
            name: {ntuple.relative(location, config.directory): inputs[location].identity for location in of_sample}
            for name, of_sample in locations.items()
        }
        own = replace(inventory, inputs=inputs)
        return cls(
            own,
            origins.of_steps(config, identities, elsewhere=elsewhere),
            origins.of_models(config, identities),
            origins.of_selections(config, identities),
        )

    def fault(self, step: str) -> str | None:
        """Return why the products of a step cannot be used, in words; None if they can.

        Those of the steps before it are looked at first: a change is told where it begins.
        """
        for name in self._until(step):
            if fault := self.inventory.fault(self.steps[name]):
                return fault
        return None

    def change(self, step: str) -> str | None:
        """Return in words what has changed since a step or one before it was done; None if nothing has."""
        return next((change for name in self._until(step) if (change := self.inventory.change(self.steps[name]))), None)

    def require(self, step: str) -> None:
        """Require that the products of a step can be used.

        Raises
        ------
        InputError
            Naming what has changed, and the command that cures it.
        """
        for name in self._until(step):
            if fault := self.inventory.fault(self.steps[name]):
                raise InputError(f"{self.inventory.folder}: {fault}; do it with 'cascadebdt {name}', or all with 'run'")

    def _until(self, step: str) -> list[str]:
        return [name for name in STEPS[: STEPS.index(step) + 1] if name in self.steps]

    def done(self, step: str, paths: Iterable[Path], *, about: Mapping[str, Any] | None = None) -> "Plan":
        """Write into the manifest that a step has made its products, and return the plan after it."""
        keys = {
            f"cascade/{stage}/{path.name}": origin.key
            for stage, origin in self.models.items()
            for path in (self.inventory.folder / "cascade" / stage).glob("fold_*.ubj")
        }
        inventory = self.inventory.with_step(self.steps[step], paths, keys=keys)
        inventory = replace(inventory, about={**inventory.about, **(about or {})})
        inventory.write()
        return replace(self, inventory=inventory)


def configured(config: Config) -> dict[str, Sequence[str]]:
    """Return the files of every sample that a configuration names."""
    return {
        name: ntuple.find(sample.files, directory=config.directory) for name, sample in samples_by_name(config).items()
    }
