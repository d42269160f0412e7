"""``python -m dashboards``: write all boards, or say which are not up to date (``--check``)."""

import argparse
import sys
from pathlib import Path

from dashboards.files import stale, write_all

HERE = Path(__file__).parent


def main() -> int:
    """Return 1 where ``--check`` finds a file that is not what the specification says."""
    parser = argparse.ArgumentParser(prog="python -m dashboards", description=__doc__)
    parser.add_argument("--check", action="store_true", help="write nothing")
    if parser.parse_args().check:
        names = stale(HERE)
        print("\n".join(names) or "all boards are up to date")  # noqa: T201  # a command line prints
        return 1 if names else 0
    print(f"{write_all(HERE)} files written")  # noqa: T201
    return 0


if __name__ == "__main__":
    sys.exit(main())
