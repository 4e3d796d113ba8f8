"""What a run will take, before it starts: tokens, money and time as intervals, and what they were in the end.

`counting` and `row_sample` read the rows, `estimate` and `pace` compute (pure), `verdicts` hold what came out against
cap, deadline and disk. `planning` is the command `overnight plan`, `estimating` the estimate that a run logs at its
start, and `against_actual` what `overnight status` makes of that.
"""
