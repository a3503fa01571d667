"""What the steps make, as values: in memory where one step follows another, on disk where it follows later."""

from dataclasses import dataclass, field

from cascadebdt.corrections import Corrections
from cascadebdt.errors import InputError
from cascadebdt.histograms.contents import Histograms, YieldTable
from cascadebdt.histograms.inputs import Inputs
from cascadebdt.histograms.migration import MigrationTable
from cascadebdt.inference import Breakdown, FitResult, Limits, Lint, Predictions, Ranking, Scan, ToyAnswers, Validation
from cascadebdt.products.cutflow import CutflowReport, CutflowTable
from cascadebdt.products.inventory import Inventory
from cascadebdt.products.layout import Products
from cascadebdt.products.manifest import Manifest
from cascadebdt.products.summary import Summary
from cascadebdt.records import Record
from cascadebdt.workspace.assembly import Notes


@dataclass(frozen=True, eq=False)
class Filled:
    """What chosen files give: histograms and the account of their events.

    Attributes
    ----------
    histograms : of regions and of scores
    migrations : of events between regions
    cutflow : what the cuts left
    manifest : what it was made from
    """

    histograms: Histograms
    migrations: MigrationTable
    cutflow: CutflowTable
    manifest: Manifest

    def write(self, products: Products) -> None:
        """Write the products of `apply`."""
        products.write("cutflow", self.cutflow)
        products.write("yields", YieldTable.of(self.histograms.regions))
        products.write("migration", self.migrations)
        products.write("histograms", self.histograms)


@dataclass(frozen=True, eq=False)
class Applied(Filled):
    """What the step `apply` makes of a whole analysis.

    Attributes
    ----------
    histograms, migrations, manifest : as for `Filled`
    cutflow : what the cuts and the stages left
    corrections : weights of simulated processes that were learnt from data, and are in the histograms
    inputs : histograms of the features
    """

    cutflow: CutflowReport
    corrections: Corrections = field(default_factory=lambda: Corrections({}))
    inputs: Inputs = field(default_factory=lambda: Inputs({}, {}))

    def write(self, products: Products) -> None:
        """Write the products of `apply`, and remove the corrections that an earlier one made."""
        super().write(products)
        products.write("inputs", self.inputs)
        if self.corrections.processes:
            products.write("corrections", self.corrections)
        else:
            products.discard("corrections")

    @classmethod
    def read(cls, products: Products) -> "Applied":
        """Read the products of `apply`.

        Raises
        ------
        InputError
            If one is missing or damaged.
        """
        return cls(
            products.read(Histograms, "histograms", made_by="apply"),
            products.read(MigrationTable, "migration", made_by="apply"),
            products.read(CutflowReport, "cutflow", made_by="apply"),
            _manifest(products),
            read_corrections(products),
            products.read(Inputs, "inputs", made_by="apply") if products.has("inputs") else Inputs({}, {}),
        )


def read_corrections(products: Products) -> Corrections:
    """Read the corrections of a whole analysis, none where it has none."""
    if not products.has("corrections"):
        return Corrections({})
    return products.read(Corrections, "corrections", made_by="apply")


def _manifest(products: Products) -> Manifest:
    """Return what the manifest tells of a whole analysis."""
    path = products.json("manifest")
    about = Inventory.read(products.directory).about
    if not about:
        raise InputError(f"{path}: no such product; make it with 'cascadebdt apply'")
    try:
        return Manifest.from_json(about)
    except InputError as error:
        raise InputError(f"{path}: {error}; make it again: 'cascadebdt apply'") from None


@dataclass(frozen=True, eq=False)
class Contours(Record):
    """Profiles of -2 ln L in two parameters: ``contours.json``.

    Attributes
    ----------
    scans : one for each pair of parameters that was asked for
    """

    scans: tuple[Scan, ...] = ()


@dataclass(frozen=True, eq=False)
class Answers:
    """Everything that is asked of a workspace.

    Attributes
    ----------
    lint : what is odd in the model
    fit : with the profile intervals of the parameters without constraint
    limits : upper limit and significance
    ranking : of all nuisance parameters
    scan : of the parameter of interest
    breakdown : of the uncertainty of the parameter of interest
    contours : profiles in two parameters
    toys : what pseudo-experiments say, if there were any
    """

    lint: Lint
    fit: FitResult
    limits: Limits
    ranking: Ranking
    scan: Scan
    breakdown: Breakdown
    contours: Contours = Contours()
    toys: ToyAnswers | None = None

    def write(self, products: Products) -> None:
        """Write a product for each."""
        products.write("lint", self.lint)
        products.write("fit", self.fit)
        products.write("limits", self.limits)
        products.write("ranking", self.ranking)
        products.write("scan", self.scan)
        products.write("breakdown", self.breakdown)
        if self.contours.scans:
            products.write("contours", self.contours)
        else:
            products.discard("contours")
        if self.toys is not None:
            products.write("toys", self.toys)
        else:
            products.discard("toys")

    @classmethod
    def read(cls, products: Products) -> "Answers":
        """Read what `write` wrote.

        Raises
        ------
        InputError
            If one is missing or damaged.
        """
        return cls(
            products.read(Lint, "lint", made_by="fit"),
            products.read(FitResult, "fit", made_by="fit"),
            products.read(Limits, "limits", made_by="fit"),
            products.read(Ranking, "ranking", made_by="fit"),
            products.read(Scan, "scan", made_by="fit"),
            products.read(Breakdown, "breakdown", made_by="fit"),
            products.read(Contours, "contours", made_by="fit") if products.has("contours") else Contours(),
            products.read(ToyAnswers, "toys", made_by="fit") if products.has("toys") else None,
        )


@dataclass(frozen=True, eq=False)
class Inferred:
    """What the step `fit` makes.

    Attributes
    ----------
    answers : of the fitted workspace
    treatment : what was done to yields on their way into it
    validation : data and prediction of the validation regions; None without any
    summary : of the run
    predictions : expected events before and after the fit; None where the data do not determine them
    """

    answers: Answers
    treatment: Notes
    validation: Validation | None
    summary: Summary
    predictions: Predictions | None = None

    def write(self, products: Products) -> None:
        """Write the products of `fit` but for the workspaces, and remove those that an earlier one made."""
        self.answers.write(products)
        products.write("treatment", self.treatment)
        if self.validation is None:
            products.discard("validation")
        else:
            products.write("validation", self.validation)
        if self.predictions is None:
            products.discard("predictions")
        else:
            products.write("predictions", self.predictions)
        products.write("summary", self.summary)

    @classmethod
    def read(cls, products: Products) -> "Inferred":
        """Read the products of `fit`.

        Raises
        ------
        InputError
            If one is missing or damaged.
        """
        return cls(
            Answers.read(products),
            products.read(Notes, "treatment", made_by="fit"),
            products.read(Validation, "validation", made_by="fit") if products.has("validation") else None,
            products.read(Summary, "summary", made_by="fit"),
            products.read(Predictions, "predictions", made_by="fit") if products.has("predictions") else None,
        )
