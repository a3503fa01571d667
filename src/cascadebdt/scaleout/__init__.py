"""The plan of an analysis as batch jobs: an HTCondor DAG in plain files, and what its logs say of it."""

from cascadebdt.scaleout.jobs import JobStatus, dag_status, job_statuses
from cascadebdt.scaleout.layout import Layout
from cascadebdt.scaleout.submission import Submission, submit

__all__ = ["JobStatus", "Layout", "Submission", "dag_status", "job_statuses", "submit"]
