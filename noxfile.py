#!/usr/bin/env -S uv run --script
# /// script
# dependencies = ["nox>=2024.10.9"]
# ///
"""The tasks of a developer, each one command: ``nox -s NAME``, or ``nox`` for tests, lint, types and docs."""

import nox

nox.needs_version = ">=2024.10.9"
nox.options.default_venv_backend = "uv|virtualenv"

PYTHONS = ["3.11", "3.12", "3.13"]


@nox.session(python=PYTHONS)
def tests(session: nox.Session) -> None:
    """Run the tests with the newest versions of all dependencies; arguments go to pytest."""
    session.install("-e", ".[test,samples]")
    session.run("pytest", *session.posargs)


@nox.session(python=PYTHONS[0], venv_backend="uv", default=False)
def minimum(session: nox.Session) -> None:
    """Run the tests with the oldest version of each dependency that `pyproject.toml` allows."""
    session.install("--resolution", "lowest-direct", "-e", ".[test,samples]")
    session.run("pytest", *session.posargs)


@nox.session
def lint(session: nox.Session) -> None:
    """Check style, formatting, spelling, and the project's files against the Scientific Python guide."""
    session.install("ruff", "codespell", "sp-repo-review[cli]", "validate-pyproject")
    session.run("ruff", "check", ".")
    session.run("ruff", "format", "--check", ".")
    session.run("codespell")
    session.run("repo-review", ".")


@nox.session
def types(session: nox.Session) -> None:
    """Check the types."""
    session.install("-e", ".[test,samples]")
    session.run("mypy")


@nox.session
def docs(session: nox.Session) -> None:
    """Check the links of all documents, and run the README's example and the notebooks."""
    session.install("-e", ".[test]")
    session.run("pytest", "tests/test_documents.py")


@nox.session
def site(session: nox.Session) -> None:
    """Build the documentation into ``docs/_build``; a warning is an error."""
    session.install("-e", ".[docs]")
    session.run("sphinx-build", "-W", "--keep-going", "-b", "html", "docs", "docs/_build")


@nox.session(default=False)
def benchmarks(session: nox.Session) -> None:
    """Time the kernels; arguments go to pytest, such as ``--benchmark-compare``."""
    session.install("-e", ".[test]", "pytest-benchmark>=5")
    session.run("pytest", "benchmarks/kernels", *session.posargs)


@nox.session(default=False)
def build(session: nox.Session) -> None:
    """Build the wheel, and import the package from it alone."""
    session.install("build")
    directory = session.create_tmp()
    session.run("python", "-m", "build", "--wheel", "--outdir", directory, ".")
    session.install("--no-index", "--no-deps", "--find-links", directory, "cascadebdt")
    session.run("python", "-c", "import cascadebdt; print(cascadebdt.__version__, cascadebdt.__file__)")


if __name__ == "__main__":
    nox.main()
