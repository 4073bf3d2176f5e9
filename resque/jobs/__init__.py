"""The room of jobs: what you write. Pure: no Redis, no clock, no I/O; a job reaches a client only through `door`."""
