"""Drive `fyers-apiv3` from outside: one JSON command a line on stdin, one JSON report a line on stdout.

Runs under the oracle's own interpreter and imports nothing of the project.
First line in: where the broker is, {"http", "app_id", "token", "log_path"}. Then
    command   {"id": 1, "call": "orderbook", "args": [...]}
    reports   {"id": 1, "result": ...} or {"id": 1, "error": "..."}
              {"event": "orders", "data": ...} whenever a socket of the SDK calls back
"""

import json
import os
import sys
import threading
import warnings
from collections.abc import Callable
from typing import Any

warnings.filterwarnings("ignore", message="pkg_resources is deprecated")

from fyers_apiv3 import fyersModel  # type: ignore[import-not-found]  # noqa: E402 - after the filter
from fyers_apiv3.FyersWebsocket import data_ws, defines, order_ws  # type: ignore[import-not-found]  # noqa: E402

REPORTS = sys.stdout
_one_line_at_a_time = threading.Lock()


def report(**line: Any) -> None:
    with _one_line_at_a_time:
        REPORTS.write(json.dumps(line, default=str) + "\n")
        REPORTS.flush()


def reporter(event: str) -> Callable[..., None]:
    return lambda *data: report(event=event, data=data[0] if data else None)


class Driver:
    """The SDK of one account, pointed at one broker."""

    def __init__(self, settings: dict[str, Any]) -> None:
        self.app_id = settings["app_id"]
        self.token = settings.get("token", "")
        self.logs = settings["log_path"]
        self.http = settings["http"].rstrip("/")
        self.sockets = self.http.replace("http", "ws", 1)
        self.order_socket: Any = None
        self.data_socket: Any = None
        self._point_at_the_broker()
        self._use_token()

    def _point_at_the_broker(self) -> None:
        fyersModel.Config.API = f"{self.http}/api/v3"
        fyersModel.Config.DATA_API = f"{self.http}/data"
        defines.INDEX_HSM_MAPPING_API = f"{self.http}/sym_details/index_hsm_mapping.json"
        token_address = f"{self.http}/data/symbol-token"
        build = data_ws.SymbolConversion.__init__

        def build_and_redirect(conversion: Any, *args: Any, **kwargs: Any) -> None:
            build(conversion, *args, **kwargs)
            conversion.symbols_token_api = token_address

        data_ws.SymbolConversion.__init__ = build_and_redirect

    def _use_token(self) -> None:
        self.model = fyersModel.FyersModel(client_id=self.app_id, token=self.token, log_path=self.logs)

    def run(self, call: str, args: list[Any]) -> Any:
        own = getattr(self, f"do_{call}", None)
        return own(*args) if own else getattr(self.model, call)(*args)

    def do_login_address(self, redirect: str, state: str) -> str:
        return str(self._session(redirect, state).generate_authcode())

    def do_login(self, secret: str, redirect: str, auth_code: str) -> Any:
        session = self._session(redirect, "", secret)
        session.set_token(auth_code)
        answer = session.generate_token()
        self.token = answer.get("access_token", "")
        self._use_token()
        return answer

    def do_use_token(self, token: str) -> None:
        self.token = token
        self._use_token()

    def _session(self, redirect: str, state: str, secret: str | None = None) -> Any:
        return fyersModel.SessionModel(
            client_id=self.app_id,
            redirect_uri=redirect,
            response_type="code",
            state=state,
            secret_key=secret,
            grant_type="authorization_code",
        )

    def do_open_order_socket(self, kinds: str) -> None:
        self.order_socket = order_ws.FyersOrderSocket(
            access_token=f"{self.app_id}:{self.token}",
            log_path=self.logs,
            on_orders=reporter("orders"),
            on_trades=reporter("trades"),
            on_positions=reporter("positions"),
            on_general=reporter("general"),
            on_error=reporter("order_error"),
            on_close=reporter("order_closed"),
            on_connect=lambda: self.order_socket.subscribe(data_type=kinds),
            reconnect=False,
        )
        # The SDK has no setting for its address.
        self.order_socket._FyersOrderSocket__url = f"{self.sockets}/trade/v3"  # noqa: SLF001
        self.order_socket.connect()

    def do_unsubscribe_orders(self, kinds: str) -> None:
        self.order_socket.unsubscribe(data_type=kinds)

    def do_open_data_socket(self, lite: bool) -> None:
        data_ws.FyersDataSocket._instance = None  # noqa: SLF001 - the SDK keeps one for the whole process
        self.data_socket = data_ws.FyersDataSocket(
            access_token=self.token,
            log_path=self.logs,
            litemode=lite,
            reconnect=False,
            on_message=reporter("tick"),
            on_error=reporter("data_error"),
            on_close=reporter("data_closed"),
            on_connect=reporter("data_connected"),
        )
        self.data_socket._FyersDataSocket__url = f"{self.sockets}/hsm/v1-5/prod"  # noqa: SLF001
        self.data_socket.connect()

    def do_subscribe_data(self, symbols: list[str], data_type: str) -> None:
        self.data_socket.subscribe(symbols=symbols, data_type=data_type)

    def do_unsubscribe_data(self, symbols: list[str], data_type: str) -> None:
        self.data_socket.unsubscribe(symbols=symbols, data_type=data_type)

    def do_pause_and_resume(self, other_channel: int) -> None:
        """Move to another channel and back: the SDK pauses the one it leaves and resumes a known one."""
        home = self.data_socket.channel_num
        self.data_socket.channel_resume(other_channel)
        self.data_socket.channel_resume(home)


def main() -> None:
    sys.stdout = sys.stderr  # the SDK prints; standard output belongs to the reports
    driver = Driver(json.loads(sys.stdin.readline()))
    report(event="ready", data=None)
    for line in sys.stdin:
        command = json.loads(line)
        threading.Thread(target=serve, args=(driver, command), daemon=True).start()


def serve(driver: Driver, command: dict[str, Any]) -> None:
    try:
        report(id=command["id"], result=driver.run(command["call"], command["args"]))
    except Exception as failure:  # noqa: BLE001 - whatever the SDK raises is the caller's to see
        report(id=command["id"], error=repr(failure))


if __name__ == "__main__":
    main()
    # The SDK's socket threads are not daemons and its ping thread sleeps 10 s: nothing is left to wait for.
    sys.stderr.flush()
    os._exit(0)
