"""What is drawn and written on the page, as HTML text."""
