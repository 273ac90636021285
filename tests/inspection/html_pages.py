"""HTML pages as tests see them: their tags and texts, and their layout in Chromium."""

import html
import json
import re
import shutil
import subprocess
from html.parser import HTMLParser

import pytest

CHROMIUM = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "chrome"))), None)
needs_chromium = pytest.mark.skipif(CHROMIUM is None, reason="Chromium is not installed")


class Page(HTMLParser):
    """Tags of a page with their attributes, and its text."""

    def __init__(self, source):
        super().__init__()
        self.tags, self.text = [], ""
        self.feed(source)

    def handle_starttag(self, tag, attrs):
        self.tags.append((tag, dict(attrs)))

    def handle_data(self, data):
        self.text += data

    def all(self, name):
        return [attributes for tag, attributes in self.tags if tag == name]

    def addresses(self):
        """What the page links to or loads."""
        names = ("src", "href", "srcset", "data", "action", "poster")
        return [value for _, tag in self.tags for name, value in tag.items() if name in names]


def cells(source):
    """Texts of the rows of all tables."""
    return [
        [html.unescape(cell) for cell in re.findall(r"<t[hd][^>]*>(.*?)</t[hd]>", row)]
        for row in re.findall(r"<tr>(.*?)</tr>", source)
    ]


def measure(report, widths, folder):
    """Measure a page in Chromium at several widths."""
    # Chromium's window has a smallest width; an iframe has any width. The load event waits
    # for iframes.
    frames = "".join(
        f'<iframe width="{width}" height="900" srcdoc="{html.escape(report)}"></iframe>'
        for width in widths
    )
    script = """
    addEventListener("load", () => {
      const measure = frame => {
        const page = frame.contentDocument, images = [...page.images];
        const overflow = e => e.parentElement.scrollWidth - e.parentElement.clientWidth;
        // A picture shows the image of its source on phones.
        const width = image => {
          const source = image.parentElement.querySelector(":scope > source");
          const narrow = source && frame.contentWindow.matchMedia(source.media).matches;
          return (narrow ? source : image).getAttribute("width");
        };
        return {
          inner: frame.contentWindow.innerWidth,
          scroll: page.documentElement.scrollWidth,
          body: page.body.scrollWidth,
          tables: Math.max(...[...page.querySelectorAll("table")].map(overflow)),
          figures: Math.max(0, ...[...page.querySelectorAll("picture")].map(overflow)),
          loaded: images.filter(image => image.complete && image.naturalWidth > 0).length,
          shrunk: Math.min(...images.map(i => i.width / width(i))),
          text: Math.min(...[...page.querySelectorAll("p, td, th, dd, dt, figcaption")].map(
            e => parseFloat(getComputedStyle(e).fontSize))),
        };
      };
      document.title = JSON.stringify([...document.querySelectorAll("iframe")].map(measure));
    });
    """
    wrapper = folder / "wrapper.html"
    wrapper.write_text(f"<title></title>{frames}<script>{script}</script>", encoding="utf-8")
    command = [
        CHROMIUM,
        "--headless",
        "--no-sandbox",
        "--no-first-run",
        "--disable-gpu",
        "--disable-quic",
        "--disable-sync",
        "--disable-background-networking",
        "--disable-component-update",
        "--disable-dev-shm-usage",
        f"--user-data-dir={folder / 'profile'}",
        "--virtual-time-budget=20000",
        "--dump-dom",
        wrapper.as_uri(),
    ]
    page = subprocess.run(command, capture_output=True, text=True, timeout=120, check=True).stdout
    title = re.search(r"<title>(.*?)</title>", page).group(1)
    return json.loads(html.unescape(title))
