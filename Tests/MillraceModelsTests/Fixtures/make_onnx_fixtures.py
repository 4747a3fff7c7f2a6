"""Writes onnx/: tiny ONNX tree models of every exporter, and what ONNX Runtime makes of random rows.

Run with onnxruntime 1.31, skl2onnx 1.20, onnxmltools 1.16, scikit-learn 1.9, xgboost-cpu 3.2, lightgbm 4.7 and catboost 1.2.
All rows are random numbers.
"""
import itertools
import json
import pathlib

import catboost as cb
import lightgbm as lgb
import numpy as np
import onnx
import onnxruntime as ort
import pandas as pd
import xgboost as xgb
from onnx import TensorProto as T
from onnx import helper as h
from onnxmltools import convert_lightgbm, convert_xgboost
from onnxmltools.convert.common.data_types import FloatTensorType as Floats
from skl2onnx import convert_sklearn, to_onnx
from skl2onnx.common.data_types import FloatTensorType, Int64TensorType
from sklearn.compose import ColumnTransformer
from sklearn.ensemble import (ExtraTreesClassifier, GradientBoostingClassifier, GradientBoostingRegressor,
                              RandomForestClassifier, RandomForestRegressor)
from sklearn.pipeline import make_pipeline
from sklearn.tree import DecisionTreeClassifier

out = pathlib.Path(__file__).parent / "onnx"
out.mkdir(exist_ok=True)
rng = np.random.default_rng(11)
n = 300
x = rng.normal(size=(n, 5)).astype(np.float32)
x[:, 4] = rng.integers(0, 10, size=n)
signal = x[:, 0] + x[:, 1] ** 2 + np.isin(x[:, 4], [2, 5, 7])
two, three = (signal > 1).astype(int), np.digitize(signal, [0.3, 1.3])
text = np.array(["ham", "spam"])[two]
test = x[:16].copy()
test[:4] = rng.normal(size=(4, 5)) * 3
cases = []


def plain(value):
    if isinstance(value, list) and value and isinstance(value[0], dict):
        keys = sorted(value[0])
        return {f"_{k}": [float(row[k]) for row in value] for k in keys}
    value = np.asarray(value)
    if value.ndim == 2 and value.shape[1] > 1:
        return {f"_{i}": [float(v) for v in value[:, i]] for i in range(value.shape[1])}
    value = value.reshape(len(value))
    return {"": [v if isinstance(v, str) else (int(v) if value.dtype == np.int64 else float(v)) for v in value.tolist()]}


def add(name, model, rows=test, native=True):
    if isinstance(model, str):
        model = onnx.load(model)
    for node in model.graph.node:
        node.doc_string = ""
    model.doc_string = ""
    session = ort.InferenceSession(model.SerializeToString())
    ports = session.get_inputs()
    kinds = {"tensor(float)": np.float32, "tensor(double)": np.float64, "tensor(int64)": np.int64}
    if len(ports) == 1:
        feed = {ports[0].name: rows.astype(kinds[ports[0].type])}
        names = [f"f{i}" for i in range(rows.shape[1])]
    else:
        feed = {p.name: rows[:, i: i + 1].astype(kinds[p.type]) for i, p in enumerate(ports)}
        names = [p.name for p in ports]
    results = session.run(None, feed)
    expected = {}
    for port, result in zip(session.get_outputs(), results):
        for suffix, values in plain(result).items():
            expected[port.name + suffix] = values
    onnx.save(model, out / f"{name}.onnx")
    cases.append({
        "file": f"{name}.onnx", "native": native, "names": names,
        "integers": [p.name for p in ports if "int64" in p.type],
        "inputs": [[None if np.isnan(v) else ("inf" if v == np.inf else "-inf" if v == -np.inf else float(v))
                    for v in row] for row in rows], "expected": expected})


def missing(rows):
    rows = rows.copy()
    rows[rng.random(size=rows.shape) < 0.2] = np.nan
    if len(rows) == len(test):
        rows[3, 0], rows[4, 0] = np.inf, -np.inf
    return rows


no_map = {"zipmap": False}
for name, model, target in [
    ("sk_forest2", RandomForestClassifier(3, max_depth=3, random_state=1), two),
    ("sk_forest3", RandomForestClassifier(3, max_depth=3, random_state=1), three),
    ("sk_tree", DecisionTreeClassifier(max_depth=3), two),
    ("sk_extra", ExtraTreesClassifier(3, max_depth=3, random_state=1), three),
    ("sk_boost2", GradientBoostingClassifier(n_estimators=3, max_depth=2), two),
    ("sk_boost3", GradientBoostingClassifier(n_estimators=3, max_depth=2), three),
    ("sk_text", RandomForestClassifier(3, max_depth=3, random_state=1), text),
]:
    model.fit(x, target)
    add(name, to_onnx(model, x[:1]))
    if name in ("sk_forest2", "sk_boost3"):
        add(name + "_tensor", to_onnx(model, x[:1], options={id(model): no_map}))
for name, model, target in [
    ("sk_forest", RandomForestRegressor(3, max_depth=3, random_state=1), signal),
    ("sk_forest_targets", RandomForestRegressor(3, max_depth=3, random_state=1), np.c_[signal, -signal]),
    ("sk_boost", GradientBoostingRegressor(n_estimators=3, max_depth=2), signal),
]:
    model.fit(x, target)
    add(name, to_onnx(model, x[:1]))
    if name == "sk_boost":
        double = to_onnx(model, x[:1].astype(np.float64))
        # skl2onnx declares doubles, ONNX Runtime's trees give floats.
        double.graph.output[0].type.tensor_type.elem_type = T.FLOAT
        add(name + "_double", double)
frame = pd.DataFrame(x, columns=list("abcde"))
pipeline = make_pipeline(
    ColumnTransformer([("p", "passthrough", ["c", "a", "b", "d", "e"])]),
    RandomForestClassifier(3, max_depth=3, random_state=1)).fit(frame, two)
whole = np.nan_to_num(np.round(test))
add("sk_named", convert_sklearn(pipeline, initial_types=[(c, FloatTensorType([None, 1])) for c in "abcde"]))
add("sk_named_mixed", convert_sklearn(
    pipeline, initial_types=[(c, (Int64TensorType if c in "ab" else FloatTensorType)([None, 1])) for c in "abcde"]),
    rows=whole)

floats = [("features", Floats([None, 5]))]
small = {"n_estimators": 3, "max_depth": 3}
add("xgb_two", convert_xgboost(xgb.XGBClassifier(**small).fit(missing(x), two), initial_types=floats), missing(test))
add("xgb_three", convert_xgboost(xgb.XGBClassifier(**small).fit(x, three), initial_types=floats))
add("xgb_real", convert_xgboost(xgb.XGBRegressor(**small).fit(x, signal), initial_types=floats), missing(test))
add("xgb_poisson", convert_xgboost(
    xgb.XGBRegressor(objective="count:poisson", **small).fit(x, np.round(np.exp(signal))), initial_types=floats))
quiet = {"n_estimators": 3, "num_leaves": 5, "verbose": -1}
for zipmap in (True, False):
    suffix = "" if zipmap else "_tensor"
    add("lgb_two" + suffix, convert_lightgbm(
        lgb.LGBMClassifier(**quiet).fit(missing(x), two), initial_types=floats, zipmap=zipmap), missing(test))
    add("lgb_three" + suffix, convert_lightgbm(
        lgb.LGBMClassifier(**quiet).fit(x, three), initial_types=floats, zipmap=zipmap))
add("lgb_real", convert_lightgbm(lgb.LGBMRegressor(**quiet).fit(missing(x), signal), initial_types=floats), missing(test))
add("lgb_poisson", convert_lightgbm(
    lgb.LGBMRegressor(objective="poisson", **quiet).fit(x, np.exp(signal)), initial_types=floats))
add("lgb_forest", convert_lightgbm(
    lgb.LGBMRegressor(boosting_type="rf", subsample=0.6, subsample_freq=1, **quiet).fit(x, signal),
    initial_types=floats))
add("lgb_categories", convert_lightgbm(
    lgb.LGBMRegressor(**quiet).fit(x, signal, categorical_feature=[4]), initial_types=floats))
for name, model, target in [
    ("cat_two", cb.CatBoostClassifier(iterations=3, depth=3, verbose=0, allow_writing_files=False), two),
    ("cat_three", cb.CatBoostClassifier(
        iterations=3, depth=3, verbose=0, loss_function="MultiClass", allow_writing_files=False), three),
    ("cat_text", cb.CatBoostClassifier(iterations=3, depth=3, verbose=0, allow_writing_files=False), text),
    ("cat_real", cb.CatBoostRegressor(iterations=3, depth=3, verbose=0, allow_writing_files=False), signal),
]:
    model.fit(x, target)
    model.save_model("/tmp/catboost.onnx", format="onnx")
    add(name, "/tmp/catboost.onnx")


def made(name, post="NONE", classes=None, labels=None, base=None, targets=1, positive=False, aggregate=None,
         sparse=False, native=True):
    """Random trees of all node modes; thresholds are whole numbers, as half of the rows are."""
    nodes = {k: [] for k in ("treeids", "nodeids", "featureids", "modes", "values", "truenodeids", "falsenodeids",
                             "missing_value_tracks_true")}
    weights = {k: [] for k in ("treeids", "nodeids", "ids", "weights")}

    def threshold():
        return float(rng.choice([np.inf, -np.inf])) if rng.random() < 0.1 else float(rng.integers(-2, 3))

    modes = ["BRANCH_LEQ", "BRANCH_LT", "BRANCH_GTE", "BRANCH_GT", "BRANCH_EQ", "BRANCH_NEQ"]
    outputs = list(range(targets)) if classes is None else classes
    for tree in range(6):
        for node in range(15):
            leaf = node >= 7
            for key, value in zip(nodes, (tree, node, 0 if leaf else int(rng.integers(5)),
                                          "LEAF" if leaf else modes[rng.integers(6)],
                                          0.0 if leaf else threshold(), 0 if leaf else 2 * node + 1,
                                          0 if leaf else 2 * node + 2, 0 if leaf else int(rng.integers(2)))):
                nodes[key].append(value)
            if leaf:
                for output in ([outputs[tree % len(outputs)]] if sparse else outputs):
                    for key, value in zip(weights, (tree, node, output, float(rng.random() if positive else rng.normal()))):
                        weights[key].append(value)
    kind = "Regressor" if classes is None else "Classifier"
    prefix = "target" if classes is None else "class"
    arguments = {f"nodes_{k}": v for k, v in nodes.items()} | {f"{prefix}_{k}": v for k, v in weights.items()}
    if base:
        arguments["base_values"] = base
    if aggregate:
        arguments["aggregate_function"] = aggregate
    if classes is None:
        arguments["n_targets"] = targets
    else:
        arguments["classlabels_strings" if isinstance(labels[0], str) else "classlabels_int64s"] = labels
    scores = h.make_tensor_value_info("scores", T.FLOAT, [None, targets if classes is None else len(labels)])
    label = [] if classes is None else [
        h.make_tensor_value_info("label", T.STRING if isinstance(labels[0], str) else T.INT64, [None])]
    node = h.make_node(f"TreeEnsemble{kind}", ["rows"], [v.name for v in label] + ["scores"], domain="ai.onnx.ml",
                       post_transform=post, **arguments)
    graph = h.make_graph([node], "g", [h.make_tensor_value_info("rows", T.FLOAT, [None, 5])], label + [scores])
    model = h.make_model(graph, opset_imports=[h.make_opsetid("", 15), h.make_opsetid("ai.onnx.ml", 3)], ir_version=8)
    rows = np.concatenate([np.round(test[:10]), test[10:]])
    add(name, model, missing(rows), native)


for post in ("NONE", "LOGISTIC", "SOFTMAX"):
    made(f"made_real_{post}", post)
    made(f"made_targets_{post}", post, targets=3, base=[0.1, -0.2, 0.3])
    made(f"made_three_{post}", post, classes=[0, 1, 2], labels=["b", "c", "a"], base=[0.1, -0.2, 0.3])
    made(f"made_sparse_{post}", post, classes=[0, 1, 2], labels=[4, 9, 2], sparse=True)
    for positive in (False, True):
        made(f"made_pair_{post}_{positive}", post, classes=[0], labels=[5, 7], positive=positive, base=[0.2])
        made(f"made_both_{post}_{positive}", post, classes=[0, 1], labels=["x", "y"], positive=positive)
made("made_average", aggregate="AVERAGE")
made("made_sum_base", base=[2.5])
made("other_probit", "PROBIT", positive=True, native=False)
made("other_softmax_zero", "SOFTMAX_ZERO", targets=3, native=False)
made("other_minimum", aggregate="MIN", native=False)
made("other_second", classes=[1], labels=[5, 7], native=False)
made("other_both_base", classes=[0, 1], labels=[0, 1], base=[0.1, 0.2], native=False)
made("other_both_labels", classes=[0, 1], labels=[5, 7], native=False)

# A tensor of every element type, in both forms, through a graph and back; a model that takes one row at a time.
elements = {"f": T.FLOAT, "d": T.DOUBLE, "i": T.INT32, "l": T.INT64, "b": T.BOOL, "s": T.STRING}
for name, rows in (("kinds", None), ("kinds_one", 1)):
    inputs, outputs, steps = [], [], []
    for key, element in elements.items():
        for form, shape in (("1", [rows]), ("2", [rows, 1])):
            inputs.append(h.make_tensor_value_info(key + form, element, shape))
            outputs.append(h.make_tensor_value_info("out_" + key + form, element, shape))
            steps.append(h.make_node("Identity", [key + form], ["out_" + key + form]))
    onnx.save(h.make_model(h.make_graph(steps, "g", inputs, outputs), opset_imports=[h.make_opsetid("", 15)],
                           ir_version=8), out / f"{name}.onnx")

# Weights in a file beside the graph, as PyTorch writes large models.
weights = h.make_tensor("w", T.FLOAT, [300, 1], np.arange(300, dtype=np.float32).tobytes(), raw=True)
outside = h.make_model(h.make_graph(
    [h.make_node("MatMul", ["x", "w"], ["y"])], "g", [h.make_tensor_value_info("x", T.FLOAT, [None, 300])],
    [h.make_tensor_value_info("y", T.FLOAT, [None, 1])], [weights]), opset_imports=[h.make_opsetid("", 15)], ir_version=8)
(out / "outside.onnx.data").unlink(missing_ok=True)
onnx.save(outside, out / "outside.onnx", save_as_external_data=True, location="outside.onnx.data", size_threshold=0)

for case in cases:
    case["expected"] = {k: [None if isinstance(v, float) and np.isnan(v) else v for v in vs]
                        for k, vs in case["expected"].items()}
shorter = json.loads(json.dumps(cases), parse_float=lambda text: float(f"{float(text):.9g}"))
(out / "cases.json").write_text(json.dumps(shorter, separators=(",", ":")))
print(len(cases), "cases")
