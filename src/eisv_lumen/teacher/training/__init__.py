"""Training a teacher: loop, loss, optimizer."""
