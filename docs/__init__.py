"""The pages of the documentation, and the scripts that write some of them."""
