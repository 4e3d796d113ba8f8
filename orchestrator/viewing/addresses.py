"""The addresses of the viewer's pages, as the router reads them: the token, and the key of a run."""

BASE = r"/{token}/"
RUN = BASE + r"r/{run:[0-9a-f]{10}(?:-\d{1,6})?|\d{1,6}}/"  # the key; or the place in the list
REQUEST = r"{request:\d{1,18}}"  # the seq of a request's line
