"""Compares what `likra probe` found on a GPU with a peer's case, by the bounds that a GPU's products allow.

    python compare.py CASE OURS...

A GPU multiplies f32 in TF32 (10 bits of mantissa), so likra is as far from the CPU's f32 as that is. OURS are one folder or
several, of which each has some of the jobs. Exit code 1 if a bound is broken or something is missing.
"""
import math
import sys
from pathlib import Path

from safetensors.torch import load_file

# By the beginning of a job's name: relative norm of the difference; in bf16 how many times as far from f32 as the peer.
BOUNDS = {"logits-bf16": 1.5, "logits": 2e-3, "adapter": 2e-3, "gradients": 1e-2, "training": 1e-2}


def relative(ours, peer):
    return ((ours - peer).norm() / peer.norm()).item()


def difference(name, expected, peer, ours):
    """Not a number where likra gave nothing, or nothing of that shape."""
    found = ours.get(name)
    if found is None or found.numel() != expected.numel():
        return math.nan
    found = found.reshape(expected.shape)
    if not name.startswith("logits-bf16"):
        return relative(found, expected)
    exact = peer[f"{name}#f32"]
    return relative(found, exact) / relative(expected, exact)


def compare(case, folders):
    """For each job of the peer's the largest difference, its bound, and `holds`, `BROKEN` or `unmeasured`."""
    peer, ours = load_file(Path(case) / "tensors.safetensors"), {}
    for folder in folders:
        file = Path(folder) / "tensors.safetensors"
        ours |= load_file(file) if file.exists() else {}
    differences = {}
    for name, expected in peer.items():
        if "#" not in name:
            differences.setdefault(name.split("/")[0], {})[name] = difference(name, expected, peer, ours)
    return [(job, *verdict(job, found, ours)) for job, found in differences.items()]


def verdict(job, differences, ours):
    bound = next(bound for prefix, bound in BOUNDS.items() if job.startswith(prefix))
    if not any(name in ours for name in differences):
        return math.nan, bound, "unmeasured"
    values = differences.values()
    worst = math.nan if any(math.isnan(value) for value in values) else max(values)
    return worst, bound, "holds" if worst <= bound else "BROKEN"


if __name__ == "__main__":
    found = compare(sys.argv[1], sys.argv[2:])
    for job, worst, bound, result in found:
        print(f"  {job:28} {worst:9.2e}  bound {bound:.1e}  {result}", flush=True)
    sys.exit(any(result != "holds" for *_, result in found))
