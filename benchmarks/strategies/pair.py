"""A configuration, its events, those that judge, and a trained cascade: where the programs of this folder begin."""

import argparse
import logging
from dataclasses import dataclass
from pathlib import Path

from compare import ROOT, models_of

from cascadebdt import config as configuration
from cascadebdt.cascade import Cascade
from cascadebdt.config import Config
from cascadebdt.events import Events
from cascadebdt.events.loading import select
from cascadebdt.resources import available_cpus
from cascadebdt.studies.compare_judge import with_samples_of


@dataclass(frozen=True, eq=False)
class Pair:
    """Events that train, and independent ones that judge."""

    config: Config
    trained: Events
    judged: Events
    cascade: Cascade
    jobs: int

    @classmethod
    def of_command_line(cls) -> "Pair":
        """Read what the command line names."""
        parser = argparse.ArgumentParser()
        parser.add_argument("--config", type=Path, default=ROOT / "configs" / "wh_dark_photon.yaml")
        parser.add_argument("--other", type=Path, required=True, help="folder of independent files of the same names")
        parser.add_argument("--cascade", type=Path, help="folder of the training, made if it is not there")
        options = parser.parse_args()
        logging.disable(logging.WARNING)
        config, jobs = configuration.load(options.config), available_cpus()
        trained, judged = (select(one, jobs=jobs) for one in (config, with_samples_of(config, options.other)))
        cascade = models_of(trained, config, options.cascade, jobs=jobs).configured()
        return cls(config, trained, judged, cascade, jobs)
