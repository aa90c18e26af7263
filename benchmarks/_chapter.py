"""One chapter on one folder of photos, in a process of its own: ``python -m benchmarks._chapter TASK``.

The process imports no torch; that is the kernel's. Its environment is the kernel's too (see `benchmarks.claims`).
"""

import asyncio
import json
import shutil
import signal
import sys
import time
from contextlib import suppress
from pathlib import Path

import nbformat
from nbclient import NotebookClient
from nbclient.exceptions import CellTimeoutError, DeadKernelError

from carvana_lessons.utils.files import make_folder, replacing
from carvana_lessons.utils.locking import owned


async def execute(notebook: Path, place: Path, minutes: float, stop_at_first: bool) -> dict:
    """Execute a chapter and note every assertion; neither a failed one nor an error ends it.

    Args:
        notebook: the chapter.
        place: the folder in which its kernel works.
        minutes: after which it is stopped.
        stop_at_first: end the chapter after the first failure.

    Returns:
        "seconds"; "assertions", how many were evaluated, one in a loop counted once; "failures", a dictionary each.

    Raises:
        RuntimeError: if the assertions cannot be recorded.
    """
    log, end_of_time = place / "claims.jsonl", time.monotonic() + 600  # a busy machine's start of a kernel
    log.write_text("", encoding="utf-8", newline="\n")
    content = nbformat.read(notebook, as_version=4)
    first = nbformat.v4.new_code_cell(f"from benchmarks._recorder import install\ninstall({str(log)!r})")
    content.cells.insert(0, first)
    client = NotebookClient(
        content,
        kernel_name="python3",
        resources={"metadata": {"path": str(place)}},
        allow_errors=True,
        extra_arguments=["--log-level=ERROR"],
        startup_timeout=300,
        shutdown_kernel="immediate",
        timeout_func=lambda _: max(1, int(end_of_time - time.monotonic())),
    )
    checked, failures, read = set(), [], 0
    async with client.async_setup_kernel():
        for number in (signal.SIGINT, signal.SIGTERM):  # nbclient's own: the kernel's end would look like a crash
            with suppress(NotImplementedError):
                asyncio.get_running_loop().remove_signal_handler(number)
        await client.async_execute_cell(first, 0, store_history=False)
        if any(output.output_type == "error" for output in first.outputs):
            raise RuntimeError(f"The assertions of {notebook} cannot be recorded: {first.outputs}")
        began = time.monotonic()
        end_of_time = began + 60 * minutes
        for index, cell in enumerate(content.cells[1:], start=1):
            end = None
            try:
                await client.async_execute_cell(cell, index)
            except CellTimeoutError:
                end = ("CellTimeoutError", f"stopped here after {minutes:g} minutes")
            except DeadKernelError as error:
                end = ("DeadKernelError", str(error))
            notes = [json.loads(line) for line in log.read_text(encoding="utf-8").splitlines()]
            checked |= {(cell.id, note["claim"]) for note in notes[read:]}
            found = [(note["claim"], note["error"], note["message"]) for note in notes[read:] if "error" in note]
            read = len(notes)
            if "raises-exception" not in cell.metadata.get("tags", []):
                errors = [output for output in cell.get("outputs", []) if output.output_type == "error"]
                found += [("", error.ename, error.evalue) for error in errors]
            found += [("", *end)] if end else []
            for claim, error, message in found:
                kind = "assertion" if claim and error == "AssertionError" else "error"
                if error == "NameError" and any(failure["kind"] == "error" for failure in failures):
                    kind = "after an error"  # that has kept the name from getting its value
                what = {"cell": cell.id, "kind": kind, "claim": claim or error}
                failures.append(what | {"message": message if kind == "assertion" else f"{error}: {message}"})
            if end or (failures and stop_at_first):
                break
    return {"seconds": round(time.monotonic() - began, 1), "assertions": len(checked), "failures": failures}


def finished(task: dict) -> dict | None:
    """The result of a task, if there is one of the same chapter, photos and package."""
    with suppress(OSError, ValueError):
        result = json.loads(Path(task["file"]).read_text(encoding="utf-8"))
        wanted = {k: v for k, v in task["about"]["key"].items() if k != "package" or not task["any_package"]}
        if wanted.items() <= result["key"].items():
            return result
    return None


def main() -> None:
    task = json.loads(sys.argv[1])
    place = Path(task["place"])
    with owned(place, wait=f"{place.name} is being executed by another process: waiting for it."):
        if finished(task) is None:
            make_folder(place)
            run = execute(Path(task["notebook"]), place, task["minutes"], task["stop_at_first"])
            result = task["about"] | asyncio.run(run)
            with replacing(Path(task["file"])) as temporary:
                temporary.write_text(json.dumps(result, indent=1) + "\n", encoding="utf-8", newline="\n")
        shutil.rmtree(place, ignore_errors=True)  # its trainings; a run that was stopped keeps them and goes on


if __name__ == "__main__":
    main()
