"""The five tabs, a file each."""
