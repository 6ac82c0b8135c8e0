"""Removes a directory once nobody uses it any more.

Run as a script: `reaper.py LOCK DIRECTORY`. The owner of a directory and the servers in it share one open
lock file; the kernel frees the lock when the last of them is gone, however they went. That is what this
process sleeps on: it needs no polling and no pids, and it ends when its work is done.
"""

import fcntl
import os
import shutil
import sys


def main(argv: list[str]) -> None:
    lock = os.open(argv[1], os.O_RDWR | os.O_CLOEXEC)
    sys.stdout.write("watching\n")
    sys.stdout.close()
    fcntl.flock(lock, fcntl.LOCK_EX)
    shutil.rmtree(argv[2], ignore_errors=True)


if __name__ == "__main__":
    main(sys.argv)
