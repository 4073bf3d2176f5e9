"""Tests of every transition: the whole keyspace before and after, in both wires, on every server."""
