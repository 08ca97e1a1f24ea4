"""What stands before a file on Google Drive: links that lead to pages, pages that ask for a click.

Facts from the pages themselves: a file too large for the virus scan is answered with a form, whose
hidden fields are sent with the next request; an older page had a link instead.
"""

import re
from html.parser import HTMLParser
from urllib.parse import urlencode, urljoin

_DRIVE_VIEW = re.compile(r"https://drive\.google\.com/file/d/([\w-]+)(/.*)?")
_FORM_ID = "download-form"
_LINK_ID = "uc-download-link"


def direct(url: str) -> str:
    """Return where the file behind a link is asked for; other URLs stay as they are."""
    link = _DRIVE_VIEW.fullmatch(url)
    if link is None:
        return url
    return f"https://drive.google.com/uc?{urlencode({'export': 'download', 'id': link[1]})}"


class Page(HTMLParser):
    """A page that came instead of a file.

    State: what was met so far.

    Args:
        text: of the page.

    Attributes:
        title: of the page, one line.
    """

    def __init__(self, text: str) -> None:
        super().__init__()
        self.title = ""
        self._is_title = False
        self._is_form = False
        self._action: str | None = None
        self._fields: dict[str, str] = {}
        self.feed(text)
        self.title = " ".join(self.title.split())[:80]

    def next_url(self, url: str) -> str | None:
        """Return where the page's form or link leads, None if it has neither.

        Args:
            url: of the page.
        """
        if self._action is None:
            return None
        target = urljoin(url, self._action)
        if not self._fields:
            return target
        return f"{target}{'&' if '?' in target else '?'}{urlencode(self._fields)}"

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        """See `HTMLParser`."""
        given = {name: value or "" for name, value in attrs}
        self._is_title = tag == "title"
        if tag == "form" and given.get("id") == _FORM_ID:
            self._is_form, self._action = True, given.get("action", "")
        elif tag == "a" and given.get("id") == _LINK_ID:
            self._action = given.get("href", "")
        elif tag == "input" and self._is_form and given.get("name"):
            self._fields[given["name"]] = given.get("value", "")

    def handle_endtag(self, tag: str) -> None:
        """See `HTMLParser`."""
        self._is_title = False
        self._is_form = self._is_form and tag != "form"

    def handle_data(self, data: str) -> None:
        """See `HTMLParser`."""
        if self._is_title:
            self.title += data
