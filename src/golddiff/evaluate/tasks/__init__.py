"""What models are asked to do: held-out rows, a repository's history, sessions, programs, other benchmarks."""
