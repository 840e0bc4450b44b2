"""Certificates: rule, standing, register, rendering, signing, revocation, public verification."""
