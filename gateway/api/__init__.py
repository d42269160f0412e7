"""The HTTP API: read only, over the store and the snapshots of the other processes."""
