"""What each published repository holds."""
