"""One file a peer, ours among them, all with the same face; each is imported in the peer's own environment only.

May be in here: a file a peer. May not: our package (their environments lack it), measuring.

    URL, QUEUES, CONCURRENCY    come from the environment, see stamp.py
    SPEED                       roughly, no-op jobs a second of one process: sizes the runs
    LEFT                        Redis commands whose answers, added up, are the jobs not yet done; or
    DONE                        one whose answer is the number of jobs done
    MODES                       mode -> (commands, environment): one, cores, threads, async, fork, queues, kill, safe
    single(job, args, queue)    enqueue one job; may be a coroutine function
    bulk(job, rows)             the peer's own call for many, where it has one; may be a coroutine function
    job names                   noop, swallow(text), nap(number, seconds) and, where there are coroutines, anap(…)
"""
