"""Lists the slowest tests of some runs, and adds up all of them; the arguments are JUnit files."""

import sys
from collections import Counter
from pathlib import Path
from xml.etree import ElementTree as ET

SLOWEST = 15


def main(paths):
    """Print both; return how many failed."""
    counts, slowest = Counter(), {}
    for path in map(Path, paths):
        run = path.stem.partition("-")[2].replace("_", " ")
        for case in ET.parse(path).iter("testcase"):
            counts[outcome(case)] += 1
            name = f"{case.get('classname')}::{case.get('name')}"
            slowest[name] = max(slowest.get(name, (0, "")), (float(case.get("time")), run))
    print("\nThe slowest tests, each in its slowest run:")
    for seconds, run, name in sorted(((*its, name) for name, its in slowest.items()))[-SLOWEST:]:
        print(f"{seconds:7.1f} s  {name} ({run})")
    print(f"\n{counts['passed']} passed, {counts['failed']} failed, {counts['skipped']} skipped")
    return counts["failed"]


def outcome(case):
    """A test with several outcomes has failed."""
    tags = {child.tag for child in case}
    if tags & {"failure", "error"}:
        return "failed"
    return "skipped" if "skipped" in tags else "passed"


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]) > 0)
