"""SWE-agent: trajectories."""
