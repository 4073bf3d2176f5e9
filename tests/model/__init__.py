"""Exhaustive models of the protocol: every order of events within small bounds, and what breaks without each rule.

Read them as executable arguments, in this order:

    checker       what a model is, what is looked for           bags        multisets
    trips         settle and reserve in one trip; replies are lost           R2 R5 R18
    waits         blocking on queues; unread replies; half-open connections  R1 R23 R25 R26
    leases        who may take a job from whom, in time                      R4 R12 R19 R20 R24
    adoption      what a recoverer does, and when it dies                    R4 R6 R7 R8
    leaving       what a worker that is gone leaves behind                   R25, bounds in time
    slots         a process dies, another takes its place                    R11
    poison        jobs that kill their worker; blame                         R28
    writes        the order of two writes in one script                      R9 R29
    failover      the last writes are lost                                   R13 R14 R15
    enqueueing    what a client may say after a broken trip                  R3
    switches      pause, purge, remove                                       R17 R27

A state is a NamedTuple, a step has a name, and a rule of the protocol that a step relies on is asked of `rules`: with
`rules.fence` False the step does what code without the fence would do. `test_models.py` checks each model with all of
its rules, and once without each of them: then the walk must find a way to the violation that `mutants` names. A rule
without which nothing goes wrong is `spare`, with the reason why the code has it nevertheless.

The models are not generated from the code. A change in a script or in the order of steps belongs here too: change the
model first, and see whether it still holds.
"""
