"""Tests of resque/dev."""
