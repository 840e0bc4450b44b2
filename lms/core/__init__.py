"""What every feature stands on; knows no feature and no HTTP. One doorman for each foreign library."""
