"""Publishing: a plan, laid out in a folder or committed to the Hub."""
