"""Pictures and clips: found in a body, checked before the first call, made ready just before a row is paid for."""
