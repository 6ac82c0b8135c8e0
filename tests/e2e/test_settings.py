"""Every service refuses wrong settings with one message that names all of them."""

import subprocess
import sys

import pytest

from paceline.cli.processes import SERVICES

pytestmark = pytest.mark.e2e
WRONG = {
    "PACELINE_GRPC_PORT": "99999",
    "PACELINE_LOG_LEVEL": "loud",
    "PACELINE_DRAIN_S": "soon",
    "PACELINE_POSTGRES_URL": "mysql://root:hunter2@db/x",
    "PACELINE_ENCRYPTION_KEY": "c2hvcnQ=",
}
COMPLAINTS = (
    "PACELINE_POSTGRES_URL the value is not a URL of postgresql://, postgres://",
    "PACELINE_REDIS_URL is required",
    "PACELINE_GRPC_PORT '99999' is above 65535",
    "PACELINE_LOG_LEVEL 'loud' is not one of",
    "PACELINE_DRAIN_S 'soon' is not a number",
    "PACELINE_ENCRYPTION_KEY",
)


def test_wrong_settings_are_one_message_with_all_of_them_and_exit_2() -> None:
    children = {
        service: subprocess.Popen(
            [sys.executable, "-P", "-m", f"services.{service}"],
            env=WRONG,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        for service in SERVICES
    }
    for service, child in children.items():
        out, err = child.communicate(timeout=60)
        assert child.returncode == 2, err
        assert out == ""
        first, *rest = err.splitlines()
        assert first == f"paceline-{service}: {len(COMPLAINTS)} settings are wrong:"
        for complaint in COMPLAINTS:
            assert sum(line.strip().startswith(complaint) for line in rest) == 1, f"{complaint} in:\n{err}"
        assert "hunter2" not in err
        assert "c2hvcnQ" not in err
