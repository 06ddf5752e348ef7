"""Summaries for people: the page, its plots, the terminal."""

from golddiff.evaluate.report.page import Section, headline, render, write, write_json

__all__ = ["Section", "headline", "render", "write", "write_json"]
