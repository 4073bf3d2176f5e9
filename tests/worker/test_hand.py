"""The jobs in hand: their states, taking back, jobs that run alone, and the re-read as a comparison of multisets."""

from collections.abc import Callable
from queue import SimpleQueue

import pytest

from resque import clock
from resque.jobs.outcome import Ended, Interrupted, Raised, Returned
from resque.worker.hand import Entry, Hand

A, B, C = b'{"class":"A","args":[]}', b'{"class":"B","args":[]}', b'{"class":"C","args":[]}'
STOPPED = Interrupted("not started in time")


class Wakes:
    """Counts how often the loop was woken."""

    def __init__(self) -> None:
        self.count = 0

    def __call__(self) -> None:
        self.count += 1


@pytest.fixture
def wakes() -> Wakes:
    return Wakes()


@pytest.fixture
def hand(wakes: Wakes) -> Hand:
    return Hand("vm~n:1:q", wakes, 3)


def start(hand: Hand, count: int = 1) -> list[Entry]:
    """What runners do: take the oldest."""
    return [hand.unstarted.popleft() for _ in range(count)]


def end(hand: Hand, entry: Entry, how: Ended | None = None) -> Entry:
    """What runners do when a job has ended."""
    entry.ended = how or Returned()
    hand.ended.append(entry)
    return entry


def give_back(hand: Hand) -> list[Entry]:
    """What the loop does with jobs that have not started in time."""
    entries = hand.take_back(float("inf"))
    for entry in entries:
        entry.ended = STOPPED
    hand.unsettled += entries
    return entries


def state(hand: Hand) -> tuple[int, int, int, int, int]:
    return len(hand), len(hand.unstarted), hand.running, len(hand.ended) + len(hand.unsettled), len(hand.alone)


# states -----------------------------------------------------------------------------------------------------------


def test_a_job_goes_through_its_states(hand: Hand) -> None:
    hand.add("q", [A, B], None)
    assert state(hand) == (2, 2, 0, 0, 0)
    (first,) = start(hand)
    assert first.raw == A
    assert state(hand) == (2, 1, 1, 0, 0)
    end(hand, first)
    assert state(hand) == (2, 1, 0, 1, 0)
    assert hand.collect() == [first]
    assert state(hand) == (2, 1, 0, 1, 0)
    hand.settled("q", [first])
    hand.unsettled.clear()
    assert state(hand) == (1, 1, 0, 0, 0)


def test_counts_by_queue(hand: Hand) -> None:
    hand.add("q", [A, A], None)
    hand.add("r", [B], None)
    assert (hand.count("q"), hand.count("r"), hand.count("s")) == (2, 1, 0)
    assert sorted(hand.queues()) == ["q", "r"]
    assert sorted(entry.raw for entry in hand.all()) == [A, A, B]


def test_an_entry_knows_where_it_came_from(hand: Hand) -> None:
    before = clock.boottime()
    hand.add("q", [A], None)
    (entry,) = hand.all()
    assert (entry.raw, entry.queue, entry.hand.worker) == (A, "q", "vm~n:1:q")
    assert before <= entry.reserved_at <= clock.boottime()
    assert not entry.alone
    assert entry.ended is None


def test_settling_twice_counts_once(hand: Hand) -> None:
    hand.add("q", [A, A], None)
    (entry,) = start(hand)
    hand.settled("q", [entry])
    hand.settled("q", [entry])
    assert len(hand) == hand.count("q") == 1


def test_a_job_that_is_only_to_be_settled(hand: Hand) -> None:
    """A catch of a paused queue: in our list, never to be run."""
    hand.add_ended("q", A, STOPPED)
    assert state(hand) == (1, 0, 0, 1, 0)
    assert [entry.ended for entry in hand.collect()] == [STOPPED]


def test_idle_runners_are_woken_as_far_as_there_is_work(hand: Hand) -> None:
    gates: list[SimpleQueue[bool]] = [SimpleQueue() for _ in range(3)]
    hand.idle.extend(gates)
    hand.add("q", [A, B], None)
    assert [gate.qsize() for gate in gates] == [1, 1, 0]
    assert list(hand.idle) == [gates[2]]
    hand.offer()
    assert gates[2].qsize() == 1, "the runners woken first may be slow: one more may look"


def test_nobody_is_woken_without_a_free_cell(hand: Hand) -> None:
    gate: SimpleQueue[bool] = SimpleQueue()
    hand.idle.append(gate)
    hand.free.clear()
    hand.add("q", [A], None)
    assert gate.empty()
    hand.free.append(0)
    hand.offer()
    assert gate.qsize() == 1


# taking back ------------------------------------------------------------------------------------------------------


def test_take_back_gives_all_when_the_oldest_is_old_enough(hand: Hand, monkeypatch: pytest.MonkeyPatch) -> None:
    """The younger ones, too: they wait behind the same slow job. In reserve order."""
    for at, raw in [(10.0, A), (11.0, B), (12.0, C)]:
        monkeypatch.setattr(clock, "boottime", lambda at=at: at)
        hand.add("q", [raw], None)
    assert hand.take_back(9.9) == []
    assert [entry.raw for entry in hand.take_back(10.0)] == [A, B, C]
    assert len(hand.unstarted) == 0
    assert len(hand) == 3, "in hand until they are settled"
    assert hand.take_back(99.0) == []


def test_what_runs_is_not_taken_back(hand: Hand) -> None:
    hand.add("q", [A, B], None)
    start(hand)
    assert [entry.raw for entry in hand.take_back(float("inf"))] == [B]


# alone ------------------------------------------------------------------------------------------------------------


def is_b(raw: bytes) -> bool:
    return raw == B


def test_a_suspect_waits_until_nothing_else_is_in_hand(hand: Hand) -> None:
    hand.add("q", [A, B], is_b)
    assert state(hand) == (2, 1, 0, 0, 1)
    assert hand.holds_alone
    assert hand.next_alone() is None
    end(hand, *start(hand))
    assert hand.next_alone() is None, "ended, but not settled: still in hand"
    hand.settled("q", hand.collect())
    hand.unsettled.clear()
    waiting = hand.next_alone()
    assert waiting is not None
    assert waiting.raw == B
    assert waiting.alone
    hand.start_alone()
    assert start(hand) == [waiting]
    assert hand.holds_alone, "nothing is reserved while it runs"
    hand.settled("q", [end(hand, waiting)])
    assert not hand.holds_alone


def test_a_job_that_turns_out_to_run_alone_is_parked(hand: Hand, wakes: Wakes) -> None:
    """The runner finds it out, after the payload was read; nothing has ended."""
    hand.add("q", [A, B], None)
    (entry,) = start(hand)
    entry.alone = True
    hand.park(entry)
    assert wakes.count == 1
    assert hand.collect() == []
    assert hand.holds_alone
    assert state(hand) == (2, 1, 0, 0, 1)
    end(hand, *start(hand))
    hand.settled("q", hand.collect())
    hand.unsettled.clear()
    assert hand.next_alone() is entry


def test_one_alone_after_another(hand: Hand) -> None:
    hand.add("q", [B, B, B], is_b)
    for left in (2, 1, 0):
        assert hand.next_alone() is not None
        hand.start_alone()
        assert hand.next_alone() is None, "it runs: the next one waits"
        hand.settled("q", [end(hand, *start(hand))])
        hand.collect()
        hand.unsettled.clear()
        assert len(hand.alone) == left
    assert not hand.holds_alone


def test_the_time_in_hand_begins_anew_when_it_starts_alone(hand: Hand, monkeypatch: pytest.MonkeyPatch) -> None:
    """It has waited for its turn on purpose: that is no reason to give it back unstarted."""
    monkeypatch.setattr(clock, "boottime", lambda: 1.0)
    hand.add("q", [B], is_b)
    monkeypatch.setattr(clock, "boottime", lambda: 100.0)
    hand.start_alone()
    assert hand.take_back(99.0) == []


# the re-read ------------------------------------------------------------------------------------------------------


def unstarted(hand: Hand) -> None:
    hand.add("q", [A], None)


def running(hand: Hand) -> None:
    unstarted(hand)
    start(hand)


def ended(hand: Hand) -> None:
    unstarted(hand)
    end(hand, *start(hand))


def failed(hand: Hand) -> None:
    unstarted(hand)
    end(hand, *start(hand), Raised(ValueError()))


def given_back(hand: Hand) -> None:
    unstarted(hand)
    give_back(hand)


def test_a_job_that_must_be_cleared_first_is_the_next_then(hand: Hand) -> None:
    """It was the first of its queue, and is it again."""
    hand.add("q", [A, B], None)
    (entry,) = start(hand)
    hand.park(entry)
    assert hand.collect() == []
    assert (hand.unclear, hand.running, hand.holds_alone) == ([entry], 0, False)
    hand.cleared([entry])
    assert (hand.unclear, next(iter(hand.unstarted))) == ([], entry)
    assert entry.is_clear


def parked(hand: Hand) -> None:
    hand.add("q", [A], lambda raw: True)


@pytest.mark.parametrize(
    ("made", "copies", "new", "lost", "left"),
    [
        # what is in hand · how many are listed -> never heard of, lost, (all, unstarted, running, ended, alone)
        ([], 0, 0, 0, (0, 0, 0, 0, 0)),
        ([], 2, 2, 0, (0, 0, 0, 0, 0)),
        ([unstarted], 1, 0, 0, (1, 1, 0, 0, 0)),
        ([unstarted], 0, 0, 1, (0, 0, 0, 0, 0)),
        ([unstarted], 3, 2, 0, (1, 1, 0, 0, 0)),
        ([running], 1, 0, 0, (1, 0, 1, 0, 0)),
        ([running], 0, 0, 0, (1, 0, 1, 0, 0)),
        ([ended], 1, 0, 0, (1, 0, 0, 1, 0)),
        ([ended], 0, 0, 0, (0, 0, 0, 0, 0)),
        ([failed], 1, 0, 0, (1, 0, 0, 1, 0)),
        ([failed], 0, 0, 0, (0, 0, 0, 0, 0)),
        ([given_back], 1, 0, 0, (1, 0, 0, 1, 0)),
        ([given_back], 0, 0, 0, (0, 0, 0, 0, 0)),
        ([parked], 1, 0, 0, (1, 0, 0, 0, 1)),
        ([parked], 0, 0, 1, (0, 0, 0, 0, 0)),
        # twins: the unstarted and running ones are served first
        ([ended, unstarted], 1, 0, 0, (1, 1, 0, 0, 0)),
        ([ended, unstarted], 2, 0, 0, (2, 1, 0, 1, 0)),
        ([ended, unstarted], 0, 0, 1, (0, 0, 0, 0, 0)),
        ([ended, unstarted], 3, 1, 0, (2, 1, 0, 1, 0)),
        ([ended, running], 1, 0, 0, (1, 0, 1, 0, 0)),
        ([ended, parked], 1, 0, 0, (1, 0, 0, 0, 1)),
        ([ended, ended, running], 2, 0, 0, (2, 0, 1, 1, 0)),
        ([running, running], 1, 0, 0, (2, 0, 2, 0, 0)),
    ],
)
def test_reconcile_of_equal_bytes(
    hand: Hand,
    made: list[Callable[[Hand], None]],
    copies: int,
    new: int,
    lost: int,
    left: tuple[int, int, int, int, int],
) -> None:
    for make in made:
        make(hand)
    assert hand.reconcile("q", [A] * copies) == ([A] * new, lost)
    hand.collect()
    assert state(hand) == left


def test_reconcile_keeps_unequal_bytes_apart(hand: Hand) -> None:
    hand.add("q", [A, B], None)
    end(hand, *start(hand))
    found, lost = hand.reconcile("q", [C, B, C])
    assert (found, lost) == ([C, C], 0)
    assert [entry.raw for entry in hand.unstarted] == [B]
    assert hand.collect() == []


def test_reconcile_gives_what_is_new_in_the_order_of_the_list(hand: Hand) -> None:
    hand.add("q", [B], None)
    assert hand.reconcile("q", [C, A, B, A])[0] == [C, A, A]


def test_reconcile_leaves_other_queues_alone(hand: Hand) -> None:
    hand.add("r", [A], None)
    assert hand.reconcile("q", []) == ([], 0)
    assert hand.count("r") == 1


@pytest.mark.parametrize("first", ["done", "released"])
def test_a_released_twin_goes_before_one_that_is_done(hand: Hand, first: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Of a pipeline that broke half way, the done one was settled and the released one was not: one is listed.

    It must be released again. Settled as done again, the job that has never run would be gone.
    """
    entries = []
    for at in (1.0, 2.0):
        monkeypatch.setattr(clock, "boottime", lambda at=at: at)
        hand.add("q", [A], None)
        entries += start(hand)
    done, released = entries if first == "done" else reversed(entries)
    end(hand, done)
    end(hand, released, STOPPED)
    hand.reconcile("q", [A])
    assert hand.unsettled == [released]
    assert hand.all() == [released]


def test_a_runner_that_has_just_taken_a_job_is_believed(hand: Hand) -> None:
    """Between taking it and saying that it runs, the job is neither unstarted nor new."""
    hand.add("q", [A], None)
    start(hand)
    assert hand.reconcile("q", [A]) == ([], 0)
    assert len(hand) == 1
