"""The supervisor: what dies is started again, and a signal ends it whenever it comes."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

SIGNALLED_AT_EVERY_FORK = """
import os, signal, sys
from pathlib import Path
from demo.supervisor import SupervisedProgram, Supervisor

forks = []

def signal_self():
    forks.append(None)
    if len(forks) == 3:
        os.kill(os.getpid(), signal.SIGTERM)

supervisor = Supervisor(dict(os.environ))
os.register_at_fork(after_in_parent=signal_self)
supervisor.handle_signals(raising=False)
supervisor.start(SupervisedProgram("short", [sys.executable, "-c", ""], Path(sys.argv[1])))
supervisor.watch()
supervisor.stop()
print(len(forks))
"""


def test_a_signal_in_the_middle_of_a_fork_ends_the_supervisor(tmp_path: Path) -> None:
    command = [sys.executable, "-c", SIGNALLED_AT_EVERY_FORK, str(tmp_path / "log")]
    done = subprocess.run(command, check=False, capture_output=True, timeout=120)
    assert (done.returncode, done.stderr) == (0, b"")
    assert int(done.stdout) == 3


def test_a_signal_before_the_watch_ends_what_comes_before_it() -> None:
    program = """
import os, signal
from demo.supervisor import Supervisor
supervisor = Supervisor({})
supervisor.handle_signals(raising=True)
try:
    os.kill(os.getpid(), signal.SIGTERM)
    signal.pause()
except KeyboardInterrupt:
    supervisor.watch()
    print("ended")
"""
    done = subprocess.run([sys.executable, "-c", program], check=False, capture_output=True, timeout=120)
    assert done.stdout == b"ended\n", done.stderr
