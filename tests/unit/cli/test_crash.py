"""The crash: how far it falls, what its judge finds, and the mailbox that it listens with."""

import asyncio
import smtplib
from collections.abc import Sequence
from dataclasses import replace
from decimal import Decimal
from email.message import EmailMessage

import pytest
from typer.testing import CliRunner

from paceline.cli.__main__ import app
from paceline.cli.demo.crash_judge import CrashEvidence, Fill, Placed, judge_crash
from paceline.cli.demo.crash_script import QUANTITY, Stand, cast, price_at
from paceline.cli.demo.mail import Mail, Mailbox
from paceline.cli.demo.script import Traded

TICK = Decimal("0.05")
A, B = "NSE:A-EQ", "NSE:B-EQ"
LAST = {A: Decimal(800), B: Decimal(410)}
CREW = {"XL", "XF"}


def fills(*lines: tuple[str, str, int, int]) -> list[Fill]:
    return [
        Fill(client, symbol, f"o{at}", 1 if signed > 0 else -1, abs(signed), at)
        for client, symbol, signed, at in lines
    ]


def evidence(trades: Sequence[Fill], by_hand: set[str] | None = None) -> CrashEvidence:
    return CrashEvidence(
        symbol=A,
        seed=1,
        crew=CREW,
        by_hand=by_hand or set(),
        orders=[Placed(each.client, each.symbol, each.order_id, rejected=False) for each in trades],
        fills=trades,
        liquidations=2,
        done=2,
        mails={"Warning": ["XL"], "Begun": ["XL", "XF"]},
        expected={"Warning": {"XL"}, "Begun": CREW},
        fallen_ns=10,
        breaches=0,
    )


GOOD = fills(("XL", A, 100, 1), ("XF", A, 50, 2), ("XL", A, -100, 3_000_010), ("XF", A, -50, 2_000_010))


def test_the_same_seed_is_the_same_crash_and_every_second_follower_is_tight() -> None:
    traded = [Traded(A, 1), Traded(B, 1)]
    made = cast(5, 4, traded, LAST, TICK)
    assert made == cast(5, 4, traded, LAST, TICK)
    assert {made.symbol, made.other} == {A, B}
    assert made.leader_cash > made.price * QUANTITY / 5
    assert [each.tight for each in made.followers] == [False, True, False, True]


def test_the_price_of_a_level_is_where_the_account_comes_to_it() -> None:
    stand = Stand(Decimal(17_600), Decimal(16_000), Decimal(800), Decimal(100))
    price = price_at(Decimal(50), stand, TICK)
    equity = stand.equity + (price - stand.price) * stand.quantity
    assert (price, equity / stand.used_margin) == (Decimal("704.00"), Decimal("0.5"))
    assert price_at(Decimal(10), stand, Decimal("0.3")) == Decimal("639.9")


def test_a_good_end_is_sound() -> None:
    verdict = judge_crash(evidence(GOOD))
    assert verdict.sound
    assert (verdict.followers, verdict.flat_ms, verdict.mails) == (1, 3.0, {"Warning": 1, "Begun": 2})


def test_what_people_did_by_hand_is_not_ours() -> None:
    own = fills(("XF", B, 10, 4), ("XB", A, 10, 5))
    assert judge_crash(evidence([*GOOD, *own], {"o4", "o5"})).sound
    assert judge_crash(evidence([*GOOD, *own])).touched == 2


@pytest.mark.parametrize(
    ("more", "fault"),
    [
        ((("XF", A, -1, 3_000_000),), "sold_twice"),
        ((("XF", A, -50, 3_000_000), ("XF", A, 50, 3_000_001)), "sold_twice"),
        ((("XF", A, 1, 3_000_000),), "not_flat"),
        ((("XB", A, -1, 3_000_000),), "touched"),
    ],
)
def test_each_fault_is_found(more: tuple[tuple[str, str, int, int], ...], fault: str) -> None:
    verdict = judge_crash(evidence([*GOOD, *fills(*more)]))
    assert (getattr(verdict, fault), verdict.sound) == (1, False)


def test_who_never_held_it_proves_nothing() -> None:
    verdict = judge_crash(evidence([each for each in GOOD if each.client == "XL"]))
    assert (verdict.never_in, verdict.sound) == (1, False)


def test_mails_are_missed_and_go_to_nobody_else() -> None:
    silent = replace(evidence(GOOD), mails={"Warning": ["XB"], "Begun": ["XL", "XL", "XF"]})
    verdict = judge_crash(silent)
    assert (verdict.unmailed, verdict.mailed_to_others, verdict.sound) == (1, 1, False)


def test_what_is_not_done_is_no_end() -> None:
    assert judge_crash(replace(evidence(GOOD), done=1)).unfinished == 1


def test_a_crash_has_no_events() -> None:
    refused = CliRunner().invoke(app, ["demo", "--scenario", "crash", "--events", "3"])
    assert refused.exit_code == 2
    assert "--events" in refused.output


async def test_the_mailbox_keeps_what_it_is_given() -> None:
    heard: list[Mail] = []
    box = Mailbox(heard.append)
    mail = EmailMessage()
    mail["Subject"], mail["From"], mail["To"] = "Liquidation begun: ü", "a@b.example", box.address("XF1")
    mail.set_content("two lines\n.and a point before\n")

    def send() -> None:
        with smtplib.SMTP("127.0.0.1", box.port, timeout=60) as smtp:
            smtp.send_message(mail)
            smtp.send_message(mail, to_addrs=["x@y.example", "z@y.example"])
            with pytest.raises(smtplib.SMTPException):
                smtp.login("me", "mine")

    async with box.open():
        await asyncio.to_thread(send)
    assert heard == box.mails
    assert [each.to for each in heard] == ["xf1@paceline.example", "x@y.example", "z@y.example"]
    assert box.counted("Liquidation begun")["z@y.example"] == 1
    assert box.counted("Margin warning").total() == 0


async def test_a_mail_that_breaks_off_is_not_kept() -> None:
    box = Mailbox(lambda _mail: None)
    async with box.open():
        reader, writer = await asyncio.open_connection("127.0.0.1", box.port)
        writer.write(b"RCPT TO:<a@b.example>\r\nDATA\r\nSubject: half\r\n")
        writer.write_eof()
        while await reader.read(1024):
            pass
        writer.close()
        await writer.wait_closed()
    assert box.mails == []
