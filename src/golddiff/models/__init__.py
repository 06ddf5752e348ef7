"""Models: find, fetch and describe them, turn messages into tokens, load for training, export for serving.

Only `load` and `export` need torch; nothing here imports it at import time.
"""

from golddiff.models.catalogue import CATALOGUE, fetch, find_model
from golddiff.models.folder import Manifest, read_manifest
from golddiff.models.renderer import Renderer, RendererSpec, choose_spec, load_renderer

__all__ = [
    "CATALOGUE",
    "Manifest",
    "Renderer",
    "RendererSpec",
    "choose_spec",
    "fetch",
    "find_model",
    "load_renderer",
    "read_manifest",
]
