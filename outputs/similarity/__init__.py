"""How alike the answers of models are, without a judge: words, sequences, form and embeddings."""
