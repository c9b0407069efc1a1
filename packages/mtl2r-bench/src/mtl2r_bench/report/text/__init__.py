"""A report as text: sections, tables, Markdown, CSV, LaTeX."""
