"""The torture: a soak of workers and producers under kill -9, and an account of every job.

May be in here: the jobs, the faults, the account, the steps it goes through. May not: anything that others import.

    jobs      what the workers run                    produce      a producer process
    journal   what both write down, past Redis        account      journals against Redis: what is wrong (pure)
    crew      supervisors and producers as processes  chaos        the faults, one after the other
    space     the namespace in Redis, and its removal connections  cutting our own connections
    report    the account in words, tables and JSON   meter        how far it is
    run       main: the steps, in order
"""
