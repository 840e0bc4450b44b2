"""PAdES baseline levels (ETSI EN 319 142-1)."""

B_B, B_T, B_LTA = "B-B", "B-T", "B-LTA"
LEVELS = (B_B, B_T, B_LTA)
"""Signed; with a time stamp; with all evidence and a time stamp over it."""
