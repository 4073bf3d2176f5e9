"""Tests of cli/: most in this process, some as a user starts it."""
