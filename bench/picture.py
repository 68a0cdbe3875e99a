#!/usr/bin/env python3
"""Draws bench/results.csv: how many times as fast as the best library measured beside it (PyTorch, ONNX Runtime, OpenVINO)
whisker is, a panel for each machine, a bar for each network and way of running it. The newest figures of each machine count.

    bench/picture.py bench/results.csv docs/speed.svg
"""
import csv
import html
import pathlib
import sys

MODES = {"throughput": "many photos", "latency": "one photo", "train": "training step", "input": "gradient of one photo"}
COLOURS = {"throughput": "#1b6ca8", "latency": "#5aa9e6", "train": "#d1495b", "input": "#edae49"}
LEFT, WIDTH, ROW, BAR = 150, 640, 17, 12


def newest(path):
    """{machine: (date, {network: {mode: (ratio, best library)}})}, networks in the order of the file."""
    machines = {}
    with open(path, newline="") as f:
        rows = list(csv.DictReader(f))
    for row in rows:
        nets = machines.setdefault(row["machine"], [row["date"], {}])
        nets[0] = row["date"]
        figures = nets[1].setdefault(row["network"], {}).setdefault(row["mode"], {})
        if row["library"] == "whisker":
            peers = {k: v for k, v in figures.items() if k != "whisker"}
            figures["whisker"] = (float(row["ratio_to_best_peer"]), max(peers, key=peers.get) if peers else "")
        else:
            figures[row["library"]] = float(row["photos_per_second"])
    return machines


def panel(out, y, machine, date, nets):
    ratios = [modes[m]["whisker"][0] for modes in nets.values() for m in MODES if "whisker" in modes.get(m, {})]
    top = max([2.0, *ratios]) * 1.12
    scale = (WIDTH - LEFT - 150) / top
    out.append(f'<text x="12" y="{y + 16}" class="title">{html.escape(machine)}, {html.escape(date)}</text>')
    y += 30
    begin = y
    for net, modes in nets.items():
        shown = [m for m in MODES if "whisker" in modes.get(m, {})]
        out.append(f'<text x="{LEFT - 8}" y="{y + ROW * len(shown) / 2 + 4}" text-anchor="end">{html.escape(net)}</text>')
        for m in shown:
            ratio, best = modes[m]["whisker"]
            out.append(f'<rect x="{LEFT}" y="{y + 2}" width="{ratio * scale:.1f}" height="{BAR}" fill="{COLOURS[m]}"/>')
            out.append(f'<text x="{LEFT + ratio * scale + 5:.1f}" y="{y + BAR}" class="small">{ratio:.2f}x  ({html.escape(best)})</text>')
            y += ROW
        y += 7
    x = LEFT + scale
    out.append(f'<line x1="{x:.1f}" y1="{begin}" x2="{x:.1f}" y2="{y - 6}" stroke="#777" stroke-dasharray="3 3"/>')
    return y + 8


def main():
    out = []
    y = 44
    for i, (mode, text) in enumerate(MODES.items()):
        out.append(f'<rect x="{12 + 155 * i}" y="28" width="11" height="11" fill="{COLOURS[mode]}"/>')
        out.append(f'<text x="{28 + 155 * i}" y="38" class="small">{text}</text>')
    for machine, (date, nets) in newest(sys.argv[1]).items():
        y = panel(out, y, machine, date, nets)
    head = (f'<svg xmlns="http://www.w3.org/2000/svg" width="{WIDTH}" height="{y}" viewBox="0 0 {WIDTH} {y}">'
            '<style>text{font:13px sans-serif;fill:#222}.small{font-size:11px}.title{font-weight:bold}</style>'
            f'<rect width="{WIDTH}" height="{y}" fill="#fff"/>'
            '<text x="12" y="18" class="title">Photos a second, as a multiple of the fastest library measured (dashed: as fast)</text>')
    pathlib.Path(sys.argv[2]).write_text(head + "\n".join(out) + "</svg>\n")


if __name__ == "__main__":
    main()
