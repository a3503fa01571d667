"""What `submit` writes, and what `status` reads, without any pool."""

import json
import os
import subprocess
import sys
import tarfile
from datetime import datetime, timedelta
from pathlib import Path

import pytest

from cascadebdt import scaleout
from cascadebdt.scaleout import Layout
from cascadebdt.scaleout.layout import NodeRecord, Submitted
from scaleout.folders import call, write_analysis, write_config

HELD = """\
000 (012.000.000) 2026-11-29 00:30:00 Job submitted from host: <127.0.0.1:1>
...
012 (012.000.000) 2026-11-29 00:30:10 Job was held.
\tTransfer output files failure at the execution point
\tCode 12 Subcode 2
...
"""
RAN = "001 (012.000.000) 2026-11-29 00:30:05 Job executing on host: <127.0.0.1:1>\n...\n"
FAILED = f"{RAN}005 (012.000.000) 2026-11-29 00:30:10 Job terminated.\n\t(1) Normal termination (return value 2)\n...\n"
DONE = FAILED.replace("value 2", "value 0")
EVICTED = f"{RAN}004 (012.000.000) 2026-11-29 00:30:10 Job was evicted.\n...\n"


@pytest.fixture(scope="module")
def analysis(ntuples: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Folder of an analysis that was written to be submitted, for a shared file system."""
    folder = tmp_path_factory.mktemp("analysis")
    config = write_analysis(folder, ntuples, shared_file_system=True, commands={"+JobFlavour": '"workday"'})
    result = call("submit", config, "--output", folder / "out", "--unblind", "it's time", "--dry-run")
    assert result.exit_code == 0, result.output
    assert "0 of 25 nodes are done already" in result.output
    return folder


def statement(dag: str, word: str) -> list[str]:
    return [line for line in dag.splitlines() if line.startswith(f"{word} ")]


def test_the_dag_has_a_node_for_each_model_and_each_step(analysis: Path) -> None:
    dag = (analysis / "out/batch/analysis.dag").read_text()
    files = [f"select_{sample}_1" for sample in ("signal", "zee", "wjets", "data")]
    models = [f"train_{stage}_{fold}" for stage in ("zee", "wjets", "final") for fold in range(3)]
    observed = [f"observe_{sample}_1" for sample in ("signal", "zee", "wjets")]
    filled = [f"fill_{sample}_1" for sample in ("signal", "zee", "wjets", "data")]
    names = [*files, *models, "train", *observed, "bins", *filled, "apply", "fit"]
    assert [line.split()[1] for line in statement(dag, "JOB")] == names
    assert statement(dag, "FINAL") == ["FINAL report report.sub"]
    assert f"PARENT {' '.join(files[:3])} CHILD train_zee_0 train_zee_1 train_zee_2\n" in dag
    assert f"PARENT train CHILD {' '.join(observed)}\n" in dag
    assert f"PARENT {' '.join(observed)} CHILD bins\n" in dag
    assert f"PARENT bins CHILD {' '.join(filled[:3])}\n" in dag
    assert "PARENT bins select_data_1 CHILD fill_data_1\n" in dag
    assert f"PARENT {' '.join(filled)} CHILD apply\n" in dag
    assert "PARENT train_zee_0 train_zee_1 train_zee_2 CHILD train_wjets_0 train_wjets_1 train_wjets_2" in dag
    assert "PARENT train_final_0 train_final_1 train_final_2 CHILD train\n" in dag
    assert all(line.endswith(" 3 UNLESS-EXIT 2") for line in statement(dag, "RETRY"))
    assert not [line for line in statement(dag, "JOB") if line.endswith("DONE")]


def test_a_job_is_one_command_line_with_the_options_of_submit(analysis: Path) -> None:
    script = (analysis / "out/batch/job.sh").read_text()
    command = f"exec {sys.executable} -m cascadebdt"
    options = f"{analysis}/configs/tiny.yaml --output {analysis}/out --unblind 'it'\"'\"'s time'"
    assert script.splitlines()[-1] == f'{command} "$@" {options}'


def test_a_description_asks_for_resources_and_takes_commands_of_the_site(analysis: Path) -> None:
    lines = (analysis / "out/batch/apply.sub").read_text().splitlines()
    assert "request_cpus = 1" in lines
    assert '+JobFlavour = "workday"' in lines
    assert lines[-1] == "queue"


def test_what_is_there_is_done_and_a_change_undoes_what_depends_on_it(ntuples: Path, tmp_path: Path) -> None:
    config = write_analysis(tmp_path, ntuples, shared_file_system=True)
    assert call("train", config, "--output", tmp_path / "out", "--jobs", 1).exit_code == 0
    assert "10 of 25 nodes are done already" in call("submit", config, "--output", tmp_path / "out", "--dry-run").output
    raw = json.loads(config.read_text())
    raw["cascade"]["stages"][1]["features"] = ["photon_pt", "met"]
    config.write_text(json.dumps(raw))
    call("submit", config, "--output", tmp_path / "out", "--dry-run")
    dag = (tmp_path / "out/batch/analysis.dag").read_text()
    done = [line.split()[1] for line in statement(dag, "JOB") if line.endswith("DONE")]
    assert done == ["train_zee_0", "train_zee_1", "train_zee_2"]


def test_a_job_in_a_copy_returns_what_it_wrote_and_removed(ntuples: Path, tmp_path: Path) -> None:
    """The scripts of a node as HTCondor runs them, with a step that writes and removes files in place of a training."""
    step = tmp_path / "step.sh"
    step.write_text("#!/bin/sh\nshift 2\n[ -f configs/tiny.yaml ] && [ -f ntuples/data.root ] || exit 2\n")
    with step.open("a") as file:
        file.write("cat out/kept.json > out/made.json; rm out/corrections.json; exit 75\n")
    step.chmod(0o755)
    config = write_analysis(tmp_path, ntuples, python=str(step))
    (tmp_path / "ntuples").rename(tmp_path / "elsewhere")  # which the configuration names by a link
    (tmp_path / "ntuples").symlink_to(tmp_path / "elsewhere")
    output, work = tmp_path / "out", tmp_path / "work"
    assert call("submit", config, "--output", output, "--dry-run").exit_code == 0
    for name in ("kept", "corrections"):
        (output / f"{name}.json").write_text(name)
    batch = output / "batch"
    subprocess.run(["./pack.sh", "fit"], cwd=batch, check=True)
    work.mkdir()
    for name in ("inputs.tar", "jobs/fit.in.tar"):
        os.link(batch / name, work / Path(name).name)
    job = subprocess.run([batch / "job.sh", "fit", "fit"], cwd=work, check=False)
    assert job.returncode == 75
    os.rename(work / "fit.out.tar", batch / "jobs/fit.out.tar")
    assert subprocess.run(["./collect.sh", "fit", "75"], cwd=batch, check=False).returncode == 75
    assert (output / "made.json").read_text() == "kept"
    assert not (output / "corrections.json").exists()
    assert list((batch / "jobs").iterdir()) == []


def test_pseudo_experiments_are_nodes_in_rounds_before_the_fit(ntuples: Path, tmp_path: Path) -> None:
    config = write_analysis(tmp_path, ntuples, shared_file_system=True, toys_per_job=100)
    raw = json.loads(config.read_text())
    raw["fit"]["toys"] = 150
    config.write_text(json.dumps(raw))
    assert call("submit", config, "--output", tmp_path / "out", "--dry-run").exit_code == 0
    dag = (tmp_path / "out/batch/analysis.dag").read_text()
    assert 'VARS toys_2_1 node="toys_2_1" step="toys --part 1 --of 2"' in dag
    assert "PARENT apply CHILD toys_1_1 toys_1_2\n" in dag
    assert "PARENT toys_1_1 toys_1_2 CHILD toys_2_1 toys_2_2\n" in dag
    assert "PARENT toys_4_1 toys_4_2 CHILD fit\n" in dag
    result = call("toys", config, "--output", tmp_path / "out", "--part", 3, "--of", 2)
    assert (result.exit_code, "--part: expected 1 to 2, got 3" in result.output) == (2, True)


def test_a_study_is_a_dag_of_the_training_and_its_own_jobs(ntuples: Path, tmp_path: Path) -> None:
    config, output = write_analysis(tmp_path, ntuples), tmp_path / "out"
    asked = ("submit", config, "--output", output, "--dry-run", "--study")
    result = call(*asked, "tune", "--", "--trials", 2)
    assert result.exit_code == 0, result.output
    assert "submit it there: condor_submit_dag -force tune.dag" in result.output
    dag = (output / "batch/tune.dag").read_text()
    steps = ["train", "tune_zee", "tune_wjets", "tune"]
    assert [line.split()[1] for line in statement(dag, "JOB")][-4:] == steps
    assert not [line for line in dag.splitlines() if "data" in line or "apply" in line]
    assert 'VARS tune_zee node="tune_zee" step="tune --trials 2 --stage zee"' in dag
    assert "PARENT train CHILD tune_zee tune_wjets\n" in dag
    assert "PARENT tune_zee tune_wjets CHILD tune\n" in dag
    assert call(*asked, "rank").exit_code == 0
    assert "PARENT train CHILD rank\n" in (output / "batch/rank.dag").read_text()
    assert "waiting  rank\n" in call("status", output).output


@pytest.mark.parametrize(
    ("given", "sentence"),
    [
        (("--", "--trials", 2), "'--trials': options behind -- go with --study"),
        (("--study", "tune", "--", "--trials", 0), "0 is not in the range x>=1"),
        (("--study", "tune", "--", "--asimov"), "--asimov: give it before the two dashes"),
        (("--study", "compare", "--", "--judge", "JUDGE"), "give its absolute path, and set batch.shared_file_system"),
        (("--study", "compare", "--", "--variable", "a b"), "HTCondor takes no blanks or quotes in options, got 'a b'"),
    ],
)
def test_options_of_a_study_are_checked_before_it_is_submitted(
    ntuples: Path, tmp_path: Path, given: tuple[object, ...], sentence: str
) -> None:
    config = write_analysis(tmp_path, ntuples)
    arguments = [tmp_path / "ntuples" if text == "JUDGE" else text for text in given]
    result = call("submit", config, "--output", tmp_path / "out", "--dry-run", *arguments)
    assert result.exit_code == 2
    assert sentence in result.output


def test_a_copy_holds_plugins_and_without_data_none(ntuples: Path, tmp_path: Path) -> None:
    config = write_analysis(tmp_path, ntuples)
    (config.parent / "mine.py").write_text("")
    config.write_text(json.dumps({**json.loads(config.read_text()), "plugins": "mine.py"}))
    result = call("submit", config, "--output", tmp_path / "out", "--dry-run", "--asimov")
    assert result.exit_code == 0, result.output
    with tarfile.open(tmp_path / "out/batch/inputs.tar") as archive:
        names = archive.getnames()
    assert "configs/mine.py" in names
    assert "ntuples/data.root" not in names
    assert "--asimov" in (tmp_path / "out/batch/job.sh").read_text()


def test_a_copy_needs_inputs_that_are_relative_to_the_configuration(ntuples: Path, tmp_path: Path) -> None:
    config = write_analysis(tmp_path, ntuples)
    config.write_text(config.read_text().replace("../ntuples", str(tmp_path / "ntuples")))
    result = call("submit", config, "--output", tmp_path / "out", "--dry-run")
    assert result.exit_code == 2
    assert "is not relative to the configuration" in result.output
    assert "batch.shared_file_system" in result.output


@pytest.mark.parametrize(
    ("batch", "sentence"),
    [
        ({"commands": {"request_memory": "1"}}, "'request_memory' is written by cascadebdt"),
        ({"commands": {"+A": "1\nqueue 100"}}, "a command is one line"),
        ({"shared_file_system": True, "environment": "packed"}, "is for jobs without a shared file system"),
    ],
)
def test_a_section_that_contradicts_itself_is_an_error(tmp_path: Path, batch: dict[str, object], sentence: str) -> None:
    result = call("submit", write_config(tmp_path, **batch), "--dry-run")
    assert result.exit_code == 2
    assert sentence in result.output


@pytest.fixture
def submitted(tmp_path: Path) -> Layout:
    """A submission of one node, of which the jobs have said nothing so far."""
    layout = Layout.of_products(tmp_path)
    layout.jobs.mkdir(parents=True)
    layout.write(
        Submitted(
            "tiny.yaml", (NodeRecord("apply", "apply", ("apply",), "key", (), is_done=False),), {"apply": 1}, "analysis"
        )
    )
    return layout


@pytest.mark.parametrize(
    ("log", "line"),
    [
        ("", "waiting  apply"),
        (RAN, "running  apply"),
        (EVICTED, "queued   apply"),
        (DONE, "done     apply"),
        (HELD, "held     apply: Transfer output files failure at the execution point"),
        (FAILED, "failed   apply: cascadebdt: zee.root: not a ROOT file"),
    ],
)
def test_status_tells_where_a_job_stands_and_why(submitted: Layout, log: str, line: str) -> None:
    (submitted.jobs / "apply.log").write_text(log)
    (submitted.jobs / "apply.err").write_text("INFO: reading\ncascadebdt: zee.root: not a ROOT file\n")
    result = call("status", submitted.directory.parent)
    assert result.exit_code == 0, result.output
    assert result.output.splitlines() == ["DAG      not submitted", line]


def test_a_second_dag_is_refused_while_the_first_is_in_the_queue(ntuples: Path, tmp_path: Path) -> None:
    config = write_analysis(tmp_path, ntuples)
    layout = Layout.of_products(tmp_path / "out")
    layout.jobs.mkdir(parents=True)
    layout.dag_log.write_text(RAN)
    result = call("submit", config, "--output", tmp_path / "out", "--dry-run")
    assert result.exit_code == 2
    assert "is in the queue as job 12; wait for it, remove it with 'condor_rm 12'" in result.output
    assert scaleout.dag_status(layout) == "in the queue as job 12"


def test_without_htcondor_the_sentence_says_where_to_submit(
    ntuples: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    config = write_analysis(tmp_path, ntuples)
    monkeypatch.setenv("PATH", str(tmp_path))
    result = call("submit", config, "--output", tmp_path / "out")
    assert result.exit_code == 2
    assert "condor_submit_dag: no such command here" in result.output


@pytest.mark.parametrize(("code", "state", "end"), [(0, 0, 0), (75, 0, 75), (-9, 0, 75), (0, 2, 2), (2, 2, 2)])
def test_the_dag_fails_if_any_node_has_failed_although_the_report_is_made(
    analysis: Path, code: int, state: int, end: int
) -> None:
    """The scripts about the last node as DAGMan calls them; a DAG ends as its last node does."""
    batch = analysis / "out/batch"
    assert subprocess.run(["./before_last.sh", "report", str(state)], cwd=batch, check=False).returncode == 0
    after = subprocess.run(["./after_last.sh", "report", str(code), str(state)], cwd=batch, check=False)
    assert after.returncode == end


def test_a_dag_that_is_removed_ends_without_a_report(analysis: Path) -> None:
    removed = subprocess.run(["./before_last.sh", "report", "4"], cwd=analysis / "out/batch", check=False)
    assert removed.returncode == 2


@pytest.fixture
def going_on(tmp_path: Path) -> Layout:
    """A DAG in the queue: three jobs that select and two that train after them, one at a time."""
    layout = Layout.of_products(tmp_path)
    layout.jobs.mkdir(parents=True)
    parts = tuple(f"select_{part}" for part in range(3))
    selected = [NodeRecord(name, "select", (), "key", (), is_done=False) for name in parts]
    trained = [NodeRecord(f"train_{fold}", "model", (), "key", parts, is_done=False) for fold in range(2)]
    layout.write(Submitted("tiny.yaml", (*selected, *trained), {"select": 2, "model": 1}, "analysis"))
    layout.dag_log.write_text(RAN)
    return layout


def log_of(seconds: int, *, started: datetime) -> str:
    ended = started + timedelta(seconds=seconds)
    return (
        f"001 (013.000.000) {started:%Y-%m-%d %H:%M:%S} Job executing on host: <127.0.0.1:1>\n...\n"
        f"005 (013.000.000) {ended:%Y-%m-%d %H:%M:%S} Job terminated.\n\t(1) Normal termination (return value 0)\n...\n"
    )


NOW = datetime(2026, 11, 29, 12)


@pytest.mark.parametrize(
    ("durations", "seconds", "unknown"),
    [
        ({"select_0": 100}, 100, ("model",)),  # the two others at the same time
        ({"select_0": 100, "select_1": 300}, 200, ("model",)),
        ({"select_0": 100, "train_0": 50}, 150, ()),
        ({"select_0": 100, "select_1": 100, "select_2": 100, "train_0": 50}, 50, ()),
    ],
)
def test_the_time_left_follows_from_finished_jobs_and_throttles(
    going_on: Layout, durations: dict[str, int], seconds: float, unknown: tuple[str, ...]
) -> None:
    for name, took in durations.items():
        (going_on.jobs / f"{name}.log").write_text(log_of(took, started=NOW - timedelta(hours=1)))
    left = scaleout.remaining(going_on.read(), scaleout.job_statuses(going_on), NOW)
    assert left == scaleout.Remaining(seconds, unknown)


def test_a_job_that_runs_has_less_left_and_jobs_that_wait_show_how_wide_the_pool_is(going_on: Layout) -> None:
    (going_on.jobs / "select_0.log").write_text(log_of(100, started=NOW - timedelta(hours=1)))
    running = log_of(0, started=NOW - timedelta(seconds=30)).partition("005")[0]
    (going_on.jobs / "select_1.log").write_text(running)
    (going_on.jobs / "select_2.log").write_text(running.replace("001 (", "000 ("))
    left = scaleout.remaining(going_on.read(), scaleout.job_statuses(going_on), NOW)
    assert left == scaleout.Remaining(170, ("model",))


def test_status_says_the_time_left_as_an_estimate_and_none_where_nothing_has_finished(going_on: Layout) -> None:
    assert "left " not in call("status", going_on.directory.parent).output
    (going_on.jobs / "select_0.log").write_text(log_of(3000, started=NOW - timedelta(hours=1)))
    lines = call("status", going_on.directory.parent).output.splitlines()
    assert lines[1] == (
        "left     about 50 min, an estimate from the jobs that have finished; nothing is known of model"
    )
