"""Runnable configurations, one folder each, with a README that names the numbers to expect."""
