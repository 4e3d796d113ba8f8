"""The addresses of the viewer's pages, as the router reads them: the token, and the place of a run in the list."""

BASE = r"/{token}/"
RUN = BASE + r"r/{run:\d{1,6}}/"
REQUEST = r"{request:\d{1,18}}"  # the seq of a request's line
