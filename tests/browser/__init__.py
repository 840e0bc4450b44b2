"""Tests in real Chromium, on the product as a site serves it."""
