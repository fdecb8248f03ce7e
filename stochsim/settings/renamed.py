"""Keys that were renamed: an error about an old one names the new one."""

RENAMED_KEYS = {
    "exchange": "nats_per_joule",
}
"""Old key -> new key, of files, settings classes and dotted addresses; an old one is unknown
wherever the new one is known.
"""
