"""Growing a published dataset by the windows that it lacks."""
