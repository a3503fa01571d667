"""An analysis handed to DAGMan: what of its plan is left is written as plain files, and submitted."""

import os
import re
import shlex
import shutil
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from cascadebdt.atomic import write_text
from cascadebdt.config import Config
from cascadebdt.errors import ConfigError, InputError, one_line
from cascadebdt.pipeline import Node, nodes, note_inputs
from cascadebdt.products import Products
from cascadebdt.scaleout import packing, writing
from cascadebdt.scaleout.jobs import in_queue
from cascadebdt.scaleout.layout import ANALYSIS, Layout, NodeRecord, Submitted
from cascadebdt.scaleout.sandbox import Sandbox
from cascadebdt.scaleout.studies import Study

SUBMIT = "condor_submit_dag"
CLUSTER = re.compile(r"submitted to cluster (\d+)")
# Variables that choose how linear algebra and arrays are computed, and so the last digits of a fit.
ARITHMETIC = re.compile(r"OPENBLAS_(?!.*NUM_THREADS).*|NPY_(DIS|EN)ABLE_CPU_FEATURES")
INPUTS, ENVIRONMENT = "inputs.tar", "environment.tar.gz"


@dataclass(frozen=True)
class Submission:
    """What was handed to DAGMan.

    Attributes
    ----------
    layout : of its files
    nodes : of the plan
    cluster : number of the DAG in the queue; None if nothing was submitted
    """

    layout: Layout
    nodes: tuple[Node, ...]
    cluster: int | None = None

    @property
    def left(self) -> list[Node]:
        """Nodes that are not done."""
        return [node for node in self.nodes if not node.is_done]


def submit(
    config: Config,
    path: Path,
    products: Products,
    *,
    study: Study | None = None,
    options: Sequence[str] = (),
    only_write: bool = False,
    jobs: int = 1,
) -> Submission:
    """Write the plan of an analysis as a DAG beside its products, and submit it if anything is left to do.

    Parameters
    ----------
    config : the analysis
    path : of its configuration
    products : where the products go
    study : that is done in place of the steps after the training
    options : of the command line of every step
    only_write : do not submit
    jobs : input files looked at at a time

    Raises
    ------
    InputError
        If a DAG of this folder is in the queue, an input file is not there, or HTCondor refuses.
    ConfigError
        If jobs without a shared file system would not find their input, or a model trains on many machines at once.
    """
    layout = Layout.of_products(Path(os.path.abspath(products.directory)), study.name if study else ANALYSIS)
    for submitted in layout.all():
        _require_not_in_queue(submitted)
    if study:
        study.require(config)
    note_inputs(config, products, jobs=jobs)
    planned = nodes(config, products, jobs=jobs)
    if shared := [node.arguments[2] for node in planned if node.is_distributed]:
        raise ConfigError(
            f"'{shared[0]}' is distributed: its models train on many machines at once; do it with 'cascadebdt run "
            "--executor dask', or leave out 'distributed'"
        )
    submission = Submission(layout, study.nodes(config, planned) if study else planned)
    _write(submission, config, Path(os.path.abspath(path)), options)
    if only_write or not submission.left:
        return submission
    return replace(submission, cluster=_submitted(layout))


def _require_not_in_queue(layout: Layout) -> None:
    if (cluster := in_queue(layout)) is not None:
        raise InputError(
            f"{layout.dag}: is in the queue as job {cluster}; wait for it, remove it with 'condor_rm "
            f"{cluster}', or remove {layout.directory} if that queue is gone"
        )


def _write(submission: Submission, config: Config, path: Path, options: Sequence[str]) -> None:
    """Write everything that HTCondor needs; what jobs said before of what is left goes."""
    layout, batch = submission.layout, config.batch
    layout.jobs.mkdir(parents=True, exist_ok=True)
    for node in submission.left:
        for old in layout.jobs.glob(f"{node.name}.*"):
            old.unlink()
    command, variables, archives = _environment(config, layout)
    if batch.shared_file_system:
        arguments = [str(path), "--output", str(layout.directory.parent), *options]
        script = writing.job_in_place(command, arguments, variables=variables)
    else:
        sandbox = Sandbox.of(config, path, layout.directory.parent)
        sandbox.pack(layout.directory / INPUTS)
        archives = [INPUTS, *archives]
        output = sandbox.inside(sandbox.output)
        arguments = [sandbox.inside(sandbox.config), "--output", output, *options]
        script = writing.job_in_a_copy(command, arguments, output=output, archives=archives, variables=variables)
        _write_script(layout, "pack.sh", writing.pack_script(root=str(sandbox.root), output=output))
        _write_script(layout, "collect.sh", writing.collect_script(root=str(sandbox.root)))
    _write_script(layout, "job.sh", script)
    has_scripts = not batch.shared_file_system
    _write_script(layout, "before_last.sh", writing.before_last_script(has_scripts=has_scripts))
    _write_script(layout, "after_last.sh", writing.after_last_script(has_scripts=has_scripts))
    categories = tuple(dict.fromkeys(node.category for node in submission.nodes))
    for category in categories:
        write_text(layout.directory / f"{category}.sub", writing.description(batch, category, archives=archives))
    write_text(layout.dag, writing.dag(submission.nodes, batch, has_scripts=has_scripts))
    at_a_time = {category: writing.resources(batch, category).at_a_time for category in categories}
    layout.write(Submitted(str(path), tuple(NodeRecord.of(node) for node in submission.nodes), at_a_time, layout.name))


def _environment(config: Config, layout: Layout) -> tuple[list[str], dict[str, str], list[str]]:
    """Return the command that starts the package in a job, its environment, and the archives that it needs."""
    batch = config.batch
    variables = {name: shlex.quote(value) for name, value in os.environ.items() if ARITHMETIC.fullmatch(name)}
    if batch.environment == "here":
        folders = [os.path.abspath(name) for name in os.environ.get("PYTHONPATH", "").split(os.pathsep) if name]
        own = {"PYTHONPATH": shlex.quote(os.pathsep.join(folders))} if folders else {}
        return [batch.python or sys.executable, "-m", "cascadebdt"], variables | own, []
    python = batch.python or f"python{sys.version_info.major}.{sys.version_info.minor}"
    if batch.environment == "packed":
        archive = packing.pack(layout.directory / ENVIRONMENT)
        own = {"PYTHONPATH": f'"$PWD/{packing.ROOT}"'}
        return [python, "-m", "cascadebdt"], variables | own, [archive.name]
    return [python, "-m", "cascadebdt"], variables, []


def _write_script(layout: Layout, name: str, text: str) -> None:
    write_text(layout.directory / name, text).chmod(0o755)


def _submitted(layout: Layout) -> int:
    """Hand the DAG to DAGMan and return its number in the queue; what an earlier one left is not used."""
    if shutil.which(SUBMIT) is None:
        raise InputError(f"{SUBMIT}: no such command here; submit {layout.dag} from a machine that has HTCondor")
    layout.dag_log.unlink(missing_ok=True)
    done = subprocess.run(
        [SUBMIT, "-force", layout.dag.name], cwd=layout.directory, capture_output=True, text=True, check=False
    )
    found = CLUSTER.search(done.stdout)
    if done.returncode or found is None:
        raise InputError(f"{SUBMIT}: {one_line((done.stderr or done.stdout).strip())}; see {layout.directory}")
    return int(found[1])
