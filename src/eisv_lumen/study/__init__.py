"""The published study: its figures, and how far they stand from perfect imitation."""
