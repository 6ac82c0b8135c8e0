"""No child outlives its parent, however that ends."""

import os
import signal
import subprocess
import sys
import threading
from pathlib import Path

import pytest

from paceline.embedded.leash import Identity, end, give_way, leashed, spawn_leashed
from tests.integration.runtime.watching import runs, wait_until

OWNER = """
import signal, sys, time
from paceline.embedded.leash import spawn_leashed
child = spawn_leashed(sys.argv[2:], death_signal=signal.Signals(int(sys.argv[1])))
print(child.pid, flush=True)
time.sleep(600)
"""
TELLS_HOW_IT_ENDS = """
import pathlib, signal, sys, time
def told(*_):
    pathlib.Path(sys.argv[1]).write_text("told")
    sys.exit()
signal.signal(signal.SIGTERM, told)
pathlib.Path(sys.argv[1]).write_text("listening")
time.sleep(600)
"""

DOES_NOT_LISTEN = """
import signal, time
signal.signal(signal.SIGTERM, signal.SIG_IGN)
print("deaf", flush=True)
time.sleep(600)
"""


def start_owner(death_signal: signal.Signals, *argv: str) -> tuple["subprocess.Popen[bytes]", int]:
    owner = spawn_leashed(
        [sys.executable, "-c", OWNER, str(int(death_signal)), *argv], stdout=subprocess.PIPE
    )
    assert owner.stdout is not None
    child = int(owner.stdout.readline())
    owner.stdout.close()
    return owner, child


def test_a_child_gives_way_to_others_in_its_session_and_among_them() -> None:
    child = spawn_leashed([sys.executable, "-c", DOES_NOT_LISTEN], stdout=subprocess.DEVNULL)
    try:
        give_way(child, 7)
        assert os.getpriority(os.PRIO_PROCESS, child.pid) == os.getpriority(os.PRIO_PROCESS, 0) + 7
        among_sessions = Path(f"/proc/{child.pid}/autogroup")
        if among_sessions.exists():
            assert among_sessions.read_text().split()[-1] == "7"
    finally:
        end(child, signal.SIGKILL, within_s=30)
    give_way(child, 7)  # it has ended: nobody to be asked


def test_a_child_dies_with_a_parent_that_is_killed() -> None:
    owner, child = start_owner(signal.SIGKILL, "sleep", "600")
    assert runs(child)
    end(owner, signal.SIGKILL, within_s=10)
    wait_until(lambda: not runs(child), "the child is gone")


def test_a_child_may_be_told_instead_and_end_by_itself(tmp_path: Path) -> None:
    diary = tmp_path / "diary"
    owner, child = start_owner(signal.SIGTERM, sys.executable, "-c", TELLS_HOW_IT_ENDS, str(diary))
    wait_until(lambda: diary.exists() and diary.read_text() == "listening", "the child listens")
    end(owner, signal.SIGKILL, within_s=10)
    wait_until(lambda: not runs(child), "the child is gone")
    assert diary.read_text() == "told"


def test_a_child_whose_parent_died_meanwhile_does_not_begin() -> None:
    command = leashed(["sleep", "600"])
    command[4] = "999999999"
    assert subprocess.run(command, check=False, timeout=30).returncode == 126


def test_a_leash_is_not_held_by_another_thread() -> None:
    caught: list[BaseException] = []

    def spawn() -> None:
        try:
            spawn_leashed(["sleep", "600"])
        except RuntimeError as error:
            caught.append(error)

    thread = threading.Thread(target=spawn)
    thread.start()
    thread.join()
    assert "main one" in str(caught[0])


@pytest.mark.skipif(os.geteuid() != 0, reason="an ordinary user is one already")
@pytest.mark.parametrize("identity", [Identity.NEVER_ROOT, Identity.ANOTHER])
def test_root_can_start_what_refuses_to_run_as_root(identity: Identity) -> None:
    command = leashed(["id", "-u"], identity=identity)
    assert subprocess.run(command, check=True, capture_output=True, timeout=30).stdout == b"1000\n"


@pytest.mark.skipif(os.geteuid() != 0, reason="an ordinary user is one already")
@pytest.mark.parametrize("identity", [Identity.NEVER_ROOT, Identity.ANOTHER])
def test_who_is_no_longer_root_still_finds_what_only_root_may_see(identity: Identity, tmp_path: Path) -> None:
    (tmp_path / "private").mkdir(mode=0o700)
    (tmp_path / "private" / "file").write_text("seen")
    command = leashed(["cat", str(tmp_path / "private" / "file")], identity=identity)
    assert subprocess.run(command, check=True, capture_output=True, timeout=30).stdout == b"seen"


def test_a_program_that_is_not_there_is_said_at_once() -> None:
    with pytest.raises(FileNotFoundError, match="no-such-program"):
        spawn_leashed(["no-such-program"])


def test_what_does_not_end_in_time_is_killed() -> None:
    child = spawn_leashed([sys.executable, "-c", DOES_NOT_LISTEN], stdout=subprocess.PIPE)
    assert child.stdout is not None
    child.stdout.readline()
    child.stdout.close()
    assert end(child, signal.SIGTERM, within_s=0.05) == -signal.SIGKILL
