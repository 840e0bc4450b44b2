"""HTTP that all features share; knows no feature."""
