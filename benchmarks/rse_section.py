"""The child of rse_tables.py: the judged section of a folder of tables, and what it took, as JSON."""

import json
import sys
import time
from pathlib import Path


def main() -> None:
    """`rse_section.py FOLDER`: reads the tables there, computes and writes the section's."""
    began, cpu = time.perf_counter(), time.process_time()
    from outputs.analysis_options import Options
    from outputs.judged_run import report_judged
    from outputs.report import write_tables
    from rse_data import loaded

    folder = Path(sys.argv[1])
    report = report_judged([loaded(folder)], Options())
    written = write_tables(report.tables, folder)
    counts = {name: frame.height for name, frame in report.tables.items()}
    took = {"wall_s": time.perf_counter() - began, "cpu_s": time.process_time() - cpu}
    print(json.dumps({**took, "rows": counts, "files": len(written)}))


if __name__ == "__main__":
    main()
