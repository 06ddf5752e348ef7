"""What the fault tests borrow from those of the store."""

from store.conftest import postgres

__all__ = ["postgres"]
