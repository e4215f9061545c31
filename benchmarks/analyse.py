"""`hospital-agent analyse` on a whole chest CT: wall time, memory, and what the scores add to the segmentation.

    python -m benchmarks.analyse [VOLUME]

Without VOLUME it takes chest_ct/lidc0001.nii.gz of the folder named by SEGWATCH_DATA: 180 x 180 x 166 voxels at 2 mm.
"""

import json
import os
import resource
import subprocess
import sys
import time
from pathlib import Path

MOST_SECONDS, MOST_GIB, MOST_SHARE = 60.0, 4.0, 0.10
SCORES = ("features", "uncertainty", "ood", "quality")


def main() -> None:
    """Run the command once as a user would, and print the figures."""
    data = os.environ.get("SEGWATCH_DATA", "")
    volume = Path(sys.argv[1]) if len(sys.argv) > 1 else Path(data) / "chest_ct" / "lidc0001.nii.gz"
    if not volume.exists():
        sys.exit("Name a volume, or set SEGWATCH_DATA.")
    program = Path(sys.executable).parent / "hospital-agent"
    begun = time.perf_counter()
    done = subprocess.run([program, "analyse", volume], capture_output=True, text=True, check=False)
    seconds = time.perf_counter() - begun
    peak_gib = resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss / 2**20
    if done.returncode != 0:
        sys.exit(f"analyse ended with status {done.returncode}: {done.stderr[-500:]}")
    told = json.loads(done.stdout)
    timings = told["timings_s"]
    scores = sum(timings[stage] for stage in SCORES)
    share = scores / timings["segmentation"]
    print(f"volume                {volume.name}, {told['volume']['shape_zyx']} voxels (Z, Y, X)")
    print(f"wall time             {seconds:6.1f} s     wanted at most {MOST_SECONDS:.0f} s")
    print(f"resident memory       {peak_gib:6.2f} GiB   wanted at most {MOST_GIB:.0f} GiB")
    for stage in ("lungs", "segmentation", *SCORES):
        print(f"  {stage:<20}{timings[stage]:6.2f} s")
    print(f"scores / segmentation {100 * share:6.1f} %     wanted at most {100 * MOST_SHARE:.0f} %")
    print("                      (without the lung mask, which is timed by itself above)")


if __name__ == "__main__":
    main()
