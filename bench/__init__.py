"""Measures this system beside SQL by hand, bare Flask and stock Flask-AppBuilder, interleaved in one run."""
