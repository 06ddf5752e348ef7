"""OpenHands: events of the application (V0) and of the SDK (V1)."""
