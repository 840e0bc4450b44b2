"""Tests of Firefly."""
