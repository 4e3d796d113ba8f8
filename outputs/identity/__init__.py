"""ICE: how often a model contradicts the facts of its maker, by target and template, with what is known of it.

Method: Lee et al., ACL 2025, long.248. Loose: answers that conflict with the fact. Strict: of those, the ones in which
a second judgement finds a claim to be, or to be made by, OpenAI, Anthropic, ChatGPT or Claude. Hard: of those, the ones
whose template has no misleading word in it (`outputs.identity.misleading`).
"""
