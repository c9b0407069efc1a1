"""A report as a page: one HTML file with everything inside."""
