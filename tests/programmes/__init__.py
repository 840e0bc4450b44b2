"""Tests of places, cohorts and pairings."""
