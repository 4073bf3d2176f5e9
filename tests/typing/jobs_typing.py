"""What type checkers must know about jobs. Read by mypy and pyright (tests/jobs/test_typing.py), never run.

A line that ends in the mark is an error, every other line is none.
"""

from collections.abc import Coroutine
from typing import Any, assert_type

from resque.jobs.definition import Call
from resque.jobs.door import Handle
from resque.jobs.job import Job, job
from resque.jobs.periodic import cron


class ProcessOrderJob(Job):
    queue = "order_processing"
    name = "ProcessOrder"
    aliases = ("OldProcessOrder",)
    alone = True

    def perform(self, order_id: int, *, express: bool = False) -> str:
        return "ok"


class FetchJob(Job):
    async def perform(self, url: str) -> int:
        return 1


class ExpressOrderJob(ProcessOrderJob):
    """Inherits perform and its types."""


class ReportBase(Job):
    """Has no perform: a base for others."""


@job
def add(a: int, b: int = 1) -> int:
    return a + b


@job(queue="mail", name="SendMail", aliases=["OldSendMail"], alone=False)
async def send_mail(to: str, *, subject: str = "") -> bytes:
    return b""


@cron("0 6 * * mon-fri", tz="Europe/Berlin", args=(1,), missed="once")
@cron(every="5m", args=[2], kwargs={"express": True}, name="Often", description="often")
class PeriodicOrderJob(Job):
    def perform(self, order_id: int, *, express: bool = False) -> str:
        return "ok"


@cron("@daily", args=("a",))
@job(queue="mail")
async def send_daily(to: str) -> bytes:
    return b""


assert_type(PeriodicOrderJob.enqueue(1), Handle[str])
assert_type(send_daily.enqueue("a"), Handle[bytes])
PeriodicOrderJob.enqueue("bad")  # E
send_daily.enqueue(1)  # E
cron(every="5m", evry="5m")  # E
cron(missed="perhaps")  # E
cron(5)  # E
cron("@daily")(print)  # E

assert_type(ProcessOrderJob.enqueue(1), Handle[str])
assert_type(ProcessOrderJob.enqueue(order_id=1, express=True), Handle[str])
assert_type(ProcessOrderJob.using(queue="slow").enqueue(1, express=True), Handle[str])
assert_type(ProcessOrderJob.using(queue="slow").using().call(1), Call[str])
assert_type(ProcessOrderJob.call(1), Call[str])
assert_type(ProcessOrderJob.enqueue_many([(1,), (2,)]), list[Handle[str]])
assert_type(ProcessOrderJob().perform(1), str)
assert_type(ExpressOrderJob.enqueue(1), Handle[str])
assert_type(FetchJob.enqueue("u"), Handle[int])
assert_type(FetchJob.call("u"), Call[int])
assert_type(FetchJob.using(queue="slow").using(queue="x").enqueue("u"), Handle[int])
assert_type(FetchJob.enqueue_many([("u",)]), list[Handle[int]])

assert_type(add(1, b=2), int)
assert_type(add.enqueue(1), Handle[int])
assert_type(add.call(1, 2), Call[int])
assert_type(add.using(queue="slow").enqueue(1), Handle[int])
assert_type(add.enqueue_many((n, n) for n in range(3)), list[Handle[int]])
coroutine = assert_type(send_mail("a"), Coroutine[Any, Any, bytes])
assert_type(send_mail.enqueue("a", subject="b"), Handle[bytes])
assert_type(send_mail.using(queue="slow").call("a"), Call[bytes])


async def main() -> None:
    assert_type(await ProcessOrderJob.aenqueue(1), Handle[str])
    assert_type(await ProcessOrderJob.using(queue="q").aenqueue(1), Handle[str])
    assert_type(await ProcessOrderJob.aenqueue_many([(1,)]), list[Handle[str]])
    assert_type(await FetchJob.aenqueue("u"), Handle[int])
    assert_type(await FetchJob.aenqueue_many([("u",)]), list[Handle[int]])
    assert_type(await add.aenqueue(1), Handle[int])
    assert_type(await send_mail("a"), bytes)
    assert_type(await send_mail.aenqueue("a"), Handle[bytes])
    assert_type(await send_mail.aenqueue_many([("a",)]), list[Handle[bytes]])
    await ProcessOrderJob.aenqueue("bad")  # E
    await FetchJob.aenqueue(3)  # E
    await FetchJob.using(queue="q").aenqueue(3)  # E
    await send_mail.aenqueue(3)  # E
    await send_mail(3)  # E
    FetchJob.aenqueue("forgotten await")  # E


ProcessOrderJob.enqueue("bad")  # E
ProcessOrderJob.enqueue()  # E
ProcessOrderJob.enqueue(1, True)  # E
ProcessOrderJob.enqueue(1, expres=True)  # E
ProcessOrderJob.call("bad")  # E
ProcessOrderJob.using(queue="slow").enqueue("bad")  # E
ProcessOrderJob.using(queue=1)  # E
ProcessOrderJob.using(quue="slow")  # E
ProcessOrderJob.using(order_id=1)  # E
ProcessOrderJob.enqueue(1, queue="slow")  # E
ProcessOrderJob.enqueue_many([1, 2])  # E
ProcessOrderJob().perform("bad")  # E
ExpressOrderJob.enqueue("bad")  # E
FetchJob.enqueue(1)  # E
FetchJob.call()  # E
ReportBase.enqueue(1)  # E
ReportBase.using(queue="slow")  # E

add("bad")  # E
add.enqueue("bad")  # E
add.enqueue()  # E
add.call(1, 2, 3)  # E
add.using(queue="slow").enqueue("bad")  # E
add.using(quue="slow")  # E
add.enqueue_many([1, 2])  # E
send_mail.enqueue("a", "b")  # E
send_mail.using(queue="slow").call(1)  # E
job(quue="mail")  # E
job("mail")  # E
