"""Writes tests/golden/report/statistics.json: SciPy's t-tests, sign tests and distributions.

    python tools/goldens/make_statistics.py        (scipy 1.17; Holm's correction, which it lacks, by definition)
"""
import json
import pathlib

import numpy as np
from scipy import special, stats

FILE = pathlib.Path(__file__).resolve().parents[2] / "tests" / "golden" / "report" / "statistics.json"


def paired(differences):
    differences = np.asarray(differences)
    test = stats.ttest_rel(differences, np.zeros_like(differences))
    interval = test.confidence_interval(0.95)
    wins, losses = int((differences > 0).sum()), int((differences < 0).sum())
    sign = stats.binomtest(wins, wins + losses, 0.5).pvalue if wins + losses else 1.0
    return {"differences": differences.tolist(), "t": test.statistic, "p": test.pvalue, "low": interval.low,
            "high": interval.high, "sign_p": sign, "mean": differences.mean(), "deviation": differences.std(ddof=1)}


def holm(p_values):
    adjusted = []
    for p in p_values:
        # The largest, over all values up to this one, of the value times the number of those not smaller than it.
        adjusted.append(max(min(1.0, q * sum(other >= q for other in p_values)) for q in p_values if q <= p))
    return {"p": list(p_values), "adjusted": adjusted}


def main():
    random = np.random.default_rng(5)
    pairs = [paired(random.normal(shift, 1, size)) for size in (2, 3, 4, 5, 8, 20, 100) for shift in (0, 0.5, 3)]
    pairs += [paired([0.01, 0.012, 0.0099]), paired([1, 1, -1, 0]), paired([-3, -2.5, -3.2, -2.9, -3.1])]
    golden = {
        "paired": pairs,
        "sign": [{"wins": w, "losses": n - w, "p": stats.binomtest(w, n, 0.5).pvalue}
                 for n in (1, 2, 3, 5, 9, 12, 60, 1001) for w in sorted({0, 1, n // 3, n // 2, n})],
        "beta": [{"a": a, "b": b, "x": x, "value": special.betainc(a, b, x)}
                 for a in (0.5, 1, 4.5, 50) for b in (0.5, 2, 30) for x in (1e-9, 1e-3, 0.2, 0.5, 0.9, 0.999)],
        "critical": [{"p": p, "freedom": f, "t": stats.t.isf(p / 2, f)} for p in (0.5, 0.1, 0.05, 0.001) for f in (1, 2, 4, 9, 99)],
        "holm": [holm([0.01, 0.04, 0.03, 0.005]), holm([0.5, 0.6]), holm([0.2]), holm(random.uniform(0, 0.2, 9).tolist())],
    }
    FILE.write_text(json.dumps(golden) + "\n")


if __name__ == "__main__":
    main()
