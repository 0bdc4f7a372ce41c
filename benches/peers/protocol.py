"""A side of a contest, as `cargo xtask bench --peers` runs it: a process that works when it is told to and tells its seconds.

The first line of standard input is the job, a JSON object: `side` (which of the script's sides), `threads`, `quick`, `folder` (what the contest's
sides share), `models` (folders by name), `unimse` (the built binary). The side makes itself ready and answers {"check", "versions", "spawns"}: numbers
that must be those of the other sides, versions of its packages, whether its work is done by processes that it starts. Every further line asks for a
round, answered {"seconds"}. Standard output is the protocol's: what else is printed goes to standard error.
"""

import json
import os
import sys
import time
from importlib.metadata import version


def serve(sides, packages, spawns=False):
    """Serves one of `sides`: functions from the job to (numbers to check, function of a round), and what multiplies its seconds where it does a
    part of the work only."""
    replies = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)

    def reply(message):
        print(json.dumps(message), file=replies, flush=True)

    job = json.loads(sys.stdin.readline())
    check, work, *scale = sides[job["side"]](job)
    reply({"check": check, "versions": {name: version(name) for name in packages}, "spawns": spawns})
    for _ in sys.stdin:
        start = time.perf_counter()
        work()
        reply({"seconds": (time.perf_counter() - start) * (scale[0] if scale else 1)})
