"""Limits: how fast a lane may send, told beforehand, read from the provider's headers, or learned from its refusals.

Objects. A *gate* is one limit that lanes pass through; lanes that share it take turns (`gate`). Requests a minute are a
`Pacer` (asyncio-throttle), tokens a minute a `TokenGate` over a `Bucket`, calls in flight `Slots`, requests a day a
`DailyGate`. Each lane has `LaneLimits`: the gates it passes, and the controllers that listen to what comes back.

Algorithm. A limit that was told is paced at 0.99 of itself. Headers say a limit and what remains of it: the lane paces
itself at the limit, and slows down as what remains falls below half, so that processes that share a key settle to equal
shares (`live`). Without headers, the pace swings about the rate at which refusals begin, so slowly that few calls are
refused (`learned`). A refusal begins a *cooldown*: nothing is sent until it is over, then a single probe, then the
rest, spaced, refused rows first.

The controllers do no I/O and take the time as an argument, in monotonic seconds.
"""
