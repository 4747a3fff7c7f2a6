"""Writes variants/ of an older XGBoost: its files, and the predictions of that version.

Run once with xgboost 1.7.6 (numpy below 2) and once with xgboost-cpu 2.1.4. All rows are random numbers.
"""
import json
import pathlib

import numpy as np
import xgboost as xgb

out = pathlib.Path(__file__).parent / "variants"
version = xgb.__version__
rng = np.random.default_rng(5)
x = rng.normal(size=(300, 5))
x[:, 4] = rng.integers(0, 12, size=300)
x[rng.random(size=x.shape) < 0.1] = np.nan
signal = np.nan_to_num(x[:, 0]) + np.isin(x[:, 4], [2, 5])
targets = {"real": signal, "binary": (signal > 0.5).astype(float),
           "classes": np.digitize(signal, [0.0, 1.0]).astype(float), "count": np.floor(np.exp(signal)),
           "two": np.c_[signal, -signal]}
test = x[:20]
cases = []


def numbers(a):
    return [[None if np.isnan(v) else float(f"{v:.9g}") for v in row] for row in np.asarray(a, float).reshape(len(a), -1)]


def add(name, target, kind="q", suffix="json", **parameters):
    types = ["q"] * 4 + [kind]
    train = xgb.DMatrix(x.astype(np.float32), label=targets[target], feature_types=types, enable_categorical=kind == "c")
    probe = xgb.DMatrix(test.astype(np.float32), feature_types=types, enable_categorical=kind == "c")
    booster = xgb.train({"max_depth": 3, "nthread": 1, "seed": 1, **parameters}, train, num_boost_round=3)
    file = f"xgb_{version}_{name}.{suffix}"
    booster.save_model(out / file)
    cases.append({"file": file, "tolerance": 1e-6, "expected": numbers(booster.predict(probe)),
                  "margin": numbers(booster.predict(probe, output_margin=True))})


add("real", "real", objective="reg:squarederror")
add("binary", "binary", objective="binary:logistic", base_score=0.2, suffix="ubj")
add("classes", "classes", objective="multi:softprob", num_class=3)
add("count", "count", objective="count:poisson")
add("dart", "real", objective="reg:squarederror", booster="dart", rate_drop=0.5, suffix="ubj")
add("categories", "real", kind="c", objective="reg:squarederror", tree_method="hist" if version > "2" else "approx")
if version > "2":
    add("vectors", "two", objective="reg:squarederror", multi_strategy="multi_output_tree", tree_method="hist")
(out / f"cases_{version}.json").write_text(
    json.dumps({"inputs": numbers(np.float32(test).astype(float)), "cases": cases}, separators=(",", ":")))
