"""Tests of admin/: against real servers, in both wires."""
