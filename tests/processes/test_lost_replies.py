"""The network breaks exactly between a command and its reply: nothing lost, nothing stuck, while the worker lives."""

import hashlib
from collections.abc import Callable

import pytest

from resque.store.scripts import Script
from tests.fault_proxy import PASS, Action, FaultProxy, blackhole, cut_after, drop_reply, half_open, stall_reply
from tests.processes.harness import Team, wait_for
from tests.processes.jobs import Boom, Count, Ping

JOBS = 500


def sha(name: str) -> bytes:
    return Script(name).sha("modern").encode()


@pytest.fixture
def team(team_of: Callable[..., Team], proxy: FaultProxy) -> Team:
    """One worker process behind the proxy; the test and the jobs talk to the server directly."""
    return team_of(processes=1, url=proxy.url)


@pytest.mark.parametrize("script", ["reserve", "finish"])
@pytest.mark.parametrize("action", [drop_reply(), cut_after(7), half_open(), stall_reply()], ids=lambda a: a.kind)
def test_a_turn_breaks(team: Team, proxy: FaultProxy, script: str, action: Action) -> None:
    """Reserve or settle executed (or not), the reply never comes: the worker re-reads its list and goes on."""
    fault = proxy.on(sha(script), action, after=2)
    team.app.enqueue_many(*(Count.call(number, 0.001) for number in range(JOBS)))
    assert fault.wait(), "the fault must hit"
    team.wait_until_settled(JOBS)
    team.assert_nothing_lost(JOBS)
    assert fault.hits == 1
    assert len(team.events("worker.started")) == 1, "the same worker process all the time"
    assert team.events("store.lost")


def test_many_replies_are_lost(team: Team, proxy: FaultProxy) -> None:
    """Every fifth turn breaks, for a while."""
    faults = [proxy.on(sha("finish"), drop_reply(), after=4 * n) for n in range(1, 6)]
    faults += [proxy.on(sha("reserve"), drop_reply(), after=5 * n) for n in range(1, 6)]
    team.app.enqueue_many(*(Count.call(number, 0.001) for number in range(JOBS)))
    team.wait_until_settled(JOBS)
    team.assert_nothing_lost(JOBS)
    assert sum(fault.hits for fault in faults) >= 3


def test_the_reply_of_a_wait_is_lost(team_of: Callable[..., Team], proxy: FaultProxy) -> None:
    """BLMOVE has moved a job into the in-flight list, and nobody hears of it: it is found and run."""
    team = team_of(processes=1, url=proxy.url, queues="ping")
    fault = proxy.on(b"BLMOVE", drop_reply(), after=1)
    for number in range(6):
        Ping.using().definition  # noqa: B018  (the job is registered)
        team.app.enqueue("Ping", [str(number)])
        wait_for(lambda number=number: team.redis.llen("pings") > number, 15, f"ping {number}")
    assert fault.hits == 1
    assert team.redis.llen("pings") == 6
    team.wait_until_settled(6)


def test_a_half_open_connection_receives_a_blmove(team_of: Callable[..., Team], proxy: FaultProxy) -> None:
    """The wait's server side is gone and the client sees nothing: the job waits no longer than the wait does."""
    team = team_of(processes=1, url=proxy.url, queues="ping")
    fault = proxy.on(b"BLMOVE", blackhole())
    team.app.enqueue("Ping", ["a"])  # ends the first wait; the next one goes into the hole
    wait_for(lambda: team.redis.llen("pings") == 1, 30, "the first ping")
    team.app.enqueue("Ping", ["b"])
    wait_for(lambda: team.redis.llen("pings") == 2, 40, "the second ping")
    assert fault.hits == 1


def test_failures_survive_lost_replies(team: Team, proxy: FaultProxy) -> None:
    """A failure whose settle reply is lost is in failed exactly once."""
    fault = proxy.on(sha("fail"), drop_reply())
    team.app.enqueue_many(*(Boom.call(number) for number in range(50)))
    team.wait_until_settled(50)
    assert fault.hits == 1
    assert sorted(int(record["payload"]["args"][0]) for record in team.failed()) == list(range(50))


def test_redis_is_unreachable_for_a_while(team: Team, proxy: FaultProxy) -> None:
    """Everything is stalled, then refused, then works again: work goes on by itself, in the same process."""
    team.app.enqueue_many(*(Count.call(number, 0.002) for number in range(JOBS)))
    wait_for(lambda: team.processed() > 20)
    proxy.mode = stall_reply()
    wait_for(lambda: team.events("store.lost"), 15, "the worker notices")
    proxy.stop()
    wait_for(lambda: len(team.events("store.lost")) > 2, 15, "the worker tries again and again")
    proxy.mode = PASS
    proxy.start()
    team.wait_until_settled(JOBS)
    team.assert_nothing_lost(JOBS)
    assert len(team.events("worker.started")) == 1


def test_the_digest_is_the_one_that_is_sent() -> None:
    """The faults above look for EVALSHA's digest."""
    assert hashlib.sha1(Script("reserve").text("modern")).hexdigest().encode() == sha("reserve")
