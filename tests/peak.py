"""The most memory that a process has had."""

import re
import resource
import sys
from pathlib import Path


def peak_memory() -> int:
    """Bytes that this process has had at most, since its program began.

    On Linux `getrusage` gives the peak of the process that started the program where that is higher: a small program
    started by a large test would look large, and one that grows would look as if it did not.
    """
    if sys.platform == "linux":
        return 1024 * int(re.search(r"VmHWM:\s+(\d+) kB", Path("/proc/self/status").read_text())[1])
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * (1 if sys.platform == "darwin" else 1024)
