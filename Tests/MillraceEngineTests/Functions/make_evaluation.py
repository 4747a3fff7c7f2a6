"""Writes evaluation.json: predictions with labels, and scikit-learn's measures of them.

Run with scikit-learn 1.9. All rows are random numbers. `corrected` marks the rows that replace an earlier row of the same id.
"""
import json
import pathlib

import numpy as np
from sklearn import metrics

rng = np.random.default_rng(11)
rows = []
for i in range(400):
    minute = i * 180 // 400
    label = bool(rng.random() < 0.3)
    score = float(np.clip(rng.normal(0.62 if label else 0.4, 0.2), 0, 1))
    # Ties within and across the classes, and probabilities of 0 and 1.
    score = round(score, 2) if i % 3 else round(score, 1)
    actual = float(rng.normal(7.3, 1.3))
    names = ["fraud", "ok", "review"]
    rows.append({
        "id": i if i % 9 else max(0, i - 20), "ts": f"2024-01-01 {minute // 60:02}:{minute % 60:02}:00",
        "country": "abc"[int(rng.integers(3))],
        "predicted": round(actual + float(rng.normal(0, 0.9)), 6), "actual": round(actual, 6),
        "score": score, "label": label,
        "said": names[int(rng.integers(3))], "was": names[int(rng.integers(3))],
    })
for i in range(5, 400, 37):
    rows[i][["predicted", "actual", "score", "label", "said", "was"][i % 6]] = None
# A slice of one class only, with labels that are all the same.
for row in rows:
    if row["country"] == "c" and row["ts"] >= "2024-01-01 02:00:00":
        row["label"], row["actual"] = False, 7.5


def value(x):
    return None if x is None or x != x else float(x)


def measures(part):
    def pairs(a, b):
        kept = [(r[a], r[b]) for r in part if r[a] is not None and r[b] is not None]
        return [x for x, _ in kept], [y for _, y in kept]

    predicted, actual = pairs("predicted", "actual")
    score, label = pairs("score", "label")
    said, was = pairs("said", "was")
    flags = [s > 0.5 for s in score]
    return {
        "rmse": value(metrics.root_mean_squared_error(actual, predicted)),
        "mae": value(metrics.mean_absolute_error(actual, predicted)),
        "r2": value(metrics.r2_score(actual, predicted)),
        "log_loss": value(metrics.log_loss(label, score, labels=[False, True])),
        "accuracy": value(metrics.accuracy_score(was, said)),
        "precision": value(metrics.precision_score(label, flags, zero_division=np.nan)),
        "recall": value(metrics.recall_score(label, flags, zero_division=np.nan)),
        "precision_fraud": value(metrics.precision_score(was, said, labels=["fraud"], average="macro")),
        "recall_fraud": value(metrics.recall_score(was, said, labels=["fraud"], average="macro")),
        "auc": value(metrics.roc_auc_score(label, score)) if len(set(label)) == 2 else None,
    }


slices = []
for hour in range(3):
    start = f"2024-01-01 {hour:02}:00:00"
    part = [r for r in rows if r["ts"][:13] == start[:13]]
    slices.append({"start": start, "country": None, **measures(part)})
    for country in "abc":
        slices.append(
            {"start": start, "country": country, **measures([r for r in part if r["country"] == country])})
newest = list({r["id"]: r for r in rows}.values())
out = pathlib.Path(__file__).parent / "evaluation.json"
out.write_text(json.dumps({
    "rows": rows, "slices": slices, "newest": measures(newest), "all": measures(rows),
}, indent=0).replace(",\n\"", ", \"") + "\n")
