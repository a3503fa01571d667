"""Everything that is asked of a workspace, and the products with the answers."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any

from cascadebdt import inference
from cascadebdt.inference import Experiments, Limits, Lint, Projection, Share
from cascadebdt.inference.breakdown import Groups
from cascadebdt.interchange import read_workspace
from cascadebdt.interchange.card_model import MASS
from cascadebdt.pipeline import origins
from cascadebdt.products import Products
from cascadebdt.products.inventory import Inventory, sha256
from cascadebdt.products.results import Answers, Contours
from cascadebdt.products.summary import FileSummary
from cascadebdt.products.toys import ToyStore
from cascadebdt.progress import Progress, silent
from cascadebdt.workspace import Workspace

N_POINTS = 25
"""Points of a contour's grid in each parameter."""


@dataclass(frozen=True)
class Asked:
    """Questions to a workspace besides its fit.

    Attributes
    ----------
    level : limits are at confidence level 1 - level
    mus : signal strengths whose exclusion is asked for
    contours : pairs of parameters
    groups : of parameters; see `inference.breakdown`
    toys : pseudo-experiments for goodness of fit, significance and limit, of each hypothesis
    seed : of pseudo-experiments
    """

    level: float = 0.05
    mus: tuple[float, ...] = ()
    contours: tuple[tuple[str, str], ...] = ()
    groups: Groups | None = None
    toys: int = 0
    seed: int = 1


def fit_workspace(
    model: Workspace,
    asked: Asked = Asked(),
    *,
    store: ToyStore | None = None,
    jobs: int = 1,
    progress: Progress = silent,
) -> Answers:
    """Lint and fit a workspace, and ask it for limits, ranking, scan and the parts of the uncertainty.

    Parameters
    ----------
    model : any HistFactory workspace; its blind regions are not looked at
    asked : what besides
    store : where finished pseudo-experiments are kept, and found by a later call
    jobs : processes of pseudo-experiments; they do not change the result
    progress : told of pseudo-experiments

    Raises
    ------
    FitError
        If the workspace cannot be fitted, or a fit is not to be trusted.
    """
    lint = Lint.of(inference.lint(model))
    fit = inference.fit(model)
    limits = Limits.of(model, level=asked.level, mus=asked.mus)
    toys = None
    if asked.toys:
        experiments = Experiments(asked.toys, asked.seed, jobs, store, progress)
        toys = inference.toy_answers(model, experiments, level=asked.level, is_limited=limits.limit is not None)
    return Answers(
        lint=lint,
        fit=replace(fit, intervals=inference.intervals(model)),
        limits=limits,
        ranking=inference.ranking(model),
        scan=inference.scan(model, fit.poi),
        breakdown=inference.breakdown(model, asked.groups),
        contours=Contours(tuple(inference.scan_2d(model, pair, n_points=N_POINTS) for pair in asked.contours)),
        toys=toys,
    )


def toy_part(
    model: Workspace, asked: Asked, share: Share, *, store: ToyStore, jobs: int = 1, progress: Progress = silent
) -> None:
    """Make a share of the pseudo-experiments of `fit_workspace`, and leave them where it finds them.

    Parameters
    ----------
    model, asked, store, jobs, progress : as for `fit_workspace`
    share : what is made here
    """
    experiments = Experiments(asked.toys, asked.seed, jobs, store, progress, share=share)
    is_limited = Limits.of(model, level=asked.level, mus=asked.mus).limit is not None
    inference.toy_part(model, experiments, level=asked.level, is_limited=is_limited)


@dataclass(frozen=True)
class Question:
    """The part of a workspace file to fit, and the questions.

    Attributes
    ----------
    patch : JSON patch to apply, or ``FILE:NAME`` of a patch set
    measurement, poi : names; the first measurement and its parameter of interest if not given
    blind : regions whose data are not to be looked at
    fixed, bounds, regions, asimov : changes of the model and its data; see `inference.adjusted`
    asked : what besides a fit
    mass : what takes the place of ``$MASS`` in a data card
    """

    patch: str | None = None
    measurement: str | None = None
    poi: str | None = None
    blind: tuple[str, ...] = ()
    fixed: Mapping[str, float] = field(default_factory=dict)
    bounds: Mapping[str, tuple[float, float]] = field(default_factory=dict)
    regions: tuple[str, ...] = ()
    asimov: Mapping[str, float] | None = None
    asked: Asked = Asked()
    mass: str = MASS

    def changes(self) -> dict[str, Any]:
        """Return what makes the result another one than that of the file, for its summary."""
        values = {
            "patch": self.patch,
            "measurement": self.measurement,
            "poi": self.poi,
            "blind": list(self.blind),
            "fixed": dict(self.fixed),
            "bounds": {name: list(pair) for name, pair in self.bounds.items()},
            "regions": list(self.regions),
        }
        mass = {} if self.mass == MASS else {"mass": self.mass}
        asimov = {} if self.asimov is None else {"asimov": dict(self.asimov)}
        return {**{name: value for name, value in values.items() if value}, **mass, **asimov}


def fit_file(
    path: Path, products: Products, question: Question, *, jobs: int = 1, progress: Progress = silent
) -> Answers:
    """Fit a workspace file of any program; write the answers, their figures, and a manifest of their origin.

    Pseudo-experiments go on where an interrupted call with the same question stopped.

    Parameters
    ----------
    path : of the workspace
    products : where the answers go
    question : what to fit of it
    jobs : processes of pseudo-experiments; they do not change the result
    progress : told of pseudo-experiments

    Raises
    ------
    InputError, FitError
        If a file is wrong, or a fit is not to be trusted.
    """
    from cascadebdt import plots

    model = adjusted(_read(path, question), question)
    answers = fit_workspace(model, question.asked, store=ToyStore(products.toys), jobs=jobs, progress=progress)
    answers.write(products)
    products.write("summary", FileSummary.of(answers.fit, answers.limits, answers.breakdown, question.changes()))
    for name, figure in plots.fitted(
        answers.fit,
        answers.ranking,
        answers.scan,
        parts=answers.breakdown,
        contours=answers.contours.scans,
        toys=answers.toys,
        limits=answers.limits,
    ):
        plots.save(figure, products.plots / name)
    for name, figure in plots.predicted(inference.predictions(model)):
        plots.save(figure, products.plots / name)
    origin = origins.of_file(sha256(path), {**question.changes(), "asked": asdict(question.asked)})
    Inventory.read(products.directory).with_step(origin, products.of_fit()).write()
    return answers


def adjusted(model: Workspace, question: Question) -> Workspace:
    """Return a workspace with the changes that a question asks for."""
    return inference.adjusted(
        model, fixed=question.fixed, bounds=question.bounds, regions=question.regions, asimov=question.asimov
    )


def project_file(path: Path, products: Products, question: Question) -> Projection:
    """Fit some regions of a workspace file, without signal unless it is held at a value; write what they predict.

    Raises
    ------
    InputError, FitError
        If a file is wrong, or the regions do not determine the prediction.
    """
    from cascadebdt import plots

    model = _read(path, question)
    poi = model["measurements"][0]["config"]["poi"]
    others = {name: value for name, value in question.fixed.items() if name != poi}
    model = inference.adjusted(model, fixed=others, bounds=question.bounds, asimov=question.asimov)
    projection = inference.project(model, question.regions, mu=question.fixed.get(poi, 0.0))
    products.write("projection", projection)
    plots.save(plots.projection(projection), products.plots / "projection")
    return projection


def _read(path: Path, question: Question) -> Workspace:
    """Read a workspace, without what is blind in it."""
    return read_workspace(
        path,
        patch=question.patch,
        measurement=question.measurement,
        poi=question.poi,
        blind=question.blind,
        mass=question.mass,
    )
