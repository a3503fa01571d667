"""What this process may use and what it has used: CPUs, time, memory."""

import os
import resource
import sys
import time
from dataclasses import dataclass, field
from pathlib import Path


def available_cpus() -> int:
    """Return the CPUs this process may really use: affinity, container quota and the batch slot's request."""
    cpus = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    limits = [cpus, _container_quota(), _positive(os.environ.get("OMP_NUM_THREADS", ""))]
    return min(limit for limit in limits if limit)


def _container_quota(path: Path = Path("/sys/fs/cgroup/cpu.max")) -> int | None:
    """Return the CPU quota of the control group, rounded up; None without one."""
    try:
        quota, period = path.read_text().split()
    except (OSError, ValueError):
        return None
    return None if quota == "max" else max(1, -(-int(quota) // int(period)))


def _positive(text: str) -> int | None:
    return int(text) if text.isdigit() and int(text) > 0 else None


@dataclass(frozen=True)
class Meter:
    """Measures time and memory from its creation on."""

    wall_start: float = field(default_factory=time.perf_counter)
    cpu_start: float = field(default_factory=time.process_time)

    def read(self) -> dict[str, float]:
        """Return wall and CPU seconds since the start, and the peak memory of this process in MB."""
        unit = 1e6 if sys.platform == "darwin" else 1e3  # bytes on macOS, kilobytes elsewhere
        return {
            "wall_s": time.perf_counter() - self.wall_start,
            "cpu_s": time.process_time() - self.cpu_start,
            "peak_memory_mb": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / unit,
        }
