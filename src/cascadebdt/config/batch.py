"""The part of a configuration about batch jobs; it changes no result."""

from typing import Annotated, Literal

from pydantic import Field, model_validator

from cascadebdt.config.base import Flag, Integer, LocatedError, Section, unit

Environment = Literal["here", "packed"] | Annotated[str, Field(min_length=1)]
# What is written into submit descriptions by this package, where a second value would fight with it.
OWN_COMMANDS = frozenset(
    {
        "universe",
        "executable",
        "arguments",
        "log",
        "output",
        "error",
        "container_image",
        "transfer_input_files",
        "transfer_output_files",
        "transfer_output_remaps",
        "should_transfer_files",
        "when_to_transfer_output",
        "request_cpus",
        "request_memory",
        "request_disk",
        "request_gpus",
        "periodic_release",
        "periodic_remove",
        "max_retries",
        "retry_until",
        "queue",
    }
)


class ResourcesConfig(Section):
    """What a job of a kind asks for."""

    cpus: Integer = Field(default=1, gt=0, le=1024, description="CPUs; a job uses as many threads.", examples=[4])
    memory_mb: Annotated[Integer, Field(gt=0, le=10**8), unit("MB")] = Field(
        default=2000, description="Memory of the first try.", examples=[8000]
    )
    disk_mb: Annotated[Integer, Field(gt=0, le=10**9), unit("MB")] = Field(
        default=3000, description="Disk, for the environment, inputs and products.", examples=[20000]
    )
    gpus: Integer = Field(default=0, ge=0, le=64, description="GPUs.", examples=[1])
    at_a_time: Integer = Field(
        default=1000, gt=0, le=10**6, description="Jobs of this kind that are in the queue at most.", examples=[50]
    )


class BatchConfig(Section):
    """Batch jobs of `cascadebdt submit`. Nothing here changes a result."""

    shared_file_system: Flag = Field(
        default=False,
        description="Whether configuration, local input files and products lie on a file system that all machines see. "
        "Otherwise each job gets what it needs and returns what it made; input files are then URLs, or lie where the "
        "configuration names them relative to itself, and travel with every job.",
        examples=[True],
    )
    environment: Environment = Field(
        default="here",
        description="`here`: the running interpreter, which all machines must see at its path. `packed`: the installed "
        "package with what it needs, which `submit` packs and every job unpacks. Anything else is the name of a "
        "container image with the package in it.",
        examples=["packed", "docker://registry.example.org/cascadebdt:1.0"],
    )
    python: str | None = Field(
        default=None,
        min_length=1,
        description="Interpreter on the machines of the jobs. `null` is that of `submit`, without its folder where the "
        "environment is packed or a container.",
        examples=["/usr/bin/python3.11"],
    )
    files_per_job: Integer = Field(
        default=10, gt=0, le=10**6, description="Input files of a sample that one job reads.", examples=[50]
    )
    toys_per_job: Integer = Field(
        default=200,
        gt=0,
        le=10**8,
        description="Pseudo-experiments of each hypothesis that one job makes, where `fit.toys` asks for more.",
        examples=[1000],
    )
    merge_width: Integer = Field(
        default=50, ge=2, le=10**6, description="Parts of histograms that one job merges.", examples=[200]
    )
    select: ResourcesConfig = Field(
        default=ResourcesConfig(), description="Reading and selecting of some files.", examples=[{"cpus": 2}]
    )
    model: ResourcesConfig = Field(
        default=ResourcesConfig(), description="Training of one model.", examples=[{"cpus": 4, "memory_mb": 8000}]
    )
    train: ResourcesConfig = Field(
        default=ResourcesConfig(),
        description="Joining of the models.",
        examples=[{"cpus": 4}],
    )
    fill: ResourcesConfig = Field(
        default=ResourcesConfig(), description="Scoring and filling of some files.", examples=[{"cpus": 2}]
    )
    bins: ResourcesConfig = Field(
        default=ResourcesConfig(),
        description="Choice of the bins, by all events of simulation at once.",
        examples=[{"memory_mb": 16000}],
    )
    merge: ResourcesConfig = Field(
        default=ResourcesConfig(), description="Merging of parts of histograms.", examples=[{"memory_mb": 4000}]
    )
    apply: ResourcesConfig = Field(
        default=ResourcesConfig(),
        description="The last merging; with corrections, scoring and filling of all events.",
        examples=[{"cpus": 8, "memory_mb": 16000}],
    )
    toys: ResourcesConfig = Field(
        default=ResourcesConfig(), description="Pseudo-experiments.", examples=[{"memory_mb": 1000}]
    )
    fit: ResourcesConfig = Field(default=ResourcesConfig(), description="The fit.", examples=[{"memory_mb": 1000}])
    report: ResourcesConfig = Field(
        default=ResourcesConfig(), description="Figures and page.", examples=[{"memory_mb": 1000}]
    )
    study: ResourcesConfig = Field(
        default=ResourcesConfig(),
        description="A study (`submit --study`), or the tuning of one stage.",
        examples=[{"cpus": 4}],
    )
    max_memory_mb: Annotated[Integer, Field(gt=0, le=10**8), unit("MB")] = Field(
        default=16000,
        description="A job that was held for too much memory runs again with 1.5 times what it used, up to this.",
        examples=[64000],
    )
    retries: Integer = Field(
        default=3,
        ge=0,
        le=100,
        description="How often a failed job runs again. One that ended because its input is wrong (exit code 2) does "
        "not.",
        examples=[10],
    )
    held_seconds: Annotated[Integer, Field(gt=0, le=10**7), unit("s")] = Field(
        default=3600,
        description="A job that is held for so long is removed, and counts as failed. One that was held by the system, "
        "not by a person, is released after a tenth of this.",
        examples=[600],
    )
    commands: dict[str, str] = Field(
        default={},
        description="More lines of the submit descriptions, such as what a site asks for, proxies and tokens.",
        examples=[{"+JobFlavour": '"workday"', "use_x509userproxy": "true"}],
    )

    @model_validator(mode="after")
    def _packed_or_shared(self) -> "BatchConfig":
        if self.shared_file_system and self.environment == "packed":
            raise LocatedError(
                "a packed environment is for jobs without a shared file system; use 'here'", "environment"
            )
        return self

    @model_validator(mode="after")
    def _commands_are_others(self) -> "BatchConfig":
        for name, value in self.commands.items():
            if name.strip().lower() in OWN_COMMANDS:
                raise LocatedError(f"'{name}' is written by cascadebdt; use the keys of batch", "commands", name)
            if "\n" in name or "\n" in value:
                raise LocatedError("a command is one line", "commands", name)
        return self
