"""What a command takes, measured from outside."""
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time


def run(command):
    """Seconds by the clock, seconds of processor time, peak bytes, and what it printed."""
    start = time.perf_counter()
    with tempfile.TemporaryFile("w+") as out:
        process = subprocess.Popen([str(word) for word in command], stdout=out)
        _, status, usage = os.wait4(process.pid, 0)
        seconds = time.perf_counter() - start
        process.returncode = os.waitstatus_to_exitcode(status)
        if process.returncode:
            sys.exit(f"{command[0]} failed with {process.returncode}")
        out.seek(0)
        return seconds, usage.ru_utime + usage.ru_stime, usage.ru_maxrss * 1024, json.load(out)


def medians(rounds):
    """Of each figure over the rounds."""
    return [statistics.median(figure) for figure in zip(*rounds)]
