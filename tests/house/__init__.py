"""Tests that hold the house together: rooms, doors, papers, templates."""
