"""The published numbers of Flickr8k-Expert and MSVD-Eval, through the section itself, from the released files."""

from pathlib import Path

import polars as pl
import pytest

from jobs.datasets import read_msvd_eval
from jobs.flickr8k import read_flickr8k_expert
from outputs.analysis_options import Options
from outputs.captions_run import report_captions
from tests.harness.caption_runs import imported_run

pytestmark = pytest.mark.long

DATA = Path(__file__).resolve().parents[2] / "shared" / "data"
FLICKR8K, MSVD = DATA / "flickr8k.json", DATA / "MSVD-Eval.json"
EXPERT = {  # tau-b, tau-c of every rating; tau-c of the ratings' means
    "BLEU-1": (32.175, 32.324, 32.821),
    "BLEU-4": (30.599, 30.776, 31.131),
    "ROUGE-L": (32.139, 32.314, 32.548),
    "CIDEr": (43.602, 43.891, 45.393),
}
AVERAGE = {  # tau-b, tau-c; METEOR needs Java
    "BLEU-1": (40.726, 41.165),
    "BLEU-4": (33.983, 34.381),
    "ROUGE-L": (39.760, 40.200),
    "CIDEr": (37.269, 37.703),
    "METEOR": (45.359, 45.890),
}


def needs(path: Path) -> pytest.MarkDecorator:
    return pytest.mark.skipif(not path.exists(), reason=f"{path} IS NOT HERE: the published values go unchecked")


@needs(FLICKR8K)
def test_flickr8k_expert_comes_out_as_published(tmp_path: Path) -> None:
    """Every rating is a point, 16,992, or every caption, 5,664; a picture's captions vary together."""
    run = imported_run(
        tmp_path / "flickr", read_flickr8k_expert(FLICKR8K), spec_text='dataset.reader="flickr8k-expert"'
    )
    options = Options(resamples=30, protocols=("ratings", "averaged"))
    rows = report_captions([run], options).tables["correlations"]
    found = {(row["protocol"], row["metric"]): row for row in rows.iter_rows(named=True)}
    for metric, (tau_b, tau_c, of_means) in EXPERT.items():
        row = found["ratings", metric]
        assert (round(row["tau_b"], 3), round(row["tau_c"], 3), row["n"]) == (tau_b, tau_c, 16_992)
        assert (round(found["averaged", metric]["tau_c"], 3), found["averaged", metric]["n"]) == (of_means, 5_664)
    cider = found["ratings", "CIDEr"]
    assert (cider["clusters"], cider["published"], cider["coverage"]) == (1000, "tau_c", 1.0)
    assert 0.85 < cider["tau_c_standard_error"] < 1.4


@pytest.mark.meteor
@needs(MSVD)
def test_msvd_eval_comes_out_as_published(tmp_path: Path) -> None:
    """394 points by caption, people's agreement beside them; METEOR is better than some metrics, not than all."""
    run = imported_run(tmp_path / "msvd", read_msvd_eval(MSVD), spec_text='[dataset]\nreader = "msvd-eval"')
    tables = report_captions([run], Options(resamples=100)).tables
    average = tables["correlations"].filter(pl.col("human_dimension") == "average")
    found = {row["metric"]: row for row in average.iter_rows(named=True)}
    absent = [name for name, row in found.items() if row["n"] == 0]
    for metric, taus in AVERAGE.items():
        row, tolerance = found[metric], 0.02 if metric == "BLEU-4" else 0.0005
        if metric in absent:
            continue
        assert (row["tau_b"], row["tau_c"]) == pytest.approx(taus, abs=tolerance)
        assert (row["n"], row["clusters"], row["protocol"]) == (394, 197, "per-annotator")
        assert 3 < row["tau_b_standard_error"] < 5
        assert (round(row["human_tau_b"], 1), row["human_n"]) == (74.5, 197)
    if absent:
        pytest.skip(f"METEOR IS NOT HERE ({found['METEOR']['reason']}): whether it is the best goes unchecked")
    against = tables["comparisons"].filter(pl.col("human_dimension") == "average", pl.col("first_metric") == "METEOR")
    p = dict(against.select("second_metric", "p").iter_rows())
    assert p["CIDEr"] < 0.05
    assert p["ROUGE-L"] < 0.08
    assert p["BLEU-4"] < 0.03
    assert min(p["BLEU-1"], p["BLEU-2"]) > 0.1
