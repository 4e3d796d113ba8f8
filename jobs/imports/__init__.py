"""Results that were made elsewhere, read from their files: what was asked, what was answered, what was scored."""
