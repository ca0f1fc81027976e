"""Compares what `likra probe` found on a GPU with a peer's case, by the bounds that a GPU's products allow.

    python compare.py CASE OURS

A GPU multiplies f32 in TF32 (10 bits of mantissa), so likra is as far from the CPU's f32 as that is. Exit code 1 if a bound is
broken.
"""
import sys
from pathlib import Path

from safetensors.torch import load_file

# By the beginning of a job's name: relative norm of the difference.
BOUNDS = {"logits-bf16": None, "logits": 2e-3, "adapter": 2e-3, "gradients": 1e-2, "training": 1e-2}


def relative(ours, peer):
    return ((ours - peer).norm() / peer.norm()).item()


def main():
    peer, ours = (load_file(Path(folder) / "tensors.safetensors") for folder in sys.argv[1:3])
    worst, broken = {}, 0
    for name, expected in peer.items():
        if "#" in name:
            continue
        prefix = next(prefix for prefix in BOUNDS if name.startswith(prefix))
        if prefix == "logits-bf16":
            exact = peer[f"{name}#f32"]
            found, bound = relative(ours[name], exact) / relative(expected, exact), 1.5
        else:
            found, bound = relative(ours[name], expected), BOUNDS[prefix]
        job = name.split("/")[0]
        worst[job] = max(worst.get(job, (0, bound)), (found, bound))
    for job, (found, bound) in worst.items():
        holds = found <= bound
        broken += not holds
        print(f"  {job:28} {found:9.2e}  bound {bound:.0e}  {'holds' if holds else 'BROKEN'}", flush=True)
    sys.exit(broken > 0)


main()
