"""The demo: real jobs on real files, a worker killed half way, and an account that must add up.

May be in here: the demo's jobs, what it counts, the steps it goes through. May not: anything that others import.

    files     which source files there are            numbers   what is counted in one file (pure)
    jobs      the two jobs                            tally     what they write down in Redis
    watch     what the demo sees of its own Resque    workers   the worker processes, and the kill
    report    the sums, the checks, the tables        run       main: the steps, in order
    meter     the progress bar                        interrupts  signals become flags
"""
