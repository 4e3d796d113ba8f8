"""The report: one HTML file that opens offline, with its tables, charts and a sample of the rows they rest on."""
