# SPDX-License-Identifier: MIT
"""What pyperformance's scripts ask of pyperf, measured in this process.

bench/run.py puts this folder first on the path of each worker. A worker runs one script
once: every benchmark gets a first call, warm-ups and a few timed values, in CPU seconds,
written as JSON lines to the file NAJA_BENCH_OUT. NAJA_BENCH_LOOPS holds {name: loops} of
an earlier worker, so that all interpreters do the same work.
"""
import argparse
import json
import os
import resource
import sys
import time

if os.environ.get("NAJA_BENCH_DEPS"):
    import site

    site.addsitedir(os.environ["NAJA_BENCH_DEPS"])  # PYTHONPATH knows no .pth files

perf_counter = time.process_time
MIN_TIME = float(os.environ.get("NAJA_BENCH_MIN_TIME", "0.1"))
BUDGET = float(os.environ.get("NAJA_BENCH_BUDGET", "1.0"))


def peak_memory():
    """KiB. (The kernel's ru_maxrss begins with what the parent had before exec.)"""
    with open("/proc/self/status") as f:
        for line in f:
            if line.startswith("VmHWM:"):
                return int(line.split()[1])
    return 0


def python_implementation():
    return sys.implementation.name


class Runner:
    def __init__(self, values=None, warmups=None, processes=None, loops=0, min_time=None,
                 metadata=None, show_name=True, program_args=None, add_cmdline_args=None,
                 _argparser=None):
        self.argparser = _argparser or argparse.ArgumentParser()
        self.metadata = dict(metadata or {})
        self.args = None
        self._loops = json.loads(os.environ.get("NAJA_BENCH_LOOPS", "{}"))

    def parse_args(self, args=None):
        if self.args is None:
            self.args = self.argparser.parse_args(args)
        return self.args

    def _measure(self, name, timed, inner_loops=None):
        """timed(loops) -> seconds."""
        self.parse_args()
        first = timed(1)
        loops = self._loops.get(name)
        if loops is None:
            loops, t = 1, first
            while t < MIN_TIME:
                loops = max(loops * 2, min(loops * 64, int(loops * MIN_TIME / max(t, 1e-9))))
                t = timed(loops)
        # fast code warms up within the calibration's time; slow code is warm after a call
        n = int(BUDGET / max(first * loops, MIN_TIME))
        if first < MIN_TIME:
            timed(loops)
        n = min(max(n, 2), 9)
        per = loops * (inner_loops or 1)
        values = [timed(loops) / per for _ in range(n)]
        with open(os.environ["NAJA_BENCH_OUT"], "a") as f:
            f.write(json.dumps({"name": name, "first": first / (inner_loops or 1),
                                "loops": loops, "values": values,
                                "peak": peak_memory()}) + "\n")

    def bench_time_func(self, name, func, *args, inner_loops=None, metadata=None):
        self._measure(name, lambda loops: func(loops, *args), inner_loops)

    def bench_func(self, name, func, *args, inner_loops=None, metadata=None):
        def timed(loops):
            clock = perf_counter
            todo = range(loops)
            if args:
                t = clock()
                for _ in todo:
                    func(*args)
            else:
                t = clock()
                for _ in todo:
                    func()
            return clock() - t
        self._measure(name, timed, inner_loops)

    def bench_async_func(self, name, func, *args, inner_loops=None, metadata=None,
                         loop_factory=None):
        import asyncio

        async def body(loops):
            clock = perf_counter
            t = clock()
            for _ in range(loops):
                await func(*args)
            return clock() - t

        def timed(loops):
            if loop_factory is None:
                return asyncio.run(body(loops))
            with asyncio.Runner(loop_factory=loop_factory) as runner:
                return runner.run(body(loops))
        self._measure(name, timed, inner_loops)

    def bench_command(self, name, command):
        import subprocess

        def timed(loops):
            before = resource.getrusage(resource.RUSAGE_CHILDREN)
            for _ in range(loops):
                subprocess.run(command, check=True, stdin=subprocess.DEVNULL,
                               stdout=subprocess.DEVNULL)
            after = resource.getrusage(resource.RUSAGE_CHILDREN)
            return (after.ru_utime + after.ru_stime) - (before.ru_utime + before.ru_stime)
        self._measure(name, timed)
