"""The plan of an analysis as batch jobs: an HTCondor DAG in plain files, and what its logs say of it."""

from cascadebdt.scaleout.jobs import JobStatus, dag_status, in_queue, job_statuses
from cascadebdt.scaleout.layout import Layout
from cascadebdt.scaleout.remaining import Remaining, remaining
from cascadebdt.scaleout.studies import Study
from cascadebdt.scaleout.submission import Submission, submit

__all__ = [
    "JobStatus",
    "Layout",
    "Remaining",
    "Study",
    "Submission",
    "dag_status",
    "in_queue",
    "job_statuses",
    "remaining",
    "submit",
]
