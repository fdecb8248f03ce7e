"""Recurrent circuits: chains that run through all steps in the cache."""
