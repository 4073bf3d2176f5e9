"""Tests that start real processes and kill them. Each gets the marker `processes`."""
