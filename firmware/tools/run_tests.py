"""Runs test modules under MicroPython: ``micropython run_rom.py IMAGE run_tests MODULE…``.

One line for each test, ``ok NAME ms`` or ``FAILED NAME`` with the traceback before it; after a
module ``heap``, bytes in use before and after. The exit code is 1 where something failed.
"""

import gc
import os
import sys
import time


def run_one(name, function):
    started_ms = time.ticks_ms()
    try:
        function()
    except Exception as error:
        sys.print_exception(error)
        print("FAILED", name)
        return False
    print("ok", name, time.ticks_diff(time.ticks_ms(), started_ms))
    return True


def run_module(module_name):
    module = __import__(module_name, None, None, ["x"])
    gc.collect()
    before = gc.mem_alloc()
    names = sorted(name for name in dir(module) if name.startswith("test_"))
    failed = [name for name in names if not run_one(name, getattr(module, name))]
    gc.collect()
    print("heap", before, gc.mem_alloc())
    return not failed


def main(names):
    os.putenv("FIELDNODE_RUNNER", "1")
    results = [run_module(name) for name in names]
    sys.exit(0 if results and all(results) else 1)
