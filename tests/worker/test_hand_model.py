"""Whatever happens to a hand and its in-flight list: no job is dropped unrun, none is counted more often than pushed.

A model: one queue in Redis (two lists), one worker's hand; trips whose reply is lost, executed or not, or in part.
Payloads without an id may be equal byte for byte; those with one are not. Thousands of seeded random walks, because a
loss takes some eight steps of the right kind in a row, which a search for new code paths seldom makes.
"""

import random
from collections import Counter

import pytest

from resque.jobs.outcome import Ended, Interrupted, Returned
from resque.payload import codec
from resque.worker.hand import Entry, Hand

TWIN, OTHER = b'{"class":"Tick","args":[]}', b'{"class":"Tock","args":[]}'
RELEASED = Interrupted("late")


def own(number: int) -> bytes:
    return codec.encode("Own", [number], {}, codec.Meta(f"id-{number}", "q", 1.5), limit=1000)


class Life:
    """`queue` and `listed` are the truth in Redis; `trail` is what happened, for the message of a failure."""

    def __init__(self, seed: int) -> None:
        self.random = random.Random(seed)
        self.trail: list[str] = []
        self.hand = Hand("w", lambda: None)
        self.running: list[Entry] = []
        self.queue: list[bytes] = []
        self.listed: list[bytes] = []
        self.doubt = False
        self.pushed: Counter[bytes] = Counter()
        self.ran: Counter[bytes] = Counter()
        self.counted: Counter[bytes] = Counter()

    def walk(self, steps: int) -> None:
        """So many steps at random, then everything gets done without further trouble."""
        for _ in range(steps):
            self.trail.append(self.step())
            self.check()
        for _ in range(1000):
            if self.counted == self.pushed:
                break
            self.reread()
            while self.hand.unstarted:
                self.start(9)
            while self.running:
                self.end(0)
            self.turn(3)
            self.check()
        assert self.counted == self.pushed, self.trail
        assert not self.listed, self.trail

    def step(self) -> str:
        """One of them, if it is possible now."""
        chance = self.random
        match chance.choices(["push", "turn", "catch", "start", "end", "back", "reread"], [2, 6, 1, 5, 5, 2, 4])[0]:
            case "push":
                self.push(chance.choices(["twin", "other", "own"], [3, 1, 1], k=chance.randint(1, 3)))
            case "turn" if not self.doubt:
                executed = chance.choice([None, None, 3, 3, 2, 1, 0])
                self.turn(chance.randint(0, 3), executed)
                return f"turn, lost after {executed}" if executed is not None else "turn"
            case "catch" if not self.doubt:
                self.catch_in_vain()
                return "catch in vain"
            case "start":
                self.start(chance.randint(1, 3))
                return "start"
            case "end" if self.running:
                self.end(chance.randrange(len(self.running)))
                return "end"
            case "back":
                self.give_back()
                return "give back"
            case "reread":
                self.reread()
                return "reread"
        return "push"

    def check(self) -> None:
        """The invariants."""
        assert self.counted <= self.pushed, self.trail
        assert Counter(self.queue) + Counter(self.listed) + self.counted == self.pushed, self.trail
        assert self.counted <= self.ran, f"gone without having run: {self.trail}"
        if not self.doubt:
            assert Counter(entry.raw for entry in self.hand.all()) == Counter(self.listed), self.trail
            assert len(self.hand) == self.hand.count("q") == len(self.listed), self.trail

    def push(self, kinds: list[str]) -> None:
        for kind in kinds:
            raw = {"twin": TWIN, "other": OTHER, "own": own(self.pushed.total())}[kind]
            self.queue.append(raw)
            self.pushed[raw] += 1

    def turn(self, want: int, lost_after: int | None = None) -> None:
        """Settle what has ended and reserve, in one trip. Is its reply lost, only some parts may have been executed."""
        ended = list(self.hand.collect())
        steps = ["done", "released", "reserve"]
        got: list[bytes] = []
        for step in steps[:lost_after]:
            if step == "reserve":
                got, self.queue = self.queue[:want], self.queue[want:]
                self.listed += got
            else:
                self._execute([entry for entry in ended if (entry.ended is RELEASED) == (step == "released")])
        if lost_after is None:
            for entry in ended:
                self.hand.settled("q", [entry])
                self.hand.unsettled.remove(entry)
            self.hand.add("q", got, None)
        else:
            self.hand.doubt(ended)
            self.doubt = True

    def catch_in_vain(self) -> None:
        """A wait brings a job into the list, and its reply is lost with the connection."""
        if self.queue:
            self.listed.append(self.queue.pop(0))
            self.doubt = True

    def start(self, count: int) -> None:
        for _ in range(min(count, len(self.hand.unstarted))):
            entry = self.hand.unstarted.popleft()
            entry.payload = codec.decode(entry.raw)
            self.running.append(entry)

    def end(self, which: int) -> None:
        entry = self.running.pop(which)
        self.ran[entry.raw] += 1
        self._ended(entry, Returned())

    def give_back(self) -> None:
        for entry in self.hand.take_back(float("inf")):
            entry.ended = RELEASED
            self.hand.unsettled.append(entry)

    def reread(self) -> None:
        """After trouble, or for any other reason; no wait and no turn is outstanding."""
        new, lost = self.hand.reconcile("q", self.listed)
        assert lost == 0, f"nobody else takes our jobs here: {self.trail}"
        self.hand.add("q", new, None)
        self.doubt = False

    def _ended(self, entry: Entry, how: Ended) -> None:
        entry.ended = how
        self.hand.ended.append(entry)

    def _execute(self, entries: list[Entry]) -> None:
        """The settling scripts: each looks for the payload in the list first."""
        for entry in entries:
            if entry.raw in self.listed:
                self.listed.remove(entry.raw)
                if entry.ended is RELEASED:
                    self.queue.insert(0, entry.raw)
                else:
                    self.counted[entry.raw] += 1


@pytest.mark.parametrize("seed", range(10))
def test_no_walk_loses_a_job_or_counts_one_twice(seed: int) -> None:
    for number in range(300):
        Life(seed * 1000 + number).walk(40)
