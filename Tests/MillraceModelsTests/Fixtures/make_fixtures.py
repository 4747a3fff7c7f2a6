"""Writes variants/: tiny models of many objectives and the predictions of the library that trained them.

Run with xgboost-cpu 3.2 and lightgbm 4.7. All rows are random numbers.
"""
import json
import pathlib

import lightgbm as lgb
import numpy as np
import xgboost as xgb

out = pathlib.Path(__file__).parent / "variants"
out.mkdir(exist_ok=True)
rng = np.random.default_rng(7)
n = 600
x = rng.normal(size=(n, 5))
x[:, 4] = rng.integers(0, 40, size=n)
x[rng.random(size=x.shape) < 0.08] = np.nan
x[rng.random(size=n) < 0.2, 1] = 0.0
signal = np.nan_to_num(x[:, 0]) + 0.5 * np.nan_to_num(x[:, 1]) ** 2 + np.isin(x[:, 4], [3, 7, 33]) * 2.0
targets = {
    "real": signal + rng.normal(size=n) * 0.1,
    "positive": np.exp(signal / 2),
    "binary": (signal > 0.8).astype(float),
    "classes": np.clip(np.digitize(signal, [0.0, 1.0]), 0, 2).astype(float),
    "count": rng.poisson(np.exp(np.clip(signal, -2, 2))).astype(float),
    "unit": 1 / (1 + np.exp(-signal)),
}
test = x[:40].copy()
test[0, 4], test[1, 4], test[2, 4] = 39, 1000, -1
test[3, 0] = 1e-36
cases = []


def numbers(a):
    return [[None if np.isnan(v) else float(v) for v in row] for row in np.atleast_2d(a)]


def add(file, expected, margin=None, tolerance=1e-6):
    expected = np.asarray(expected, dtype=float).reshape(len(test), -1)
    case = {"file": file, "tolerance": tolerance, "expected": numbers(expected)}
    if margin is not None:
        case["margin"] = numbers(np.asarray(margin, dtype=float).reshape(len(test), -1))
    cases.append(case)


def xgboost(name, target, categorical=False, rounds=11, **parameters):
    types = ["q"] * 4 + ["c" if categorical else "q"]
    rows, probes = x.copy(), test.copy()
    if categorical:
        rows, probes = rows.astype(np.float32), probes.astype(np.float32)
    train = xgb.DMatrix(rows, label=targets[target], feature_types=types, enable_categorical=categorical)
    probe = xgb.DMatrix(probes, feature_types=types, enable_categorical=categorical)
    booster = xgb.train({"max_depth": 4, "nthread": 1, "seed": 1, **parameters}, train, num_boost_round=rounds)
    for suffix in ("json", "ubj"):
        file = f"xgb_{name}.{suffix}"
        booster.save_model(out / file)
        add(file, booster.predict(probe), booster.predict(probe, output_margin=True))


xgboost("squarederror", "real", objective="reg:squarederror")
xgboost("absoluteerror", "real", objective="reg:absoluteerror")
xgboost("logistic", "binary", objective="binary:logistic")
xgboost("reglogistic", "unit", objective="reg:logistic", base_score=0.3)
xgboost("logitraw", "binary", objective="binary:logitraw", base_score=0.4)
xgboost("hinge", "binary", objective="binary:hinge")
xgboost("poisson", "count", objective="count:poisson")
xgboost("gamma", "positive", objective="reg:gamma")
xgboost("tweedie", "positive", objective="reg:tweedie")
xgboost("softprob", "classes", objective="multi:softprob", num_class=3)
xgboost("softmax", "classes", objective="multi:softmax", num_class=3)
xgboost("dart", "real", objective="reg:squarederror", booster="dart", rate_drop=0.3)
xgboost("forest", "real", objective="reg:squarederror", num_parallel_tree=5, subsample=0.6, rounds=2, learning_rate=1)
xgboost("categorical", "real", categorical=True, objective="reg:squarederror", max_cat_to_onehot=2, tree_method="hist")
# A value for every output in each leaf.
targets["two"] = np.c_[targets["real"], -2 * targets["real"] + targets["unit"]]
xgboost("targets", "two", objective="reg:squarederror", rounds=3)
xgboost("vectors", "two", objective="reg:squarederror", rounds=3, multi_strategy="multi_output_tree", tree_method="hist")


def lightgbm(name, target, categorical=False, rounds=11, **parameters):
    train = lgb.Dataset(x, label=targets[target], categorical_feature=[4] if categorical else [])
    booster = lgb.train(
        {"num_leaves": 9, "verbose": -1, "num_threads": 1, "seed": 1, "min_data_in_leaf": 10, "min_data_per_group": 5,
         **parameters}, train, num_boost_round=rounds)
    file = f"lgb_{name}.txt"
    booster.save_model(out / file)
    add(file, booster.predict(test), booster.predict(test, raw_score=True), tolerance=1e-13)


lightgbm("regression", "real", objective="regression")
lightgbm("sqrt", "positive", objective="regression", reg_sqrt=True)
lightgbm("l1", "real", objective="regression_l1")
lightgbm("poisson", "count", objective="poisson")
lightgbm("gamma", "positive", objective="gamma")
lightgbm("tweedie", "positive", objective="tweedie")
lightgbm("binary", "binary", objective="binary", sigmoid=0.7)
lightgbm("multiclass", "classes", objective="multiclass", num_class=3)
lightgbm("ova", "classes", objective="multiclassova", num_class=3)
lightgbm("crossentropy", "unit", objective="cross_entropy")
lightgbm("xentlambda", "unit", objective="cross_entropy_lambda")
lightgbm("rf", "real", objective="regression", boosting="rf", bagging_freq=1, bagging_fraction=0.6)
lightgbm("rfbinary", "binary", objective="binary", boosting="rf", bagging_freq=1, bagging_fraction=0.6)
lightgbm("dart", "real", objective="regression", boosting="dart")
lightgbm("zeromissing", "real", objective="regression", zero_as_missing=True)
lightgbm("nomissing", "real", objective="regression", use_missing=False)
lightgbm("categorical", "real", categorical=True, objective="regression")
lightgbm("deep", "real", objective="regression", num_leaves=63, min_data_in_leaf=2, rounds=3)
lightgbm("linear", "real", objective="regression", linear_tree=True, rounds=2)
cases = [case for case in cases if "linear" not in case["file"]]
(out / "cases.json").write_text(json.dumps({"inputs": numbers(test), "cases": cases}))
