"""Tests of resque/worker/executors/."""
