"""The classic caption metrics, as pycocoevalcap defines them: BLEU, ROUGE-L, CIDEr, and METEOR where its jar is."""
