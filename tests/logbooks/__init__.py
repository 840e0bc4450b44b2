"""Tests of logbooks."""
