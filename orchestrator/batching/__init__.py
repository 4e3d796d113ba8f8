"""Rows that travel by batch: half price, within a day, under the same journal, budget and deadline as online calls.

`via` says which way a row goes; `cutting` makes shards of rows; `following` takes one batch from its file to its last
line; `settling` accounts for each line; `topping_up` decides, near a deadline, what goes online in time; `lane_batches`
holds the batches of one lane together.
"""
