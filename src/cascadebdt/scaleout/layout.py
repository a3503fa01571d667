"""Where the files of a submission lie, and what its manifest tells."""

import json
from dataclasses import dataclass, replace
from pathlib import Path

from cascadebdt.atomic import write_text
from cascadebdt.errors import InputError
from cascadebdt.pipeline import Node
from cascadebdt.records import Record, read_json

ANALYSIS = "analysis"
LOG = ".dag.dagman.log"


@dataclass(frozen=True)
class NodeRecord(Record):
    """What the manifest tells of a node; see `pipeline.Node`."""

    name: str
    category: str
    arguments: tuple[str, ...]
    key: str
    after: tuple[str, ...]
    is_done: bool

    @classmethod
    def of(cls, node: Node) -> "NodeRecord":
        """Take what is told of a node."""
        return cls(node.name, node.category, node.arguments, node.key, node.after, node.is_done)


@dataclass(frozen=True)
class Submitted(Record):
    """What was submitted: ``manifest.json``.

    Attributes
    ----------
    config : path of the configuration
    nodes : in an order in which they can be done
    at_a_time : category -> jobs in the queue at most
    dag : name of the DAG, that of a study or ``analysis``
    """

    config: str
    nodes: tuple[NodeRecord, ...]
    at_a_time: dict[str, int]
    dag: str


@dataclass(frozen=True)
class Layout:
    """The files of a submission below one directory.

    Attributes
    ----------
    directory : that holds them
    name : of the DAG
    """

    directory: Path
    name: str = ANALYSIS

    @classmethod
    def of_products(cls, folder: Path, name: str = ANALYSIS) -> "Layout":
        """Return the layout beside the products of an analysis."""
        return cls(folder / "batch", name)

    def submitted(self) -> "Layout":
        """Return the layout with the DAG that was submitted last; raises as `read`."""
        return replace(self, name=self.read().dag)

    def all(self) -> "list[Layout]":
        """Return the layouts of all DAGs that were submitted here."""
        return [replace(self, name=path.name.removesuffix(LOG)) for path in self.directory.glob(f"*{LOG}")]

    @property
    def dag(self) -> Path:
        """The DAG."""
        return self.directory / f"{self.name}.dag"

    @property
    def dag_log(self) -> Path:
        """What HTCondor notes of DAGMan itself."""
        return self.directory / f"{self.name}{LOG}"

    @property
    def jobs(self) -> Path:
        """Folder of what the jobs say."""
        return self.directory / "jobs"

    @property
    def manifest(self) -> Path:
        """What was submitted."""
        return self.directory / "manifest.json"

    def write(self, submitted: Submitted) -> None:
        """Write what is submitted."""
        write_text(self.manifest, json.dumps(submitted.to_json(), indent=2) + "\n")

    def read(self) -> Submitted:
        """Return what was submitted.

        Raises
        ------
        InputError
            If nothing was, or the manifest cannot be understood.
        """
        try:
            return Submitted.from_json(read_json(self.manifest))
        except FileNotFoundError:
            raise InputError(f"{self.manifest}: no such file, so nothing was submitted here") from None
        except (ValueError, InputError) as error:
            raise InputError(f"{self.manifest}: not the manifest of a submission ({error}); submit it again") from None
