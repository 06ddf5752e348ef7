"""What happened: transcripts of agents, read and brought into the store.

`importers/` read one client's files each, `ingest` redacts and stores what they read, `discover` finds the
transcripts of a repository on this machine.
"""
