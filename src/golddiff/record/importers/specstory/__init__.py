"""SpecStory: Markdown rendered from other agents' sessions."""
