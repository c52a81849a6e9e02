"""Cards, README and posts, rendered from results files."""
