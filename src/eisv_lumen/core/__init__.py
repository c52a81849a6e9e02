"""What every room rests on: errors, files, folders of runs."""
