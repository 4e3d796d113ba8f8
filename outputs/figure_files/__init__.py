"""Charts and tables as files for a paper: SVG, PDF, PNG, CSV, Markdown and LaTeX."""
