"""Converted files, which are mapped into memory instead of being read."""
