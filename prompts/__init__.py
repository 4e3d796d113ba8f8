"""The words: versioned prompt templates, the parsers for their answers, and the records those read and return."""
