"""Run folders as typed tables: parquet files with explicit columns, made by streaming over the log."""
