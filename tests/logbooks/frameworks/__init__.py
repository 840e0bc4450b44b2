"""Frameworks as versioned data."""
