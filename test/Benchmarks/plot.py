"""Draws the results of bench.py as SVG, with nothing but text."""

WIDTH, BAR, GAP, LEFT, NOTE = 800, 16, 6, 200, 260
COLORS = {"MoD": "#0b7285", "dense": "#74b9c4", "PyTorch": "#adb5bd", "kernel": "#0b7285"}


def median(values):
    return sorted(values)[len(values) // 2]


def make_bars(results):
    """Groups of (label, share in percent, note, colour)."""
    groups = []
    rows = [row for row in results.get("models", []) if row["threads"] == max(r["threads"] for r in results["models"])]
    for part, share, title in (("prefill", "share_of_peak", "m110, prefill of 2048 tokens: share of the f32 peak"),
                               ("decode", "share_of_bandwidth", "m110, decode: share of the memory's read bandwidth")):
        bars = [(f"{row['dtype']} {row['model']}", 100 * median([run[part][share] for run in row["rounds"]]),
                 f"{median([run[part]['tokens_per_s'] for run in row['rounds']]):.0f} tokens/s", COLORS[row["model"]])
                for row in rows]
        if part == "prefill" and bars:
            bars += eager_bars(results, rows)
        groups.append((title, bars))
    kernels = [row for row in results.get("kernels", []) if row["threads"] == 1]
    groups.append(("kernels, f32, 1 thread: share of the limit",
                   [(f"{row['kind']} {row['shape']}", 100 * row["share"],
                     f"{row['of_openblas']:.2f} of OpenBLAS, {row['of_onednn']:.2f} of oneDNN" if "of_openblas" in row else "",
                     COLORS["kernel"]) for row in kernels]))
    return [(title, bars) for title, bars in groups if bars]


def eager_bars(results, rows):
    """PyTorch computes as much as we do, so its share follows from its speed."""
    bars = []
    for row in rows:
        if row["dtype"] == "f32" and results.get("eager", {}).get(row["model"]):
            ours = median([run["prefill"]["share_of_peak"] / run["prefill"]["tokens_per_s"] for run in row["rounds"]])
            speed = median(results["eager"][row["model"]])
            bars.append((f"PyTorch eager f32 {row['model']}", 100 * ours * speed, f"{speed:.0f} tokens/s", COLORS["PyTorch"]))
    return bars


def write_plot(path, results):
    y, parts = 10, []
    for title, bars in make_bars(results):
        y += 24
        parts.append(f'<text x="10" y="{y}" font-weight="bold">{title}</text>')
        y += 10
        scale = (WIDTH - LEFT - NOTE) / max(100, *(share for _, share, _, _ in bars))
        for label, share, note, color in bars:
            length = share * scale
            parts += [f'<text x="{LEFT - 8}" y="{y + 12}" text-anchor="end">{label}</text>',
                      f'<rect x="{LEFT}" y="{y}" width="{length:.0f}" height="{BAR}" fill="{color}"/>',
                      f'<text x="{LEFT + length + 6:.0f}" y="{y + 12}">{share:.0f} %  {note}</text>']
            y += BAR + GAP
    path.write_text(f'<svg xmlns="http://www.w3.org/2000/svg" width="{WIDTH}" height="{y + 10}" font-family="sans-serif" '
                    f'font-size="12">\n<rect width="100%" height="100%" fill="white"/>\n' + "\n".join(parts) + "\n</svg>\n")
