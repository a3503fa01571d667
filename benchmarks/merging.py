"""What it takes to merge what many jobs have filled: `python benchmarks/merging.py CONFIG OUTPUT [N_PARTS]`.

Every sample is trained on, scored and filled once, as `submit` does it. The parts are then written again and again,
10 000 of them if not told otherwise, and merged as a tree of `batch.merge_width`, one node after the other in a process
of its own.
"""

import resource
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path

from cascadebdt import config as configuration
from cascadebdt import pipeline
from cascadebdt.pipeline.plan import Plan
from cascadebdt.pipeline.portions import observed_portions, portions
from cascadebdt.products import Products
from cascadebdt.products.keys import Origin
from cascadebdt.products.partials import FilledParts, merged

MB = 1e6
ORIGIN = Origin("apply", 0, {}, {})


def prepare(config_path: Path, output: Path, n_parts: int) -> None:
    """Fill every sample once, and write parts like these."""
    config, products = configuration.load(config_path), Products(output)
    pipeline.train(config, products)
    for portion in observed_portions(config):
        pipeline.observe(config, products, portion)
    pipeline.choose_bins(config, products)
    for portion in portions(config):
        pipeline.fill(config, products, portion)
    filled = FilledParts(output, Plan.of(config, output).steps["apply"])
    real = [filled.read(portion.name, command="") for portion in portions(config)]
    sums = real[0].sums
    print(f"{sums.n_cells} sums and {sums.n_counts} counts in the histograms of a part")
    target = FilledParts(output / "synthetic", ORIGIN)
    sizes = []
    for k in range(n_parts):
        one = real[k % len(real)]
        target.write(f"part_{k}", replace(one, parts=(f"part_{k}",)))
        sizes.append((target.folder / f"part_{k}.npz").stat().st_size)
    print(f"{n_parts} parts of {min(sizes) / MB:.2f} to {max(sizes) / MB:.2f} MB, {sum(sizes) / 1e9:.2f} GB together")


def merge(output: Path, n_parts: int, width: int) -> None:
    """Merge the parts level by level; print time and the peak of memory before the first and after each."""
    filled = FilledParts(output / "synthetic", ORIGIN)
    names = [f"part_{k}" for k in range(n_parts)]
    level, start, cpu = 0, time.perf_counter(), time.process_time()
    print(f"before: peak {peak_mb():.0f} MB", flush=True)
    while len(names) > 1:
        level += 1
        groups = [names[first : first + width] for first in range(0, len(names), width)]
        names = [f"level_{level}_{k}" for k in range(len(groups))]
        for name, group in zip(names, groups, strict=True):
            filled.write(name, merged((filled.read(part, command="") for part in group), where=filled.folder))
        size = (filled.folder / f"{names[0]}.npz").stat().st_size
        took = f"{time.perf_counter() - start:.1f} s, {time.process_time() - cpu:.1f} s of CPU"
        print(f"level {level}: {len(names)} of {size / MB:.2f} MB, after {took}, peak {peak_mb():.0f} MB", flush=True)


def peak_mb() -> float:
    """Return the peak of this process's memory."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


def main() -> None:
    """Prepare, and merge in another process, whose peak of memory is that of the merging."""
    if sys.argv[1] == "merge":
        merge(Path(sys.argv[2]), int(sys.argv[3]), int(sys.argv[4]))
        return
    path, output = Path(sys.argv[1]), Path(sys.argv[2])
    n_parts = int(sys.argv[3]) if len(sys.argv) > 3 else 10_000
    prepare(path, output, n_parts)
    width = configuration.load(path).batch.merge_width
    subprocess.run([sys.executable, __file__, "merge", str(output), str(n_parts), str(width)], check=True)


if __name__ == "__main__":
    main()
