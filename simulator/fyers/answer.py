"""What a call gives back: an HTTP status and JSON bytes."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from simulator.fyers.words import CODE_OK, CODE_PLACED, CODE_RATE, CODE_SYMBOL, CODE_UNACKNOWLEDGED, Words

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

BAD_REQUEST = 400
UNAUTHORIZED = 401
TOO_MANY = 429
JSON = "application/json"


@dataclass(slots=True)
class Answer:
    body: bytes
    status: int = 200
    headers: dict[str, str] = field(default_factory=dict)
    content_type: str = JSON


def dumped(value: object) -> bytes:
    return json.dumps(value, separators=(",", ":")).encode()


def ok(**fields: object) -> Answer:
    """`s`, `code` 200, an empty message, and what else there is."""
    return Answer(dumped({"s": "ok", "code": CODE_OK, "message": "", **fields}))


def failure(words: Words, status: int = BAD_REQUEST, **fields: object) -> Answer:
    return Answer(dumped({"s": "error", "code": words.code, "message": words.message, **fields}), status)


def placed(order_id: str) -> Answer:
    text = f'{{"s":"ok","code":{CODE_PLACED},"message":"{submitted(order_id)}","id":"{order_id}"}}'
    return Answer(text.encode())


def submitted(order_id: str) -> str:
    return f"Order submitted successfully. Your Order Ref. No.{order_id}"


def done(code: int, message: str, order_id: str) -> Answer:
    return Answer(dumped({"s": "ok", "code": code, "message": message, "id": order_id}))


def unacknowledged() -> Answer:
    return Answer(
        dumped(
            {
                "s": "ok",
                "code": CODE_UNACKNOWLEDGED,
                "message": "Order request has been sent, no acknowledgement yet. Please check the order book",
            }
        )
    )


def bad_symbol() -> Answer:
    return failure(Words(CODE_SYMBOL, "Invalid symbol provided"))


def too_many(message: str, wait_ns: int) -> Answer:
    """429 with the wait in headers, never in the body."""
    wait_ms = -(-wait_ns // 1_000_000)
    headers = {"Retry-After": str(-(-wait_ms // 1000)), "X-Retry-After-Ms": str(wait_ms)}
    return Answer(dumped({"s": "error", "code": CODE_RATE, "message": message}), TOO_MANY, headers)


def html(status: int) -> Answer:
    """The page of a gateway in trouble."""
    reason = {502: "Bad Gateway", 503: "Service Unavailable", 504: "Gateway Timeout"}.get(
        status, "Server Error"
    )
    page = (
        f"<html><head><title>{status} {reason}</title></head><body><h1>{status} {reason}</h1></body></html>"
    )
    return Answer(page.encode(), status, content_type="text/html")


Item = tuple[int, "Mapping[str, object]"]


def items(results: Sequence[Item], code: int = CODE_OK, message: str = "") -> Answer:
    """The shape of a basket: an HTTP status and a body for each."""
    data = [
        {
            "statusCode": status,
            "body": dict(body),
            "statusDescription": "HTTP OK" if status < BAD_REQUEST else "HTTP ERROR",
        }
        for status, body in results
    ]
    return Answer(dumped({"s": "ok", "code": code, "message": message, "data": data}))
