#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""make bench: pyperformance under Naja and a reference interpreter, in alternation.

Prints one line per benchmark, reference time / our time (above 1: Naja is faster), and the
geometric means; writes build/bench/result.json, .txt and .svg. See bench/README.md.
"""
import argparse
import json
import math
import os
import re
import shutil
import signal
import statistics
import subprocess
import sys
import tarfile
import tempfile
import time

VERSION = "1.14.0"
HERE = os.path.dirname(os.path.abspath(__file__))
SLOW = ("dask", "hg_startup", "sphinx", "fastapi", "tornado_http", "xdsl",
        "asyncio_websockets", "concurrent_imap", "asyncio_tcp_ssl",
        "async_tree_cpu_io_mixed_tg", "async_tree_io_tg", "async_tree_memoization_tg",
        "async_tree_eager_cpu_io_mixed", "async_tree_eager_io", "async_tree_eager_memoization",
        "async_tree_eager_tg", "async_tree_eager_cpu_io_mixed_tg", "async_tree_eager_io_tg",
        "async_tree_eager_memoization_tg")
NEEDS_DISTUTILS = ("bm_django_template", "bm_sympy")
OWN = {  # name: command-line arguments behind the interpreter
    "startup": ["-c", "pass"],
    "startup_bare": ["-I", "-S", "-c", "pass"],
    "import_many": ["-c", "import asyncio, json, re, dataclasses, typing, unittest, http.client"],
    "import_json": ["-c", "import json"],
    "import_re": ["-c", "import re"],
    "import_typing": ["-c", "import typing"],
    "import_argparse": ["-c", "import argparse"],
}
PACKAGES = {"numpy": "numpy==2.3.5", "pillow": "pillow==12.0.0", "lxml": "lxml==6.0.2"}
GROUPS = ("module", "package")  # bench/modules, bench/packages: many short rows a script


def say(text):
    print(text, file=sys.stderr, flush=True)


def fetch(work):
    """pyperformance's scripts, unmodified, below `work`."""
    root = os.path.join(work, f"pyperformance-{VERSION}")
    scripts = os.path.join(root, "pyperformance", "data-files", "benchmarks")
    if not os.path.isdir(scripts):
        say(f"bench: getting pyperformance {VERSION}")
        r = subprocess.run([sys.executable, "-m", "pip", "download", "-q", "--no-deps",
                            "--no-binary", ":all:", "-d", work,
                            f"pyperformance=={VERSION}"], stderr=subprocess.PIPE, text=True)
        archive = os.path.join(work, f"pyperformance-{VERSION}.tar.gz")
        if not os.path.exists(archive):
            sys.exit("bench: pip could not download pyperformance: "
                     + (r.stderr.strip().splitlines() or ["?"])[-1])
        with tarfile.open(archive) as tar:
            tar.extractall(work + ".new", filter="data")
        os.replace(os.path.join(work + ".new", f"pyperformance-{VERSION}"), root)
        shutil.rmtree(work + ".new")
    return scripts


def benchmarks(scripts):
    """name -> (folder, script arguments), as MANIFEST and the metafiles say."""
    found = {}
    for line in open(os.path.join(scripts, "MANIFEST")):
        name, _, rest = line.strip().partition("\t")
        m = re.fullmatch(r"<local(?::(\w+))?>", rest)
        if not m or name.startswith("#"):
            continue
        folder = os.path.join(scripts, "bm_" + (m[1] or name))
        meta = os.path.join(folder, f"bm_{name}.toml") if m[1] else \
            os.path.join(folder, "pyproject.toml")
        if not os.path.exists(meta):
            meta = os.path.join(folder, "pyproject.toml")
        extra = re.search(r"^extra_opts\s*=\s*(\[.*?\])", open(meta).read(), re.M | re.S)
        found[name] = (folder, json.loads(extra[1]) if extra else [])
    return found


def short_rows():
    """name -> (script, its group): module_json and so on, of this repository."""
    return {f"{group}_{f[3:-3]}": (os.path.join(HERE, group + "s", f), group)
            for group in GROUPS for f in sorted(os.listdir(os.path.join(HERE, group + "s")))
            if f.startswith("bm_")}


def install(folder, work, peer):
    """Third-party modules of a benchmark, in a folder of this interpreter. None: failed."""
    needs = ["-r", os.path.join(folder, "requirements.txt")]
    if folder in PACKAGES:
        needs = [PACKAGES[folder]]
    elif not os.path.exists(needs[1]):
        needs = [os.path.join(folder, "vendor")]
        if not os.path.exists(needs[0]):
            return ""
    if os.path.basename(folder) in NEEDS_DISTUTILS:
        needs.append("setuptools")
    target = os.path.join(work, "deps-" + peer["key"], os.path.basename(folder))
    if os.path.exists(target + ".failed"):
        return None
    if not os.path.isdir(target):
        say(f"bench: modules for {os.path.basename(folder)}")
        temp = target + ".new"
        shutil.rmtree(temp, ignore_errors=True)
        r = subprocess.run([sys.executable, "-m", "pip", "--python", peer["install"], "install",
                            "-q", "--disable-pip-version-check", "--no-warn-script-location",
                            "--target", temp, *needs],
                           stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
        if r.returncode:
            open(target + ".failed", "w").write(r.stdout)
            say(f"bench: pip could not install them; see {target}.failed")
            return None
        os.replace(temp, target)
    return target


def child(command, env, limit):
    """Runs it; (exit status, CPU seconds, its stderr)."""
    with tempfile.TemporaryFile() as err:
        p = subprocess.Popen(command, env=env, stdin=subprocess.DEVNULL,
                             stdout=subprocess.DEVNULL, stderr=err, start_new_session=True)
        end = time.monotonic() + limit
        while True:
            pid, status, usage = os.wait4(p.pid, os.WNOHANG)
            if pid:
                break
            if time.monotonic() > end:
                os.killpg(p.pid, signal.SIGKILL)
                _, status, usage = os.wait4(p.pid, 0)
                break
            time.sleep(0.002)
        p.returncode = os.waitstatus_to_exitcode(status)
        err.seek(0)
        text = err.read().decode(errors="replace").strip()
    return p.returncode, usage.ru_utime + usage.ru_stime, text


def run_script(script, extra, deps, peer, loops, opts, scale=1):
    """Runs one script once under one interpreter; its rows, and how it failed."""
    with tempfile.TemporaryDirectory() as temp:
        out = os.path.join(temp, "out")
        env = {k: v for k, v in os.environ.items() if not k.startswith(("PYTHON", "NAJA_"))}
        env.update(PYTHONPATH=os.pathsep.join([os.path.join(HERE, "runner")] +
                                              ([deps] if deps else [])),
                   NAJA_BENCH_OUT=out, NAJA_BENCH_DEPS=deps, NAJA_BENCH_LOOPS=json.dumps(loops),
                   NAJA_BENCH_MIN_TIME=str(opts.min_time * scale), PYTHONHASHSEED="0",
                   NAJA_BENCH_BUDGET=str(opts.budget * scale), TMPDIR=temp)
        code, _, err = child([peer["exe"], script, *extra], env, opts.limit)
        rows = []
        if os.path.exists(out):
            rows = [json.loads(line) for line in open(out)]
        why = None
        if code:
            why = err.splitlines()[-1] if err else f"exit status {code}"
        return rows, why


def gmean(xs):
    return math.exp(statistics.fmean(map(math.log, xs))) if xs else float("nan")


def measure(name, run, peers, opts, results):
    """Rounds in alternation; run(peer, loops) -> rows, why."""
    loops, times, failed = {}, {}, {}
    for r in range(opts.rounds):
        for peer in peers if r % 2 == 0 or r == 0 else peers[::-1]:
            if peer["key"] in failed:
                continue
            rows, why = run(peer, loops)
            if why or not rows:
                failed[peer["key"]] = why or "no result"
            for row in rows:
                loops.setdefault(row["name"], row["loops"])
                t = times.setdefault(row["name"], {}).setdefault(
                    peer["key"], {"medians": [], "first": [], "peak": []})
                t["medians"].append(statistics.median(row["values"]))
                t["first"].append(row["first"])
                t["peak"].append(row["peak"])
    for row, by in times.items():
        results[row] = {k: {"time": min(t["medians"]), "first": min(t["first"]),
                            "peak": min(t["peak"])} for k, t in by.items()}
        print(line_of(row, results[row], peers), flush=True)
    for key, why in failed.items():
        results.setdefault("failed", {})[f"{name} ({key})"] = why
        print(f"{name:34s} failed under {key}: {why[:110]}", flush=True)


def ratio(row, what, a, b):
    if a in row and b in row and row[b][what] > 0:
        return row[a][what] / row[b][what]
    return None


def line_of(name, row, peers):
    ref = peers[0]["key"]
    text = f"{name:34s}"
    for p in peers:
        t = row.get(p["key"])
        text += f" {t['time'] * 1e3:10.4f} ms" if t else "          -   "
    for p in peers[1:]:
        for what in ("time", "first", "peak"):
            r = ratio(row, what, ref, p["key"])
            text += f" {r:6.2f}" if r else "      -"
    return text


def own_rows(names, peers, opts, results):
    def run(peer, loops):
        env = {k: v for k, v in os.environ.items() if not k.startswith("PYTHON")}
        values = []
        for _ in range(8):
            code, cpu, err = child([peer["exe"], *OWN[name]], env, opts.limit)
            if code:
                return [], err.splitlines()[-1] if err else f"exit status {code}"
            values.append(cpu)
        *options, code = OWN[name]
        status = subprocess.run(
            [peer["exe"], *options, code + "\nprint(open('/proc/self/status').read())"],
            env=env, stdout=subprocess.PIPE, text=True).stdout
        return [{"name": name, "first": values[0], "loops": 1, "values": values,
                 "peak": int(re.search(r"VmHWM:\s*(\d+)", status)[1])}], None
    for name in names:
        measure(name, run, peers, opts, results)


def scripts_rows(todo, work, peers, opts):
    """Measures (name, script, its arguments, whose modules, share of the time) each."""
    results = {}
    for i, (name, script, extra, needs, scale) in enumerate(todo):
        deps = {p["key"]: install(needs, work, p) for p in peers}
        if None in deps.values():
            results.setdefault("failed", {})[name] = "modules could not be installed"
            print(f"{name:34s} left out: its modules could not be installed", flush=True)
            continue
        if sys.stderr.isatty():
            say(f"bench: {name}, {i + 1} of {len(todo)}")
        measure(name, lambda peer, loops: run_script(script, extra, deps[peer["key"]],
                                                     peer, loops, opts, scale),
                peers, opts, results)
    return results, results.pop("failed", {})


def summary(group, rows, peer):
    """Geometric means of a group, and its lowest rows."""
    means = {}
    for what in ("time", "first", "peak"):
        rs = {n: v for n, r in rows.items() if (v := ratio(r, what, "ref", peer["key"]))}
        means[what] = gmean(rs.values())
        if what == "time":
            low = sorted(rs.items(), key=lambda kv: kv[1])[:8]
            count = len(rs)
    return (f"{peer['key']}: {group}, geometric mean of {count} rows: time {means['time']:.3f}, "
            f"first call {means['first']:.3f}, memory {means['peak']:.3f}; "
            f"lowest: {', '.join(f'{n} {v:.2f}' for n, v in low)}")


def svg(rows, path):
    """Bars of the ratios on a logarithmic scale, slowest first."""
    rows = sorted(rows.items(), key=lambda kv: kv[1])
    width, step, left = 760, 15, 250
    lo, hi = math.log(0.25), math.log(8)

    def x(v):
        return left + (min(max(math.log(v), lo), hi) - lo) / (hi - lo) * (width - left - 60)
    out = [f'<svg xmlns="http://www.w3.org/2000/svg" width="{width}" '
           f'height="{len(rows) * step + 30}" font-family="sans-serif" font-size="11">']
    for i, (name, v) in enumerate(rows):
        y = 22 + i * step
        a, b = sorted((x(1), x(v)))
        out.append(f'<text x="{left - 6}" y="{y + 9}" text-anchor="end">{name}</text>'
                   f'<rect x="{a:.1f}" y="{y}" width="{b - a:.1f}" height="{step - 4}" '
                   f'fill="{"#3a7d44" if v >= 1 else "#b5423c"}"/>'
                   f'<text x="{b + 4:.1f}" y="{y + 9}">{v:.2f}</text>')
    for v in (0.25, 0.5, 1, 2, 4, 8):
        out.append(f'<line x1="{x(v):.1f}" x2="{x(v):.1f}" y1="16" '
                   f'y2="{len(rows) * step + 24}" stroke="#bbb"/>'
                   f'<text x="{x(v):.1f}" y="12" text-anchor="middle">{v}</text>')
    open(path, "w").write("\n".join(out) + "\n</svg>\n")


def main():
    ap = argparse.ArgumentParser()
    ap.add_argument("--naja", required=True)
    ap.add_argument("--ref", required=True)
    ap.add_argument("--pypy", help="a third interpreter")
    ap.add_argument("--names", default="", help="benchmarks, words in their names")
    ap.add_argument("--all", action="store_true", help="the slow and networked ones too")
    ap.add_argument("--rounds", type=int, default=3)
    ap.add_argument("--min-time", type=float, default=0.1, help="CPU seconds of one value")
    ap.add_argument("--budget", type=float, default=1.0, help="CPU seconds of one worker")
    ap.add_argument("--limit", type=float, default=180, help="wall seconds of one worker")
    ap.add_argument("--work", default="build/bench")
    opts = ap.parse_args()
    work = os.path.abspath(opts.work)
    os.makedirs(work, exist_ok=True)
    peers = []
    for key, exe in (("ref", opts.ref), ("naja", opts.naja), ("pypy", opts.pypy)):
        if exe is None:
            continue
        path = shutil.which(exe)
        if path is None:
            sys.exit(f"bench: no interpreter {exe!r}; pass REF=path of a CPython 3.14")
        # one binary interface: what pip chooses for the reference loads in Naja
        peers.append({"key": key, "exe": os.path.abspath(path),
                      "install": os.path.abspath(path if key == "pypy" else
                                                 shutil.which(opts.ref))})
    known = benchmarks(fetch(work))
    shorts = short_rows()
    words = opts.names.split()
    if words:
        def wanted(n):
            return any(n == w or n.startswith(w.rstrip("*")) and w.endswith("*")
                       for w in words)
        chosen = [n for n in known if wanted(n)]
        short = [n for n in shorts if wanted(n)]
        own = [n for n in OWN if wanted(n)]
        if not chosen and not own and not short:
            sys.exit("bench: no such benchmark; there are: "
                     + " ".join([*known, *OWN, *shorts]))
    else:
        chosen = [n for n in known if opts.all or n not in SLOW]
        own = list(OWN)
        short = list(shorts)
    print(f"{'benchmark':34s}" + "".join(f" {p['key']:>13s}" for p in peers) +
          "".join(f"   {p['key']}: time, first, memory" for p in peers[1:]))
    results = {}
    own_rows(own, peers, opts, results)
    failed = results.pop("failed", {})
    groups = {"start-up": results}
    groups["pyperformance"], more = scripts_rows(
        [(n, os.path.join(known[n][0], "run_benchmark.py"), known[n][1], known[n][0], 1)
         for n in chosen], work, peers, opts)
    failed.update(more)
    for group in GROUPS:
        groups[group], more = scripts_rows(
            [(n, shorts[n][0], [], n.partition("_")[2], 0.15) for n in short
             if shorts[n][1] == group], work, peers, opts)
        failed.update(more)
    for group, rows in groups.items():
        for p in peers[1:] if rows else ():
            print(summary(group, rows, p))
    if groups["pyperformance"]:
        svg({n: v for n, r in groups["pyperformance"].items()
             if (v := ratio(r, "time", "ref", "naja"))}, os.path.join(work, "result.svg"))
    if failed:
        print(f"{len(failed)} failed: {', '.join(failed)}")
    json.dump({"rows": groups, "failed": failed}, open(os.path.join(work, "result.json"), "w"),
              indent=1)


if __name__ == "__main__":
    main()
