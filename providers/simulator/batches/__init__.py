"""Batch APIs on loopback, in OpenAI's form and in Anthropic's, with faults on demand.

Nothing works in the background: how a batch stands follows from the clock when somebody looks, and its lines are
answered and billed when somebody looks after their moment has come. `service` holds the batches, `batch` is one of
them, `fates` draws what goes wrong; `openai_lines` and `anthropic_lines` read and write lines, `openai_files`,
`openai_batches` and `anthropic_batches` are the endpoints.
"""
