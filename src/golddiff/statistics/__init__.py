"""Intervals, paired tests and capability recovered: numbers in, numbers out, nothing about records."""
