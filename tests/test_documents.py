"""The README's code and the notebooks run, as a reader would run them."""

import re
import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path

import nbformat
import pytest
from nbclient import NotebookClient

import cascadebdt

ROOT = Path(__file__).parents[1]
PAGES = [*sorted((ROOT / "docs").glob("*.md")), *sorted((ROOT / "docs" / "howto").glob("*.md"))]
DOCUMENTS = [*sorted(ROOT.glob("*.md")), *PAGES, ROOT / "samples" / "README.md"]
NOTEBOOKS = sorted((ROOT / "notebooks").glob("*.ipynb"))


def block(name: str) -> str:
    """Return the code block of the README between the markers of this name."""
    found = re.search(rf"<!-- {name} -->\n```\w+\n(.*?)```\n<!-- /{name} -->", (ROOT / "README.md").read_text(), re.S)
    assert found, f"README.md has no block '{name}'"
    return found.group(1)


def notebook(path: Path) -> nbformat.NotebookNode:
    content: nbformat.NotebookNode = nbformat.read(path, as_version=4)  # type: ignore[no-untyped-call]
    return content


def test_the_readmes_python_example_runs(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    code = block("python").replace("configs/wh_dark_photon.yaml", str(ROOT / "configs" / "quick.yaml"))
    monkeypatch.chdir(tmp_path)
    exec(compile(code, "README.md", "exec"), {})
    assert (tmp_path / "regions.pdf").stat().st_size > 10_000


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
def test_a_notebook_runs_from_top_to_bottom(path: Path) -> None:
    content = notebook(path)
    if "shared/data" in path.read_text() and not (ROOT.parent / "shared" / "data").exists():
        pytest.skip("no ../shared/data beside the repository")
    NotebookClient(content, timeout=300, resources={"metadata": {"path": str(path.parent)}}).execute()
    drawn = [
        output for cell in content.cells for output in cell.get("outputs", []) if "image/png" in output.get("data", {})
    ]
    assert len(drawn) >= 3


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
def test_a_notebook_is_stored_without_output(path: Path) -> None:
    for cell in notebook(path).cells:
        assert not cell.get("outputs")
        assert cell.get("execution_count") is None


def anchors(document: Path) -> set[str]:
    """Return what a link may name in a document, as GitHub derives it from the headings."""
    headings = re.findall(r"^#+ (.*)$", document.read_text(), re.M)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda path: str(path.relative_to(ROOT)))
def test_every_link_of_a_document_leads_somewhere(document: Path) -> None:
    broken = []
    for link in re.findall(r"\]\(([^)\s]+)\)", re.sub(r"```.*?```", "", document.read_text(), flags=re.S)):
        name, _, anchor = link.partition("#")
        target = document.parent / name if name else document
        is_local = "://" not in link and not link.startswith("mailto:")
        if is_local and not (target.exists() and (not anchor or anchor in anchors(target))):
            broken.append(link)
    assert broken == []


def test_the_reference_of_the_interface_has_every_public_name() -> None:
    text = (ROOT / "docs" / "api.md").read_text()
    listed = set(re.findall(r"^   (\w+)$", text, re.M)) | set(re.findall(r"automodule:: cascadebdt\.(\w+)", text))
    assert listed >= {*cascadebdt.__all__, *cascadebdt.plots.__all__, *cascadebdt.studies.__all__}


@pytest.mark.skipif(find_spec("myst_nb") is None, reason="the extra docs is not installed")
def test_the_documentation_is_built_without_a_warning(tmp_path: Path) -> None:
    command = [sys.executable, "-m", "sphinx", "-W", "-q", "-b", "html", str(ROOT / "docs"), str(tmp_path / "site")]
    done = subprocess.run(command, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert "cascadebdt.fit" in (tmp_path / "site" / "api.html").read_text()
