"""Firefly: a learning management system for advanced pediatric training."""

__version__ = "0.1.0"
