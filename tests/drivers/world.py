"""Two processes on the CPU that train together, as `accelerate launch` starts them."""

import json
import os
import socket
import sys
from collections.abc import Callable
from pathlib import Path


def run_both(out: Path, work: Callable[[int], dict]) -> None:
    """Call ``work(rank)`` in two processes at once; each answer becomes ``rank0.json``, ``rank1.json`` in ``out``."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    world = {"WORLD_SIZE": "2", "MASTER_ADDR": "127.0.0.1", "MASTER_PORT": str(port), "ACCELERATE_USE_CPU": "true"}
    children = []
    for rank in range(2):
        process = os.fork()
        if process == 0:
            os.environ |= world | {"RANK": str(rank), "LOCAL_RANK": str(rank)}
            answer = work(rank)
            (out / f"rank{rank}.json").write_text(json.dumps(answer), encoding="utf-8")
            os._exit(0)
        children.append(process)
    if any([os.waitpid(process, 0)[1] for process in children]):
        sys.exit("a process failed")
