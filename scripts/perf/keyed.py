#!/usr/bin/env python3
"""What a door costs with a credential on the measured host, beside an interceptor that checks nothing.

    DOORWARD=target/release/doorward PERF_BASE=BASE python3 scripts/perf/keyed.py HARNESS [--rounds 5] OUT.jsonl

HARNESS is the folder with bench.py and proxies.py of the proxies' comparison, BASE what it was set up in. Each
request has the surrogate in its query, so that it is swapped going up and its answer is scrubbed coming down.
Prints the processor time per request as a multiple of the interceptor's, and the goal beside it.
"""

import json
import statistics
import sys
from pathlib import Path

NAME, BASE_NAME = "doorward-keyed", "hudsucker-nodelay"
GOALS = {"ka1": 1.5, "ka32": 1.2, "ka256": 1.2}


def start(run, port):
    """The door of the harness, with its credential on the origin."""
    argv, env = proxies.doorward(run, port)
    config, policy = run / "home/doorward.toml", run / "home/policies/perf.toml"
    put(config, 'hosts = ["bank.perf.test"]\nplace = ["header:authorization"]',
        'hosts = ["origin.perf.test"]\nplace = ["query:key"]')
    rule = '[[allow]]\nhost = "origin.perf.test"\n'
    put(policy, rule, rule + 'credential = "bank"\n')
    return argv, env


def put(file, old, new):
    text = file.read_text()
    if old not in text:
        sys.exit(f"{file} is not as this script expects it: {old!r} is not in it")
    file.write_text(text.replace(old, new))


def with_surrogate(drive):
    def driven(args, timeout):
        args = list(args)
        if args[-2:] == ["--label", NAME]:
            surrogate = (proxies.BASE / "run" / NAME / "env").read_text().split("=", 1)[1].strip()
            args += ["--path", f"/json?key={surrogate}"]
        return drive(args, timeout)
    return driven


def tell(out):
    rows = [json.loads(line) for line in open(out)]
    for test, goal in GOALS.items():
        cost = {}
        for name in (NAME, BASE_NAME):
            of = [row for row in rows if (row["proxy_name"], row["test"]) == (name, test) and "failed" not in row]
            if not of:
                sys.exit(f"{name} has no result of {test}: see {out}")
            quiet = [row for row in of if not row["noisy"]] or of
            cost[name] = statistics.median(row["cpu"]["proxy"]["cpu_s_per_10k"] for row in quiet)
        ratio = cost[NAME] / cost[BASE_NAME]
        print(f"{test}: {cost[NAME]:.2f} s per 10,000, {ratio:.2f} of {BASE_NAME} (goal: {goal})")


if __name__ == "__main__":
    if len(sys.argv) < 3:
        sys.exit(__doc__)
    harness, rest = Path(sys.argv[1]), sys.argv[2:]
    sys.path.insert(0, str(harness))
    import bench
    import proxies

    proxies.PROXIES[NAME] = (proxies.BASE / "run" / NAME / "door.sock", start, proxies.DOOR_CA, [])
    bench.drive = with_surrogate(bench.drive)
    sys.argv = ["bench.py", "--only", f"{BASE_NAME},{NAME}", "--tests", ",".join(GOALS), *rest]
    bench.main()
    tell(rest[-1])
