"""From scores to figures with intervals: per arm, between arms, between runs."""
