"""terminal_svg.py COMMAND < TYPESCRIPT > PICTURE.svg - a terminal picture of what a command really printed.

Made for docs/demo.svg:

    script -qec './run demo' /dev/null | python3 tools/terminal_svg.py './run demo' > docs/demo.svg

Understands what a progress bar uses: carriage return, erase to the end of the line; colours are left out."""
import re
import sys
from xml.sax.saxutils import escape

COLUMN, ROW, PAD, TOP = 8.4, 20, 20, 44


def rows(stream):
    """Plays the stream on an endless page and returns its lines."""
    page, line, at = [], [], 0
    for token in re.findall(r"\x1b\[[0-9;?]*[A-Za-z]|[\s\S]", stream):
        if token == "\n":
            page.append("".join(line).rstrip())
            line, at = [], 0
        elif token == "\r":
            at = 0
        elif token.startswith("\x1b"):
            if token.endswith("K"):
                del line[at:]
        elif token >= " ":
            line[at:at + 1] = [token]
            at += 1
    page.append("".join(line).rstrip())
    while page and not page[-1]:
        page.pop()
    return page


def style(text):
    if text.startswith("$ "):
        return "prompt"
    if re.match(r"\[\d/\d\]", text):
        return "step"
    if text.startswith("right ") or text.startswith("Your model"):
        return "good"
    return "plain"


def main():
    stream = sys.stdin.buffer.read().decode("utf-8", "replace").replace("\r\n", "\n")
    page = ["$ " + sys.argv[1]] + rows(stream)
    width = max(80, max(map(len, page))) * COLUMN + 2 * PAD
    height = TOP + len(page) * ROW + PAD
    print(f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width:.0f} {height}" width="{width:.0f}" '
          f'height="{height}" role="img" aria-label="what {escape(sys.argv[1])} prints">')
    print("<style>text{font:14px ui-monospace,SFMono-Regular,Menlo,Consolas,'DejaVu Sans Mono',monospace;"
          "white-space:pre}.plain{fill:#d8dee9}.prompt{fill:#a3be8c;font-weight:bold}"
          ".step{fill:#88c0d0;font-weight:bold}.good{fill:#ebcb8b}</style>")
    print(f'<rect width="{width:.0f}" height="{height}" rx="10" fill="#20242c"/>')
    for i, colour in enumerate(("#bf616a", "#ebcb8b", "#a3be8c")):
        print(f'<circle cx="{PAD + 6 + 20 * i}" cy="20" r="6" fill="{colour}"/>')
    for i, text in enumerate(page):
        if text:
            # Fallback fonts draw some signs wider; the length keeps columns where they were.
            print(f'<text class="{style(text)}" x="{PAD}" y="{TOP + i * ROW + 14}" xml:space="preserve" '
                  f'textLength="{len(text) * COLUMN:.1f}" lengthAdjust="spacingAndGlyphs">{escape(text)}</text>')
    print("</svg>")


if __name__ == "__main__":
    main()
