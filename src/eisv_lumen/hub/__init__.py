"""From results to the Hub: cards, one plan, and the same bytes in a folder or on the Hub."""
