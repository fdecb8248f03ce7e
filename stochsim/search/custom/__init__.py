"""The best settings of a study of a user's own parts."""
