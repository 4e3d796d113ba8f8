"""Texts that would do something, were they anything but text: run a script, open a dialog, make a request, hide a word.

Each that runs sets `window.pwned`. Whatever is asked over the network has an address that no test answers.
"""

PAYLOADS = {
    "script": "<script>window.pwned = 1; alert(1)</script>",
    "end of a script": "</script><script>window.pwned = 2</script><!--",
    "picture": '<img src=x onerror="window.pwned = 3">',
    "remote": '<img src="http://192.0.2.1/p.png"><link rel=stylesheet href="//example.com/a.css">',
    "data address": '<iframe src="data:text/html,<script>parent.pwned=4</script>"></iframe>',
    "data picture": '<img src="data:image/svg+xml,<svg onload=pwned=5 />"> data:text/html,<script>pwned=5</script>',
    "script address": '<a href="javascript:window.pwned=6">javascript:window.pwned=6</a>',
    "attribute": '" autofocus onfocus="window.pwned=7" x="',
    "other attribute": "' onmouseover='window.pwned=8' style='position:fixed;inset:0",
    "drawing": "<svg/onload=window.pwned=9><style>*{display:none}</style></svg>",
    "head": '<meta http-equiv="refresh" content="0;url=http://127.0.0.1:9/"><base href="//example.com/">',
    "ends of all": "</textarea></title></style></pre></template></noscript>]]>--><script>window.pwned=10</script>",
    "template": "{{7*7}} {% include '/etc/passwd' %} ${7*7} #{7*7} {{ cycler.__init__.__globals__ }}",
    "chart": "datum['x'].y [0].constructor.constructor('window.pwned=11')() signal(\"width\")",
    "formula": '=HYPERLINK("http://192.0.2.1/","x") @SUM(1)',
    "entities": "&lt;script&gt;window.pwned=12&lt;/script&gt; &#60;b&#62; &amp;amp;",
    "data": '"}]}</script><script>window.pwned=13</script>{"a":["',
    "link": "![x](http://192.0.2.1/x.png) [x](javascript:window.pwned=14) <http://192.0.2.1>",
    "table": "| a | b |\n|---|---|\n\\textbf{x} \\input{/etc/passwd} $x_1$ 100 % & # ~",
    "path": "../../../../etc/passwd %2e%2e%2f\\..\\..",
    "address": "?model=x&stage=y#rows;q=%00%0a",
    "backwards": "\u202etxt.exe\u202c \u2066apart\u2069 \u200f\u061cmark",
    "controls": "NUL\x00 ESC\x1b]0;title\x07\x1b[2J C1\x9b31m\x85 BS\x08\x7f",
    "separators": "line\u2028paragraph\u2029 wide\ufeff zero\u200bwidth",
    "emoji": "\U0001f600\U0010ffff \u4f60\u597d \ufffe",
}
LONG = "A" * 1_000_000 + PAYLOADS["end of a script"]  # one line without a space
NAMES = [PAYLOADS[name] for name in ("picture", "end of a script", "template", "attribute", "chart", "backwards")]
"""Payloads that stand for names: of models, datasets, runs."""
