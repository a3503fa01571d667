"""Studies as nodes: the trained cascade, then the study, or its parts and what joins them."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from cascadebdt.config import Config
from cascadebdt.errors import ConfigError
from cascadebdt.pipeline import Node
from cascadebdt.products.keys import digest


@dataclass(frozen=True)
class Study:
    """A study as a batch job.

    Attributes
    ----------
    name : of its command
    options : of the command
    is_parted : whether the stages are done in jobs of their own, which the command without ``--stage`` joins
    """

    name: str
    options: tuple[str, ...] = ()
    is_parted: bool = False

    def require(self, config: Config) -> None:
        """Require that jobs can be given the options, and find the files that they name.

        Raises
        ------
        ConfigError
            If not.
        """
        for text in self.options:
            if not text or any(character.isspace() or character in "\"'" for character in text):
                raise ConfigError(f"--study {self.name}: HTCondor takes no blanks or quotes in options, got '{text}'")
            file = Path(text.partition(":")[0].rpartition("=")[2])
            if file.exists() and not (config.batch.shared_file_system and file.is_absolute()):
                raise ConfigError(
                    f"--study {self.name}: jobs would not find '{file}'; give its absolute path, and set "
                    "batch.shared_file_system"
                )

    def nodes(self, config: Config, analysis: Sequence[Node]) -> tuple[Node, ...]:
        """Return the nodes of the training and those of the study, which looks itself for what it has done before.

        Parameters
        ----------
        config : the analysis
        analysis : its nodes
        """
        trained = next(node for node in analysis if node.name == "train")
        key = digest([self.name, self.options, trained.key])
        stages = [stage.name for stage in config.cascade.stages] if self.is_parted else []
        parts = [
            self._node(f"{self.name}_{stage}", ("--stage", stage), key=key, after=(trained.name,)) for stage in stages
        ]
        last = self._node(self.name, (), key=key, after=tuple(part.name for part in parts) or (trained.name,))
        return (*_until(trained, analysis), *parts, last)

    def _node(self, name: str, options: tuple[str, ...], *, key: str, after: tuple[str, ...]) -> Node:
        return Node(name, "study", (self.name, *self.options, *options), key, after, is_done=False)


def _until(last: Node, nodes: Sequence[Node]) -> list[Node]:
    """Return a node and those that it needs, in their order."""
    needed = {last.name}
    for node in reversed(nodes):
        if node.name in needed:
            needed |= set(node.after)
    return [node for node in nodes if node.name in needed]
