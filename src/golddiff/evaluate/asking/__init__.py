"""Models are asked, each answer once: requests, what was answered before, the chance they give to a text."""
