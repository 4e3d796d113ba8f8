"""Native batch APIs: the same answers at half price, within a day.

`wire` holds what the engine and the clients tell each other; `openai_files`, `anthropic_messages` and `gemini_contents`
are the clients, one for each protocol; `clients` finds the right one. A client makes one call when it is asked to: it
waits for nothing, retries nothing and writes nothing but the file that it is told to download to.
"""
