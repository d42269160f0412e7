"""Runs a node on a Raspberry Pi: ``python -m fieldnode FOLDER``.

The folder is what firmware/tools/provision.py has made; ring and registers lie in it, too.
Updates come as packages of the system, not through the slots of an ESP32.
"""

import sys

from fieldnode import built, start
from fieldnode.hal.pi import Pi

SECTORS = 4096  # 16 MiB: 3 million readings

if __name__ == "__main__":
    if len(sys.argv) != 2:
        sys.exit("usage: python -m fieldnode FOLDER")
    start.serve(Pi(sys.argv[1], SECTORS, built.VERSION, built.BUILD_MS), None, built)
